{% macro indicator_cci() %}
title: Commodity channel index
source: Lambert (1980)
talib: CCI
notes: >-
  0 where the typical price equals its average, which means that they differ by no more than
  `rounding` of it.
periods: {period: 20}
settings: {scale: 0.015, rounding: 2.0e-14}
define:
  typical: typical_price()
  distance: typical - moving_mean(typical, period)
  deviation: moving_deviation(typical, period)
outputs:
  cci: >-
    case when abs(distance) > rounding * typical then distance / (scale * deviation) else 0 end
{% endmacro %}
