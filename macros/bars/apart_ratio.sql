{% macro apart_ratio(one, other) -%}
greatest({{ one }} / {{ other }}, {{ other }} / {{ one }})
{%- endmacro %}
