-- A recorded tick is not in a minute and not counted as late or without a price, or it is counted
-- twice.
with

counted as (
    select
        delivery,
        sum(tick_count + late_tick_count + unpriced_tick_count) as tick_count
    from {{ ref('bars__ticked_minutes') }}
    group by delivery
),

recordings as (
    select * from {{ ref('bars__recordings') }}
)

select
    recordings.delivery,
    recordings.tick_count,
    counted.tick_count as counted
from recordings
left join counted using (delivery)
where recordings.tick_count is distinct from counted.tick_count
