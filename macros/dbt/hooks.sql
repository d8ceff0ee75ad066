{% macro as_of_is_an_instant() -%}
{%- if execute and var('as_of', none) is not none -%}
    {%- set as_of = var('as_of') | string -%}
    {%- set instant = "try_cast('" ~ dbt.escape_single_quotes(as_of) ~ "' as timestamp)" -%}
    {%- set question = 'select coalesce(isfinite(' ~ instant ~ '), false)' -%}
    {%- if not run_query(question).columns[0].values()[0] -%}
        {{ exceptions.raise_compiler_error(
            'as_of `' ~ as_of ~ '` is not a timestamp; write it in UTC, such as '
            ~ "--vars \"{as_of: '2024-01-31 18:30:00'}\", or leave it out to read everything."
        ) }}
    {%- endif -%}
{%- endif -%}
{%- endmacro %}

{% macro drop_orphaned_relations() -%}
{%- if execute and flags.WHICH in ('build', 'run') -%}
    {%- set known = ['build_state.models', 'build_state.unpublished'] -%}
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
        if schema in layers() + ['seeds', 'build_state'] or kind == 'macro table' -%}
        {%- if schema ~ '.' ~ name not in known -%}
            {%- do log(
                'dropping ' ~ schema ~ '.' ~ name ~ ': the project has no such relation', info=true
            ) -%}
            {%- do run_query('drop ' ~ kind ~ ' "' ~ schema ~ '"."' ~ name ~ '"') -%}
        {%- endif -%}
    {%- endfor -%}
{%- endif -%}
select 1
{%- endmacro %}

{% macro record_unpublished() -%}
{#- Private models, except those that a view or a macro reads or whose `meta` says so. -#}
{%- if execute and flags.WHICH in ('build', 'run') -%}
    {%- set read = [] -%}
    {%- for node in graph.nodes.values() if node.config.materialized == 'view' -%}
        {%- do read.extend(node.depends_on.nodes) -%}
    {%- endfor -%}
    {%- for function in graph.functions.values() -%}
        {%- do read.extend(function.depends_on.nodes) -%}
    {%- endfor -%}
    {%- set unpublished = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model'
        and node.access == 'private' and node.config.materialized != 'ephemeral'
        and node.schema != 'staging' and node.unique_id not in read
        and not node.config.meta.get('is_published') -%}
        {%- do unpublished.append(node.schema ~ '.' ~ node.alias) -%}
    {%- endfor -%}
create or replace table build_state.unpublished as
select unnest({{ unpublished | sort }}::varchar[]) as relation
{%- else -%}
select 1
{%- endif -%}
{%- endmacro %}
