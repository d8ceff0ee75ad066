{% macro scanner_code(model) -%}
{#-
    Its own SQL and that of every model of its layer that it reads, directly or not. Where the SQL
    of a model is a macro, the macro has the name of its relation; it may call the joins `with_…`.
-#}
{%- set read = [model] -%}
{%- set macros = [] -%}
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
    {%- set query -%}
        select content
        from read_text('{{ invocation_args_dict.project_dir }}/macros/scan*/*.sql')
        where
            'scanners__' || parse_filename(filename, true) in ('{{ read | join("', '") }}')
            or starts_with(parse_filename(filename), 'with_')
        order by filename
    {%- endset -%}
    {%- do macros.extend(run_query(query).columns[0].values()) -%}
{%- endif -%}
{{ return(code_checksum(read, macros)) }}
{%- endmacro %}
