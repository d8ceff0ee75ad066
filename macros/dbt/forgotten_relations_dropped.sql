{% macro forgotten_relations_dropped() -%}
{%- if execute and flags.WHICH in ('build', 'run') -%}
    {%- set known = [] -%}
    {%- for node in project_nodes('model') + project_nodes('seed') -%}
        {%- do known.append(node.schema ~ '.' ~ node.alias) -%}
    {%- endfor -%}
    {%- set found = run_query(
        "select 'table' as kind, schema_name, table_name from duckdb_tables()
        where database_name = current_database()
        union all
        select 'view', schema_name, view_name from duckdb_views()
        where database_name = current_database() and not internal"
    ) -%}
    {%- for kind, schema, name in found.rows if schema in rooms() + ['seeds'] -%}
        {%- if schema ~ '.' ~ name not in known -%}
            {%- do log('dropping ' ~ schema ~ '.' ~ name ~ ': the project has no such relation', info=true) -%}
            {%- do run_query('drop ' ~ kind ~ ' "' ~ schema ~ '"."' ~ name ~ '"') -%}
        {%- endif -%}
    {%- endfor -%}
{%- endif -%}
select 1
{%- endmacro %}
