{% macro horizon_scaling(kind) -%}
if(horizon_days = 1, 'none', '{{ kind }}')
{%- endmacro %}
