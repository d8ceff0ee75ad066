{% macro apart_pct(one, other) -%}
round(abs({{ one }} - {{ other }}) / abs({{ one }} + {{ other }}) * 100, 6)
{%- endmacro %}
