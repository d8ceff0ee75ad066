{% macro indicator_roc() %}
title: Rate of change
source: Achelis (1995)
talib: ROC
notes: In percent.
periods: {period: 10}
outputs:
  roc: 100 * (close / lag(close, period) - 1)
{% endmacro %}
