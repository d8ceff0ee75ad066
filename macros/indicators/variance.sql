{% macro indicator_variance() %}
title: Variance of the close
source: Fisher (1918)
talib: VAR
notes: Of a population (n).
periods: {period: 20}
outputs:
  variance: moving_variance(close, period)
{% endmacro %}
