{% macro indicator_dema() %}
title: Double exponential moving average
source: Mulloy (1994)
talib: DEMA
periods: {period: 20}
define:
  once: ema(close, period)
  twice: ema(once, period)
outputs:
  dema: 2 * once - twice
{% endmacro %}
