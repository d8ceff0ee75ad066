{% macro exactly(value) -%}
try_cast({{ value }} as decimal(18, 16))
{%- endmacro %}
