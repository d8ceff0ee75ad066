{% macro indicator_ultimate() %}
title: Ultimate oscillator
source: Williams (1985)
talib: ULTOSC
notes: A part without any range is 0.
periods: {fast: 7, medium: 14, slow: 28}
define:
  pressure: close - least(low, lag(close))
  ranges: true_range()
  fast_part: coalesce(moving_sum(pressure, fast) / nullif(moving_sum(ranges, fast), 0), 0)
  medium_part: coalesce(moving_sum(pressure, medium) / nullif(moving_sum(ranges, medium), 0), 0)
  slow_part: coalesce(moving_sum(pressure, slow) / nullif(moving_sum(ranges, slow), 0), 0)
outputs:
  ultimate: 100 * (4 * fast_part + 2 * medium_part + slow_part) / 7
{% endmacro %}
