{% macro indicator_candles_of_three_bars() %}
title: Candlestick patterns of three bars
source: Nison (1991), Morris (1992); sizes as in TA-Lib
talib: [
  CDL2CROWS, CDL3INSIDE, CDL3OUTSIDE, CDL3STARSINSOUTH, CDL3WHITESOLDIERS, CDLABANDONEDBABY,
  CDLADVANCEBLOCK, CDLEVENINGDOJISTAR, CDLEVENINGSTAR, CDLGAPSIDESIDEWHITE, CDLIDENTICAL3CROWS,
  CDLMORNINGDOJISTAR, CDLMORNINGSTAR, CDLSTALLEDPATTERN, CDLSTICKSANDWICH, CDLTASUKIGAP, CDLTRISTAR,
  CDLUNIQUE3RIVER, CDLUPSIDEGAP2CROWS, CDLXSIDEGAP3METHODS
]
notes: >-
  Averages are summed from scratch at each bar, while TA-Lib carries a running total and its
  rounding from the first bar on. If a size equals its average to the last digit, the two may
  differ; of 11.5 million values of real bars, none do.
type: smallint
within: [-100, 100]
periods: {}
settings: {penetration: 0.3}
define:
{{ candle_measures(2) }}
  depth_2: body_2 * penetration
  falls_into_body_2: white_2 and long_body_2 and black and long_body and close < close_2 - depth_2
  rises_into_body_2: black_2 and long_body_2 and white and long_body and close > close_2 + depth_2
  three_white: white_2 and white_1 and white
  three_black: black_2 and black_1 and black
  three_rise: close > close_1 and close_1 > close_2
  three_fall: close < close_1 and close_1 < close_2
  higher_near_body_2: open_1 > open_2 and open_1 <= close_2 + near_2
  higher_near_body_1: open > open_1 and open <= close_1 + near_1
  much_smaller_1: body_1 < body_2 - far_2
  much_smaller: body < body_1 - far_1
  like_bar_1: body between body_1 - near_1 and body_1 + near_1
    and open between open_1 - equal_1 and open_1 + equal_1
outputs:
  candle_two_crows: case
    when white_2 and long_body_2
    and black_1 and body_gap_up_1
    and black and open < open_1 and open > close_1 and close > open_2 and close < close_2
    then -100 else 0 end
  candle_three_inside: case
    when long_body_2
    and not long_body_1 and body_top_1 < body_top_2 and body_bottom_1 > body_bottom_2
    then case
    when black_2 and white and close > open_2 then 100
    when white_2 and black and close < open_2 then -100
    else 0 end else 0 end
  candle_three_outside: known_from(case
    when black_2 and white_1 and open_1 < close_2 and close_1 > open_2 and close > close_1 then 100
    when white_2 and black_1 and open_1 > close_2 and close_1 < open_2 and close < close_1 then -100
    else 0 end, 3)
  candle_three_stars_in_the_south: case
    when three_black
    and long_body_2 and lower_shadow_2 > long_shadow_2
    and body_1 < body_2 and open_1 > close_2 and open_1 <= high_2
    and low_1 < close_2 and low_1 >= low_2 and lower_shadow_1 > tiny_1
    and short_body and lower_shadow < tiny and upper_shadow < tiny and low > low_1 and high < high_1
    then 100 else 0 end
  candle_three_white_soldiers: case
    when three_white and three_rise
    and upper_shadow_2 < tiny_2 and upper_shadow_1 < tiny_1 and upper_shadow < tiny
    and higher_near_body_2 and higher_near_body_1
    and body_1 > body_2 - far_2 and body > body_1 - far_1 and long_body
    then 100 else 0 end
  candle_abandoned_baby: case
    when rises_into_body_2 and doji_1 and high_1 < low_2 and low > high_1 then 100
    when falls_into_body_2 and doji_1 and low_1 > high_2 and high < low_1 then -100
    else 0 end
  candle_advance_block: case
    when three_white and three_rise and higher_near_body_2 and higher_near_body_1
    and long_body_2 and upper_shadow_2 < short_shadow_2
    and (
    (much_smaller_1 and body < body_1 + near_1)
    or much_smaller
    or (body < body_1 and body_1 < body_2
    and (upper_shadow > short_shadow or upper_shadow_1 > short_shadow_1))
    or (body < body_1 and upper_shadow > long_shadow)
    )
    then -100 else 0 end
  candle_evening_doji_star: case
    when falls_into_body_2 and doji_1 and body_gap_up_1 then -100 else 0 end
  candle_evening_star: case
    when falls_into_body_2 and not long_body_1 and body_gap_up_1 then -100 else 0 end
  candle_gap_side_by_side_white: known_from(case
    when body_gap_up_1 and body_bottom > body_top_2 and white_1 and white and like_bar_1 then 100
    when body_gap_down_1 and body_top < body_bottom_2 and white_1 and white and like_bar_1 then -100
    else 0 end, 7)
  candle_identical_three_crows: case
    when three_black and three_fall
    and lower_shadow_2 < tiny_2 and lower_shadow_1 < tiny_1 and lower_shadow < tiny
    and open_1 between close_2 - equal_2 and close_2 + equal_2
    and open between close_1 - equal_1 and close_1 + equal_1
    then -100 else 0 end
  candle_morning_doji_star: case
    when rises_into_body_2 and doji_1 and body_gap_down_1 then 100 else 0 end
  candle_morning_star: case
    when rises_into_body_2 and not long_body_1 and body_gap_down_1 then 100 else 0 end
  candle_stalled_pattern: case
    when three_white and three_rise
    and long_body_2 and long_body_1 and upper_shadow_1 < tiny_1 and higher_near_body_2
    and short_body and open >= close_1 - body - near_1
    then -100 else 0 end
  candle_stick_sandwich: case
    when black_2 and white_1 and black
    and low_1 > close_2 and close between close_2 - equal_2 and close_2 + equal_2
    then 100 else 0 end
  candle_tasuki_gap: known_from(case
    when body_gap_up_1 and white_1 and black
    and open < close_1 and open > open_1 and close < open_1 and close > body_top_2
    and abs(body_1 - body) < near_1
    then 100
    when body_gap_down_1 and black_1 and white
    and open > close_1 and open < open_1 and close > open_1 and close < body_bottom_2
    and abs(body_1 - body) < near_1
    then -100
    else 0 end, 7)
  candle_tristar: case
    when doji_2 and body_1 <= tiny_2 and body <= tiny_2
    then case
    when body_gap_down_1 and body_bottom > body_bottom_1 then 100
    when body_gap_up_1 and body_top < body_top_1 then -100
    else 0 end else 0 end
  candle_unique_three_river: case
    when black_2 and long_body_2
    and black_1 and close_1 > close_2 and open_1 <= open_2 and low_1 < low_2
    and white and short_body and open > low_1
    then 100 else 0 end
  candle_upside_gap_two_crows: case
    when white_2 and long_body_2
    and black_1 and not long_body_1 and body_gap_up_1
    and black and open > open_1 and close < close_1 and close > close_2
    then -100 else 0 end
  candle_upside_downside_gap_three_methods: case
    when white_2 and white_1 and body_gap_up_1
    and black and open > open_1 and open < close_1 and close > open_2 and close < close_2
    then 100
    when black_2 and black_1 and body_gap_down_1
    and white and open < open_1 and open > close_1 and close < open_2 and close > close_2
    then -100
    else 0 end
{% endmacro %}
