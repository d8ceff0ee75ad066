{% macro sql_on_read(model, scanner) -%}
{%- set node = graph.nodes.values() | selectattr('name', 'equalto', model) | list | first -%}
{%- set own = '{{ ref\\([\'"](?:[^\'"]+[\'"], ?[\'"])?(\\w+)[\'"]\\) }}' -%}
{%- set code = code_without_config(node) -%}
{#- The order in which a table lies is of no use to a part of a query. -#}
{%- set code = modules.re.sub('\nselect \\* from final\\s+order by [^()]*$', '\nselect * from final', code) -%}
{%- set parts = modules.re.split(own, code) -%}
{%- set sql = [] -%}
{%- for part in parts -%}
    {%- if loop.index0 is even -%}
        {%- do sql.append(part) -%}
    {%- else -%}
        {%- do sql.append('(' ~ input_on_read(part, scanner) ~ ')') -%}
    {%- endif -%}
{%- endfor -%}
{{ return(render(sql | join)) }}
{%- endmacro %}
