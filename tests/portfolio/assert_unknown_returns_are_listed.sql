-- A session is without a return and nobody is told why, or is said to lack a close and has a return
-- all the same, made without that holding. An account that has lost all it had has none, whatever
-- the prices.
with

returns as (
    select * from {{ ref('portfolio__returns') }}
),

missing_prices as (
    select distinct
        portfolio,
        session_date
    from {{ ref('portfolio__missing_prices') }}
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
    missing_prices.portfolio is not null as is_listed
from returns
full outer join missing_prices using (portfolio, session_date)
anti join lost using (portfolio, session_date)
where (returns.net_return is null) != (missing_prices.portfolio is not null)
