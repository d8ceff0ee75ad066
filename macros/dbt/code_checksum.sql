{% macro code_checksum(models, texts=[]) -%}
{%- set parts = texts | map('string') | list -%}
{%- if execute -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name in models -%}
        {%- do parts.append(node.name ~ ':' ~ node.checksum.checksum) -%}
    {%- endfor -%}
{%- endif -%}
{{ return(local_md5(parts | sort | join('|'))) }}
{%- endmacro %}
