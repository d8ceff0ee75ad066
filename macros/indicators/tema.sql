{% macro indicator_tema() %}
title: Triple exponential moving average
source: Mulloy (1994)
talib: TEMA
periods: {period: 20}
define:
  once: ema(close, period)
  twice: ema(once, period)
  thrice: ema(twice, period)
outputs:
  tema: 3 * once - 3 * twice + thrice
{% endmacro %}
