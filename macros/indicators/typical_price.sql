{% macro indicator_typical_price() %}
title: Typical price
source: Achelis (1995)
talib: TYPPRICE
periods: {}
outputs:
  typical_price: (high + low + close) / 3
{% endmacro %}
