{% macro code_checksum(models, texts=[]) -%}
{%- set parts = texts | map('string') | list -%}
{%- if execute -%}
    {#- There is no graph in a unit test. -#}
    {%- for node in graph.get('nodes', {}).values()
        if node.resource_type == 'model' and node.name in models -%}
        {%- do parts.append(node.name ~ ':' ~ node.checksum.checksum) -%}
    {%- endfor -%}
{%- endif -%}
{{ return(local_md5(parts | sort | join('|'))) }}
{%- endmacro %}
