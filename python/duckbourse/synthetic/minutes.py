"""
One-minute bars that agree with daily bars, generated from a seed.

They match each day's open, high, low, close and volume exactly; the minutes between are made up. A
day takes six steps, for all symbols at once:

    1. shocks               from random bits of seed, symbol and date alone
    2. volatility           GARCH(1, 1), increased at the open and the close
    3. a walk               the cumulative shocks, tied to the day's open and close
    4. the day's range      bent at its highest and lowest points to reach high and low, and
                            reflected where it still leaves them
    5. bars                 rounded to the tick, each extended a little up and down
    6. volume               larger at both ends and when prices move, in whole units

No sum, logarithm or exponential here has a last bit that depends on the machine or on the number of
symbols: adding symbols does not change the others, and a seed gives the same bars everywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

# GARCH(1, 1) of one-minute returns; the remainder to one is the constant part.
SHOCK_WEIGHT = 0.12
MEMORY_WEIGHT = 0.85
# One bar in four opens a tick below or above the prior close.
BESIDE = np.array([-1.0, 1.0, 0, 0, 0, 0, 0, 0])
# The lower half of each half of a word; the standard deviation of the sum of four such numbers.
HALVES = np.uint64(0x0000FFFF0000FFFF)
DEVIATION_OF_FOUR = 37837.2

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]
Stamps = npt.NDArray[np.datetime64]


@dataclass(frozen=True)
class Session:
    """A trading date and the start of each of its minutes, in exchange-local time."""

    session_date: date
    bar_starts: Stamps


@dataclass(frozen=True)
class Days:
    """Daily bars: arrays of shape (sessions, symbols), or (symbols,) for one session."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def session(self, position: int) -> Days:
        """Return the bars of one session."""
        return Days(*(values[position] for values in self.columns()))

    def columns(self) -> tuple[Floats, ...]:
        """Return open, high, low, close and volume."""
        return self.open, self.high, self.low, self.close, self.volume


# Minute bars have the same parts, as arrays of shape (symbols, minutes).
Bars = Days


def random_words(seed: int, symbol: str, what: str, count: int) -> Words:
    """Return random bits that depend only on these arguments."""
    key = hashlib.blake2b(f"{seed}\n{symbol}\n{what}".encode(), digest_size=16).digest()
    words: Words = np.random.Philox(key=int.from_bytes(key, "little")).random_raw(count)
    return words


def fraction(words: Words) -> Floats:
    """Return uniform numbers in [0, 1)."""
    return (words >> np.uint64(11)).astype(np.float64) * np.float64(2.0**-53)


def bell(words: Words) -> Floats:
    """Return approximately normal numbers, mean 0 and deviation 1: sums of four uniforms."""
    pairs = (words & HALVES) + ((words >> np.uint64(16)) & HALVES)
    total = (pairs & np.uint64(0xFFFFFFFF)) + (pairs >> np.uint64(32))
    return (total - 2.0 * 0xFFFF) / DEVIATION_OF_FOUR


def ticks(prices: Floats, per_unit: int) -> Floats:
    """Return prices rounded to the exchange's ticks, as the nearest doubles."""
    grid: Floats = np.rint(prices * per_unit) / per_unit
    return grid


def positive_ticks(prices: Floats, per_unit: int) -> Floats:
    """Return prices rounded to ticks, at least one tick."""
    return np.maximum(ticks(prices, per_unit), 1 / per_unit)


def minute_bars(
    day: Days, seed: int, symbols: Sequence[str], session: Session, per_unit: int
) -> Bars:
    """Return the minute bars of one session, shape (symbols, minutes), matching the days."""
    count = len(session.bar_starts)
    what = session.session_date.isoformat()
    words = np.stack([random_words(seed, symbol, what, 2 * count) for symbol in symbols])
    shocks, rest = bell(words[:, :count]), words[:, count:]
    opens, high, low, close = (values[:, None] for values in day.columns()[:4])
    # position in the session, from near -1 (first bar) to near 1 (last bar)
    place = (2 * np.arange(count) + 1 - count) / count
    early, late = (1 - place) / 2, (1 + place) / 2

    # not `**`, whose last bit depends on the machine
    early_4, late_4 = early * early * early * early, late * late * late * late
    early_8, late_8 = early_4 * early_4, late_4 * late_4

    heat = garch(shocks)
    variance = heat * (0.5 + 2.0 * early_8 + 0.6 * late_8)
    path, spread = price_path(shocks, variance, opens, high, low, close)

    closes = np.clip(ticks(path, per_unit), low, high)
    closes[:, -1:] = close
    first = np.concatenate([opens, closes[:, :-1]], axis=1)
    beside = BESIDE[(rest & np.uint64(7)).astype(np.int64)]
    starts = np.where(beside == 0, first, ticks(first + beside / per_unit, per_unit))
    starts = np.clip(starts, low, high)
    starts[:, :1] = opens

    above = spread * fraction(rest << np.uint64(8))
    below = spread * fraction(rest << np.uint64(32))
    highs = np.clip(ticks(np.maximum(starts, closes) + above, per_unit), low, high)
    lows = np.clip(ticks(np.minimum(starts, closes) - below, per_unit), low, high)
    highs = np.maximum(highs, np.maximum(starts, closes))
    lows = np.minimum(lows, np.minimum(starts, closes))
    # otherwise the open or the close is the day's extreme
    peaked = np.flatnonzero(day.high > np.maximum(day.open, day.close))
    highs[peaked, path.argmax(axis=1)[peaked]] = day.high[peaked]
    dipped = np.flatnonzero(day.low < np.minimum(day.open, day.close))
    lows[dipped, path.argmin(axis=1)[dipped]] = day.low[dipped]

    noise = 0.25 + 3 * fraction(rest << np.uint64(16)) * fraction(rest << np.uint64(40))
    weights = (0.5 + 1.5 * early_4 + 1.2 * late_8) * noise * (0.5 + 0.5 * heat)
    return Bars(starts, highs, lows, closes, shares(day.volume, weights))


def garch(shocks: Floats) -> Floats:
    """Return each minute's variance, 1 on average, from the shocks of earlier minutes."""
    growth = np.ascontiguousarray((SHOCK_WEIGHT * shocks * shocks + MEMORY_WEIGHT).T)
    heat = np.empty_like(growth)
    heat[0] = 1.0
    for minute in range(1, len(heat)):
        np.multiply(growth[minute - 1], heat[minute - 1], out=heat[minute])
        heat[minute] += 1 - SHOCK_WEIGHT - MEMORY_WEIGHT
    return np.ascontiguousarray(heat.T)


def price_path(
    shocks: Floats, variance: Floats, opens: Floats, high: Floats, low: Floats, close: Floats
) -> tuple[Floats, Floats]:
    """
    Return the price at the end of each minute, and its typical move within one.

    Time is measured in cumulative variance, so that corrections act when prices move.
    """
    passed = np.cumsum(variance, axis=1)
    passed /= passed[:, -1:]
    deviation = np.sqrt(variance)
    walk = np.cumsum(deviation * shocks, axis=1)
    walk -= passed * walk[:, -1:]
    reach = np.maximum(walk.max(axis=1, keepdims=True), 0) - np.minimum(
        walk.min(axis=1, keepdims=True), 0
    )
    day_range = high - low
    # the move from open to close is not part of the walk
    scale = (day_range - 0.7 * np.abs(close - opens)) / np.where(reach > 0, reach, 1)
    path = opens + passed * (close - opens) + scale * walk

    path += bend(path, passed, opens, high, low, close)
    # reflection at high and low
    turn = np.where(day_range > 0, 2 * day_range, 1)
    above_low = np.mod(path - low, turn)
    return low + np.minimum(above_low, turn - above_low), scale * deviation


def bend(
    path: Floats, passed: Floats, opens: Floats, high: Floats, low: Floats, close: Floats
) -> Floats:
    """
    Return what to add to a path so that its extremes are the day's.

    It is zero at the open and the close, and linear between. If the open or close already is the
    day's high or low, the path need not reach it again.
    """
    # not near the open or close, which leaves no time to return
    slack = np.sqrt(passed * (1 - passed))[:, :-1] if path.shape[1] > 1 else np.ones_like(path)
    inner = path[:, : slack.shape[1]]
    peak = ((inner - high) / slack).argmax(axis=1)[:, None]
    trough = ((inner - low) / slack).argmin(axis=1)[:, None]
    rise = high - np.take_along_axis(path, peak, axis=1)
    fall = low - np.take_along_axis(path, trough, axis=1)
    rise = np.where(high > np.maximum(opens, close), rise, np.minimum(rise, 0))
    fall = np.where(low < np.minimum(opens, close), fall, np.maximum(fall, 0))
    peak_first = peak < trough
    first_at, second_at = np.minimum(peak, trough), np.maximum(peak, trough)
    first_by = np.where(peak_first, rise, fall)
    second_by = np.where(peak_first, fall, rise)
    first_time = np.take_along_axis(passed, first_at, axis=1)
    second_time = np.take_along_axis(passed, second_at, axis=1)
    between = second_time - first_time
    after = 1 - second_time
    place = np.arange(path.shape[1])
    return np.where(
        place <= first_at,
        first_by * (passed / first_time),
        np.where(
            place <= second_at,
            first_by
            + (second_by - first_by) * ((passed - first_time) / np.where(between > 0, between, 1)),
            second_by * ((1 - passed) / np.where(after > 0, after, 1)),
        ),
    )


def shares(total: Floats, weights: Floats) -> Floats:
    """Split each total into whole parts in proportion to its row of weights."""
    passed = np.cumsum(weights, axis=1)
    until = np.floor(total[:, None] * (passed / passed[:, -1:]))
    until[:, -1] = total
    return np.diff(until, axis=1, prepend=0.0)
