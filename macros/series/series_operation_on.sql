{% macro series_operation_on(plan, name, given) -%}
{#- What both lowerings do alike is one macro; else there are two, named for them. -#}
{%- set macro_name = 'series_' ~ name -%}
{%- if macro_name not in context -%}
    {%- set macro_name = plan.lowering ~ '__series_' ~ name -%}
{%- endif -%}
{{ return(context[macro_name](plan, *given)) }}
{%- endmacro %}
