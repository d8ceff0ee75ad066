{% macro indicator_stddev() %}
title: Standard deviation of the close
source: Pearson (1894)
talib: STDDEV
notes: Of a population (n).
periods: {period: 20}
outputs:
  stddev: moving_stddev(close, period)
{% endmacro %}
