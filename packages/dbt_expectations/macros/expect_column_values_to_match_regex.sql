{% test expect_column_values_to_match_regex(
    model, column_name, regex, row_condition=none, is_raw=false, flags=''
) %}

    {{ dbt_expectations.rows_that_break(
        model,
        'regexp_matches(' ~ column_name ~ ", '" ~ regex ~ "', '" ~ flags ~ "')",
        row_condition=row_condition
    ) }}

{% endtest %}
