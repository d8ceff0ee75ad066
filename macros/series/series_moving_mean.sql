{% macro series_moving_mean(plan, value, bars) -%}
{%- set total = series_operation_on(plan, 'moving_sum', [value, bars]) -%}
{{ return(series_planned(plan, value ~ '_mean_' ~ bars, total ~ ' / ' ~ bars)) }}
{%- endmacro %}
