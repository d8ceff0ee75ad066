{% macro sessions_query(session_minutes, sessions) -%}
with

session_minutes as (
    select * from {{ session_minutes }}
),

sessions as (
    select * from {{ sessions }}
),

sessions_with_minutes as (
    select distinct
        calendar,
        session_date
    from session_minutes
),

scanned as (
    select
        calendar,
        min(session_date) as first_date,
        max(session_date) as last_date
    from sessions_with_minutes
    group by calendar
),

final as (
    select
        sessions.calendar,
        sessions.session_date,
        sessions.session_number,
        sessions.open_ts,
        date_diff('minute', sessions.session_date::timestamp, sessions.close_ts) as close_minute,
        sessions_with_minutes.session_date is not null as has_minutes
    from sessions
    inner join scanned
        on
            sessions.calendar = scanned.calendar
            and sessions.session_date between scanned.first_date and scanned.last_date
    left join sessions_with_minutes
        on
            sessions.calendar = sessions_with_minutes.calendar
            and sessions.session_date = sessions_with_minutes.session_date
)

select * from final
{%- endmacro %}
