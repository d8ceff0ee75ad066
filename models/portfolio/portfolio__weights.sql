with

sessions as (
    select * from {{ ref('portfolio__sessions') }}
),

targets as (
    select * from {{ ref('portfolio_weights') }}
    where weight != 0
),

closes as (
    select * from {{ ref('bars__total_return_closes') }}
),

holdings as (
    select * from {{ ref('portfolio__holdings') }}
),

accounts as (
    select * from {{ ref('portfolio__accounts') }}
),

drifted as (
    select
        sessions.portfolio,
        sessions.session_date,
        targets.symbol,
        sessions.effective_from,
        sessions.target_cash_weight,
        targets.weight as target_weight,
        -- what one unit of the portfolio, bought at the rebalance, has in the symbol since
        targets.weight * previous.total_return_close / bought.total_return_close as opening_value,
        targets.weight * current.total_return_close / bought.total_return_close as closing_value,
        current.total_return_close / previous.total_return_close - 1 as symbol_return
    from sessions
    inner join targets using (portfolio, effective_from)
    left join closes as bought
        on targets.symbol = bought.symbol and sessions.bought_date = bought.session_date
    left join closes as previous
        on targets.symbol = previous.symbol
            and sessions.previous_session_date = previous.session_date
    left join closes as current
        on targets.symbol = current.symbol and sessions.session_date = current.session_date
),

-- a sum passes over what is null, and so would give its weight to the others
totals as (
    select
        portfolio,
        session_date,
        if(
            bool_and(opening_value is not null), list_sum(list(opening_value order by symbol)), null
        ) + any_value(target_cash_weight) as opening_total,
        if(
            bool_and(closing_value is not null), list_sum(list(closing_value order by symbol)), null
        ) + any_value(target_cash_weight) as closing_total
    from drifted
    group by portfolio, session_date
),

set_weights as (
    select
        portfolio,
        session_date,
        drifted.symbol,
        drifted.effective_from,
        drifted.target_weight,
        drifted.opening_value / nullif(totals.opening_total, 0) as weight,
        drifted.closing_value / nullif(totals.closing_total, 0) as closing_weight,
        drifted.symbol_return
    from drifted
    inner join totals using (portfolio, session_date)
),

-- what was traded by fills needs no drift: it is what it is worth, as a share of more than nothing
account_weights as (
    select
        holdings.portfolio,
        holdings.session_date,
        holdings.symbol,
        null::date as effective_from,
        null::double as target_weight,
        holdings.opening_amount::double
        / if(accounts.opening_equity_amount > 0, accounts.opening_equity_amount, null)::double
            as weight,
        holdings.closing_amount::double
        / if(accounts.equity_amount > 0, accounts.equity_amount, null)::double as closing_weight,
        current.total_return_close / previous.total_return_close - 1 as symbol_return
    from holdings
    inner join accounts using (portfolio, session_date)
    left join closes as previous
        on holdings.symbol = previous.symbol
            and accounts.previous_session_date = previous.session_date
    left join closes as current
        on holdings.symbol = current.symbol and holdings.session_date = current.session_date
),

final as (
    select * from set_weights
    union all
    select * from account_weights
)

select * from final
order by portfolio, session_date, symbol
