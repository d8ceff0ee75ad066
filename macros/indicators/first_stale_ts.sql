{% macro first_stale_ts(stale_symbols) -%}
{#- Before it no bar is stale: what is joined with each symbol's own time passes by these unread. -#}
select min(least(stale_from_ts, stale_week_from_ts)) from {{ stale_symbols }}
{%- endmacro %}
