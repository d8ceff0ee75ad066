{% macro indicator_vortex() %}
title: Vortex
source: Botes and Siepman (2010)
talib: VORTEX
notes: 0 where the range is 0.
periods: {period: 14}
define:
  ranges: moving_sum(true_range(), period)
outputs:
  vortex_plus: coalesce(moving_sum(abs(high - lag(low)), period) / nullif(ranges, 0), 0)
  vortex_minus: coalesce(moving_sum(abs(low - lag(high)), period) / nullif(ranges, 0), 0)
{% endmacro %}
