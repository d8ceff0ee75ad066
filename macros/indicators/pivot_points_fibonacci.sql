{% macro indicator_pivot_points_fibonacci() %}
title: Fibonacci pivot points
source: Person (2004)
notes: >-
  Of the session before, which for a bar of a day or a week is the bar before. Null in the first.
periods: {}
settings: {near: 0.382, far: 0.618}
define:
  top: before_session(session_max(high))
  bottom: before_session(session_min(low))
  centre: (top + bottom + before_session(close)) / 3
outputs:
  pivot_fibonacci: centre
  pivot_fibonacci_r1: centre + near * (top - bottom)
  pivot_fibonacci_s1: centre - near * (top - bottom)
  pivot_fibonacci_r2: centre + far * (top - bottom)
  pivot_fibonacci_s2: centre - far * (top - bottom)
  pivot_fibonacci_r3: centre + (top - bottom)
  pivot_fibonacci_s3: centre - (top - bottom)
{% endmacro %}
