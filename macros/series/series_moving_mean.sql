{% macro series_moving_mean(plan, value, bars) -%}
{%- set total = series_moving_sum(plan, value, bars) -%}
{{ return(series_planned(plan, value ~ '_mean_' ~ bars, total ~ ' / ' ~ bars, [total])) }}
{%- endmacro %}
