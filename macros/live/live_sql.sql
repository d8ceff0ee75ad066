{% macro live_sql(model) -%}
{#- The model's own SQL, on relations of the same names in any database. -#}
{%- set node = graph.nodes.values() | selectattr('name', 'equalto', model) | list | first -%}
{%- set code = modules.re.sub('\\bref\\(', 'live_relation(', code_without_config(node)) -%}
{{ return(render(code) | replace('"' ~ target.database ~ '".', '')) }}
{%- endmacro %}
