{% macro indicator_median_price() %}
title: Median price
source: Achelis (1995)
talib: MEDPRICE
periods: {}
outputs:
  median_price: (high + low) / 2
{% endmacro %}
