{% macro broken_time_rule(starts_at, ends_at) -%}
case
    when {{ starts_at }} between timestamp '1969-12-31 12:00' and timestamp '1970-01-01 14:00'
        then 'epoch_stamp'
    when calendars.timezone is null then 'unknown_calendar'
    when not {{ over_when_delivered(ends_at) }} then 'future_stamp'
    when sessions.session_date is null then 'no_session'
end
{%- endmacro %}

{% macro over_when_delivered(ends_at, delivered_at='delivered_at') -%}
({{ ends_at }}) at time zone calendars.timezone <= {{ delivered_at }} at time zone 'UTC'
{%- endmacro %}
