{% test expect_column_values_to_be_in_set(
    model, column_name, value_set, quote_values=true, row_condition=none
) %}

    {%- set members = [] %}
    {%- for value in value_set %}
        {%- do members.append(dbt.string_literal(value) if quote_values else value) %}
    {%- endfor %}

    {#- unlike the others, this one has null break it, as the public test does: null is no member #}
    {{ dbt_expectations.rows_that_break(
        model,
        'coalesce(' ~ column_name ~ ' in (' ~ members | join(', ') ~ '), false)',
        row_condition=row_condition
    ) }}

{% endtest %}
