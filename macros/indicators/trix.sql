{% macro indicator_trix() %}
title: Rate of change of a triple exponential average
source: Hutson (1983)
talib: TRIX
notes: In percent.
periods: {period: 15}
define:
  thrice: ema(ema(ema(close, period), period), period)
outputs:
  trix: 100 * (thrice / lag(thrice) - 1)
{% endmacro %}
