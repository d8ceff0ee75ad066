"""Bars in which every candlestick pattern occurs in both directions, and fails by one tick."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.warehouse.indicators.on_read import Bars

# Open, high, low, close in ticks from the close before the shape. The bars before have bodies of
# about 12 ticks and ranges of about 22: then 2 ticks are tiny, 1 is equal, 4 are near, 13 are far.
Bar = tuple[int, int, int, int]
BLACK_LINE: Bar = (0, 1, -25, -24)
WHITE_LINE: Bar = (0, 25, -1, 24)
HIKKAKE: list[Bar] = [(0, 20, -20, 4), (0, 12, -12, -10), (-4, 8, -8, 2), (-2, 6, -14, -8)]
SHAPES: dict[str, list[Bar]] = {
    "abandoned baby": [BLACK_LINE, (-32, -30, -34, -32), (-28, 0, -29, -4)],
    "advance block, second far smaller": [WHITE_LINE, (20, 30, 18, 28), (24, 34, 22, 32)],
    "advance block, third far smaller": [WHITE_LINE, (12, 38, 11, 36), (32, 40, 30, 38)],
    "advance block, ever smaller": [WHITE_LINE, (16, 46, 15, 36), (32, 54, 31, 46)],
    "advance block, long upper shadow": [WHITE_LINE, (14, 40, 13, 40), (36, 80, 35, 56)],
    "breakaway": [
        BLACK_LINE,
        (-32, -30, -41, -40),
        (-38, -34, -46, -42),
        (-44, -40, -52, -50),
        (-50, -14, -51, -28),
    ],
    "concealing baby swallow": [
        (0, 2, -17, -16),
        (-16, -14, -33, -32),
        (-33, -28, -44, -42),
        (-31, -24, -50, -48),
    ],
    "concealing baby swallow, almost": [
        (0, 2, -17, -16),
        (-16, -14, -33, -32),
        (-33, -31, -44, -42),
        (-31, -24, -50, -48),
    ],
    "counterattack": [BLACK_LINE, (-48, -22, -50, -24)],
    "gap with white side by side": [(0, 5, -5, 4), (10, 22, 9, 20), (10, 22, 9, 20)],
    "gap down to white side by side": [(0, 5, -5, 4), (-20, -8, -21, -10), (-20, -8, -21, -10)],
    "gap three methods": [(0, 13, -1, 12), (18, 31, 17, 30), (24, 25, 5, 6)],
    "harami": [BLACK_LINE, (-16, -11, -18, -12)],
    "harami at one end": [BLACK_LINE, (-24, -11, -26, -12)],
    "homing pigeon": [BLACK_LINE, (-8, -6, -17, -14)],
    "identical three crows": [(0, 2, -12, -12), (-12, -10, -24, -24), (-24, -22, -36, -36)],
    "identical three crows, almost": [
        (0, 2, -12, -12),
        (-12, -10, -24, -24),
        (-23, -22, -24, -24),
    ],
    "in neck": [BLACK_LINE, (-40, -22, -41, -24)],
    "kicking": [(0, 0, -20, -20), (4, 28, 4, 28)],
    "ladder bottom": [
        (0, 1, -13, -12),
        (-6, -5, -19, -18),
        (-14, -13, -27, -26),
        (-24, -16, -34, -32),
        (-20, -6, -21, -8),
    ],
    "matching low": [(0, 1, -13, -12), (-2, 0, -13, -12)],
    "mat hold": [
        WHITE_LINE,
        (34, 36, 29, 30),
        (20, 22, 14, 16),
        (18, 19, 13, 14),
        (16, 61, 15, 60),
    ],
    "mat hold, shallow": [
        WHITE_LINE,
        (34, 36, 29, 30),
        (23, 25, 14, 22),
        (22, 24, 20, 21),
        (22, 61, 21, 60),
    ],
    "mat hold, too deep": [
        WHITE_LINE,
        (34, 36, 29, 30),
        (18, 20, 8, 10),
        (16, 17, 12, 13),
        (14, 61, 13, 60),
    ],
    "mat hold, too high": [
        WHITE_LINE,
        (34, 36, 29, 30),
        (32, 33, 21, 22),
        (30, 31, 25, 26),
        (27, 61, 26, 60),
    ],
    "modified hikkake": HIKKAKE,
    "modified hikkake, confirmed at once": [*HIKKAKE, (-8, 11, -10, 10)],
    "modified hikkake, confirmed twice": [
        *HIKKAKE,
        (-8, 6, -12, 4),
        (4, 14, 2, 12),
        (12, 20, 10, 16),
    ],
    "modified hikkake, confirmed late": [
        *HIKKAKE,
        (-8, 6, -12, -2),
        (-2, 7, -10, 3),
        (3, 14, 0, 12),
    ],
    "morning doji star": [BLACK_LINE, (-32, -30, -36, -32), (-28, -3, -29, -4)],
    "morning star": [BLACK_LINE, (-34, -30, -36, -30), (-28, -3, -29, -4)],
    "on neck": [BLACK_LINE, (-40, -24, -41, -25)],
    "piercing": [BLACK_LINE, (-30, -4, -31, -6)],
    "rising three methods": [
        WHITE_LINE,
        (20, 22, 15, 16),
        (16, 18, 11, 12),
        (12, 14, 7, 8),
        (10, 31, 9, 30),
    ],
    "rising three methods, almost": [
        WHITE_LINE,
        (20, 22, 15, 16),
        (-2, 0, -5, -4),
        (4, 6, -7, -6),
        (2, 31, 1, 30),
    ],
    "separating lines": [(0, 1, -13, -12), (0, 22, 0, 20)],
    "stalled pattern": [WHITE_LINE, (12, 40, 11, 40), (38, 46, 37, 44)],
    "stick sandwich": [(0, 1, -13, -12), (-8, 4, -10, 2), (4, 5, -13, -12)],
    "tasuki gap": [(0, 10, -2, 8), (16, 30, 15, 28), (24, 25, 10, 12)],
    "three black crows": [(0, 21, -1, 20), (18, 19, 2, 2), (12, 13, -8, -8), (4, 5, -20, -20)],
    "three inside": [BLACK_LINE, (-16, -11, -18, -12), (-12, 5, -13, 4)],
    "three line strike": [(0, 13, -1, 12), (8, 21, 7, 20), (16, 29, 15, 28), (32, 33, -6, -4)],
    "three outside": [(0, 1, -9, -8), (-12, 5, -13, 4), (4, 13, 3, 12)],
    "three stars in the south": [(0, 1, -60, -24), (-8, -7, -56, -14), (-12, -12, -15, -15)],
    "three stars in the south, low": [(0, 1, -60, -24), (-20, -15, -50, -40), (-36, -36, -39, -39)],
    "three white soldiers": [(0, 16, -1, 16), (10, 26, 9, 26), (20, 40, 19, 40)],
    "three white soldiers, almost": [(0, 24, -1, 24), (10, 50, 9, 50), (30, 52, 29, 52)],
    "thrusting": [BLACK_LINE, (-30, -15, -31, -16)],
    "tristar": [(0, 2, -2, 0), (-6, -4, -8, -6), (-2, 0, -4, -2)],
    "two crows": [WHITE_LINE, (34, 36, 28, 30), (32, 33, 10, 12)],
    "unique three river": [BLACK_LINE, (-8, -6, -40, -14), (-36, -30, -37, -32)],
    "upside gap two crows": [WHITE_LINE, (34, 50, 29, 30), (60, 61, 27, 28)],
}


def calm_bars(random: np.random.Generator, count: int) -> list[Bar]:
    bars, close = [], 0
    for _ in range(count):
        open_ = close + int(random.integers(-3, 4))
        close = open_ + int(random.choice([-1, 1]) * random.integers(8, 17))
        upper, lower = random.integers(2, 9, 2).tolist()
        bars.append((open_, max(open_, close) + upper, min(open_, close) - lower, close))
    return bars


def valid(prices: NDArray[np.int64]) -> list[Bar]:
    """Return bars with high and low widened to include open and close."""
    highs, lows = prices.max(axis=1), prices.min(axis=1)
    columns = (prices[:, 0], highs, lows, prices[:, 3])
    return [(int(o), int(h), int(low), int(c)) for o, h, low, c in zip(*columns, strict=True)]


def near_misses(shape: list[Bar]) -> list[list[Bar]]:
    """Return the shape, and copies with one bar's color flipped or one price equal to another."""
    found = [shape]
    for bar in range(len(shape)):
        prices = np.array(shape)
        prices[bar, [0, 3]] = prices[bar, [3, 0]]
        found.append(valid(prices))
        for price in range(4):
            for other in sorted({*np.ravel(shape).tolist()} - {shape[bar][price]}):
                prices = np.array(shape)
                prices[bar, price] = other
                found.append(valid(prices))
    return found


def varied(random: np.random.Generator, shape: list[Bar]) -> list[Bar]:
    """Return the shape with one of its bars and some of its prices moved by a few ticks."""
    prices = np.array(shape)
    prices[random.integers(len(shape))] += random.integers(-16, 17)
    prices += random.integers(-6, 7, prices.shape) * (random.random(prices.shape) < 0.05)
    return valid(prices)


def upside_down(shape: list[Bar]) -> list[Bar]:
    return valid(-np.array(shape))


def wild_bars(random: np.random.Generator, count: int) -> list[Bar]:
    """Return long and flat bars that touch, overlap, gap from or repeat the previous one."""
    bars: list[Bar] = []
    open_ = high = low = close = 0
    for _ in range(count):
        top, bottom = max(open_, close), min(open_, close)
        leap = int(random.integers(1, 6))
        opens = [open_, close, high + leap, low - leap, top + leap, bottom - leap]
        within = int(random.integers(bottom, top + 1))
        open_ = int(random.choice([*opens, within, close]))
        # the further away from where they began, the sooner they turn back
        sign = 1 if random.random() < 0.5 - close / 8000 else -1
        close = open_ + sign * int(random.choice([0, 0, 1, 2, 4, 8, 12, 20, 30]))
        upper, lower = random.choice([0, 0, 0, 1, 2, 4, 8, 16, 25, 40], 2).tolist()
        high, low = max(open_, close) + upper, min(open_, close) - lower
        bars.append((open_, high, low, close))
    return bars


def candle_bars(seed: int = 1, times: int = 40, wild: int = 15_000, tick: float = 0.25) -> Bars:
    """
    Make bars of every pattern in both directions, and of near misses by one price.

    First come `wild` bars and some that do not move; then, among calm bars, the near misses of each
    shape, and the shape varied `times` times, all of them also upside down. With a tick that is a
    power of two all sums are exact, in whatever order they are taken: there are many ties, and none
    is a matter of rounding.
    """
    random = np.random.default_rng(seed)
    shapes = [bars for shape in SHAPES.values() for bars in near_misses(shape)]
    shapes += [varied(random, shape) for shape in SHAPES.values() for _ in range(times)]
    shapes += [upside_down(bars) for bars in shapes]
    flat: list[Bar] = [(0, 0, 0, 0)] * 30
    parts = [wild_bars(random, wild), flat, calm_bars(random, 12), flat]
    for number in random.permutation(len(shapes)):
        # what comes after a hikkake confirms it or does not
        parts += [calm_bars(random, 6), shapes[number], wild_bars(random, int(random.integers(3)))]
    last, found = 10_000, []
    for part in parts:
        found += [[last + price for price in bar] for bar in part]
        last = found[-1][3]
    prices = np.array(found).T * tick
    return dict(zip(("open", "high", "low", "close"), prices, strict=True))
