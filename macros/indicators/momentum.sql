{% macro indicator_momentum() %}
title: Momentum
source: Achelis (1995)
talib: MOM
periods: {period: 10}
outputs:
  mom: close - lag(close, period)
{% endmacro %}
