{% macro sql_on_read(model, scanner) -%}
{%- set node = graph.nodes.values() | selectattr('name', 'equalto', model) | list | first -%}
{%- set own = '{{ ref\\([\'"](?:[^\'"]+[\'"], ?[\'"])?(\\w+)[\'"]\\) }}' -%}
{%- set code = code_without_config(node) -%}
{#- The order of a stored table is of no use in a subquery. -#}
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
