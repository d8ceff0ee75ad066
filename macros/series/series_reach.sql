{% macro series_reach(plan, outputs) -%}
{%- set reach = {'memory': 0, 'start': 0, 'in_session': false} -%}
{%- for output in outputs.values() -%}
    {%- set column = plan.columns[output.column] -%}
    {%- do reach.update({
        'memory': [reach.memory, column.memory] | max, 'start': [reach.start, column.start] | max,
        'in_session': reach.in_session or column.in_session,
    }) -%}
{%- endfor -%}
{{ return(reach) }}
{%- endmacro %}
