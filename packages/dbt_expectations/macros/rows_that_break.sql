{% macro rows_that_break(model, expression, group_by=none, row_condition=none) -%}
with

answers as (
    select
        {%- for column in group_by or [] %}
        {{ column }},
        {%- endfor %}
        {{ expression }} as is_true
    from {{ model }}
    {%- if row_condition %}
    where {{ row_condition }}
    {%- endif %}
    {%- if group_by %}
    group by {{ group_by | join(', ') }}
    {%- endif %}
)

select * from answers
where not is_true
{%- endmacro %}
