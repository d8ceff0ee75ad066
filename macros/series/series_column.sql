{% macro series_column(plan, formula, scope, name='value') -%}
{#- A formula that is nothing but a column is that column. -#}
{%- set sql = series_expression(plan, formula, scope) -%}
{{ return(sql if sql in plan.columns else series_planned(plan, name, sql)) }}
{%- endmacro %}
