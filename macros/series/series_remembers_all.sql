{% macro series_remembers_all(plan, column) -%}
{#- Whether a column is made of a running total, which forgets nothing. -#}
{%- set used = series_used(plan, [column]) -%}
{{ return(used | select('in', plan.carried) | list | length > 0) }}
{%- endmacro %}
