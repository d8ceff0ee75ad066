{% macro indicator_chaikin_volatility() %}
title: Chaikin volatility
source: Chaikin, in Achelis (1995)
talib: CVI
notes: In percent. 0 where there was no range `change` bars ago.
periods: {period: 10, change: 10}
define:
  average: ema(high - low, period)
  before: lag(average, change)
outputs:
  chaikin_volatility: case when before > 0 then 100 * (average / before - 1) else 0 end
{% endmacro %}
