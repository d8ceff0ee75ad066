{% macro streaming__series_running_total(plan, value) -%}
{#-
    A total over all series that went before, less what it was when this series began: exact, for it
    counts in whole billionths of a thousandth, so neither the order of the sums nor the neighbours can
    be seen in it. What is not known adds nothing; until something is, neither is the total. An
    increment begins at its first bar with what that bar had come to.
-#}
{%- set start = plan.columns[value].start -%}
{%- set whole = series_planned(
    plan, value ~ '_whole', 'case when bar_number >= ' ~ start ~ ' then (' ~ value ~ ' * 1e12::double)::hugeint end', 0
) -%}
{%- set to_date = series_planned(plan, value ~ '_to_date', 'sum(' ~ whole ~ ') over (rows unbounded preceding)', 0) -%}
{%- set carried = '«carried ' ~ value ~ ' ' ~ plan.columns[value].memory ~ ': ' -%}
{%- set begun = series_planned(
    plan, value ~ '_begun',
    'last_value(case when bar_number = ' ~ start ~ ' then coalesce(' ~ to_date ~ ' - ' ~ whole ~ ', ' ~ to_date ~ ', 0)'
    ~ carried ~ 'coalesce(' ~ to_date ~ ', 0) - coalesce(stored, 0)» end ignore nulls) over (rows unbounded preceding)',
    0
) -%}
{%- set known = series_planned(
    plan, value ~ '_known',
    'last_value(case when bar_number <= ' ~ start ~ ' then ' ~ whole ~ ' is not null'
    ~ carried ~ 'stored is not null» when ' ~ whole ~ ' is not null then true end ignore nulls) over (rows unbounded preceding)',
    0
) -%}
{%- set exact = series_planned(
    plan, value ~ '_exact', 'case when ' ~ known ~ ' then ' ~ to_date ~ ' - ' ~ begun ~ ' end', start
) -%}
{%- set total = series_planned(plan, value ~ '_total', exact ~ '::double / 1e12::double', start) -%}
{%- do plan.carried.update({total: value}) -%}
{%- do plan.columns[total].update({'memory': plan.columns[value].memory + 1, 'exact': exact}) -%}
{{ return(total) }}
{%- endmacro %}

{% macro windows__series_running_total(plan, value) -%}
{%- set start = plan.columns[value].start -%}
{{ return(series_planned(
    plan, value ~ '_total',
    '(sum(case when bar_number >= ' ~ start ~ ' then cast(' ~ value
    ~ ' as decimal(38, 12)) end) over (partition by symbol, timeframe order by bar_number rows unbounded preceding))::decimal(38, 12)',
    start
)) }}
{%- endmacro %}
