{% macro indicator_cmf() %}
title: Chaikin money flow
source: Chaikin, in Achelis (1995)
talib: CMF
notes: A bar without a range adds nothing. 0 where nothing traded.
within: [-1, 1]
periods: {period: 20}
define:
  flow: >-
    case when high > low
    then ((close - low) - (high - close)) / (high - low) else 0 end * volume
  traded: moving_sum(volume, period)
outputs:
  cmf: case when traded = 0 then 0 else moving_sum(flow, period) / traded end
{% endmacro %}
