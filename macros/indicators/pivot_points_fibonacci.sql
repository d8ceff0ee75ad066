{% macro indicator_pivot_points_fibonacci() %}
title: Fibonacci pivot points
source: Person (2004)
notes: >-
  From the prior session, which for a daily or weekly bar is the previous bar. NULL in the first.
periods: {}
settings: {near: 0.382, far: 0.618}
define:
  top: before_session(session_max(high))
  bottom: before_session(session_min(low))
  center: (top + bottom + before_session(close)) / 3
outputs:
  pivot_fibonacci: center
  pivot_fibonacci_r1: center + near * (top - bottom)
  pivot_fibonacci_s1: center - near * (top - bottom)
  pivot_fibonacci_r2: center + far * (top - bottom)
  pivot_fibonacci_s2: center - far * (top - bottom)
  pivot_fibonacci_r3: center + (top - bottom)
  pivot_fibonacci_s3: center - (top - bottom)
{% endmacro %}
