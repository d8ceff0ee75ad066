{% macro indicator_williams_r() %}
title: Williams %R
source: Williams (1973)
talib: WILLR
notes: 0 where the range is 0.
within: [-100, 0]
periods: {period: 14}
define:
  highest: moving_max(high, period)
  lowest: moving_min(low, period)
outputs:
  williams_r: >-
    case when highest > lowest
    then -100 * (highest - close) / (highest - lowest) else 0 end
{% endmacro %}
