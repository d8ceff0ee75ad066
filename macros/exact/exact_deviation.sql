{% macro exact_deviation(value, over) -%}
{%- set n = 'count(' ~ value ~ ') ' ~ over -%}
{#- A constant has a deviation of 0; rounding would leave something else. -#}
case
    when {{ n }} > 1 and min({{ value }}) {{ over }} = max({{ value }}) {{ over }} then 0
    when {{ n }} > 1
        then
            sqrt(
                greatest({{ exact_co_moment(value, value, over) }}, 0)
                * {{ n }} / ({{ n }} - 1)
            )
end
{%- endmacro %}
