{#- dbt's own keeps the line break that ends a block of YAML. -#}
{% macro duckdb_escape_comment(comment) -%}
{{ dbt.string_literal(dbt.escape_single_quotes(comment | trim)) }}
{%- endmacro %}
