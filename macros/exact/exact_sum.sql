{% macro exact_sum(value, over='', decimals=8) -%}
{#- Of 38 digits, so that a sum of any number of them overflows later than what is summed. -#}
(sum(({{ value }})::decimal(38, {{ decimals }})) {{ over }})::double
{%- endmacro %}
