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

-- before a symbol's first close there is no earlier price to use
set_missing as (
    select
        sessions.portfolio,
        sessions.session_date,
        targets.symbol,
        closes.session_date as price_date
    from sessions
    inner join targets using (portfolio, effective_from)
    asof left join closes
        on targets.symbol = closes.symbol and sessions.session_date >= closes.session_date
    where sessions.session_date is distinct from closes.session_date
),

account_missing as (
    select
        portfolio,
        session_date,
        symbol,
        price_date
    from holdings
    where closing_quantity != 0 and price_date < session_date
),

final as (
    select * from set_missing
    union all
    select * from account_missing
)

select * from final
order by portfolio, session_date, symbol
