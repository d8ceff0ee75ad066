{% macro indicator_weighted_close() %}
title: Weighted close
source: Achelis (1995)
talib: WCLPRICE
periods: {}
outputs:
  weighted_close: (high + low + 2 * close) / 4
{% endmacro %}
