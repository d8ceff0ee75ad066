{% macro indicator_keltner() %}
title: Keltner channel
source: Keltner (1960), of average true ranges by Raschke
notes: >-
  Around the average of closes, like charts and Stock.Indicators; TA-Lib's KC is around typical
  prices, and counts a range for the first bar.
periods: {period: 20, atr_period: 10}
settings: {width: 2.0}
define:
  middle: ema(close, period)
  half_width: width * atr(atr_period)
outputs:
  keltner_lower: middle - half_width
  keltner_middle: middle
  keltner_upper: middle + half_width
{% endmacro %}
