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
        if(bool_and(opening_value is not null), sum(opening_value), null)
        + any_value(target_cash_weight) as opening_total,
        if(bool_and(closing_value is not null), sum(closing_value), null)
        + any_value(target_cash_weight) as closing_total
    from holdings
    group by portfolio, session_date
),

final as (
    select
        portfolio,
        session_date,
        holdings.symbol,
        holdings.effective_from,
        holdings.target_weight,
        holdings.opening_value / nullif(totals.opening_total, 0) as weight,
        holdings.closing_value / nullif(totals.closing_total, 0) as closing_weight,
        holdings.symbol_return
    from holdings
    inner join totals using (portfolio, session_date)
)

select * from final
order by portfolio, session_date, symbol
