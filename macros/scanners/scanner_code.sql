{% macro scanner_code(model) -%}
{#- Its own SQL and that of every model of the room that it reads, at however many removes. -#}
{%- set read = [model] -%}
{%- if execute -%}
    {%- set removes = 8 -%}
    {%- for remove in range(removes) -%}
        {%- for node in graph.nodes.values()
            if node.resource_type == 'model' and node.name in read -%}
            {%- for parent in node.depends_on.nodes if parent in graph.nodes -%}
                {%- set parent = graph.nodes[parent] -%}
                {%- if parent.resource_type == 'model'
                    and parent.schema == 'scanners'
                    and parent.name not in read -%}
                    {%- do read.append(parent.name) -%}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
{%- endif -%}
{{ return(code_checksum(read)) }}
{%- endmacro %}
