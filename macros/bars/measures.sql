{% macro volume_of_all() -%}
case when count(volume) = count(*) then {{ exact_sum('volume') }} end
{%- endmacro %}

{% macro source_of_all() -%}
if(min(source) = max(source), min(source), 'mixed')
{%- endmacro %}

{% macro price_count() -%}
len(list_distinct(
    [min(low), max(high), min(open), max(open), min(close), max(close)]
))
{%- endmacro %}

{% macro larger_over_smaller(one, other) -%}
greatest({{ one }} / {{ other }}, {{ other }} / {{ one }})
{%- endmacro %}
