{% macro indicator_midpoint() %}
title: Midpoint of the closes of a period
source: TA-Lib
talib: MIDPOINT
periods: {period: 14}
outputs:
  midpoint: (moving_max(close, period) + moving_min(close, period)) / 2
{% endmacro %}
