{% macro first_stale_ts(stale_symbols) -%}
{#- No bar before it is stale, so a join with each symbol's own time can skip those bars unread. -#}
select min(least(stale_from_ts, stale_week_from_ts)) from {{ stale_symbols }}
{%- endmacro %}
