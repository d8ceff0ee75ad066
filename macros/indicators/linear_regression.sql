{% macro indicator_linear_regression() %}
title: Linear regression of the close on time
source: Legendre (1805), in Achelis (1995)
talib: [LINEARREG, LINEARREG_SLOPE, LINEARREG_ANGLE, LINEARREG_INTERCEPT, TSF]
notes: >-
  The line's value at this bar, its rise per bar, that rise as an angle in degrees, and the line's
  values at the oldest bar and at the next.
periods: {period: 14}
define:
  average: moving_mean(close, period)
  slope: 6 * (weighted_mean(close, period) - average) / (period - 1)
  half_rise: slope * (period - 1) / 2
outputs:
  linear_regression: average + half_rise
  linear_regression_slope: slope
  linear_regression_angle: degrees(atan(slope))
  linear_regression_intercept: average - half_rise
  linear_regression_forecast: average + half_rise + slope
{% endmacro %}
