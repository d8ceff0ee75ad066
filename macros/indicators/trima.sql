{% macro indicator_trima() %}
title: Triangular moving average
source: Achelis (1995)
talib: TRIMA
notes: The mean of a mean, so the bars in the middle have the largest weights.
periods: {period: 20}
outputs:
  trima: moving_mean(moving_mean(close, period / 2 + 1), period + 1 / 2)
{% endmacro %}
