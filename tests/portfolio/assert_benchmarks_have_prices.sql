-- A portfolio's benchmark has no price in any of its sessions, so every figure of the comparison is
-- NULL. Its bars may not have been delivered yet, so this is a warning and the build continues.
{{ config(severity="warn") }}

with

portfolios as (
    select * from {{ ref('portfolios') }}
    where benchmark is not null
),

performance as (
    select * from {{ ref('portfolio__performance') }}
)

select
    portfolio,
    portfolios.benchmark,
    performance.session_count
from portfolios
inner join performance using (portfolio)
where
    performance.benchmark_count = 0
    and performance.session_count > performance.missing_return_count
