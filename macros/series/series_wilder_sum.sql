{% macro series_wilder_sum(plan, value, period) -%}
{#- TA-Lib seeds this sum with period - 1 bars and shows it from the bar after them. -#}
{%- set first = plan.columns[value].start + period - 1 -%}
{%- set name = value ~ '_wilder_sum_' ~ period -%}
{%- set column = series_decayed(
    plan, value, name, first - period + 1, first - 1, 1.0, 1.0, 1 - 1 / period
) -%}
{{ return(series_planned(plan, name, '(' ~ column ~ ')', [column], first)) }}
{%- endmacro %}
