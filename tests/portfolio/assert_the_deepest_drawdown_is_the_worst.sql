-- A portfolio's maximum drawdown is not the deepest of its drawdowns, or not the lowest point of
-- its path.
with

performance as (
    select * from {{ ref('portfolio__performance') }}
    where missing_return_count = 0
),

drawdowns as (
    select * from {{ ref('portfolio__drawdowns') }}
    where depth_rank = 1
),

lowest as (
    select
        portfolio,
        basis,
        min(drawdown) as drawdown
    from {{ ref('portfolio__equity') }}
    group by portfolio, basis
)

select
    portfolio,
    basis,
    performance.max_drawdown,
    drawdowns.drawdown
from performance
left join drawdowns using (portfolio, basis)
left join lowest using (portfolio, basis)
where
    performance.max_drawdown is distinct from lowest.drawdown
    or performance.max_drawdown != coalesce(drawdowns.drawdown, 0)
    or performance.drawdown_start_date is distinct from drawdowns.start_date
    or performance.drawdown_recovery_date is distinct from drawdowns.recovery_date
