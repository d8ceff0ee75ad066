{% macro change_pct(value, base, whole) -%}
round(({{ value }} - {{ base }}) / {{ whole }} * 100, 6)
{%- endmacro %}
