with

regular_hours as (
    select * from {{ ref('regular_hours') }}
),

holidays as (
    select * from {{ ref('holidays') }}
),

special_sessions as (
    select * from {{ ref('special_sessions') }}
),

days as (
    select
        *,
        unnest(
            generate_series(effective_from::timestamp, effective_to::timestamp, interval 1 day)
        ) as day
    from regular_hours
),

regular_days as (
    select
        calendar,
        day::date as session_date,
        open_time,
        close_time
    from days
    where contains(weekdays::varchar, isodow(day)::varchar)
),

regular_sessions as (
    select
        calendar,
        session_date,
        1 as part,
        open_time,
        close_time,
        'regular' as kind
    from regular_days
    anti join holidays using (calendar, session_date)
    anti join special_sessions using (calendar, session_date)
),

parts as (
    select
        calendar,
        session_date,
        part,
        open_time,
        close_time,
        kind
    from regular_sessions
    union all
    select
        calendar,
        session_date,
        part,
        open_time,
        close_time,
        kind
    from special_sessions
),

timed_parts as (
    select
        calendar,
        session_date,
        kind,
        session_date + open_time as open_ts,
        session_date + close_time as close_ts
    from parts
),

sessions as (
    select
        calendar,
        session_date,
        min(open_ts) as open_ts,
        max(close_ts) as close_ts,
        min(kind) as kind,
        list_sort(list(struct_pack(open_ts := open_ts, close_ts := close_ts))) as parts,
        sum(date_diff('minute', open_ts, close_ts))::bigint as open_minutes
    from timed_parts
    group by calendar, session_date
),

final as (
    select
        calendar,
        session_date,
        row_number() over (partition by calendar order by session_date) as session_number,
        open_ts,
        close_ts,
        kind,
        parts,
        open_minutes,
        max(close_ts) over (
            partition by calendar, date_trunc('week', session_date)
        ) as week_close_ts
    from sessions
)

select * from final
order by calendar, session_date
