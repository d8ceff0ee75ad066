{% macro indicator_stochastic() %}
title: Slow stochastic oscillator
source: Lane (1984)
talib: STOCH
notes: The fast K is 0 where the range is 0. K starts with the first D.
within: [0, 100]
periods: {period: 14, smoothing: 3, signal: 3}
define:
  fast_k: fast_stochastic(period, 1)
  k: moving_mean(fast_k, smoothing)
outputs:
  stochastic_k: known_from(k, period + smoothing + signal - 3)
  stochastic_d: moving_mean(k, signal)
{% endmacro %}
