{% macro series_bar_columns() -%}
{{ return([
    'symbol', 'timeframe', 'bar_ts', 'bar_number', 'session_bar_number',
    'open', 'high', 'low', 'close', 'volume',
]) }}
{%- endmacro %}
