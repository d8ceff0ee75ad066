{% macro over_when_delivered(ends_at, delivered_at='delivered_at') -%}
({{ ends_at }}) at time zone calendars.timezone <= {{ delivered_at }} at time zone 'UTC'
{%- endmacro %}
