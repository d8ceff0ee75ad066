{% macro beyond_rounding(value) -%}
{#- What is less than this of returns has only been left by rounding: nothing was there. -#}
case when abs({{ value }}) > 1e-12 then {{ value }} end
{%- endmacro %}
