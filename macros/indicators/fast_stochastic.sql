{% macro indicator_fast_stochastic() %}
title: Fast stochastic oscillator
source: Lane (1984)
talib: STOCHF
notes: K is 0 where the range is 0, and starts with the first D.
within: [0, 100]
periods: {period: 14, signal: 3}
define:
  highest: moving_max(high, period)
  lowest: moving_min(low, period)
  k: case when highest > lowest then 100 * (close - lowest) / (highest - lowest) else 0 end
outputs:
  fast_stochastic_k: known_from(k, period + signal - 2)
  fast_stochastic_d: moving_mean(k, signal)
{% endmacro %}
