{% macro exact_sum(value) -%}
sum({{ value }}::decimal(30, 8))::double
{%- endmacro %}
