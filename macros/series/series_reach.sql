{% macro series_reach(plan, outputs) -%}
{%- set reach = {'memory': 0, 'start': 0} -%}
{%- for output in outputs.values() -%}
    {%- set column = plan.columns[output.column] -%}
    {%- do reach.update({
        'memory': [reach.memory, column.memory] | max, 'start': [reach.start, column.start] | max,
    }) -%}
{%- endfor -%}
{{ return(reach) }}
{%- endmacro %}
