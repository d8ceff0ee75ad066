-- A component's tiers both rise and fall: a value between two others earns more or less than both.
with

tiers as (
    select
        scanner,
        component,
        rowid + 2 as line_number,
        sign(
            share - lag(share) over (partition by scanner, component order by more_than)
        ) as step
    from {{ ref('score_tiers') }}
)

select
    format(
        'seeds/scanners/score_tiers.csv:{}: the shares of {} {} both rise and fall with more_than',
        min(line_number),
        scanner,
        component
    ) as problem
from tiers
group by scanner, component
having min(step) < 0 and max(step) > 0
