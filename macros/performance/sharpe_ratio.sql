{% macro sharpe_ratio(excess, over) -%}
{{ exact_mean(excess, over) }} / {{ beyond_rounding(exact_deviation(excess, over)) }}
{%- endmacro %}
