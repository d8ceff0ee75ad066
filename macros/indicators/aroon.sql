{% macro indicator_aroon() %}
title: Aroon
source: Chande (1995)
talib: [AROON, AROON, AROONOSC]
notes: Over the last `period` bars and the one before them. Of equal extremes the newest counts.
periods: {period: 14}
define:
  up: 100 * (period - bars_since_max(high, period + 1)) / period
  down: 100 * (period - bars_since_min(low, period + 1)) / period
outputs:
  aroon_up: up
  aroon_down: down
  aroon_oscillator: up - down
{% endmacro %}
