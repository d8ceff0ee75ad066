{% macro rows_lie_in_order(relation) -%}
{#- What `order_recorded` found when the table was last written; not known is not in order. -#}
{%- if not load_relation(relation) -%}
    {{ return(false) }}
{%- endif -%}
{%- set found = run_query(
    "select comment from duckdb_tables() where database_name = current_database() and schema_name = '"
    ~ relation.schema ~ "' and table_name = '" ~ relation.identifier ~ "'"
) -%}
{{ return(found.rows | length == 1 and found.rows[0][0] == order_comment(true)) }}
{%- endmacro %}
