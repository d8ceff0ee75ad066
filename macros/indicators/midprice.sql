{% macro indicator_midprice() %}
title: Midpoint of the range of a period
source: TA-Lib
talib: MIDPRICE
periods: {period: 14}
outputs:
  midprice: (moving_max(high, period) + moving_min(low, period)) / 2
{% endmacro %}
