{#- For large values the logarithms differ by less than their rounding, so a series is used. -#}
{% macro student_constant(nu) -%}
{%- set half = '(' ~ nu ~ ' / 2e0)' -%}
(exp(if(
    {{ half }} < 100,
    lgamma({{ half }} + 0.5e0) - lgamma({{ half }}),
    0.5e0 * ln({{ half }}) - 1 / (8e0 * {{ half }}) + 1 / (192e0 * pow({{ half }}, 3))
    - 1 / (640e0 * pow({{ half }}, 5))
)) / sqrt(pi()))
{%- endmacro %}
