{% macro indicator_correlation() %}
title: Correlation of high and low
source: Pearson (1895)
talib: CORREL
notes: 0 where all highs or all lows of the period are equal up to rounding.
within: [-1, 1]
periods: {period: 30}
settings: {rounding: 1.0e-14}
define:
  of_high: moving_stddev(high, period)
  of_low: moving_stddev(low, period)
outputs:
  correlation: >-
    case when of_high > rounding * high and of_low > rounding * low
    then moving_covariance(high, low, period) / (of_high * of_low) else 0 end
{% endmacro %}
