{% macro indicator_bop() %}
title: Balance of power
source: Livshin (2001)
talib: BOP
notes: 0 where the bar has no range.
within: [-1, 1]
periods: {}
outputs:
  bop: case when high > low then (close - open) / (high - low) else 0 end
{% endmacro %}
