{% macro indicator_true_range() %}
title: True range
source: Wilder (1978)
talib: TRANGE
periods: {}
outputs:
  true_range: greatest(high - low, abs(high - lag(close)), abs(low - lag(close)))
{% endmacro %}
