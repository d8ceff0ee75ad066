{% macro indicator_wma() %}
title: Weighted moving average
source: Achelis (1995)
talib: WMA
periods: {period: 20}
outputs:
  wma: weighted_mean(close, period)
{% endmacro %}
