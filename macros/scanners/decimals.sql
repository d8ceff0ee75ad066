{% macro price_decimals() -%}
6
{%- endmacro %}

{% macro score_decimals() -%}
6
{%- endmacro %}
