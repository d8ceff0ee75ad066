"""
What TA-Lib finds on the same bars, by indicator, and where that is rounding noise.

TA-Lib has no Keltner channel of closes, no Ichimoku, no VWAP of a session, no pivot points, no
position and bandwidth of Bollinger's bands: these are numpy's, written from their definitions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import talib
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from talib import abstract

Series = NDArray[np.float64]
Flags = NDArray[np.bool_]
Bars = dict[str, Series]
Outputs = dict[str, Series]
# bars and periods; of bars without a `session_bar_number` each is a session of its own
Reference = Callable[..., Outputs]


def shifted(values: Series, bars: int = 1) -> Series:
    """Return the values shifted by some bars."""
    unknown = np.full(min(bars, len(values)), np.nan)
    return np.concatenate([unknown, values[: len(values) - len(unknown)]])


def over_windows(function: Callable[[Series], Series], length: int, values: Series) -> Series:
    """Apply a window function to the last `length` values at each bar."""
    found = np.full(len(values), np.nan)
    if len(found) >= length:
        found[length - 1 :] = function(sliding_window_view(values, length))
    return found


def highest(values: Series, length: int) -> Series:
    return over_windows(lambda windows: np.max(windows, axis=1), length, values)


def lowest(values: Series, length: int) -> Series:
    return over_windows(lambda windows: np.min(windows, axis=1), length, values)


def deviations(windows: Series) -> Series:
    return np.asarray(np.std(windows, axis=1))


def typical(bars: Bars) -> Series:
    return (bars["high"] + bars["low"] + bars["close"]) / 3


def of_close(output: str, function: Callable[..., Series]) -> Reference:
    return lambda bars, *periods: {output: function(bars["close"], *periods)}


def of_range(output: str, function: Callable[..., Series]) -> Reference:
    return lambda bars, *periods: {output: function(bars["high"], bars["low"], *periods)}


def correlation(bars: Bars, period: int) -> Bars:
    """
    TA-Lib's, but numpy's where TA-Lib's sums of squares lose digits: of small deviations.

    Its running sums keep what rounding took of the largest prices that ever were.
    """
    found = talib.CORREL(bars["high"], bars["low"], period)
    most = {side: np.fmax.accumulate(bars[side]) for side in ("high", "low")}
    for bar in range(period - 1, len(found)):
        high, low = (bars[side][bar - period + 1 : bar + 1] for side in ("high", "low"))
        deviation = min(high.std() / high.max(), low.std() / low.max())
        kept = min(high.std() / most["high"][bar], low.std() / most["low"][bar])
        if deviation > 1e-9 and kept < 1e-3:
            found[bar] = np.corrcoef(high, low)[0, 1]
    return {"correlation": found}


def of_bars(output: str, function: Callable[..., Series]) -> Reference:
    return lambda bars, *periods: {
        output: function(bars["high"], bars["low"], bars["close"], *periods)
    }


def of_volume(output: str, function: Callable[..., Series]) -> Reference:
    return lambda bars, *periods: {
        output: function(bars["high"], bars["low"], bars["close"], bars["volume"], *periods)
    }


def stochastic(bars: Bars, period: int, smoothing: int, signal: int) -> Outputs:
    high, low, close = bars["high"], bars["low"], bars["close"]
    k, d = talib.STOCH(high, low, close, period, smoothing, slowd_period=signal)
    return {"stochastic_k": k, "stochastic_d": d}


def fast_stochastic(bars: Bars, period: int, signal: int) -> Outputs:
    k, d = talib.STOCHF(bars["high"], bars["low"], bars["close"], period, signal)
    return {"fast_stochastic_k": k, "fast_stochastic_d": d}


def stochastic_rsi(bars: Bars, period: int, length: int, signal: int) -> Outputs:
    k, d = talib.STOCHRSI(bars["close"], period, length, signal)
    return {"stochastic_rsi_k": k, "stochastic_rsi_d": d}


def macd(bars: Bars, fast: int, slow: int, signal: int) -> Outputs:
    line, average, histogram = talib.MACD(bars["close"], fast, slow, signal)
    return {"macd": line, "macd_signal": average, "macd_histogram": histogram}


def bollinger(bars: Bars, period: int) -> Outputs:
    """The bands are TA-Lib's; it has no position or bandwidth, so those are numpy's."""
    close = bars["close"]
    upper, middle, lower = talib.BBANDS(close, period, 2.0, 2.0)
    deviation = over_windows(deviations, period, close)
    deviation = np.where(deviation > 1e-14 * close, deviation, 0 * deviation)
    apart = np.where(deviation > 0, deviation, np.nan)
    return {
        "bollinger_lower": lower,
        "bollinger_middle": middle,
        "bollinger_upper": upper,
        "bollinger_position": 0.5 + (close - middle) / (4 * apart),
        "bollinger_bandwidth": 4 * deviation / middle,
    }


def directional_movement(bars: Bars, period: int) -> Outputs:
    high, low, close = bars["high"], bars["low"], bars["close"]
    return {
        "plus_dm": talib.PLUS_DM(high, low, period),
        "minus_dm": talib.MINUS_DM(high, low, period),
        "plus_di": talib.PLUS_DI(high, low, close, period),
        "minus_di": talib.MINUS_DI(high, low, close, period),
        "dx": talib.DX(high, low, close, period),
        "adx": talib.ADX(high, low, close, period),
        "adxr": talib.ADXR(high, low, close, period),
    }


def aroon(bars: Bars, period: int) -> Outputs:
    down, up = talib.AROON(bars["high"], bars["low"], period)
    oscillator = talib.AROONOSC(bars["high"], bars["low"], period)
    return {"aroon_up": up, "aroon_down": down, "aroon_oscillator": oscillator}


def donchian(bars: Bars, period: int) -> Outputs:
    upper, middle, lower = talib.DONCHIAN(bars["high"], bars["low"], period)
    return {"donchian_lower": lower, "donchian_middle": middle, "donchian_upper": upper}


def vortex(bars: Bars, period: int) -> Outputs:
    plus, minus = talib.VORTEX(bars["high"], bars["low"], bars["close"], period)
    return {"vortex_plus": plus, "vortex_minus": minus}


def linear_regression(bars: Bars, period: int) -> Outputs:
    """Slopes are taken of prices less the first, where TA-Lib's sums keep their last digits."""
    close = bars["close"]
    less_first = close - close[0]
    return {
        "linear_regression": talib.LINEARREG(close, period),
        "linear_regression_slope": talib.LINEARREG_SLOPE(less_first, period),
        "linear_regression_angle": talib.LINEARREG_ANGLE(less_first, period),
        "linear_regression_intercept": talib.LINEARREG_INTERCEPT(close, period),
        "linear_regression_forecast": talib.TSF(close, period),
    }


def keltner(bars: Bars, period: int, atr_period: int) -> Outputs:
    """By Raschke: TA-Lib's KC centers on typical prices and gives the first bar a range."""
    middle = talib.EMA(bars["close"], period)
    width = 2.0 * talib.ATR(bars["high"], bars["low"], bars["close"], atr_period)
    return {
        "keltner_lower": middle - width,
        "keltner_middle": middle,
        "keltner_upper": middle + width,
    }


def ichimoku(bars: Bars, tenkan: int, kijun: int, senkou: int) -> Outputs:
    """By Hosoda; TA-Lib has none."""
    tenkan_line, kijun_line, span_b = (
        (highest(bars["high"], length) + lowest(bars["low"], length)) / 2
        for length in (tenkan, kijun, senkou)
    )
    span_a = (tenkan_line + kijun_line) / 2
    return {
        "ichimoku_tenkan": tenkan_line,
        "ichimoku_kijun": kijun_line,
        "ichimoku_span_a_ahead": span_a,
        "ichimoku_span_b_ahead": span_b,
        "ichimoku_cloud_a": shifted(span_a, kijun - 1),
        "ichimoku_cloud_b": shifted(span_b, kijun - 1),
    }


def psar(bars: Bars) -> Outputs:
    """The stop is TA-Lib's; the next stop, which TA-Lib does not return, is Wilder's."""
    high, low = bars["high"], bars["low"]
    direction, extreme, acceleration, stop = np.full((4, len(high)), np.nan)
    known = talib.SAR(high, low)
    if len(high) < 2:
        return {"psar": known} | dict.fromkeys(PSAR_STATES, known)
    fall, rise = low[0] - low[1], high[1] - high[0]
    side = -1 if fall > 0 and fall > rise else 1
    ahead, furthest = (low[0], high[1]) if side > 0 else (high[0], low[1])
    step = 0.02
    for bar in range(1, len(high)):
        last_two = slice(max(bar - 1, 1), bar + 1)
        turns = low[bar] <= ahead if side > 0 else high[bar] >= ahead
        if turns:
            side, ahead = -side, furthest
            stop[bar] = max(ahead, *high[last_two]) if side < 0 else min(ahead, *low[last_two])
            ahead, furthest, step = stop[bar], low[bar] if side < 0 else high[bar], 0.02
        else:
            stop[bar] = ahead
            beyond = high[bar] > furthest if side > 0 else low[bar] < furthest
            if beyond:
                furthest, step = high[bar] if side > 0 else low[bar], min(step + 0.02, 0.2)
        direction[bar], extreme[bar], acceleration[bar] = side, furthest, step
        ahead += step * (furthest - ahead)
        ahead = min(ahead, *low[last_two]) if side > 0 else max(ahead, *high[last_two])
    np.testing.assert_allclose(stop, known, rtol=1e-12)
    states = (direction, extreme, acceleration)
    return {"psar": known} | dict(zip(PSAR_STATES, states, strict=True))


PSAR_STATES = ("psar_direction", "psar_extreme", "psar_acceleration")


def supertrend(bars: Bars, period: int) -> Outputs:
    """The line and its trend are TA-Lib's, which returns only the active band."""
    high, low, close = bars["high"], bars["low"], bars["close"]
    line, trend = talib.SUPERTREND(high, low, close, period, 3.0)
    reach = 3.0 * talib.ATR(high, low, close, period)
    lower, upper = (high + low) / 2 - reach, (high + low) / 2 + reach
    for bar in range(period + 1, len(close)):
        if not (lower[bar] > lower[bar - 1] or close[bar - 1] < lower[bar - 1]):
            lower[bar] = lower[bar - 1]
        if not (upper[bar] < upper[bar - 1] or close[bar - 1] > upper[bar - 1]):
            upper[bar] = upper[bar - 1]
    np.testing.assert_allclose(np.where(trend > 0, lower, upper), line, rtol=1e-12)
    return {
        "supertrend": line,
        "supertrend_direction": np.where(np.isnan(line), np.nan, trend),
        "supertrend_lower": lower,
        "supertrend_upper": upper,
    }


def sessions(bars: Bars) -> list[slice]:
    numbers = bars.get("session_bar_number", np.zeros(len(bars["close"])))
    starts = [*np.flatnonzero(numbers == 0), len(numbers)]
    return [slice(start, end) for start, end in pairwise(starts)]


def vwap(bars: Bars) -> Outputs:
    """By definition, bar by bar: TA-Lib's VWAP never resets and has no bands."""
    average, deviation = np.full((2, len(bars["close"])), np.nan)
    for session in sessions(bars):
        for bar in range(session.start, session.stop):
            to_date = slice(session.start, bar + 1)
            prices, volumes = typical(bars)[to_date], bars["volume"][to_date]
            if volumes.sum() > 0:
                average[bar] = np.average(prices, weights=volumes)
                squares = (prices - average[bar]) ** 2
                deviation[bar] = np.sqrt(np.average(squares, weights=volumes))
    bands = {
        f"vwap_{side}_{width}": average + sign * width * deviation
        for side, sign in (("lower", -1), ("upper", 1))
        for width in (1, 2, 3)
    }
    return {"vwap_session": average, **bands}


def session_before(bars: Bars) -> tuple[Series, Series, Series]:
    """The high, low and close of the prior session."""
    high, low, close = np.full((3, len(bars["close"])), np.nan)
    for before, session in pairwise(sessions(bars)):
        high[session] = bars["high"][before].max()
        low[session] = bars["low"][before].min()
        close[session] = bars["close"][before][-1]
    return high, low, close


def pivot_points_classic(bars: Bars) -> Outputs:
    """By definition; TA-Lib has none."""
    high, low, close = session_before(bars)
    pivot = (high + low + close) / 3
    return {
        "pivot_classic": pivot,
        "pivot_classic_r1": pivot + (pivot - low),
        "pivot_classic_s1": pivot - (high - pivot),
        "pivot_classic_r2": pivot + (high - low),
        "pivot_classic_s2": pivot - (high - low),
        "pivot_classic_r3": high + 2 * (pivot - low),
        "pivot_classic_s3": low - 2 * (high - pivot),
    }


def pivot_points_fibonacci(bars: Bars) -> Outputs:
    """By definition; TA-Lib has none."""
    high, low, close = session_before(bars)
    pivot = (high + low + close) / 3
    levels = {"pivot_fibonacci": pivot}
    for level, share in enumerate((0.382, 0.618, 1.0), start=1):
        levels[f"pivot_fibonacci_r{level}"] = pivot + share * (high - low)
        levels[f"pivot_fibonacci_s{level}"] = pivot - share * (high - low)
    return levels


def pivot_points_camarilla(bars: Bars) -> Outputs:
    """By definition; TA-Lib has none."""
    high, low, close = session_before(bars)
    levels: Outputs = {}
    for level, part in enumerate((12, 6, 4, 2), start=1):
        levels[f"pivot_camarilla_r{level}"] = close + 1.1 * (high - low) / part
        levels[f"pivot_camarilla_s{level}"] = close - 1.1 * (high - low) / part
    return levels


REFERENCES: dict[str, Reference] = {
    "sma": of_close("sma", talib.SMA),
    "ema": of_close("ema", talib.EMA),
    "wma": of_close("wma", talib.WMA),
    "dema": of_close("dema", talib.DEMA),
    "tema": of_close("tema", talib.TEMA),
    "trima": of_close("trima", talib.TRIMA),
    "hma": of_close("hma", talib.HMA),
    "kama": of_close("kama", talib.KAMA),
    "t3": of_close("t3", talib.T3),
    "rsi": of_close("rsi", talib.RSI),
    "cmo": of_close("cmo", talib.CMO),
    "fast_stochastic": fast_stochastic,
    "stochastic": stochastic,
    "stochastic_rsi": stochastic_rsi,
    "macd": macd,
    "ppo": of_close("ppo", talib.PPO),
    "apo": of_close("apo", talib.APO),
    "bollinger": bollinger,
    "true_range": of_bars("true_range", talib.TRANGE),
    "atr": of_bars("atr", talib.ATR),
    "natr": of_bars("natr", talib.NATR),
    "directional_movement": directional_movement,
    "cci": of_bars("cci", talib.CCI),
    "williams_r": of_bars("williams_r", talib.WILLR),
    "mfi": of_volume("mfi", talib.MFI),
    "obv": lambda bars: {"obv": talib.OBV(bars["close"], bars["volume"])},
    "ad": of_volume("ad", talib.AD),
    "adosc": of_volume("adosc", talib.ADOSC),
    "cmf": of_volume("cmf", talib.CMF),
    "vwap": vwap,
    "roc": of_close("roc", talib.ROC),
    "momentum": of_close("mom", talib.MOM),
    "trix": of_close("trix", talib.TRIX),
    "aroon": aroon,
    "donchian": donchian,
    "keltner": keltner,
    "ichimoku": ichimoku,
    "psar": psar,
    "supertrend": supertrend,
    "ultimate": of_bars("ultimate", talib.ULTOSC),
    "vortex": vortex,
    "chaikin_volatility": of_range("chaikin_volatility", talib.CVI),
    "linear_regression": linear_regression,
    "stddev": of_close("stddev", talib.STDDEV),
    "variance": of_close("variance", talib.VAR),
    "correlation": correlation,
    "beta": of_range("beta", talib.BETA),
    "pivot_points_classic": pivot_points_classic,
    "pivot_points_fibonacci": pivot_points_fibonacci,
    "pivot_points_camarilla": pivot_points_camarilla,
    "midpoint": of_close("midpoint", talib.MIDPOINT),
    "midprice": of_range("midprice", talib.MIDPRICE),
    "typical_price": of_bars("typical_price", talib.TYPPRICE),
    "median_price": of_range("median_price", talib.MEDPRICE),
    "weighted_close": of_bars("weighted_close", talib.WCLPRICE),
    "average_price": lambda bars: {
        "average_price": talib.AVGPRICE(bars["open"], bars["high"], bars["low"], bars["close"])
    },
    "bop": lambda bars: {"bop": talib.BOP(bars["open"], bars["high"], bars["low"], bars["close"])},
    "average_deviation": of_close("average_deviation", talib.AVGDEV),
}


def candle(bars: Bars, function: str) -> Series:
    """The signs of a pattern by TA-Lib's name; the warm-up, where TA-Lib returns 0, is NaN."""
    prices = (bars["open"], bars["high"], bars["low"], bars["close"])
    signs = np.asarray(getattr(talib, function)(*prices), dtype=np.float64)
    signs[: getattr(abstract, function).lookback] = np.nan
    return signs


@dataclass(frozen=True)
class Noise:
    """Bars at which an indicator is only rounding error, and our value there."""

    indicator: str
    rule: str
    bars: Callable[..., Flags]  # of bars and periods


def faded(average: Series) -> Flags:
    """Return the bars at which an average has fallen below a ten-millionth of its peak."""
    most = np.fmax.accumulate(average)
    return np.asarray((average < 1e-7 * most) & (most > 0))


def wilder(moves: Series, period: int) -> Series:
    """Wilder's average of moves, which the first bar lacks."""
    return np.concatenate([np.full(1, np.nan), talib.RMA(moves[1:], period)])


def close_rests(bars: Bars, period: int) -> Flags:
    return faded(wilder(np.abs(np.diff(bars["close"], prepend=np.nan)), period))


def close_ends_a_rest(bars: Bars, period: int, length: int, signal: int) -> Flags:
    """K is 0 while the close is flat, except where TA-Lib's averages are denormal."""
    rests = close_rests(bars, period).astype(np.float64)
    close, reach = bars["close"], length + signal - 1
    average = wilder(np.abs(np.diff(close, prepend=np.nan)), period)
    vanishes = ((average > 0) & (average < 1e-300)).astype(np.float64)
    blurred = (highest(close, reach) > lowest(close, reach)) | (highest(vanishes, reach) > 0)
    return np.asarray((highest(rests, reach) > 0) & blurred)


def bars_have_rested(bars: Bars, period: int) -> Flags:
    high, low, close = bars["high"], bars["low"], bars["close"]
    rise, fall = np.diff(high, prepend=np.nan), -np.diff(low, prepend=np.nan)
    moves = np.where((rise > 0) | (fall > 0), np.fmax(rise, fall), 0.0)
    rests = faded(wilder(moves, period)) | faded(wilder(talib.TRANGE(high, low, close), period))
    return np.asarray(np.logical_or.accumulate(rests))


def range_rested(bars: Bars, period: int, change: int) -> Flags:
    return faded(shifted(talib.EMA(bars["high"] - bars["low"], period), change))


def rsi_hardly_moves(bars: Bars, period: int, length: int, signal: int) -> Flags:
    rsi = talib.RSI(bars["close"], period)
    spread = highest(rsi, length) - lowest(rsi, length)
    blurred = (spread > 1e-13) & (spread < 1e-3)
    return np.asarray(highest(blurred.astype(np.float64), signal) > 0)


def nearly_equal_returns(bars: Bars, period: int) -> Flags:
    returns = talib.ROCP(bars["high"], 1)
    deviation = over_windows(deviations, period, returns)
    most = np.fmax.accumulate(np.abs(returns))
    return np.asarray((deviation > 0) & (deviation < np.fmax(1e-6, 2e-3 * most)))


def nearly_equal_closes(bars: Bars, period: int) -> Flags:
    deviation = over_windows(deviations, period, bars["close"])
    return np.asarray((deviation > 0) & (deviation < 1e-5 * bars["close"]))


FADES = (
    "after a rest longer than the memory of the averages nothing is left of them, and ours is 0; "
    "TA-Lib goes on with what is left, for it all fades alike"
)
NOISE = (
    Noise("rsi", FADES, close_rests),
    Noise("cmo", FADES, close_rests),
    Noise("stochastic_rsi", FADES, close_ends_a_rest),
    Noise("directional_movement", FADES, bars_have_rested),
    Noise("chaikin_volatility", FADES, range_rested),
    Noise(
        "stochastic_rsi",
        "0 where no close has moved, or the RSI by no more than 1e-14 of the sum of its extremes; "
        "above that each digit of the RSI that rounding takes is one of K's",
        rsi_hardly_moves,
    ),
    Noise(
        "beta",
        "0 where the returns of the high deviate by no more than 1e-14; above that each digit "
        "that rounding takes of them is one of beta's, and TA-Lib's running sums keep what it took "
        "of the largest returns that ever were",
        nearly_equal_returns,
    ),
    Noise(
        "bollinger",
        "no position where the closes deviate by no more than 1e-14 of themselves; above that each "
        "digit that rounding takes of them is one of the position's",
        nearly_equal_closes,
    ),
)


def of_price(bars: Bars) -> float:
    return 1e-14 * float(bars["close"].max())


def of_percent(_: Bars) -> float:
    return 1e-14 * 100


# What rounding makes of small differences of large prices, beside the tolerance of the value.
ROUNDING: dict[str, Callable[[Bars], float]] = {
    "macd": of_price,
    "apo": of_price,
    "ppo": of_percent,
    "trix": of_percent,
    "average_deviation": of_price,
}


def is_noise(name: str, bars: Bars, periods: Sequence[int]) -> Flags:
    """Return the bars at which an indicator is only rounding error."""
    found = [noise.bars(bars, *periods) for noise in NOISE if noise.indicator == name]
    return np.asarray(np.any([np.zeros(len(bars["close"]), bool), *found], axis=0))


def rounding(name: str, bars: Bars) -> float:
    return ROUNDING[name](bars) if name in ROUNDING else 0.0
