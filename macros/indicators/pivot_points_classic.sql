{% macro indicator_pivot_points_classic() %}
title: Classic pivot points
source: Person (2004), of floor traders
notes: >-
  From the prior session, which for a daily or weekly bar is the previous bar. NULL in the first.
periods: {}
define:
  top: before_session(session_max(high))
  bottom: before_session(session_min(low))
  center: (top + bottom + before_session(close)) / 3
outputs:
  pivot_classic: center
  pivot_classic_r1: 2 * center - bottom
  pivot_classic_s1: 2 * center - top
  pivot_classic_r2: center + (top - bottom)
  pivot_classic_s2: center - (top - bottom)
  pivot_classic_r3: top + 2 * (center - bottom)
  pivot_classic_s3: bottom - 2 * (top - center)
{% endmacro %}
