{% macro series_age(plan, value, extreme, bars) -%}
{#- The plain way: is it this bar, or the one before, or … -#}
{%- set cases = [] -%}
{%- for age in range(bars) -%}
    {%- do cases.append('when ' ~ series_lagged(plan, value, age) ~ ' = ' ~ extreme ~ ' then ' ~ age) -%}
{%- endfor -%}
{{ return(series_planned(
    plan, extreme ~ '_age', 'case ' ~ cases | join(' ') ~ ' end', plan.columns[extreme].start
)) }}
{%- endmacro %}
