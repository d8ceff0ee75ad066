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
        if(bool_and(weight is not null), list_sum(list(weight order by symbol)), null)
            as held_weight,
        if(
            bool_and(weight * symbol_return is not null),
            list_sum(list(weight * symbol_return order by symbol)),
            null
        ) as gross_return
    from weights
    group by portfolio, session_date
),

-- what is held at the close before a rebalance against what is held after it, symbol by symbol
old_weights as (
    select
        sessions.portfolio,
        sessions.session_date,
        weights.symbol,
        weights.closing_weight as old_weight,
        0 as new_weight
    from sessions
    inner join weights
        on sessions.portfolio = weights.portfolio
            and sessions.previous_session_date = weights.session_date
    where sessions.is_rebalance
),

new_weights as (
    select
        portfolio,
        session_date,
        weights.symbol,
        0 as old_weight,
        weights.target_weight as new_weight
    from sessions
    inner join weights using (portfolio, session_date)
    where sessions.is_rebalance
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
        bool_and(old_weight is not null) as is_known,
        abs(sum(new_weight) - sum(old_weight)) as traded_weight
    from changes
    group by portfolio, session_date, symbol
),

turnovers as (
    select
        portfolio,
        session_date,
        if(bool_and(is_known), list_sum(list(traded_weight order by symbol)), null) as turnover
    from trades
    group by portfolio, session_date
),

daily as (
    select
        portfolio,
        session_date,
        -- nothing held is all cash; something held whose price is missing stays null
        if(held.portfolio is null, 0, held.gross_return) as gross_return,
        if(turnovers.portfolio is null, 0, turnovers.turnover) as turnover,
        if(held.portfolio is null, 1, 1 - held.held_weight) as cash_weight
    from sessions
    left join held using (portfolio, session_date)
    left join turnovers using (portfolio, session_date)
),

set_returns as (
    select
        portfolio,
        daily.session_date,
        daily.gross_return,
        daily.gross_return - daily.turnover * portfolios.cost_bps / 10000 as net_return,
        daily.turnover,
        daily.cash_weight
    from daily
    inner join portfolios using (portfolio)
),

-- an account that begins with nothing, or less, has no return
solvent as (
    select
        *,
        if(opening_equity_amount > 0, opening_equity_amount, null)::double as opening_amount
    from accounts
),

account_returns as (
    select
        portfolio,
        session_date,
        (equity_amount + charges_amount)::double / opening_amount - 1 as gross_return,
        equity_amount::double / opening_amount - 1 as net_return,
        traded_amount::double / opening_amount as turnover,
        opening_cash_amount::double / opening_amount as cash_weight
    from solvent
),

final as (
    select * from set_returns
    union all
    select * from account_returns
)

select * from final
order by portfolio, session_date
