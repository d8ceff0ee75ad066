{% macro indicator_ad() %}
title: Accumulation/distribution line
source: Chaikin, in Achelis (1995)
talib: AD
notes: >-
  A bar without a range adds nothing, nor does one whose volume is not known. Exact, so that a build
  of what is new goes on from it.
type: decimal(38, 12)
periods: {}
define:
  flow: >-
    case when high > low
    then ((close - low) - (high - close)) / (high - low) else 0 end * volume
outputs:
  ad: running_total(flow)
{% endmacro %}
