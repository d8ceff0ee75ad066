{% macro indicator_beta() %}
title: Beta of the low's returns on the high's
source: Sharpe (1964)
talib: BETA
notes: >-
  Slope of the low's returns on the high's, which are TA-Lib's default inputs. 0 where the high's
  returns are equal, which means that they deviate by no more than `rounding`.
periods: {period: 5}
settings: {rounding: 1.0e-14}
define:
  high_return: high / lag(high) - 1
  low_return: low / lag(low) - 1
  deviation: moving_stddev(high_return, period)
outputs:
  beta: >-
    case when deviation > rounding
    then moving_covariance(high_return, low_return, period) / power(deviation, 2) else 0 end
{% endmacro %}
