{#- For a small x, the logarithm of 1 + x is a series, because 1 + x loses the last digits of x. -#}
{% macro student_density(t, nu) -%}
{%- set x = '(' ~ t ~ ' * ' ~ t ~ ' / ' ~ nu ~ ')' -%}
({{ student_constant(nu) }} / sqrt({{ nu }}) * exp(-({{ nu }} + 1) / 2 * if(
    {{ x }} < 1e-4, {{ x }} * (1 - {{ x }} / 2 + {{ x }} * {{ x }} / 3), ln(1 + {{ x }})
)))
{%- endmacro %}
