{% macro indicator_stochastic_rsi() %}
title: Stochastic oscillator of the RSI
source: Chande and Kroll (1994)
talib: STOCHRSI
notes: >-
  K is 0 where the RSI has not moved: no close has moved, or its values differ by no more than
  `rounding` of their sum. K starts with the first D.
within: [0, 100]
periods: {period: 14, length: 14, signal: 3}
settings: {rounding: 1.0e-14}
define:
  moves: moving_sum(case when close <> lag(close) then 1 else 0 end, length - 1)
  strength: rsi(period)
  highest: moving_max(strength, length)
  lowest: moving_min(strength, length)
  k: >-
    case when moves > 0 and highest - lowest > rounding * (highest + lowest)
    then 100 * (strength - lowest) / (highest - lowest) else 0 end
outputs:
  stochastic_rsi_k: known_from(k, period + length + signal - 2)
  stochastic_rsi_d: moving_mean(k, signal)
{% endmacro %}
