{% macro series_wilder_sum(plan, value, bars) -%}
{#- TA-Lib seeds this sum with one value less than it then forgets over, and shows it a bar later. -#}
{%- set start = plan.columns[value].start -%}
{%- set name = value ~ '_wilder_sum_' ~ bars -%}
{%- set seed_end = series_plus(start, series_plus(bars, -2)) -%}
{%- set total = series_faded(
    plan, value, name ~ '_early', start, seed_end, '1.0::double', '1.0::double',
    '(1 - 1.0::double / ' ~ bars ~ ')', 1 - 1 / bars if bars is number else none
) -%}
{{ return(series_planned(plan, name, '(' ~ total ~ ')', series_plus(seed_end, 1))) }}
{%- endmacro %}
