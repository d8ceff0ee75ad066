{% macro is_live(scanner) -%}
{#-
    Whether everything that a scan reads is a seed, a calendar, of earlier sessions, or rebuilt from
    the minutes as they arrive.
-#}
{%- set state = namespace(is_live=true) -%}
{%- set reads = ['scanners__' ~ scanner] -%}
{%- for name in reads -%}
    {%- set node = graph.nodes.values() | selectattr('name', 'equalto', name) | list | first -%}
    {%- if node.resource_type == 'seed' or name in ['bars__sessions', 'bars__day_minute_conflicts'] or name in live_models() -%}
    {%- elif name in ['scanners__' ~ scanner] + inlined_on_read() -%}
        {%- for parent in node.depends_on.nodes -%}
            {%- do reads.append(graph.nodes[parent].name) -%}
        {%- endfor -%}
    {%- else -%}
        {%- set state.is_live = false -%}
    {%- endif -%}
{%- endfor -%}
{{ return(state.is_live) }}
{%- endmacro %}
