{% macro indicator_ad() %}
title: Accumulation/distribution line
source: Chaikin, in Achelis (1995)
talib: AD
notes: >-
  A bar without a range adds nothing, and neither does one whose volume is NULL. The decimals are
  exact, so that an incremental build continues from the last value.
type: decimal(38, 12)
periods: {}
define:
  flow: >-
    case when high > low
    then ((close - low) - (high - close)) / (high - low) else 0 end * volume
outputs:
  ad: running_total(flow)
{% endmacro %}
