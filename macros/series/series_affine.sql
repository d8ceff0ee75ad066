{% macro series_affine(plan, factor, addend, first_value) -%}
{#-
    y = factor * y before + addend. Two bars in a row are again one factor and one addend; the first
    bar's factor is 0, so nothing reaches a series from the one before it. A product of 8,192 factors
    counts as nothing.
-#}
{%- set start = series_latest([plan.columns[factor].start, plan.columns[addend].start]) -%}
{%- set name = factor ~ '_' ~ addend ~ '_affine' -%}
{%- set at = namespace(size=1) -%}
{%- set at.factor = series_planned(
    plan, name ~ '_factor', 'case when bar_number > ' ~ start ~ ' then ' ~ factor ~ ' else 0.0 end', 0
) -%}
{%- set at.addend = series_planned(
    plan, name ~ '_addend',
    'case when bar_number > ' ~ start ~ ' then ' ~ addend ~ ' when bar_number = ' ~ start ~ ' then '
    ~ addend ~ ' + ' ~ factor ~ ' * ' ~ series_lagged(plan, first_value, 1) ~ ' else 0.0 end',
    0
) -%}
{%- for _ in range(13) -%}
    {%- set reaches = 'case when bar_number >= ' ~ at.size ~ ' then ' -%}
    {%- set addend = series_planned(
        plan, name ~ '_addend_' ~ at.size * 2,
        reaches ~ at.addend ~ ' + ' ~ at.factor ~ ' * ' ~ series_lagged(plan, at.addend, at.size)
        ~ ' else ' ~ at.addend ~ ' end',
        0
    ) -%}
    {%- set at.factor = series_planned(
        plan, name ~ '_factor_' ~ at.size * 2,
        reaches ~ at.factor ~ ' * ' ~ series_lagged(plan, at.factor, at.size) ~ ' else 0.0 end', 0
    ) -%}
    {%- set at.addend = addend -%}
    {%- set at.size = at.size * 2 -%}
{%- endfor -%}
{{ return(series_planned(plan, name, '(' ~ at.addend ~ ')', start)) }}
{%- endmacro %}
