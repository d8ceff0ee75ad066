{% macro series_lag(plan, value, bars=1) -%}
{%- set start = plan.columns[value].start + bars -%}
{{ return(series_planned(
    plan, value ~ '_lag_' ~ bars, 'lag(' ~ value ~ ', ' ~ bars ~ ') over ()', [value], start
)) }}
{%- endmacro %}
