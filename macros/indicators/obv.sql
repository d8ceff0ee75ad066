{% macro indicator_obv() %}
title: On-balance volume
source: Granville (1963)
talib: OBV
notes: >-
  Starts with the volume of the first bar. A bar whose volume is NULL adds nothing. The decimals
  are exact, so that an incremental build continues from the last value.
type: decimal(38, 12)
periods: {}
define:
  flow: >-
    case when bar_number = 0 or close > lag(close) then 1
    when close < lag(close) then -1 else 0 end * volume
outputs:
  obv: running_total(known_from(flow, 0))
{% endmacro %}
