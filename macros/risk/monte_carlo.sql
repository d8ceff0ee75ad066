{% macro monte_carlo_decks() -%}
20
{%- endmacro %}

{#- Hashed twice, because hashes of several values share low bits; a double has 53 bits. -#}
{% macro uniform_draw(key) -%}
(((hash(hash({{ var('monte_carlo_seed') }}, {{ key }})) >> 11)::double + 0.5e0) / pow(2, 53))
{%- endmacro %}

{% macro to_decimal(value) -%}
try_cast({{ value }} as decimal(18, 16))
{%- endmacro %}

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
