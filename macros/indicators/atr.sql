{% macro indicator_atr() %}
title: Average true range
source: Wilder (1978)
talib: ATR
periods: {period: 14}
outputs:
  atr: wilder(true_range(), period)
{% endmacro %}
