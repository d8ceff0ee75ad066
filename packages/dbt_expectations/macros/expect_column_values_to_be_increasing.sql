{% test expect_column_values_to_be_increasing(
    model,
    column_name,
    sort_column=none,
    strictly=true,
    row_condition=none,
    group_by=none,
    step=none
) %}

    with

    steps as (
        select
            {%- for column in group_by or [] %}
            {{ column }},
            {%- endfor %}
            {{ column_name }} as value,
            lag({{ column_name }}) over (
                {%- if group_by %}
                partition by {{ group_by | join(', ') }}
                {%- endif %}
                order by {{ sort_column or column_name }}
            ) as previous_value
        from {{ model }}
        {%- if row_condition %}
        where {{ row_condition }}
        {%- endif %}
    )

    select * from steps
    where
        not (
            value {{ '>' if strictly else '>=' }} previous_value
            {%- if step %}
            and value - previous_value = {{ step }}
            {%- endif %}
        )

{% endtest %}
