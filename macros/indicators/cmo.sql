{% macro indicator_cmo() %}
title: Chande momentum oscillator
source: Chande and Kroll (1994)
talib: CMO
notes: >-
  From Wilder's averages, like TA-Lib; Chande's own sums are plain. 0 while the close has never
  moved.
within: [-100, 100]
periods: {period: 14}
define:
  change: close - lag(close)
  gain: wilder(case when change > 0 then change else 0 end, period)
  loss: wilder(case when change < 0 then -change else 0 end, period)
outputs:
  cmo: case when gain + loss > 0 then 100 * (gain - loss) / (gain + loss) else 0 end
{% endmacro %}
