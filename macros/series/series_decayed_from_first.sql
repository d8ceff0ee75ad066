{% macro series_decayed_from_first(plan, value, alpha) -%}
{{ return(series_decayed(plan, value, 1, alpha)) }}
{%- endmacro %}
