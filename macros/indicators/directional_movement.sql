{% macro indicator_directional_movement() %}
title: Directional movement
source: Wilder (1978)
talib: [PLUS_DM, MINUS_DM, PLUS_DI, MINUS_DI, DX, ADX, ADXR]
notes: >-
  The sums of movement start a bar before their percentages of the range. The percentages are 0
  where there is no range, and their difference is 0 where there is no movement.
periods: {period: 14}
define:
  rise: high - lag(high)
  fall: lag(low) - low
  up: wilder_sum(case when rise > fall and rise > 0 then rise else 0 end, period)
  down: wilder_sum(case when fall > rise and fall > 0 then fall else 0 end, period)
  ranges: wilder_sum(true_range(), period)
  difference: case when up + down > 0 then 100 * abs(up - down) / (up + down) else 0 end
  average: wilder(difference, period)
outputs:
  plus_dm: known_from(up, period - 1)
  minus_dm: known_from(down, period - 1)
  plus_di: case when ranges > 0 then 100 * up / ranges else 0 end
  minus_di: case when ranges > 0 then 100 * down / ranges else 0 end
  dx: difference
  adx: average
  adxr: (average + lag(average, period - 1)) / 2
{% endmacro %}
