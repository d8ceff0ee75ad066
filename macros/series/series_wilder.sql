{% macro series_wilder(plan, value, period) -%}
{%- set first = plan.columns[value].start + period - 1 -%}
{%- set name = value ~ '_wilder_' ~ period -%}
{%- set column = series_decayed(
    plan, value, name, first - period + 1, first, 1 / period, 1 / period, 1 - 1 / period
) -%}
{{ return(series_planned(plan, name, '(' ~ column ~ ')', [column], first)) }}
{%- endmacro %}
