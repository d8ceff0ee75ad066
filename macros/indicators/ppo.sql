{% macro indicator_ppo() %}
title: Percentage price oscillator
source: Appel (1979)
talib: PPO
notes: Each average starts at its own first bar, unlike those of macd.
periods: {fast: 12, slow: 26}
outputs:
  ppo: 100 * (ema(close, fast) - ema(close, slow)) / ema(close, slow)
{% endmacro %}
