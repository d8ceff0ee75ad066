{% macro scanner_code(model) -%}
{#- Its own SQL and that of every model of its layer that it reads, directly or not. -#}
{%- set read = [model] -%}
{%- if execute -%}
    {%- set max_depth = 8 -%}
    {%- for depth in range(max_depth) -%}
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
