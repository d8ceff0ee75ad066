{% macro family_pages(families) -%}
{#- The contents of the families' properties files, as JSON: `./bourse pages` writes them. -#}
{%- set pages = {} -%}
{%- for family, calls in families.items() -%}
    {%- set plan = series_plan('streaming') -%}
    {%- set outputs = planned_outputs(plan, calls) -%}
    {%- set columns = {} -%}
    {%- for name, output in outputs.items() -%}
        {%- set column = plan.columns[output.column] -%}
        {%- do columns.update({name: {
            'call': output.call,
            'formula': output.formula,
            'type': output.type,
            'within': output.within,
            'warm_up': column.start,
            'memory': none if series_remembers_all(plan, output.column) else column.memory,
        }}) -%}
    {%- endfor -%}
    {%- set indicators = {} -%}
    {%- for call in calls -%}
        {%- do indicators.update({call: page_of(call.split('(')[0])}) -%}
    {%- endfor -%}
    {%- do pages.update({family: {'indicators': indicators, 'columns': columns}}) -%}
{%- endfor -%}
{{ return(tojson(pages)) }}
{%- endmacro %}
