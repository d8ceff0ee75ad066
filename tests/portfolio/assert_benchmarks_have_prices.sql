-- A portfolio is compared with a symbol that has no price on any of its sessions: every figure of
-- the comparison is unknown. Bars may not have come in yet, so the build goes on, and says so.
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
