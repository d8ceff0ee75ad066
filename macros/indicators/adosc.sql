{% macro indicator_adosc() %}
title: Chaikin oscillator of the accumulation/distribution line
source: Chaikin, in Achelis (1995)
talib: ADOSC
notes: >-
  Both averages start with the first value of the line. As `ema` starts with a mean, the first
  values are weighted so that their mean is the average at that bar.
periods: {fast: 3, slow: 10}
define:
  line: ad()
  fast_alpha: 2 / (fast + 1)
  slow_alpha: 2 / (slow + 1)
  fast_weight: >-
    case when bar_number = 0 then fast * power(1 - fast_alpha, fast - 1)
    when bar_number < fast then fast * fast_alpha * power(1 - fast_alpha, fast - 1 - bar_number)
    else 1 end
  slow_weight: >-
    case when bar_number = 0 then slow * power(1 - slow_alpha, slow - 1)
    when bar_number < slow then slow * slow_alpha * power(1 - slow_alpha, slow - 1 - bar_number)
    else 1 end
outputs:
  adosc: ema(fast_weight * line, fast) - ema(slow_weight * line, slow)
{% endmacro %}
