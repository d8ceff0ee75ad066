{% macro indicator_sma() %}
title: Simple moving average
source: Achelis (1995)
talib: SMA
periods: {period: 20}
outputs:
  sma: moving_mean(close, period)
{% endmacro %}
