{% macro indicator_hma() %}
title: Hull moving average
source: Hull (2005)
talib: HMA
notes: Half of the period and its root are rounded down.
periods: {period: 20}
define:
  raw: 2 * weighted_mean(close, period / 2) - weighted_mean(close, period)
outputs:
  hma: weighted_mean(raw, sqrt(period))
{% endmacro %}
