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

{% macro public_relations() -%}
{%- set relations = [] -%}
{%- for node in project_nodes('model') if node.access == 'public' -%}
    {%- do relations.append(node.schema ~ '.' ~ node.alias) -%}
{%- endfor -%}
{{ return(relations | sort) }}
{%- endmacro %}

{% macro layers() -%}
{{ return([
    'staging', 'bars', 'indicators', 'scanners', 'backtests', 'portfolio', 'risk', 'serving'
]) }}
{%- endmacro %}
