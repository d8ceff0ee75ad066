{% macro indicator_macd() %}
title: Moving average convergence/divergence
source: Appel (1979)
talib: MACD
notes: Both averages start at the same bar, and the line starts with the first signal.
periods: {fast: 12, slow: 26, signal: 9}
define:
  line: ema(close, fast, slow - 1) - ema(close, slow)
  average: ema(line, signal)
outputs:
  macd: known_from(line, slow + signal - 2)
  macd_signal: average
  macd_histogram: line - average
{% endmacro %}
