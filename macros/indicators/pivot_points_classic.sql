{% macro indicator_pivot_points_classic() %}
title: Classic pivot points
source: Person (2004), of floor traders
notes: >-
  Of the session before, which for a bar of a day or a week is the bar before. Null in the first.
periods: {}
define:
  top: before_session(session_max(high))
  bottom: before_session(session_min(low))
  centre: (top + bottom + before_session(close)) / 3
outputs:
  pivot_classic: centre
  pivot_classic_r1: 2 * centre - bottom
  pivot_classic_s1: 2 * centre - top
  pivot_classic_r2: centre + (top - bottom)
  pivot_classic_s2: centre - (top - bottom)
  pivot_classic_r3: top + 2 * (centre - bottom)
  pivot_classic_s3: bottom - 2 * (top - centre)
{% endmacro %}
