{% macro series_carried(plan, name, carry) -%}
{#- The SQL of a column, in which a running total of an increment begins with what is stored. -#}
{%- set at = namespace(sql=plan.columns[name].sql) -%}
{%- for mark, value, memory, begins in modules.re.findall('(«carried ([a-z0-9_]+) ([0-9]+): ([^»]+)»)', at.sql) -%}
    {%- set begins = ' when first_loaded_bar > 0 and bar_number = first_loaded_bar + ' ~ memory
        ~ ' then ' ~ begins | replace('stored', series_exact(carry[value], true)) if plan.increment else '' -%}
    {%- set at.sql = at.sql | replace(mark, begins) -%}
{%- endfor -%}
{{ return(at.sql) }}
{%- endmacro %}
