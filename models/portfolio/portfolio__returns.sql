with

sessions as (
    select * from {{ ref('portfolio__sessions') }}
),

weights as (
    select * from {{ ref('portfolio__weights') }}
),

portfolios as (
    select * from {{ ref('portfolios') }}
),

accounts as (
    select * from {{ ref('portfolio__accounts') }}
),

held as (
    select
        portfolio,
        session_date,
        list_sum(list(weight order by symbol)) as held_weight,
        -- a symbol that is bought at the session's close has no weight and no return in the session
        coalesce(list_sum(list(weight * symbol_return order by symbol)), 0) as held_return,
        count(*) filter (where is_stale) as stale_price_count
    from weights
    group by portfolio, session_date
),

-- holdings at the close before a rebalance, to compare with those after it, symbol by symbol; a
-- symbol whose first close is that one is not bought for the old weights
old_weights as (
    select
        sessions.portfolio,
        sessions.session_date,
        weights.symbol,
        if(weights.entry_date = weights.session_date, 0, weights.closing_weight) as old_weight,
        0 as new_weight
    from sessions
    inner join weights
        on sessions.portfolio = weights.portfolio
            and sessions.prior_session_date = weights.session_date
    where sessions.is_rebalance
),

-- bought at the prior close: all symbols of a rebalance, and later those without a price at it
new_weights as (
    select
        portfolio,
        session_date,
        weights.symbol,
        0 as old_weight,
        if(sessions.is_rebalance, weights.target_weight, weights.weight) as new_weight
    from sessions
    inner join weights using (portfolio, session_date)
    where sessions.prior_session_date = weights.entry_date
),

changes as (
    select * from old_weights
    union all
    select * from new_weights
),

trades as (
    select
        portfolio,
        session_date,
        symbol,
        abs(sum(new_weight) - sum(old_weight)) as traded_weight
    from changes
    group by portfolio, session_date, symbol
),

turnovers as (
    select
        portfolio,
        session_date,
        list_sum(list(traded_weight order by symbol)) as turnover_ratio
    from trades
    group by portfolio, session_date
),

daily as (
    select
        portfolio,
        session_date,
        -- without holdings, everything is cash
        1 - coalesce(held.held_weight, 0) as cash_weight,
        coalesce(held.held_return, 0) + cash_weight * sessions.cash_return as gross_return,
        coalesce(turnovers.turnover_ratio, 0) as turnover_ratio,
        coalesce(held.stale_price_count, 0) as stale_price_count
    from sessions
    left join held using (portfolio, session_date)
    left join turnovers using (portfolio, session_date)
),

set_returns as (
    select
        portfolio,
        daily.session_date,
        daily.gross_return,
        daily.gross_return - daily.turnover_ratio * portfolios.cost_bps / 10000 as net_return,
        daily.turnover_ratio,
        daily.cash_weight,
        daily.stale_price_count
    from daily
    inner join portfolios using (portfolio)
),

-- Deposits and withdrawals count from the close on and are no return: the ending equity is without
-- them. An account whose opening equity is zero or negative has no return.
account_openings as (
    select
        *,
        equity_amount - deposited_amount + withdrawn_amount as ending_amount,
        if(opening_equity_amount > 0, opening_equity_amount, null)::double as opening_amount
    from accounts
),

account_returns as (
    select
        portfolio,
        session_date,
        (ending_amount + charges_amount)::double / opening_amount - 1 as gross_return,
        ending_amount::double / opening_amount - 1 as net_return,
        traded_amount::double / opening_amount as turnover_ratio,
        opening_cash_amount::double / opening_amount as cash_weight,
        coalesce(held.stale_price_count, 0) as stale_price_count
    from account_openings
    left join held using (portfolio, session_date)
),

final as (
    select * from set_returns
    union all
    select * from account_returns
)

select * from final
order by portfolio, session_date
