{% macro cholesky_step(matrix, factor, column, rounding) -%}
{%- set rest -%}
({{ matrix }}[{{ column }}][{{ column }}] - coalesce(list_dot_product(
    {{ factor }}[{{ column }}], {{ factor }}[{{ column }}]
), 0))
{%- endset -%}
{%- set pivot -%}
sqrt(if({{ rest }} > {{ rounding }} * {{ matrix }}[{{ column }}][{{ column }}], {{ rest }}, 0))
{%- endset -%}
list_transform({{ factor }}, lambda known, number: case  -- noqa: PRS
    when number < {{ column }} then known
    when number = {{ column }} then list_append(known, {{ pivot }})
    else list_append(known, coalesce(
        (
            {{ matrix }}[number][{{ column }}]
            - coalesce(list_dot_product(known, {{ factor }}[{{ column }}]), 0)
        ) / nullif({{ pivot }}, 0),
        0
    ))
end)
{%- endmacro %}
