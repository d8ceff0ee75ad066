{% macro families() -%}
{#- In the order in which they are listed elsewhere. -#}
{{ return([
    'moving_averages',
    'smoothed_averages',
    'momentum',
    'stochastics',
    'macd',
    'bands',
    'volatility',
    'directional_movement',
    'volume_flow',
    'vwap',
    'ichimoku',
    'stops',
    'regression',
    'pivot_points',
    'camarilla_points',
    'candles_of_one_bar',
    'candles_of_two_bars',
    'candles_of_three_bars',
    'candles_of_more_bars',
]) }}
{%- endmacro %}
