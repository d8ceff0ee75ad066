{% macro series_column(plan, formula, name=none) -%}
{#- A formula that is nothing but a column is that column. -#}
{%- set expression = series_expression(plan, formula) -%}
{%- if expression.sql in plan.columns -%}
    {{ return(expression.sql) }}
{%- endif -%}
{{ return(series_planned(plan, name or 'value', expression.sql, expression.reads)) }}
{%- endmacro %}
