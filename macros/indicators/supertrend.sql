{% macro indicator_supertrend() %}
title: Supertrend
source: Seban (2008)
talib: [SUPERTREND, SUPERTREND]
notes: >-
  The band that the close has to cross for the trend to turn. The first trend is rising. The
  direction is 1 while the trend rises and -1 while it falls.
periods: {period: 10}
settings: {width: 3.0}
define:
  middle: (high + low) / 2
  reach: width * atr(period)
  basic_lower: middle - reach
  basic_upper: middle + reach
  close_before: lag(close)
starting_values:
  lower: basic_lower
  upper: basic_upper
  direction: 0
step:
  lower: >-
    case when basic_lower > before_lower or close_before < before_lower
    then basic_lower else before_lower end
  upper: >-
    case when basic_upper < before_upper or close_before > before_upper
    then basic_upper else before_upper end
  direction: >-
    case when before_direction = 0 then 1
    when before_direction > 0 and close < lower then -1
    when before_direction < 0 and close > upper then 1
    else before_direction end
outputs:
  supertrend: case when direction > 0 then lower else upper end
  supertrend_direction: direction
  supertrend_lower: lower
  supertrend_upper: upper
{% endmacro %}
