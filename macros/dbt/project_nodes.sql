{% macro project_nodes(resource_type) -%}
{%- set nodes = [] -%}
{%- for kind in ['nodes', 'functions'] -%}
    {%- for node in graph.get(kind, {}).values()
        if node.resource_type == resource_type and node.package_name == project_name -%}
        {%- do nodes.append(node) -%}
    {%- endfor -%}
{%- endfor -%}
{{ return(nodes | sort(attribute='name')) }}
{%- endmacro %}

{% macro layers() -%}
{{ return([
    'staging', 'bars', 'indicators', 'scanners', 'backtests', 'portfolio', 'risk', 'serving'
]) }}
{%- endmacro %}
