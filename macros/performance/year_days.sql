{% macro year_days() -%}
{{ return(365.25) }}
{%- endmacro %}
