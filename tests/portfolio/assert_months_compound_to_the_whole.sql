-- The monthly returns of a portfolio do not compound to its cumulative return, or their sessions do
-- not add up: a month is missing or counts twice.
{%- set tolerance = 1e-9 %}

with

months as (
    select * from {{ ref('portfolio__monthly_returns') }}
),

performance as (
    select * from {{ ref('portfolio__performance') }}
),

compounded as (
    select
        portfolio,
        basis,
        product(1 + month_return) as growth,
        sum(session_count) as session_count,
        sum(missing_return_count) as missing_return_count
    from months
    group by portfolio, basis
)

select
    portfolio,
    basis,
    compounded.growth,
    performance.cumulative_return
from performance
full outer join compounded using (portfolio, basis)
where
    performance.portfolio is null
    or compounded.portfolio is null
    or compounded.session_count != performance.session_count
    or compounded.missing_return_count != performance.missing_return_count
    or (performance.cumulative_return is null) != (performance.missing_return_count > 0)
    or abs(compounded.growth / (1 + performance.cumulative_return) - 1) > {{ tolerance }}
