-- A session's count of stale prices differs from the list of missing prices. Or a session has no
-- return although every holding has some price by now; only an account whose equity is zero or
-- negative may have none.
with

returns as (
    select * from {{ ref('portfolio__returns') }}
),

missing_prices as (
    select
        portfolio,
        session_date,
        count(price_date) as listed_count
    from {{ ref('portfolio__missing_prices') }}
    group by portfolio, session_date
),

lost as (
    select
        portfolio,
        session_date
    from {{ ref('portfolio__accounts') }}
    where opening_equity_amount <= 0
)

select
    portfolio,
    session_date,
    returns.net_return,
    returns.stale_price_count,
    missing_prices.listed_count
from returns
full outer join missing_prices using (portfolio, session_date)
left join lost using (portfolio, session_date)
where
    returns.portfolio is null
    or (returns.net_return is null) != (lost.portfolio is not null)
    or returns.stale_price_count != coalesce(missing_prices.listed_count, 0)
