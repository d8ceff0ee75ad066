{% macro indicator_rsi() %}
title: Relative strength index
source: Wilder (1978)
talib: RSI
notes: 0 while the close has never moved.
within: [0, 100]
periods: {period: 14}
define:
  change: close - lag(close)
  gain: wilder(case when change > 0 then change else 0 end, period)
  loss: wilder(case when change < 0 then -change else 0 end, period)
outputs:
  rsi: case when gain + loss > 0 then 100 * gain / (gain + loss) else 0 end
{% endmacro %}
