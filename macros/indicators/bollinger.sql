{% macro indicator_bollinger() %}
title: Bollinger bands
source: Bollinger (2001)
talib: [BBANDS, BBANDS, BBANDS]
notes: >-
  The position (%b) is 0 at the lower band and 1 at the upper, and NULL where the bands are equal
  up to rounding. The bandwidth is a fraction of the middle.
periods: {period: 20}
settings: {width: 2.0, rounding: 1.0e-14}
define:
  middle: moving_mean(close, period)
  half_width: width * moving_stddev(close, period)
outputs:
  bollinger_lower: middle - half_width
  bollinger_middle: middle
  bollinger_upper: middle + half_width
  bollinger_position: >-
    case when half_width > rounding * middle
    then (close - (middle - half_width)) / (2 * half_width) end
  bollinger_bandwidth: 2 * half_width / middle
{% endmacro %}
