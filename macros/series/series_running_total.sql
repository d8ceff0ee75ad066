{% macro series_running_total(plan, value) -%}
{#- One series at a time: a total that ran on over all of them would leave its rounding in the next. -#}
{%- set sql -%}
sum({{ value }}) over (partition by symbol, timeframe order by bar_number rows unbounded preceding)
{%- endset -%}
{{ return(series_planned(plan, value ~ '_total', sql, [value, 'symbol', 'timeframe', 'bar_number'])) }}
{%- endmacro %}
