{% macro indicator_pivot_points_camarilla() %}
title: Camarilla pivot points
source: Scott (1989)
notes: >-
  Around the close of the prior session, which for a daily or weekly bar is the previous bar. NULL
  in the first.
periods: {}
settings: {reach: 1.1}
define:
  top: before_session(session_max(high))
  bottom: before_session(session_min(low))
  last_close: before_session(close)
  step: reach * (top - bottom) / 12
outputs:
  pivot_camarilla_r1: last_close + step
  pivot_camarilla_s1: last_close - step
  pivot_camarilla_r2: last_close + 2 * step
  pivot_camarilla_s2: last_close - 2 * step
  pivot_camarilla_r3: last_close + 3 * step
  pivot_camarilla_s3: last_close - 3 * step
  pivot_camarilla_r4: last_close + 6 * step
  pivot_camarilla_s4: last_close - 6 * step
{% endmacro %}
