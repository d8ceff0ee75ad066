{% macro indicator_donchian() %}
title: Donchian channel
source: Donchian (1960)
talib: DONCHIAN
notes: The channel includes the bar itself.
periods: {period: 20}
define:
  upper_line: moving_max(high, period)
  lower_line: moving_min(low, period)
outputs:
  donchian_lower: lower_line
  donchian_middle: (upper_line + lower_line) / 2
  donchian_upper: upper_line
{% endmacro %}
