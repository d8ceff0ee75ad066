{% macro duckdb__get_unit_test_sql(main_sql, expected_fixture_sql, expected_column_names) -%}
{%- set compared = get_columns_in_query(expected_fixture_sql) if config.get('expected_sql')
    else expected_column_names -%}
{{ default__get_unit_test_sql(main_sql, expected_fixture_sql, compared) }}
{%- endmacro %}
