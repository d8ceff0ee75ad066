{% macro indicator_psar() %}
title: Parabolic stop and reverse
source: Wilder (1978)
talib: [SAR]
notes: >-
  The stop rises below the price while the direction is 1 and falls above it while it is -1, and
  turns on the bar that reaches it. It begins by falling if the second bar's low fell by more than
  its high rose. The extreme since the turn and the acceleration, which the next value needs, are
  outputs too.
periods: {}
settings: {acceleration_step: 0.02, maximum: 0.2}
define:
  fall: lag(low) - low
  begins_down: fall > 0 and fall > high - lag(high)
  low_2: case when bar_number > 2 then known_from(lag(low, 2), 1) else lag(low) end
  high_2: case when bar_number > 2 then known_from(lag(high, 2), 1) else lag(high) end
  lowest: least(lag(low), low_2)
  highest: greatest(lag(high), high_2)
starting_values:
  stop: case when begins_down then lag(high) else lag(low) end
  direction: case when begins_down then -1 else 1 end
  extreme: case when begins_down then low else high end
  acceleration: acceleration_step
step:
  ahead: before_stop + before_acceleration * (before_extreme - before_stop)
  reached: >-
    case when bar_number = 1 then before_stop
    when before_direction > 0 then least(ahead, lowest)
    else greatest(ahead, highest) end
  turns: case when before_direction > 0 then low <= reached else high >= reached end
  stop: >-
    case when not turns then reached
    when bar_number = 1 then before_extreme
    when before_direction > 0 then greatest(before_extreme, lag(high), high)
    else least(before_extreme, lag(low), low) end
  direction: case when turns then -before_direction else before_direction end
  extreme: >-
    case when turns then case when before_direction > 0 then low else high end
    when before_direction > 0 then greatest(before_extreme, high)
    else least(before_extreme, low) end
  acceleration: >-
    case when turns then acceleration_step
    when extreme <> before_extreme then least(before_acceleration + acceleration_step, maximum)
    else before_acceleration end
outputs:
  psar: stop
  psar_direction: direction
  psar_extreme: extreme
  psar_acceleration: acceleration
{% endmacro %}
