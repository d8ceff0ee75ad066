{% macro order_comment(in_order) -%}
{{ return('rows lie in the order of symbol, timeframe, bar_ts' if in_order else 'rows lie in no order') }}
{%- endmacro %}
