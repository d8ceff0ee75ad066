{% test expect_column_values_to_be_unique(model, column_name, row_condition=none) %}

    {{ dbt_expectations.repeated_rows(model, [column_name], row_condition=row_condition) }}

{% endtest %}
