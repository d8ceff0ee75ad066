{% macro indicator_ichimoku() %}
title: Ichimoku
source: Hosoda (1969)
notes: >-
  Nothing is taken from later bars. `span_a_ahead` and `span_b_ahead` are what this bar adds to
  the cloud, which charts draw kijun - 1 bars ahead; `cloud_a` and `cloud_b` are the cloud that
  charts show at this bar.
periods: {tenkan: 9, kijun: 26, senkou: 52}
define:
  conversion: midprice(tenkan)
  base: midprice(kijun)
  span_a: (conversion + base) / 2
  span_b: midprice(senkou)
outputs:
  ichimoku_tenkan: conversion
  ichimoku_kijun: base
  ichimoku_span_a_ahead: span_a
  ichimoku_span_b_ahead: span_b
  ichimoku_cloud_a: lag(span_a, kijun - 1)
  ichimoku_cloud_b: lag(span_b, kijun - 1)
{% endmacro %}
