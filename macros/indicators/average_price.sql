{% macro indicator_average_price() %}
title: Average price
source: TA-Lib
talib: AVGPRICE
periods: {}
outputs:
  average_price: (open + high + low + close) / 4
{% endmacro %}
