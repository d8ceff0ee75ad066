{% macro indicator_candles_of_more_bars() %}
title: Candlestick patterns of four or more bars
source: Nison (1991), Morris (1992), hikkake Chesler (2003); sizes as in TA-Lib
talib: [
  CDL3BLACKCROWS, CDL3LINESTRIKE, CDLBREAKAWAY, CDLCONCEALBABYSWALL, CDLHIKKAKE, CDLHIKKAKEMOD,
  CDLLADDERBOTTOM, CDLMATHOLD, CDLRISEFALL3METHODS
]
notes: >-
  A hikkake is 100 or -100 at the bar that completes it, and 200 or -200 at the first of the next
  three closes that is beyond the bar before it, unless a newer hikkake comes in between. Averages
  are summed from scratch at each bar, while TA-Lib carries a running total and its rounding from
  the first bar on. If a size equals its average to the last digit, the two may differ; of 5.2
  million values of real bars, none do.
type: smallint
within: [-200, 200]
periods: {}
settings: {penetration: 0.5}
define:
{{ candle_measures(4) }}
  opens_near_body_3: open_2 between body_bottom_3 - near_3 and body_top_3 + near_3
  opens_near_body_2: open_1 between body_bottom_2 - near_2 and body_top_2 + near_2
  three_small: short_body_3 and short_body_2 and short_body_1
  floor_4: close_4 - body_4 * penetration
  in_range_of_4: body_bottom_3 < high_4 and body_top_3 > low_4
    and body_bottom_2 < high_4 and body_top_2 > low_4
    and body_bottom_1 < high_4 and body_top_1 > low_4

  inside_bar: high < high_1 and low > low_1
  inside_bar_1: lag(inside_bar, 1)
  inside_bar_2: lag(inside_bar, 2)
  lower_bar: high < high_1 and low < low_1
  higher_bar: high > high_1 and low > low_1

  hikkake: case
    when inside_bar_1 and lower_bar then 100
    when inside_bar_1 and higher_bar then -100
    else 0 end
  hikkake_1: lag(hikkake, 1)
  hikkake_2: lag(hikkake, 2)
  hikkake_3: lag(hikkake, 3)
  hikkake_1_confirmed: (hikkake_1 > 0 and close > high_2) or (hikkake_1 < 0 and close < low_2)
  hikkake_2_confirmed: ((hikkake_2 > 0 and close > high_3) or (hikkake_2 < 0 and close < low_3))
    and not lag(hikkake_1_confirmed)
  hikkake_3_confirmed: ((hikkake_3 > 0 and close > high_4) or (hikkake_3 < 0 and close < low_4))
    and not lag(hikkake_2_confirmed) and not lag(hikkake_1_confirmed, 2)

  modified: case
    when inside_bar_2 and inside_bar_1 and lower_bar and close_2 <= low_2 + near_2 then 100
    when inside_bar_2 and inside_bar_1 and higher_bar and close_2 >= high_2 - near_2 then -100
    else 0 end
  modified_1: lag(modified, 1)
  modified_2: lag(modified, 2)
  modified_3: lag(modified, 3)
  modified_1_confirmed: (modified_1 > 0 and close > high_2) or (modified_1 < 0 and close < low_2)
  modified_2_confirmed: ((modified_2 > 0 and close > high_3) or (modified_2 < 0 and close < low_3))
    and not lag(modified_1_confirmed)
  modified_3_confirmed: ((modified_3 > 0 and close > high_4) or (modified_3 < 0 and close < low_4))
    and not lag(modified_2_confirmed) and not lag(modified_1_confirmed, 2)
outputs:
  candle_three_black_crows: known_from(case
    when white_3 and black_2 and black_1 and black
    and lower_shadow_2 < tiny_2 and lower_shadow_1 < tiny_1 and lower_shadow < tiny
    and open_1 < open_2 and open_1 > close_2 and open < open_1 and open > close_1
    and high_3 > close_2 and close_2 > close_1 and close_1 > close
    then -100 else 0 end, 13)
  candle_three_line_strike: case
    when opens_near_body_3 and opens_near_body_2
    then case
    when white_3 and white_2 and white_1 and close_3 < close_2 and close_2 < close_1
    and black and open > close_1 and close < open_3
    then 100
    when black_3 and black_2 and black_1 and close_3 > close_2 and close_2 > close_1
    and white and open < close_1 and close > open_3
    then -100
    else 0 end else 0 end
  candle_breakaway: case
    when black_4 and long_body_4
    and black_3 and body_gap_down_3
    and high_2 < high_3 and low_2 < low_3
    and black_1 and high_1 < high_2 and low_1 < low_2
    and white and close > open_3 and close < close_4
    then 100
    when white_4 and long_body_4
    and white_3 and body_gap_up_3
    and high_2 > high_3 and low_2 > low_3
    and white_1 and high_1 > high_2 and low_1 > low_2
    and black and close < open_3 and close > close_4
    then -100
    else 0 end
  candle_concealing_baby_swallow: case
    when black_3 and lower_shadow_3 < tiny_3 and upper_shadow_3 < tiny_3
    and black_2 and lower_shadow_2 < tiny_2 and upper_shadow_2 < tiny_2
    and black_1 and body_gap_down_1 and upper_shadow_1 > tiny_1 and high_1 > close_2
    and black and high > high_1 and low < low_1
    then 100 else 0 end
  candle_hikkake: case
    when hikkake <> 0 then hikkake
    when hikkake_1_confirmed then 2 * hikkake_1
    when hikkake_2_confirmed then 2 * hikkake_2
    when hikkake_3_confirmed and hikkake_1 = 0 then 2 * hikkake_3
    else 0 end
  candle_modified_hikkake: case
    when modified <> 0 then modified
    when modified_1_confirmed then 2 * modified_1
    when modified_2_confirmed then 2 * modified_2
    when modified_3_confirmed then 2 * modified_3
    else 0 end
  candle_ladder_bottom: known_from(case
    when black_4 and black_3 and black_2
    and open_4 > open_3 and open_3 > open_2 and close_4 > close_3 and close_3 > close_2
    and black_1 and upper_shadow_1 > tiny_1
    and white and open > open_1 and close > high_1
    then 100 else 0 end, 14)
  candle_mat_hold: case
    when white_4 and long_body_4 and three_small
    and black_3 and body_gap_up_3
    and body_bottom_2 < close_4 and body_bottom_2 > floor_4 and body_top_2 < open_3
    and body_bottom_1 < close_4 and body_bottom_1 > floor_4 and body_top_1 < body_top_2
    and white and open > close_1 and close > high_3 and close > high_2 and close > high_1
    then 100 else 0 end
  candle_rising_falling_three_methods: case
    when long_body_4 and three_small and in_range_of_4 and long_body
    then case
    when white_4 and black_3 and black_2 and black_1 and close_3 > close_2 and close_2 > close_1
    and white and open > close_1 and close > close_4
    then 100
    when black_4 and white_3 and white_2 and white_1 and close_3 < close_2 and close_2 < close_1
    and black and open < close_1 and close < close_4
    then -100
    else 0 end else 0 end
{% endmacro %}
