{% macro indicator_candles_of_one_bar() %}
title: Candlestick patterns of one bar
source: Nison (1991), Morris (1992); sizes as in TA-Lib
talib: [
  CDLBELTHOLD, CDLCLOSINGMARUBOZU, CDLDOJI, CDLDRAGONFLYDOJI, CDLGRAVESTONEDOJI, CDLHIGHWAVE,
  CDLLONGLEGGEDDOJI, CDLLONGLINE, CDLMARUBOZU, CDLRICKSHAWMAN, CDLSHORTLINE, CDLSPINNINGTOP,
  CDLTAKURI
]
notes: >-
  Hammers, the hanging man and the shooting star also look at the previous bar, and are among the
  candles of two bars. Averages are summed from scratch at each bar, while TA-Lib carries a
  running total and its rounding from the first bar on. If a size equals its average to the last
  digit, the two may differ; of 7.5 million values of real bars, 5 do.
type: smallint
within: [-100, 100]
periods: {}
define:
{{ candle_measures() }}
  middle: low + high_low / 2
outputs:
  candle_belt_hold: case when belt_hold then 100 * color else 0 end
  candle_closing_marubozu: case
    when long_body and white and upper_shadow < tiny then 100
    when long_body and black and lower_shadow < tiny then -100
    else 0 end
  candle_doji: case when doji then 100 else 0 end
  candle_dragonfly_doji: case
    when doji and upper_shadow < tiny and lower_shadow > tiny then 100 else 0 end
  candle_gravestone_doji: case
    when doji and lower_shadow < tiny and upper_shadow > tiny then 100 else 0 end
  candle_high_wave: case
    when short_body and upper_shadow > very_long_shadow and lower_shadow > very_long_shadow
    then 100 * color else 0 end
  candle_long_legged_doji: case
    when doji and (upper_shadow > long_shadow or lower_shadow > long_shadow) then 100 else 0 end
  candle_long_line: case
    when long_body and upper_shadow < short_shadow and lower_shadow < short_shadow
    then 100 * color else 0 end
  candle_marubozu: case when marubozu then 100 * color else 0 end
  candle_rickshaw_man: case
    when doji and upper_shadow > long_shadow and lower_shadow > long_shadow
    and body_bottom <= middle + near and body_top >= middle - near
    then 100 else 0 end
  candle_short_line: case
    when short_body and upper_shadow < short_shadow and lower_shadow < short_shadow
    then 100 * color else 0 end
  candle_spinning_top: case
    when short_body and upper_shadow > body and lower_shadow > body then 100 * color else 0 end
  candle_takuri: case
    when doji and upper_shadow < tiny and lower_shadow > very_long_shadow then 100 else 0 end
{% endmacro %}
