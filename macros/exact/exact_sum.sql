{% macro exact_sum(value, over='', decimals=8) -%}
{#- 38 digits are the most there are, so that a sum of many values does not overflow early. -#}
(sum(({{ value }})::decimal(38, {{ decimals }})) {{ over }})::double
{%- endmacro %}
