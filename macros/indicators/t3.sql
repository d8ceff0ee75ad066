{% macro indicator_t3() %}
title: Tillson's T3 moving average
source: Tillson (1998)
talib: T3
periods: {period: 5}
settings: {volume_factor: 0.7}
define:
  e3: ema(ema(ema(close, period), period), period)
  e4: ema(e3, period)
  e5: ema(e4, period)
  e6: ema(e5, period)
  v2: power(volume_factor, 2)
  v3: power(volume_factor, 3)
outputs:
  t3: >-
    (1 + 3 * volume_factor + 3 * v2 + v3) * e3 - 3 * (volume_factor + 2 * v2 + v3) * e4
    + 3 * (v2 + v3) * e5 - v3 * e6
{% endmacro %}
