-- A component's tiers both rise and fall: a value between two others earns more or less than both.
with

tiers as (
    select * from {{ ref('score_tiers') }}
),

steps as (
    select
        scanner,
        component,
        sign(
            share - lag(share) over (partition by scanner, component order by more_than)
        ) as step
    from tiers
)

select
    scanner,
    component
from steps
group by scanner, component
having min(step) < 0 and max(step) > 0
