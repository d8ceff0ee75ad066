-- More than max_rejected_pct of a source's rows of one session were rejected: the delivery is
-- broken, not just a row of it. Look at bars.rejected, and deliver the session again.
with

deliveries as (
    select
        source,
        session_date,
        count(*) as row_count
    from {{ ref('stg_raw__daily_bars') }}
    group by source, session_date
    union all
    select
        source,
        session_date,
        count(*) as row_count
    from {{ ref('bars__delivered_minutes') }}
    group by source, session_date
),

row_counts as (
    select
        source,
        session_date,
        sum(row_count) as row_count
    from deliveries
    group by source, session_date
),

rejected as (
    select
        source,
        session_date,
        count(*) as rejected_count
    from {{ ref('bars__rejected') }}
    -- a row that says the same again is no fault of the session, nor one that is of no session
    where rule not in ('duplicate', 'epoch_stamp', 'no_session')
    group by source, session_date
)

select
    source,
    session_date,
    rejected.rejected_count,
    row_counts.row_count
from rejected
inner join row_counts using (source, session_date)
where
    rejected.rejected_count > row_counts.row_count * {{ var('max_rejected_pct') }} / 100
    and row_counts.row_count >= {{ var('min_judged_rows') }}
