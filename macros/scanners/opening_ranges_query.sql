{% macro opening_ranges_query(session_minutes, sessions) -%}

with

session_minutes as (
    select * from {{ session_minutes }}
),

sessions as (
    select * from {{ sessions }}
),

lengths as (
    select distinct range_minutes::integer as range_minutes
    from ({{ all_presets(['range_minutes'], scanners_with('range_minutes')) }}) as presets
),

-- a session that closes earlier has no such minute
ends as (
    select
        sessions.calendar,
        sessions.session_date,
        lengths.range_minutes,
        sessions.open_ts + to_minutes(lengths.range_minutes) as range_end_ts,
        date_diff('minute', sessions.session_date::timestamp, sessions.open_ts)
        + lengths.range_minutes as cutoff_minute
    from sessions
    cross join lengths
),

final as (
    select
        session_minutes.symbol,
        session_minutes.session_date,
        ends.range_minutes,
        ends.range_end_ts,
        session_minutes.high_to_cutoff as range_high,
        session_minutes.low_to_cutoff as range_low
    from session_minutes
    inner join ends using (calendar, session_date, cutoff_minute)
    where session_minutes.bar_count_to_cutoff > 0
)

select * from final
{%- endmacro %}
