{% macro difference_pct(value, base, whole) -%}
round(({{ value }} - {{ base }}) / {{ whole }} * 100, 6)
{%- endmacro %}

{% macro distance_from_mean_pct(one, other) -%}
round(abs({{ one }} - {{ other }}) / abs({{ one }} + {{ other }}) * 100, 6)
{%- endmacro %}
