{% macro indicator_candles_of_two_bars() %}
title: Candlestick patterns of two bars
source: Nison (1991), Morris (1992); sizes as in TA-Lib
talib: [
  CDLCOUNTERATTACK, CDLDARKCLOUDCOVER, CDLDOJISTAR, CDLENGULFING, CDLHAMMER, CDLHANGINGMAN,
  CDLHARAMI, CDLHARAMICROSS, CDLHOMINGPIGEON, CDLINNECK, CDLINVERTEDHAMMER, CDLKICKING,
  CDLKICKINGBYLENGTH, CDLMATCHINGLOW, CDLONNECK, CDLPIERCING, CDLSEPARATINGLINES, CDLSHOOTINGSTAR,
  CDLTHRUSTING
]
notes: >-
  An engulfing or harami is 80 or -80 if one end of both bodies is the same price. In TA-Lib only
  the dark cloud cover has a setting for the penetration; for piercing and thrusting it is always
  half. Averages are summed from scratch at each bar, while TA-Lib carries a running total and its
  rounding from the first bar on. If a size equals its average to the last digit, the two may
  differ; of 10.9 million values of real bars, none do.
type: smallint
within: [-100, 100]
periods: {}
settings: {penetration: 0.5}
define:
{{ candle_measures(1) }}
  within_body_1: body_top < body_top_1 and body_bottom > body_bottom_1
  not_beyond_body_1: body_top <= body_top_1 and body_bottom >= body_bottom_1
  around_body_1: body_top > body_top_1 and body_bottom < body_bottom_1
  at_one_end_of_body_1: (body_top > body_top_1 and body_bottom = body_bottom_1)
    or (body_top = body_top_1 and body_bottom < body_bottom_1)
  depth_1: body_1 * penetration
  kicking: case
    when black_1 and marubozu_1 and white and marubozu and low > high_1 then 100
    when white_1 and marubozu_1 and black and marubozu and high < low_1 then -100
    else 0 end
outputs:
  candle_counterattack: case
    when color_1 <> color and long_body_1 and long_body
    and close between close_1 - equal_1 and close_1 + equal_1
    then 100 * color else 0 end
  candle_dark_cloud_cover: case
    when white_1 and long_body_1
    and black and open > high_1 and close > open_1 and close < close_1 - depth_1
    then -100 else 0 end
  candle_doji_star: case
    when black_1 and long_body_1 and doji and body_gap_down then 100
    when white_1 and long_body_1 and doji and body_gap_up then -100
    else 0 end
  candle_engulfing: known_from(case
    when color_1 <> color and around_body_1 then 100 * color
    when color_1 <> color and at_one_end_of_body_1 then 80 * color
    else 0 end, 2)
  candle_hammer: known_from(case
    when short_body and lower_shadow > long_shadow and upper_shadow < tiny
    and body_bottom <= low_1 + near_1
    then 100 else 0 end, 11)
  candle_hanging_man: known_from(case
    when short_body and lower_shadow > long_shadow and upper_shadow < tiny
    and body_bottom >= high_1 - near_1
    then -100 else 0 end, 11)
  candle_harami: case
    when long_body_1 and not long_body and within_body_1 then -100 * color_1
    when long_body_1 and not long_body and not_beyond_body_1 then -80 * color_1
    else 0 end
  candle_harami_cross: case
    when long_body_1 and doji and within_body_1 then -100 * color_1
    when long_body_1 and doji and not_beyond_body_1 then -80 * color_1
    else 0 end
  candle_homing_pigeon: case
    when black_1 and long_body_1 and black and not long_body and open < open_1 and close > close_1
    then 100 else 0 end
  candle_in_neck: case
    when black_1 and long_body_1
    and white and open < low_1 and close between close_1 and close_1 + equal_1
    then -100 else 0 end
  candle_inverted_hammer: known_from(case
    when short_body and upper_shadow > long_shadow and lower_shadow < tiny and body_gap_down
    then 100 else 0 end, 11)
  candle_kicking: kicking
  candle_kicking_by_length: case
    when kicking <> 0 and body > body_1 then 100 * color
    when kicking <> 0 then 100 * color_1
    else 0 end
  candle_matching_low: case
    when black_1 and black and close between close_1 - equal_1 and close_1 + equal_1
    then 100 else 0 end
  candle_on_neck: case
    when black_1 and long_body_1
    and white and open < low_1 and close between low_1 - equal_1 and low_1 + equal_1
    then -100 else 0 end
  candle_piercing: case
    when black_1 and long_body_1 and white and long_body
    and open < low_1 and close < open_1 and close > close_1 + depth_1
    then 100 else 0 end
  candle_separating_lines: known_from(case
    when color_1 <> color and open between open_1 - equal_1 and open_1 + equal_1 and belt_hold
    then 100 * color else 0 end, 11)
  candle_shooting_star: known_from(case
    when short_body and upper_shadow > long_shadow and lower_shadow < tiny and body_gap_up
    then -100 else 0 end, 11)
  candle_thrusting: case
    when black_1 and long_body_1
    and white and open < low_1 and close > close_1 + equal_1 and close <= close_1 + depth_1
    then -100 else 0 end
{% endmacro %}
