{% macro sessions_query(session_minutes, sessions) -%}
with

session_minutes as (
    select * from {{ session_minutes }}
),

sessions as (
    select * from {{ sessions }}
),

scanned as (
    select
        calendar,
        min(session_date) as first_date,
        max(session_date) as last_date
    from session_minutes
    group by calendar
),

final as (
    select
        sessions.calendar,
        sessions.session_date,
        sessions.session_number,
        sessions.open_ts,
        date_diff('minute', sessions.session_date::timestamp, sessions.close_ts) as close_minute
    from sessions
    inner join scanned
        on
            sessions.calendar = scanned.calendar
            and sessions.session_date between scanned.first_date and scanned.last_date
)

select * from final
{%- endmacro %}
