{% macro indicator_apo() %}
title: Absolute price oscillator
source: Appel (1979)
talib: APO
notes: Each average starts at its own first bar, unlike those of macd.
periods: {fast: 12, slow: 26}
outputs:
  apo: ema(close, fast) - ema(close, slow)
{% endmacro %}
