"""Our indicators against the results of other libraries and spreadsheets on the same bars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.warehouse.indicators.references import (
    FOLDER,
    NONE,
    SOURCES,
    Bars,
    Compared,
    Departure,
    Indicator,
    Ours,
    Series,
    as_bars,
    month_sessions,
    ours,
    session_from,
)

pytestmark = pytest.mark.skipif(
    not FOLDER.exists(), reason=f"the reference results are not at {FOLDER}: set BOURSE_SHARED_DATA"
)

Then = Callable[[Series, Bars], Series]


def times(factor: float) -> Then:
    return lambda found, _: factor * found


def from_zero(obv: Series, bars: Bars) -> Series:
    return np.asarray(obv - bars["volume"][0])


def z_score(position: Series, _: Bars) -> Series:
    return 4 * position - 2


def money_flow_volume(ad: Series, _: Bars) -> Series:
    return np.diff(ad, prepend=0.0)


def money_flow_multiplier(ad: Series, bars: Bars) -> Series:
    return np.diff(ad, prepend=0.0) / bars["volume"]


def log_return(roc: Series, _: Bars) -> Series:
    return np.log1p(roc / 100)


def ratio(roc: Series, _: Bars) -> Series:
    return roc / 100 + 1


def earlier_close(momentum: Series, bars: Bars) -> Series:
    return bars["close"] - momentum


def relative_strength(rsi: Series, _: Bars) -> Series:
    return rsi / (100 - rsi)


def above_close(found: Series, bars: Bars) -> Series:
    return np.where(found > bars["close"], found, np.nan)


def below_close(found: Series, bars: Bars) -> Series:
    return np.where(found < bars["close"], found, np.nan)


def turned(direction: Series, _: Bars) -> Series:
    return np.abs(np.diff(direction, prepend=np.nan)) / 2


def eight_bars_back(found: Series, _: Bars) -> Series:
    return np.concatenate([found[8:], np.full(8, np.nan)])


def typical(bars: Bars) -> Bars:
    return {**bars, "close": (bars["high"] + bars["low"] + bars["close"]) / 3}


def median(bars: Bars) -> Bars:
    return as_bars(close=(bars["high"] + bars["low"]) / 2)


def one_share(bars: Bars) -> Bars:
    return {**bars, "volume": np.ones_like(bars["close"])}


def only(column: str) -> Callable[[Bars], Bars]:
    return lambda bars: as_bars(close=bars[column])


def range_is_close(bars: Bars) -> Bars:
    nothing = np.zeros_like(bars["close"])
    return {**bars, "open": nothing, "high": bars["close"], "low": nothing, "close": nothing}


def no_clamped_turn(psar: Series, bars: Bars) -> NDArray[np.bool_]:
    return np.asarray((psar != bars["low"]) & (psar != bars["high"]))


def no_tie(_: Series, bars: Bars) -> NDArray[np.bool_]:
    """Return the bars whose last 15 have no unchanged typical price."""
    tie = np.abs(np.diff(typical(bars)["close"], prepend=np.inf)) < 1e-9
    return np.asarray(np.convolve(tie, np.ones(15))[: len(tie)] == 0)


# The conventions in which the references depart from TA-Lib, and how ours becomes theirs.
AD_STEP = Departure("a step of AD", then=money_flow_volume)
AD_STEP_OF_VOLUME = Departure("a step of AD, per share traded", then=money_flow_multiplier)
AD_STEP_OF_ONE_SHARE = Departure(
    "a step of AD of one share", bars=one_share, then=money_flow_volume
)
AROON_EARLIER = Departure(
    "shown one bar before TA-Lib, whose window of n + 1 bars is not full there", skip=20
)
FIRST_RANGE = Departure(
    "the first bar has a true range, high - low, and counts: it stands in front once more", lead=1
)
FRACTION = Departure("a fraction, where TA-Lib and we give percent", then=times(0.01))
LOGARITHM = Departure("a logarithm, where TA-Lib and we give percent", then=log_return)
OBV_FROM_ZERO = Departure("starts at 0, TA-Lib's at the first volume", then=from_zero)
OF_CLOSE = Departure("high and low of the closes", bars=only("close"))
OF_OPEN = Departure("of the open", bars=only("open"))
OF_TYPICAL = Departure("of the typical price", bars=typical)
OF_VOLUME = Departure("of the volume", bars=only("volume"))
SAMPLE_20 = Departure("of a sample, TA-Lib's is of a population", then=times((20 / 19) ** 0.5))
STARTS_FALLING = Departure(
    "falls at first if the close is below the middle, TA-Lib's rises; compared after a turn",
    skip=27,
)
TURN = Departure(
    "the first stop is another, and a turn is not kept out of the bar it happens on",
    skip=40,
    where=no_clamped_turn,
)
ONE_SESSION = Departure("all bars are one session", bars=session_from(0))
SESSION_FROM_30 = Departure("not known before its start", bars=session_from(30), skip=30)
UPPER_ENVELOPE = Departure("2.5% above an average", then=times(1.025))
LOWER_ENVELOPE = Departure("2.5% below an average", then=times(0.975))
WILDER = Departure(
    "Wilder's average of the close, seen as our ATR of bars with that range",
    bars=range_is_close,
    lead=1,
)
Z_SCORE = Departure("standard deviations from the middle, of which %b counts four", then=z_score)

RISING_STOP = Departure("the line while below the close", then=below_close)
FALLING_STOP = Departure("the line while above the close", then=above_close)


def first_value(bars: int, skip: int = 0) -> Departure:
    """Departure of EMAs that start with the first value instead of a mean of n."""
    return Departure("an EMA starts with the first value: it stands in front", lead=bars, skip=skip)


def own_seeds(skip: int) -> Departure:
    return Departure(
        "the fast EMA starts at its own n-th bar, TA-Lib's with the slow one; compared when faded",
        skip=skip,
    )


def chained_seeds(skip: int) -> Departure:
    return Departure("each EMA of an EMA starts earlier; compared when faded", skip=skip)


def earlier(skip: int, why: str = "TA-Lib shows no K before D is known") -> Departure:
    return Departure(f"starts earlier: {why}", skip=skip)


def later(skip: int, why: str) -> Departure:
    return Departure(f"starts later: {why}", skip=skip)


def zero_before(bar: int) -> Departure:
    return Departure("0 while not known yet", skip=bar)


def of(expression: str, departure: Departure = NONE) -> Departure:
    return Departure(f"of {expression}", of=ours(expression, departure))


def plus(*others: Ours) -> Departure:
    return Departure("a sum of several outputs of ours", plus=others)


def minus(expression: str, departure: Departure = NONE) -> Ours:
    return ours(expression, replace(departure, then=times(-1)))


def oldest_heaviest(period: int) -> Departure:
    """Departure of a WMA with its weights in the wrong order: both orders add up to two SMAs."""
    return Departure(
        "the oldest bar weighs most, TA-Lib's newest",
        then=times(-1),
        plus=(ours(f"sma({period})", Departure(then=times(2))),),
    )


def atrs(factor: float, period: int) -> Departure:
    return plus(ours(f"atr({period})", Departure(then=times(factor))))


J = replace(
    plus(ours("stochastic(14, 3, 3).stochastic_d", Departure(then=times(-2)))), then=times(3)
)
MEDIAN_5_34 = replace(plus(minus("sma(34)", Departure(bars=median))), bars=median)
MONTHS = Departure("a month is a session", bars=month_sessions)
PIVOTS = {"pp": "pivot_classic"} | {
    level: f"pivot_classic_{level}" for level in ("r1", "r2", "r3", "s1", "s2", "s3")
}
TULIP_SIGNAL = replace(of("macd(2, 5, 9)", first_value(12, skip=4)), lead=8)
UNSMOOTHED = earlier(5, "nothing is smoothed before it is shown")
WITH_SLOWEST = later(51, "all lines start with the slowest")
OF_BARS_TO_DATE = "of as many bars as there are"
RETURNS = of("roc(1)", FRACTION)
LOG_RETURNS = of("roc(1)", LOGARITHM)


def row(column: str, expression: str, departure: Departure = NONE) -> Compared:
    return Compared(column, ours(expression, departure))


BASELINE = (
    row("adl.adl", "ad"),
    row("adl.moneyFlowVolume", "ad", AD_STEP),
    row("adl.moneyFlowMultiplier", "ad", AD_STEP_OF_VOLUME),
    row("atr.tr", "true_range"),
    row("atr.atr", "atr(14)"),
    row("atr.atrp", "natr(14)"),
    row("atr-stop.atr", "atr(21)"),
    row("awesome.oscillator", "sma(5)", MEDIAN_5_34),
    row("bop.bop", "sma(14)", of("bop")),
    row("bb.sma", "bollinger(20).bollinger_middle"),
    row("bb.upperBand", "bollinger(20).bollinger_upper"),
    row("bb.lowerBand", "bollinger(20).bollinger_lower"),
    row("bb.percentB", "bollinger(20).bollinger_position"),
    row("bb.width", "bollinger(20).bollinger_bandwidth"),
    row("bb.zScore", "bollinger(20).bollinger_position", Z_SCORE),
    row("cci.cci", "cci(20)"),
    row("chaikin-osc.adl", "ad"),
    row("chaikin-osc.moneyFlowVolume", "ad", AD_STEP),
    row("chaikin-osc.moneyFlowMultiplier", "ad", AD_STEP_OF_VOLUME),
    row("chaikin-osc.fastEma", "ema(3)", of("ad")),
    row("chaikin-osc.slowEma", "ema(10)", of("ad")),
    row(
        "chaikin-osc.oscillator",
        "adosc(3, 10)",
        Departure("EMAs start with a mean, TA-Lib's with the first AD; faded", skip=105),
    ),
    row("chexit.chandelierExit", "donchian(22).donchian_upper", atrs(-3, 22)),
    row("cmf.cmf", "cmf(20)"),
    row("cmf.moneyFlowVolume", "ad", AD_STEP),
    row("cmf.moneyFlowMultiplier", "ad", AD_STEP_OF_VOLUME),
    row("dema.dema", "dema(14)", chained_seeds(120)),
    row("dpo.sma", "sma(14)", Departure("8 bars back: knows the future", then=eight_bars_back)),
    row("ema.ema", "ema(20)"),
    row("epma.epma", "linear_regression(10)"),
    row("keltner.centerline", "keltner(20, 10).keltner_middle"),
    row("keltner.upperBand", "keltner(20, 10).keltner_upper"),
    row("keltner.lowerBand", "keltner(20, 10).keltner_lower"),
    row("ma-env.centerline", "sma(20)"),
    row("ma-env.upperEnvelope", "sma(20)", UPPER_ENVELOPE),
    row("ma-env.lowerEnvelope", "sma(20)", LOWER_ENVELOPE),
    row("macd.macd", "macd(12, 26, 9)", own_seeds(150)),
    row("macd.signal", "macd(12, 26, 9).macd_signal", own_seeds(160)),
    row("macd.histogram", "macd(12, 26, 9).macd_histogram", own_seeds(160)),
    row("macd.fastEma", "ema(12)"),
    row("macd.slowEma", "ema(26)"),
    row("obv.obv", "obv", OBV_FROM_ZERO),
    *(
        row(f"pivot-points.{level}", f"pivot_points_classic.{output}", MONTHS)
        for level, output in PIVOTS.items()
    ),
    row("psar.sar", "psar", TURN),
    row("psar.isReversal", "psar.psar_direction", replace(TURN, where=None, then=turned)),
    row("roc.momentum", "momentum(14).mom"),
    row("roc.roc", "roc(14)"),
    row("roc-wb.roc", "roc(20)"),
    row("roc-wb.rocEma", "ema(5)", of("roc(20)")),
    row("rsi.rsi", "rsi(14)"),
    row("sma.sma", "sma(20)"),
    row("sma-analysis.sma", "sma(20)"),
    row("sma-analysis.mad", "average_deviation(20)"),
    row("smma.smma", "atr(20)", WILDER),
    row("starc.centerline", "sma(5)"),
    row("starc.upperBand", "sma(5)", atrs(2, 10)),
    row("starc.lowerBand", "sma(5)", atrs(-2, 10)),
    row("stoch.oscillator", "stochastic(14, 3, 3).stochastic_k", earlier(17)),
    row("stoch.k", "stochastic(14, 3, 3).stochastic_k", earlier(17)),
    row("stoch.signal", "stochastic(14, 3, 3).stochastic_d"),
    row("stoch.d", "stochastic(14, 3, 3).stochastic_d"),
    row("stoch.percentJ", "stochastic(14, 3, 3).stochastic_k", J),
    row("stoch.j", "stochastic(14, 3, 3).stochastic_k", J),
    row("supertrend.superTrend", "supertrend(10)"),
    row("supertrend.upperBand", "supertrend(10)", FALLING_STOP),
    row("supertrend.lowerBand", "supertrend(10)", RISING_STOP),
    row("tr.tr", "true_range"),
    row("vwap.vwap", "vwap.vwap_session", ONE_SESSION),
    row("wma.wma", "wma(14)"),
)


def default(column: str, expression: str, departure: Departure = NONE) -> Compared:
    indicator, output = column.split(".")
    return row(f"{indicator}.DefaultParameters.{output}", expression, departure)


def envelope(average: str, expression: str, departure: Departure = NONE) -> tuple[Compared, ...]:
    above = f"{UPPER_ENVELOPE.convention}; {departure.convention}"
    below = f"{LOWER_ENVELOPE.convention}; {departure.convention}"
    upper = replace(departure, convention=above, then=UPPER_ENVELOPE.then)
    lower = replace(departure, convention=below, then=LOWER_ENVELOPE.then)
    return (
        row(f"ma-env.{average}.Centerline", expression, departure),
        row(f"ma-env.{average}.UpperEnvelope", expression, upper),
        row(f"ma-env.{average}.LowerEnvelope", expression, lower),
    )


ASSERTED = (
    default("adl.Adl", "ad"),
    default("adl.MoneyFlowVolume", "ad", AD_STEP),
    default("adl.MoneyFlowMultiplier", "ad", AD_STEP_OF_VOLUME),
    default("atr.Tr", "true_range"),
    default("atr.Atr", "atr(14)"),
    default("atr.Atrp", "natr(14)"),
    default("awesome.Oscillator", "sma(5)", MEDIAN_5_34),
    default("bop.Bop", "sma(14)", of("bop")),
    default("bb.Sma", "bollinger(20).bollinger_middle"),
    default("bb.UpperBand", "bollinger(20).bollinger_upper"),
    default("bb.LowerBand", "bollinger(20).bollinger_lower"),
    default("bb.PercentB", "bollinger(20).bollinger_position"),
    default("bb.Width", "bollinger(20).bollinger_bandwidth"),
    default("bb.ZScore", "bollinger(20).bollinger_position", Z_SCORE),
    default("cci.Cci", "cci(20)"),
    default("chaikin-osc.MoneyFlowMultiplier", "ad", AD_STEP_OF_VOLUME),
    default("cmf.Cmf", "cmf(20)"),
    default("cmf.MoneyFlowMultiplier", "ad", AD_STEP_OF_VOLUME),
    default("dema.Dema", "dema(20)", chained_seeds(150)),
    default("ema.Ema", "ema(20)"),
    row("ema.UsePart.Ema", "ema(20)", OF_OPEN),
    row("ema.ChaineeMore.Ema", "ema(20)", of("rsi(14)")),
    default("epma.Epma", "linear_regression(20)"),
    default("keltner.Centerline", "keltner(20, 10).keltner_middle"),
    default("keltner.UpperBand", "keltner(20, 10).keltner_upper"),
    default("keltner.LowerBand", "keltner(20, 10).keltner_lower"),
    *envelope("DefaultParameters", "sma(20)"),
    *envelope("Dema", "dema(20)", chained_seeds(150)),
    *envelope("Ema", "ema(20)"),
    *envelope("Epma", "linear_regression(20)"),
    *envelope("Hma", "hma(20)"),
    *envelope("Smma", "atr(20)", WILDER),
    *envelope("Tema", "tema(20)", chained_seeds(200)),
    *envelope("Wma", "wma(20)"),
    default("macd.Macd", "macd(12, 26, 9)", own_seeds(150)),
    default("macd.Signal", "macd(12, 26, 9).macd_signal", own_seeds(160)),
    default("macd.Histogram", "macd(12, 26, 9).macd_histogram", own_seeds(160)),
    default("macd.FastEma", "ema(12)"),
    default("macd.SlowEma", "ema(26)"),
    default("obv.Obv", "obv", OBV_FROM_ZERO),
    *(
        default(f"pivot-points.{level.upper()}", f"pivot_points_classic.{output}", MONTHS)
        for level, output in PIVOTS.items()
    ),
    default("psar.Sar", "psar", replace(TURN, where=None)),
    default("roc.Momentum", "momentum(20).mom"),
    default("roc.Roc", "roc(20)"),
    default("roc-wb.Roc", "roc(20)"),
    default("roc-wb.RocEma", "ema(3)", of("roc(20)")),
    default("rsi.Rsi", "rsi(14)"),
    row("rsi.SmallLookback.Rsi", "rsi(1)"),
    default("sma.Sma", "sma(20)"),
    row("sma.CandlePartOpen.Sma", "sma(20)", OF_OPEN),
    row("sma.CandlePartVolume.Sma", "sma(20)", OF_VOLUME),
    default("sma-analysis.Sma", "sma(20)"),
    default("sma-analysis.Mad", "average_deviation(20)"),
    default("smma.Smma", "atr(20)", Departure("asserts only that bar 18 is not known yet")),
    default("starc.Centerline", "sma(20)"),
    default("starc.UpperBand", "sma(20)", atrs(2, 14)),
    default("starc.LowerBand", "sma(20)", atrs(-2, 14)),
    default("stoch.Oscillator", "stochastic(14, 3, 3).stochastic_k", earlier(17)),
    default("stoch.Signal", "stochastic(14, 3, 3).stochastic_d"),
    default("stoch.PercentJ", "stochastic(14, 3, 3).stochastic_k", J),
    default("stoch.K", "stochastic(14, 3, 3).stochastic_k"),
    default("stoch.D", "stochastic(14, 3, 3).stochastic_d"),
    default("stoch.J", "stochastic(14, 3, 3).stochastic_k", J),
    row("stoch.Fast.Oscillator", "fast_stochastic(5, 10).fast_stochastic_k"),
    row("stoch.Fast.Signal", "fast_stochastic(5, 10).fast_stochastic_d"),
    row("stoch.FastSmall.Oscillator", "fast_stochastic(1, 10).fast_stochastic_k"),
    default("supertrend.SuperTrend", "supertrend(14)"),
    default("supertrend.UpperBand", "supertrend(14)", FALLING_STOP),
    default("supertrend.LowerBand", "supertrend(14)", RISING_STOP),
    default("tr.Tr", "true_range"),
    default("vwap.Vwap", "vwap.vwap_session", ONE_SESSION),
    row("vwap.WithStartDate.Vwap", "vwap.vwap_session", SESSION_FROM_30),
    default("wma.Wma", "wma(20)"),
)


def sheet(name: str, *rows: tuple[str, str] | tuple[str, str, Departure]) -> tuple[Compared, ...]:
    """Compare columns of a sheet; `KP TR` are its columns K and P, both under the heading TR."""
    return tuple(
        row(f"{name}/{letter} {heading}", expression, *departure)
        for columns, expression, *departure in rows
        for letters, heading in (columns.split(" ", 1),)
        for letter in letters
    )


SHEETS = (
    *sheet("Atr/ATR", ("KP TR", "true_range"), ("LQ ATR", "atr(14)"), ("MR ATR%", "natr(14)")),
    *sheet(
        "BollingerBands/Bollinger Bands",
        ("H stdev", "stddev(20)"),
        ("IQ sma", "bollinger(20).bollinger_middle"),
        ("JR upper", "bollinger(20).bollinger_upper"),
        ("KS lower", "bollinger(20).bollinger_lower"),
        ("LT %b", "bollinger(20).bollinger_position"),
        ("MU z-score", "bollinger(20).bollinger_position", Z_SCORE),
        ("NV width", "bollinger(20).bollinger_bandwidth"),
    ),
    *sheet("Ema/EMA", ("E ema", "ema(20)"), ("F ema(O)", "ema(20)", OF_OPEN)),
    *sheet(
        "Macd/MACD",
        ("H EMA12", "ema(12)"),
        ("I EMA26", "ema(26)"),
        ("JR MACD", "macd(12, 26, 9)", own_seeds(150)),
        ("KS Signal", "macd(12, 26, 9).macd_signal", own_seeds(160)),
        ("LT Histo", "macd(12, 26, 9).macd_histogram", own_seeds(160)),
    ),
    *sheet(
        "Obv/OBV", ("I obv", "obv", OBV_FROM_ZERO), ("J sma", "sma(20)", of("obv", OBV_FROM_ZERO))
    ),
    *sheet(
        "Roc/ROC",
        ("H mom", "momentum(20).mom"),
        ("IR roc", "roc(20)"),
        ("J sma(5)", "sma(5)", of("roc(20)")),
        ("K ema(3)", "ema(3)", of("roc(20)")),
        ("S ema", "ema(3)", of("roc(20)")),
    ),
    *sheet(
        "Rsi/RSI",
        ("K RS", "rsi(14)", Departure("gain by loss", then=relative_strength)),
        ("L RSI(14)", "rsi(14)"),
        ("M EMA(20)", "ema(20)", of("rsi(14)")),
    ),
    *sheet(
        "Sma/SMA - Close",
        ("H SMA", "sma(20)"),
        ("I Upper", "sma(20)", UPPER_ENVELOPE),
        ("J Lower", "sma(20)", LOWER_ENVELOPE),
        ("K SMA(O)", "sma(20)", OF_OPEN),
    ),
    *sheet("Sma/SMA - Volume", ("HP sma", "sma(20)", OF_VOLUME)),
    *sheet(
        "Stoch/STO(14,3,3) (2)",
        ("H LL", "donchian(14).donchian_lower"),
        ("I HH", "donchian(14).donchian_upper"),
        ("J K(14)'", "fast_stochastic(14, 3).fast_stochastic_k", earlier(15)),
        ("KP %K", "stochastic(14, 3, 3).stochastic_k", earlier(17)),
        ("LQ %D", "stochastic(14, 3, 3).stochastic_d"),
        ("MR %J", "stochastic(14, 3, 3).stochastic_k", J),
    ),
    *sheet(
        "Stoch/STO(9,3,3,SMMA,5,4)",
        ("H LL", "donchian(9).donchian_lower"),
        ("I HH", "donchian(9).donchian_upper"),
        ("J K(9)'", "fast_stochastic(9, 3).fast_stochastic_k", earlier(10)),
    ),
    *sheet(
        "SuperTrend/SuperTrend(14,3)",
        ("J TR", "true_range"),
        ("K ATR", "atr(14)"),
        ("O Upper", "supertrend(14).supertrend_upper"),
        ("P Lower", "supertrend(14).supertrend_lower"),
        ("RW UpperST", "supertrend(14)"),
        ("SX LowerST", "supertrend(14)"),
        ("TY SuperTrend", "supertrend(14)"),
    ),
    *sheet(
        "SuperTrend/SuperTrend(10,3) with Bitcoin",
        ("J TR", "true_range"),
        ("K ATR", "atr(10)"),
        ("O Upper", "supertrend(10).supertrend_upper"),
        ("P Lower", "supertrend(10).supertrend_lower"),
        ("R UpperST", "supertrend(10)", STARTS_FALLING),
        ("S LowerST", "supertrend(10)"),
        ("T SuperTrend", "supertrend(10)", STARTS_FALLING),
    ),
    *sheet("Vwap/VWAP", ("LO VWAP", "vwap.vwap_session", ONE_SESSION)),
    *sheet(
        "Vwap/VWAP with Start Date",
        ("LO VWAP", "vwap.vwap_session", replace(SESSION_FROM_30, skip=0)),
    ),
    *sheet(
        "Wma/WMA",
        ("K wma", "wma(20)"),
        ("L upper", "wma(20)", UPPER_ENVELOPE),
        ("M lower", "wma(20)", LOWER_ENVELOPE),
    ),
)

TALIB = (
    row("ad.ad", "ad"),
    row("adosc.adosc", "adosc(3, 10)"),
    row("adx.adx", "directional_movement(14).adx"),
    row("adx.adxr", "directional_movement(14).adxr"),
    row("adx.dx", "directional_movement(14).dx"),
    row("adx.minus_di", "directional_movement(14).minus_di"),
    row("adx.plus_di", "directional_movement(14).plus_di"),
    row("aroon.down", "aroon(25).aroon_down"),
    row("aroon.osc", "aroon(25).aroon_oscillator"),
    row("aroon.up", "aroon(25).aroon_up"),
    row("atr.atr", "atr(14)"),
    row("bbands.lower", "bollinger(20).bollinger_lower"),
    row("bbands.middle", "bollinger(20).bollinger_middle"),
    row("bbands.upper", "bollinger(20).bollinger_upper"),
    row("bop.bop", "bop"),
    row("cci.cci", "cci(20)"),
    row(
        "cdl3whitesoldiers.signal",
        "candles_of_three_bars.candle_three_white_soldiers",
        zero_before(12),
    ),
    row("cdldoji.signal", "candles_of_one_bar.candle_doji", zero_before(10)),
    row("cdlengulfing.signal", "candles_of_two_bars.candle_engulfing", zero_before(2)),
    row("cdlhammer.signal", "candles_of_two_bars.candle_hammer", zero_before(11)),
    row("cdlharami.signal", "candles_of_two_bars.candle_harami", zero_before(11)),
    row("cdlmorningstar.signal", "candles_of_three_bars.candle_morning_star", zero_before(12)),
    row("cdlshootingstar.signal", "candles_of_two_bars.candle_shooting_star", zero_before(11)),
    row("cmo.cmo", "cmo(14)"),
    row("dema.dema", "dema(20)"),
    row("ema.ema", "ema(20)"),
    row("kama.kama", "kama(10)"),
    row("linreg_slope.slope", "linear_regression(14).linear_regression_slope"),
    row("macd.hist", "macd(12, 26, 9).macd_histogram"),
    row("macd.macd", "macd(12, 26, 9)"),
    row("macd.signal", "macd(12, 26, 9).macd_signal"),
    row("max_min.max", "donchian(20).donchian_upper"),
    row("max_min.min", "donchian(20).donchian_lower"),
    row("mfi.mfi", "mfi(14)"),
    row("mom.mom", "momentum(10).mom"),
    row("natr.natr", "natr(14)"),
    row("obv.obv", "obv"),
    row("roc.roc", "roc(10)"),
    row("rsi.rsi", "rsi(14)"),
    row("sar.sar", "psar"),
    row("sma.sma", "sma(20)"),
    row("stddev.stddev", "stddev(20)"),
    row("stoch.slowd", "stochastic(14, 3, 3).stochastic_d"),
    row("stoch.slowk", "stochastic(14, 3, 3).stochastic_k"),
    row("stochrsi.fastd", "stochastic_rsi(14, 5, 3).stochastic_rsi_d"),
    row("stochrsi.fastk", "stochastic_rsi(14, 5, 3).stochastic_rsi_k"),
    row("tema.tema", "tema(20)"),
    row("trange.tr", "true_range"),
    row("trix.trix", "trix(10)"),
    row("typprice.typprice", "typical_price"),
    row("ultosc.ultosc", "ultimate(7, 14, 28)"),
    row("willr.willr", "williams_r(14)"),
    row("wma.wma", "wma(20)"),
)

TTR = (
    row("ADX.ADX", "directional_movement(14).adx"),
    row("ADX.DIn", "directional_movement(14).minus_di"),
    row("ADX.DIp", "directional_movement(14).plus_di"),
    row("ADX.DX", "directional_movement(14).dx"),
    row("ATR.atr", "atr(14)"),
    row("ATR.tr", "true_range"),
    row("BBands.dn", "bollinger(20).bollinger_lower", OF_TYPICAL),
    row("BBands.mavg", "bollinger(20).bollinger_middle", OF_TYPICAL),
    row("BBands.up", "bollinger(20).bollinger_upper", OF_TYPICAL),
    row(
        "BBands.pctB",
        "bollinger(20).bollinger_position",
        OF_TYPICAL,
    ),
    row("BBands_close.dn", "bollinger(20).bollinger_lower"),
    row("BBands_close.mavg", "bollinger(20).bollinger_middle"),
    row("BBands_close.up", "bollinger(20).bollinger_upper"),
    row("BBands_close.pctB", "bollinger(20).bollinger_position"),
    row("CCI.CCI", "cci(20)"),
    row("CMF.CMF", "cmf(20)"),
    row("DEMA.DEMA", "dema(20)"),
    row("DonchianChannel.high", "donchian(20).donchian_upper"),
    row("DonchianChannel.mid", "donchian(20).donchian_middle"),
    row("DonchianChannel.low", "donchian(20).donchian_lower"),
    row("EMA.EMA", "ema(20)"),
    row("EMA_wilder.EMA_wilder", "atr(14)", WILDER),
    row("HMA.HMA", "hma(20)"),
    row("MACD.macd", "macd(12, 26, 9)", own_seeds(160)),
    row("MACD.signal", "macd(12, 26, 9).macd_signal", own_seeds(170)),
    row(
        "MFI.MFI",
        "mfi(14)",
        Departure("rounding decides between equal typical prices", where=no_tie),
    ),
    row("OBV.OBV", "obv"),
    row("ROC.ROC", "roc(10)", LOGARITHM),
    row("RSI.RSI", "rsi(14)"),
    row("SMA.SMA", "sma(20)"),
    row("TR.TR", "true_range"),
    row("TRIX.TRIX", "trix(20)"),
    row("TRIX.signal", "ema(20)", of("trix(20)")),
    row("WMA.WMA", "wma(20)"),
    row(
        "WPR.WPR",
        "williams_r(14)",
        Departure("a fraction from 0 at the high to 1 at the low", then=times(-0.01)),
    ),
    row("aroon.aroonDn", "aroon(20).aroon_down", AROON_EARLIER),
    row("aroon.aroonUp", "aroon(20).aroon_up", AROON_EARLIER),
    row("aroon.oscillator", "aroon(20).aroon_oscillator", AROON_EARLIER),
    row("chaikinAD.chaikinAD", "ad"),
    row("chaikinVolatility.chaikinVolatility", "chaikin_volatility(10, 10)", FRACTION),
    row("keltnerChannels.mavg", "keltner(20, 20).keltner_middle", OF_TYPICAL),
    row("keltnerChannels.up", "ema(20)", replace(atrs(2, 20), bars=typical)),
    row("keltnerChannels.dn", "ema(20)", replace(atrs(-2, 20), bars=typical)),
    row("momentum.momentum", "momentum(10).mom"),
    row("runMax.runMax", "donchian(20).donchian_upper"),
    row("runMin.runMin", "donchian(20).donchian_lower"),
    row("runSD.runSD", "stddev(20)", SAMPLE_20),
    row(
        "stoch.fastK",
        "fast_stochastic(14, 3).fast_stochastic_k",
        replace(FRACTION, convention="a fraction, shown before D is known", skip=15),
    ),
    row("stoch.fastD", "fast_stochastic(14, 3).fast_stochastic_d", FRACTION),
    row("stoch.slowD", "stochastic(14, 3, 3).stochastic_d", FRACTION),
    row("ultimateOscillator.ultimateOscillator", "ultimate(7, 14, 28)"),
    row(
        "volatility_close.volatility_close",
        "stddev(19)",
        replace(LOG_RETURNS, then=times((252 * 19 / 18) ** 0.5)),
    ),
)

TULIP = (
    row("ad.ad", "ad"),
    row("adosc.adosc", "adosc(2, 5)"),
    row("apo.apo", "apo(2, 5)", first_value(4, skip=1)),
    row("aroon.aroon_down", "aroon(5).aroon_down"),
    row("aroon.aroon_up", "aroon(5).aroon_up"),
    row("aroonosc.aroonosc", "aroon(5).aroon_oscillator"),
    row("atr.atr", "atr(5)", FIRST_RANGE),
    row("avgprice.avgprice", "average_price"),
    row("bbands.bbands_lower", "bollinger(5).bollinger_lower"),
    row("bbands.bbands_middle", "bollinger(5).bollinger_middle"),
    row("bbands.bbands_upper", "bollinger(5).bollinger_upper"),
    row("bop.bop", "bop"),
    row("cci.cci", "cci(5)", later(8, "2 n - 1 bars are awaited")),
    row("cvi.cvi", "chaikin_volatility(5, 5)", first_value(4, skip=9)),
    row("di.minus_di", "directional_movement(5).minus_di", UNSMOOTHED),
    row("di.plus_di", "directional_movement(5).plus_di", UNSMOOTHED),
    row("dm.minus_dm", "directional_movement(5).minus_dm"),
    row("dm.plus_dm", "directional_movement(5).plus_dm"),
    row("dx.dx", "directional_movement(5).dx", UNSMOOTHED),
    row("ema.ema", "ema(5)", first_value(4)),
    row("hma.hma", "hma(5)"),
    row("kama.kama", "kama(5)", earlier(5, "with the close that it starts from")),
    row("lag.lag", "momentum(5).mom", Departure("the close less momentum", then=earlier_close)),
    row("linreg.linreg", "linear_regression(5)"),
    row("linregintercept.linregintercept", "linear_regression(5).linear_regression_intercept"),
    row("linregslope.linregslope", "linear_regression(5).linear_regression_slope"),
    row("macd.macd", "macd(2, 5, 9)", first_value(12, skip=4)),
    row("macd.macd_signal", "ema(9)", TULIP_SIGNAL),
    row(
        "macd.macd_histogram",
        "macd(2, 5, 9)",
        replace(first_value(12), plus=(minus("ema(9)", TULIP_SIGNAL),)),
    ),
    row("max.max", "donchian(5).donchian_upper"),
    row("md.md", "average_deviation(5)"),
    row("medprice.medprice", "median_price"),
    row("mfi.mfi", "mfi(5)"),
    row("min.min", "donchian(5).donchian_lower"),
    row("mom.mom", "momentum(5).mom"),
    row("natr.natr", "natr(5)", FIRST_RANGE),
    row("obv.obv", "obv", OBV_FROM_ZERO),
    row("ppo.ppo", "ppo(2, 5)", first_value(4, skip=1)),
    row("psar.psar", "psar", Departure(settings={"acceleration_step": 0.2, "maximum": 2})),
    row("roc.roc", "roc(5)", FRACTION),
    row("rocr.rocr", "roc(5)", Departure("a ratio", then=ratio)),
    row("rsi.rsi", "rsi(5)"),
    row("sma.sma", "sma(5)"),
    row("stddev.stddev", "stddev(5)"),
    row("stderr.stderr", "stddev(5)", Departure("of the mean", then=times(5**-0.5))),
    row("stoch.stoch_d", "stochastic(5, 3, 3).stochastic_d"),
    row("stoch.stoch_k", "stochastic(5, 3, 3).stochastic_k"),
    row("stochrsi.stochrsi", "stochastic_rsi(5, 5, 1).stochastic_rsi_k", FRACTION),
    row("sum.sum", "sma(5)", Departure("a sum", then=times(5))),
    row("tr.tr", "true_range", FIRST_RANGE),
    row("trima.trima", "trima(5)"),
    row("tsf.tsf", "linear_regression(5).linear_regression_forecast"),
    row("typprice.typprice", "typical_price"),
    row("ultosc.ultosc", "ultimate(2, 3, 5)"),
    row("var.var", "variance(5)"),
    row(
        "volatility.volatility",
        "stddev(5)",
        replace(RETURNS, then=times(252**0.5)),
    ),
    row("wcprice.wcprice", "weighted_close"),
    row("wilders.wilders", "atr(5)", WILDER),
    row("willr.willr", "williams_r(5)"),
    row("wma.wma", "wma(5)"),
)

CINAR = (
    row("momentum.awesome_oscillator.Ao", "sma(5)", plus(minus("sma(34)"))),
    row(
        "momentum.ichimoku_cloud.ConversionLine",
        "ichimoku(9, 26, 52).ichimoku_tenkan",
        WITH_SLOWEST,
    ),
    row("momentum.ichimoku_cloud.BaseLine", "ichimoku(9, 26, 52).ichimoku_kijun", WITH_SLOWEST),
    row(
        "momentum.ichimoku_cloud.LeadingSpanA",
        "ichimoku(9, 26, 52).ichimoku_span_a_ahead",
        WITH_SLOWEST,
    ),
    row("momentum.ichimoku_cloud.LeadingSpanB", "ichimoku(9, 26, 52).ichimoku_span_b_ahead"),
    row("momentum.stochastic_oscillator.K", "fast_stochastic(14, 3).fast_stochastic_k"),
    row("momentum.stochastic_oscillator.D", "fast_stochastic(14, 3).fast_stochastic_d"),
    row(
        "momentum.stochastic_rsi.StochasticRsi",
        "stochastic_rsi(14, 14, 1).stochastic_rsi_k",
        FRACTION,
    ),
    row("momentum.ultimate_oscillator.UO", "ultimate(7, 14, 28)"),
    row("momentum.williams_r.WilliamsR", "williams_r(14)"),
    row("trend.bop.Bop", "bop", earlier(1, "rounded to a whole number, the first is 0")),
    row("trend.envelope_ema.Middle", "ema(20)"),
    row("trend.envelope_ema.Upper", "ema(20)", Departure("20% above", then=times(1.2))),
    row("trend.envelope_ema.Lower", "ema(20)", Departure("20% below", then=times(0.8))),
    row("trend.kama.Kama", "kama(10)"),
    row("trend.macd.Macd", "macd(12, 26, 9)", own_seeds(80)),
    row("trend.macd.Signal", "macd(12, 26, 9).macd_signal", own_seeds(90)),
    row("trend.rma.Rma", "atr(15)", WILDER),
    row("trend.slow_stochastic.K", "stochastic(10, 3, 3).stochastic_k"),
    row("trend.slow_stochastic.D", "stochastic(10, 3, 3).stochastic_d"),
    row("trend.smma.Smma", "atr(7)", WILDER),
    row("trend.trima_even.Trima", "trima(20)"),
    row("trend.trima_odd.Trima", "trima(15)"),
    row("trend.typical_price.TypicalPrice", "typical_price"),
    row("trend.wma.Wma3", "wma(3)", oldest_heaviest(3)),
    row("trend.wma.Wma5", "wma(5)", oldest_heaviest(5)),
    row(
        "volatility.annualized_historical_volatility.Ahv",
        "stddev(21)",
        replace(RETURNS, then=times(252**0.5)),
    ),
    row("volatility.atr.Atr", "sma(50)", of("true_range")),
    row("volatility.bollinger_bands.Lower", "bollinger(20).bollinger_lower"),
    row("volatility.bollinger_bands.Middle", "bollinger(20).bollinger_middle"),
    row("volatility.bollinger_bands.Upper", "bollinger(20).bollinger_upper"),
    row(
        "volatility.chandelier_exit.Long",
        "donchian(22).donchian_upper",
        plus(ours("sma(22)", replace(of("true_range"), then=times(-3)))),
    ),
    row(
        "volatility.chandelier_exit.Short",
        "donchian(22).donchian_lower",
        plus(ours("sma(22)", replace(of("true_range"), then=times(3)))),
    ),
    row("volatility.donchian_channel.Lower", "donchian(20).donchian_lower"),
    row("volatility.donchian_channel.Middle", "donchian(20).donchian_middle"),
    row("volatility.donchian_channel.Upper", "donchian(20).donchian_upper"),
    row("volatility.historical_volatility.Hv", "stddev(21)", RETURNS),
    row("volatility.moving_std.Std", "stddev(20)"),
    row("volatility.percent_b.PercentB", "bollinger(20).bollinger_position"),
    row("volatility.tr.Tr", "true_range"),
    row("volatility.z_score.Expected", "bollinger(20).bollinger_position", Z_SCORE),
    row("volume.ad.Ad", "ad"),
    row("volume.mfm.Mfm", "ad", AD_STEP_OF_ONE_SHARE),
    row("volume.mfv.Mfv", "ad", AD_STEP),
    row("volume.obv.Obv", "obv"),
)

TA4J = (
    row("atma", "trima(10)", earlier(9, OF_BARS_TO_DATE)),
    row("lsma1", "linear_regression(20)", earlier(19, OF_BARS_TO_DATE)),
    row("lsma3", "linear_regression(20)", earlier(19, OF_BARS_TO_DATE)),
    row("tma", "trima(99)", earlier(98, OF_BARS_TO_DATE)),
)

COMPARED = {
    "stock_indicators_baseline": BASELINE,
    "stock_indicators_asserted": ASSERTED,
    "spreadsheets": SHEETS,
    "talib_reference": TALIB,
    "ttr_reference": TTR,
    "tulip_untest": TULIP,
    "cinar_indicator": CINAR,
    "ta4j_tradingview_averages": TA4J,
}

BARS_GIVEN = "the bars themselves, or their numbers"
NO_INDICATOR = "arithmetic of one bar, not an indicator"
NOT_OURS = "not among our indicators yet"
NOT_TABULAR = "marks turns or bricks that only later bars decide, or is not one value a bar"
ON_THE_WAY = "a step on the way, shown in the end"
OTHER_CANDLES = "by fixed shares of the bar, TA-Lib's and ours by those of the bars before"
PLAIN_CMO = "CMO of plain sums, TA-Lib's and ours is of Wilder's averages"
TOO_SHORT = "its EMAs of EMAs start elsewhere, and fifteen bars are too few for that to fade"
NO_FOURTH = "classic pivots have no fourth level: nothing is ever known"

# What is not compared, by the reason; `*` stands for anything, `?` for one character.
LISTED: dict[str, dict[str, tuple[str, ...]]] = {
    "stock_indicators_baseline": {
        BARS_GIVEN: ("barpart.value",),
        NO_FOURTH: ("pivot-points.?4",),
        NOT_OURS: (
            *("alligator.*", "atr-stop.*", "awesome.normalized", "dpo.dpo"),
            *("dynamic.*", "fcb.*", "gator.*", "heikinashi.*", "htl.*", "hurst.*", "keltner.width"),
            *("mama.*", "pmo.*", "prs.*", "roc-wb.*", "sma-analysis.*"),
        ),
        NOT_TABULAR: ("fractal.*", "pivots.*", "renko*", "stdev-channels.*", "zigzag*"),
        OTHER_CANDLES: ("doji.*", "marubozu.*"),
    },
    "stock_indicators_asserted": {
        NO_FOURTH: ("pivot-points.DefaultParameters.?4",),
        NOT_OURS: (
            *("alligator.*", "atr-stop.*", "awesome.*.Normalized", "dynamic.*"),
            *("fcb.*", "gator.*", "heikinashi.*", "htl.*", "hurst.*", "keltner.*.Width", "mama.*"),
            *("ma-env.Alma.*", "pmo.*", "prs.*", "roc-wb.*", "sma-analysis.*"),
        ),
        NOT_TABULAR: ("fractal.*", "pivots.*", "renko*", "stdev-channels.*", "zigzag*"),
        OTHER_CANDLES: ("doji.*", "marubozu.*"),
        "one bar before the first window is all that is asserted": (
            *("pivot-points.Camarilla.*", "pivot-points.Demark.*"),
            *("pivot-points.Fibonacci.*", "pivot-points.Woodie.*"),
        ),
        "starts each path with another acceleration than it adds": ("psar.Extended.Sar",),
        "smoothed by Wilder's average, and weighted otherwise": ("stoch.Extended.*",),
    },
    "spreadsheets": {
        BARS_GIVEN: (
            *("*/? i", "*/? index", "*/? Index", "*/? date", "*/? Date"),
            *("*/? open", "*/? high", "*/? low", "*/? close", "*/? volume"),
        ),
        ON_THE_WAY: (
            *("*/? H-L", "*/? |?-pC|", "Obv/OBV/H upDown", "Roc/ROC/L roc^2", "Roc/ROC/M rocDev"),
            *("Rsi/RSI/? Gain", "Rsi/RSI/? Loss", "Rsi/RSI/? Avg*", "SuperTrend/*/? MidPrice"),
            *("SuperTrend/*/? UpperE", "SuperTrend/*/? LowerE", "SuperTrend/*/Q STpot"),
            *("Vwap/*/? TP", "Vwap/*/? V?TP"),
            *("Vwap/*/? Cum*", "Wma/WMA/H n", "Wma/WMA/I weight", "Wma/WMA/J pw"),
        ),
        NOT_OURS: ("Roc/ROC/T upper", "Roc/ROC/U lower"),
        "a parameter, or text to paste into a program": (
            *("*/? K", "*/? k", "Macd/MACD/N period", "*/? Param", "*/? Value", "*/? Multiplier"),
            *("Wma/WMA/N Period", "Wma/WMA/O 20", "*/? output", "*/? Output"),
        ),
        "bars of a longer timeframe": ("Data/Intraday/? ?", "Data/Month/*"),
        "starts each path with another acceleration than it adds": ("ParabolicSar/*",),
        "smoothed by Wilder's average, and weighted otherwise": ("Stoch/*SMMA*/? %?",),
    },
    "talib_reference": {
        "of simple averages, which are not its default: ours are exponential": ("ppo.ppo",),
    },
    "ttr_reference": {
        NO_INDICATOR: ("ATR.trueHigh", "ATR.trueLow"),
        NOT_OURS: (
            *("ALMA.*", "DPO.*", "EVWMA.*", "KST.*", "SMI.*", "VHF.*", "VWMA.*", "ZLEMA.*"),
            *("runPercentRank.*", "volatility_*", "williamsAD.*"),
        ),
        PLAIN_CMO: ("CMO.CMO",),
        "clamped to the bar itself and turned at its extreme, so that the paths never meet": (
            "SAR.sar",
        ),
    },
    "tulip_untest": {
        NO_INDICATOR: (
            *("abs.*", "acos.*", "add.*", "asin.*", "atan.*", "ceil.*", "cos.*"),
            *("cosh.*", "crossany.*", "crossover.*", "div.*", "exp.*", "floor.*", "ln.*"),
            *("log10.*", "marketfi.*", "mul.*", "round.*", "sin.*", "sinh.*"),
            *("sqrt.*", "sub.*", "tan.*", "tanh.*", "todeg.*", "torad.*", "trunc.*"),
            *(),
        ),
        NOT_OURS: (
            *("decay.*", "dpo.*", "edecay.*", "emv.*", "fisher.*", "fosc.*"),
            *("kvo.*", "msw.*", "nvi.*", "pvi.*", "qstick.*", "vhf.*", "vidya.*"),
            *("vosc.*", "vwma.*", "wad.*", "zlema.*"),
        ),
        PLAIN_CMO: ("cmo.cmo",),
        TOO_SHORT: ("dema.dema", "tema.tema", "trix.trix"),
        "the DX of one bar before enters the first mean, and fifteen bars are too few to fade": (
            "adx.dx",
            "adxr.dx",
        ),
    },
    "cinar_indicator": {
        NOT_OURS: (
            *("momentum.connors_rsi.*", "momentum.coppock_curve.*", "momentum.ibs.*"),
            *("momentum.pvo.*", "momentum.qstick.*", "trend.dpo.*", "trend.kst.*"),
            *("trend.mcginley_dynamic.*", "trend.tsi.*", "volume.emv.*", "volume.fi.*"),
            "volume.vpt.*",
        ),
        "the close itself, without a weight": ("trend.weighted_close.WeightedClose",),
        "the close drawn earlier, not an indicator": ("momentum.ichimoku_cloud.LaggingLine",),
        "an extreme that left the window is not followed by the next one": ("trend.aroon.*",),
        "made of a WMA whose oldest bar weighs most": ("trend.hma.Hma",),
        "the range is not smoothed by Wilder's average": ("volatility.super_trend.*",),
    },
    "ta4j_tradingview_averages": {NOT_OURS: ("sgma", "vwma")},
}


@pytest.fixture(scope="module")
def computed(indicator: Indicator) -> Indicator:
    """Our indicators, each computed once on the same bars."""
    found: dict[object, dict[str, Series]] = {}

    def compute(name: str, bars: Bars, *periods: int, **settings: float) -> dict[str, Series]:
        content = tuple((column, values.tobytes()) for column, values in sorted(bars.items()))
        key = (name, hash(content), periods, tuple(settings.items()))
        if key not in found:
            found[key] = indicator(name, bars, *periods, **settings)
        return found[key]

    return compute


ROWS = [(source, compared) for source, rows in COMPARED.items() for compared in rows]
IDS = [f"{source}:{compared.column}" for source, compared in ROWS]


@pytest.mark.parametrize(("source", "compared"), ROWS, ids=IDS)
def test_our_values_equal_theirs(source: str, compared: Compared, computed: Indicator) -> None:
    for case in SOURCES[source]()[compared.column]:
        assert not compared.complaint(computed, case)


@pytest.mark.parametrize("source", SOURCES)
def test_every_column_is_compared_or_has_a_reason(source: str) -> None:
    compared = [row.column for row in COMPARED[source]]
    assert len(compared) == len(set(compared)), "a column is compared twice"
    left = set(SOURCES[source]()) - set(compared)
    for patterns in LISTED[source].values():
        for pattern in patterns:
            found = {column for column in left if fnmatchcase(column, pattern)}
            assert found, f"nothing is left for {pattern}"
            left -= found
    assert not left


def narrowed(row: Compared) -> list[Compared]:
    """The row with each of its allowances removed in turn."""
    how = row.ours.departure
    allowances = ("bars", "of", "lead", "then", "plus", "skip", "where", "settings")
    return [
        replace(row, ours=replace(row.ours, departure=replace(how, **{name: getattr(NONE, name)})))
        for name in allowances
        if getattr(how, name) != getattr(NONE, name)
    ]


@pytest.mark.parametrize(("source", "compared"), ROWS, ids=IDS)
def test_no_allowance_is_idle(source: str, compared: Compared, computed: Indicator) -> None:
    cases = SOURCES[source]()[compared.column]
    for row in narrowed(compared):
        assert any(row.complaint(computed, case) for case in cases), row.ours.departure


def test_every_departure_is_named() -> None:
    for _, compared in ROWS:
        how = compared.ours.departure
        assert how.convention or how == replace(NONE, settings=how.settings), compared.column
