{% macro series_moving_sum(plan, value, bars) -%}
{%- set sums = [] -%}
{%- set reads = [] -%}
{%- for part in series_powers(bars) -%}
    {%- set doubled = series_doubled_sum(plan, value, part.size) -%}
    {%- do sums.append(series_lagged(doubled, part.offset)) -%}
    {%- do reads.append(doubled) -%}
{%- endfor -%}
{%- set start = plan.columns[value].start + bars - 1 -%}
{#- A power of two is a doubled sum already, but that one has no start of its own. -#}
{{ return(series_planned(
    plan, value ~ '_moving_sum_' ~ bars, '(' ~ sums | join(' + ') ~ ')', reads, start
)) }}
{%- endmacro %}
