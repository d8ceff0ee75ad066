{% macro live_relation(name) -%}
{#- Without the database, whose name changes when the file is published. -#}
{%- set node = graph.nodes.values() | selectattr('name', 'equalto', name) | list | first -%}
{{ node.schema }}.{{ node.alias }}
{%- endmacro %}
