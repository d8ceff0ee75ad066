{% test expect_multicolumn_sum_to_equal(
    model, column_list, sum_total, group_by=none, row_condition=none
) %}

    {%- set total = sum_total if sum_total is number else 'sum(' ~ sum_total ~ ')' %}

    {{ dbt_expectations.rows_that_break(
        model, 'sum(' ~ column_list | join(') + sum(') ~ ') = ' ~ total, group_by, row_condition
    ) }}

{% endtest %}
