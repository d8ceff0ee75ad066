{% macro polynomial(x, coefficients) -%}
{%- set terms = coefficients | map('string') | join(' + ' ~ x ~ ' * (') -%}
({{ terms }}{{ ')' * (coefficients | length - 1) }})
{%- endmacro %}
