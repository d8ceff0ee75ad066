{% macro price_count() -%}
len(list_distinct(
    [min(low), max(high), min(open), max(open), min(close), max(close)]
))
{%- endmacro %}
