{% macro series_operation(plan, name, arguments, scope) -%}
{%- set values = series_operations()[name] -%}
{%- set given = [] -%}
{%- for argument in arguments -%}
    {%- do given.append(
        series_column(plan, argument, scope) if loop.index <= values
        else series_number(argument, scope)
    ) -%}
{%- endfor -%}
{{ return(series_operation_on(plan, name, given)) }}
{%- endmacro %}
