-- The ranks of a scan are not 1, 2, …, n, or a better score has a worse rank.
with

signals as (
    select * from {{ ref('scanners__signals') }}
)

select
    signal_id,
    signal_rank,
    score
from signals
window
    scan as (
        partition by scanner, preset, calendar, known_ts
        order by signal_rank
    )
qualify
    signal_rank != row_number() over scan
    or score > lag(score) over scan
