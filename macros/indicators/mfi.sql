{% macro indicator_mfi() %}
title: Money flow index
source: Quong and Soudack (1989)
talib: MFI
notes: >-
  Typical prices that differ by no more than `rounding` of themselves are equal. 0 where no money
  flowed.
within: [0, 100]
periods: {period: 14}
settings: {rounding: 2.0e-14}
define:
  typical: typical_price()
  change: typical - lag(typical)
  flow: typical * volume
  inflow: moving_sum(case when change > rounding * typical then 1 else 0 end * flow, period)
  outflow: moving_sum(case when change < -rounding * typical then 1 else 0 end * flow, period)
outputs:
  mfi: case when inflow + outflow = 0 then 0 else 100 * inflow / (inflow + outflow) end
{% endmacro %}
