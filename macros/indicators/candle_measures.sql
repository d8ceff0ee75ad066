{% macro candle_measures(bars_ago=0) -%}
{#-
    What the definitions of candles have in common, with TA-Lib's default settings. A size is
    compared with those of the bars before it, without the bar itself. A name that ends in _1 is the
    value one bar ago, up to `bars_ago`: close_1, long_body_1; near_1 is `near` as of that bar.
-#}
{%- set measures = [
    'open', 'high', 'low', 'close', 'white', 'black', 'color',
    'body', 'body_top', 'body_bottom', 'upper_shadow', 'lower_shadow', 'long_shadow',
    'long_body', 'short_body', 'doji', 'marubozu', 'body_gap_up', 'body_gap_down',
    'tiny', 'equal', 'near', 'far', 'short_shadow',
] %}
  white: close >= open
  black: close < open
  color: case when white then 1 else -1 end

  body: abs(close - open)
  body_top: case when white then close else open end
  body_bottom: case when white then open else close end
  upper_shadow: high - body_top
  lower_shadow: body_bottom - low
  high_low: high - low

  usual_body: lag(moving_mean(body, 10))
  tiny: 0.1 * lag(moving_mean(high_low, 10))
  equal: 0.05 * lag(moving_mean(high_low, 5))
  near: 0.2 * lag(moving_mean(high_low, 5))
  far: 0.6 * lag(moving_mean(high_low, 5))
  short_shadow: lag(moving_mean(upper_shadow + lower_shadow, 10)) / 2
  long_shadow: body
  very_long_shadow: 2 * body

  long_body: body > usual_body
  short_body: body < usual_body
  doji: body <= tiny
  marubozu: long_body and upper_shadow < tiny and lower_shadow < tiny
  belt_hold: long_body and (white and lower_shadow < tiny or black and upper_shadow < tiny)
  body_gap_up: body_bottom > lag(body_top)
  body_gap_down: body_top < lag(body_bottom)
{% for bar in range(1, bars_ago + 1) -%}
{%- for measure in measures %}
  {{ measure }}_{{ bar }}: lag({{ measure }}, {{ bar }})
{%- endfor %}
{% endfor -%}
{%- endmacro %}
