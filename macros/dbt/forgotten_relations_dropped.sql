{% macro forgotten_relations_dropped() -%}
{%- if execute and flags.WHICH in ('build', 'run') -%}
    {%- set known = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type in ('model', 'seed')
        and node.config.materialized != 'ephemeral' -%}
        {%- do known.append(node.schema ~ '.' ~ node.alias) -%}
    {%- endfor -%}
    {%- for function in graph.functions.values() -%}
        {%- do known.append('main.' ~ function.name) -%}
    {%- endfor -%}
    {%- set found = run_query(
        "select 'table' as kind, schema_name, table_name from duckdb_tables()
        where database_name = current_database()
        union all
        select 'view', schema_name, view_name from duckdb_views()
        where database_name = current_database() and not internal
        union all
        select 'macro table', schema_name, function_name from duckdb_functions()
        where database_name = current_database() and schema_name = 'main'
        and ends_with(function_name, '_scan')"
    ) -%}
    {%- for kind, schema, name in found.rows
        if schema in layers() + ['seeds'] or kind == 'macro table' -%}
        {%- if schema ~ '.' ~ name not in known -%}
            {%- do log('dropping ' ~ schema ~ '.' ~ name ~ ': the project has no such relation', info=true) -%}
            {%- do run_query('drop ' ~ kind ~ ' "' ~ schema ~ '"."' ~ name ~ '"') -%}
        {%- endif -%}
    {%- endfor -%}
{%- endif -%}
select 1
{%- endmacro %}
