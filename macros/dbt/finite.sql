{% macro finite(value) -%}
case when isfinite({{ value }}) then {{ value }} end
{%- endmacro %}
