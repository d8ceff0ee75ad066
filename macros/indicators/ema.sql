{% macro indicator_ema() %}
title: Exponential moving average
source: Haurlan (1968)
talib: EMA
notes: Starts with the mean of the first closes.
periods: {period: 20}
outputs:
  ema: ema(close, period)
{% endmacro %}
