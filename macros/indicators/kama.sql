{% macro indicator_kama() %}
title: Kaufman's adaptive moving average
source: Kaufman (1995)
talib: KAMA
notes: >-
  Starts from the close before the first value. The efficiency is 1 where the close has not moved
  over the whole period.
periods: {period: 30}
settings: {fastest: 2, slowest: 30}
define:
  path: moving_sum(abs(close - lag(close)), period)
  efficiency: case when path > 0 then abs(close - lag(close, period)) / path else 1 end
  fast_alpha: 2 / (fastest + 1)
  slow_alpha: 2 / (slowest + 1)
  alpha: power(efficiency * (fast_alpha - slow_alpha) + slow_alpha, 2)
outputs:
  kama: affine(1 - alpha, alpha * close, close)
{% endmacro %}
