{% macro series_used(plan, outputs) -%}
{#- The columns that the outputs are made of, in the order they were planned. -#}
{%- set used = outputs | list -%}
{%- for name in plan.columns.keys() | list | reverse if name in used -%}
    {%- for column in plan.columns[name].reads if column not in used -%}{%- do used.append(column) -%}{%- endfor -%}
{%- endfor -%}
{{ return(plan.columns.keys() | select('in', used) | list) }}
{%- endmacro %}
