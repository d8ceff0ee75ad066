{% macro built_code(relation) -%}
{#- What a family was built from is its comment: it comes and goes with the table itself. -#}
{%- set found = run_query(
    "select comment from duckdb_tables() where database_name = current_database() and schema_name = '"
    ~ relation.schema ~ "' and table_name = '" ~ relation.identifier ~ "'"
) -%}
{%- set comment = found.rows[0][0] if found.rows | length else none -%}
{{ return((comment or '').split(' ') | last) }}
{%- endmacro %}
