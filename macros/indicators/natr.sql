{% macro indicator_natr() %}
title: Normalized average true range
source: Forman (2006)
talib: NATR
notes: In percent of the close.
periods: {period: 14}
outputs:
  natr: 100 * atr(period) / close
{% endmacro %}
