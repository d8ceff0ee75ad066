{% macro indicator_vwap() %}
title: Volume-weighted average price of the session
source: Berkowitz, Logue and Noser (1988)
notes: >-
  Of typical prices since the session opened, while TA-Lib's VWAP never restarts. The bands are
  one to three volume-weighted standard deviations away. NULL until something trades in the
  session.
periods: {}
define:
  typical: typical_price()
  first_typical: at_session_start(typical)
  distance: typical - first_typical
  traded: nullif(session_total(volume), 0)
  mean_distance: session_total(distance * volume) / traded
  mean_square: session_total(distance * distance * volume) / traded
  spread: mean_square - mean_distance * mean_distance
  deviation: sqrt(case when spread > 0 then spread else 0 end)
  average: first_typical + mean_distance
outputs:
  vwap_session: average
  vwap_lower_1: average - deviation
  vwap_upper_1: average + deviation
  vwap_lower_2: average - 2 * deviation
  vwap_upper_2: average + 2 * deviation
  vwap_lower_3: average - 3 * deviation
  vwap_upper_3: average + 3 * deviation
{% endmacro %}
