{% macro built_code(relation) -%}
{#- The table's comment records the code that it was built from, and is replaced with the table. -#}
{%- set found = run_query(
    "select comment from duckdb_tables() where database_name = current_database() and schema_name = '"
    ~ relation.schema ~ "' and table_name = '" ~ relation.identifier ~ "'"
) -%}
{%- set comment = found.rows[0][0] if found.rows | length else none -%}
{{ return((comment or '').split(' ') | last) }}
{%- endmacro %}
