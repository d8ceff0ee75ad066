{% macro beyond_rounding(value) -%}
{#- A result this close to zero is only the rounding error of returns. -#}
case when abs({{ value }}) > 1e-12 then {{ value }} end
{%- endmacro %}
