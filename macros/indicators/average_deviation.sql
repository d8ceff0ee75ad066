{% macro indicator_average_deviation() %}
title: Mean absolute deviation of the close
source: Gauss (1816)
talib: AVGDEV
periods: {period: 14}
outputs:
  average_deviation: moving_deviation(close, period)
{% endmacro %}
