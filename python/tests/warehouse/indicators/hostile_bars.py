"""Bars that are hard on indicators: flat, tied, gapping, very high or low, and too few."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.warehouse.indicators.on_read import Bars, Series

PRICES = ("open", "high", "low", "close")


def bars_of(closes: Series, seed: int = 0, spread: float = 0.01) -> Bars:
    """Make bars that open at the prior close, in sessions of one to seven bars."""
    random = np.random.default_rng(seed)
    count = len(closes)
    opens = np.concatenate([closes[:1], closes[:-1]])
    reach = spread * np.abs(random.normal(0, 1, (2, count))) * closes
    ends = np.cumsum(random.integers(1, 8, count))
    session = np.searchsorted(ends, np.arange(count), side="right")
    firsts = np.searchsorted(session, session)
    return {
        "open": opens,
        "high": np.maximum(opens, closes) + reach[0],
        "low": np.minimum(opens, closes) - np.minimum(reach[1], closes / 2),
        "close": closes,
        "volume": random.integers(0, 10**6, count).astype(np.float64),
        "session_bar_number": (np.arange(count) - firsts).astype(np.float64),
    }


def walk(count: int, seed: int = 0, step: float = 0.02, price: float = 100.0) -> Series:
    random = np.random.default_rng(seed)
    return np.asarray(price * np.exp(np.cumsum(random.normal(0, step, count))))


def first_bars(bars: Bars, count: int) -> Bars:
    return {name: values[:count] for name, values in bars.items()}


def on_ticks(bars: Bars, tick: float) -> Bars:
    return {
        name: np.round(values / tick) * tick if name in PRICES else values
        for name, values in bars.items()
    }


def hostile_bars() -> dict[str, Bars]:
    """Return series by the difficulty that they pose."""
    nothing_traded = bars_of(walk(500, 5), 5)
    nothing_traded["volume"] = np.where(np.arange(500) % 250 < 100, 0.0, nothing_traded["volume"])
    mostly_flat = np.repeat(walk(60, 6), 12)
    spike = walk(500, 3)
    spike[250] *= 1e4
    gaps = walk(500, 8) * np.where(np.arange(500) // 50 % 2, 10.0, 1.0)
    at_rest = walk(2600, 9)
    at_rest[400:2200] = at_rest[399]
    return {
        "walk": bars_of(walk(900, 1), 1),
        "flat": bars_of(np.full(300, 42.0), spread=0.0),
        "rising": bars_of(np.linspace(10.0, 309.0, 300), spread=0.0),
        "falling": bars_of(np.linspace(1000.0, 701.0, 300), spread=0.0),
        "spike": bars_of(spike, 3),
        "nothing traded": nothing_traded,
        "steps": bars_of(mostly_flat, spread=0.0),
        "ties": on_ticks(bars_of(walk(700, 7, 0.01), 7), 0.5),
        "gaps": bars_of(gaps, 8),
        "at rest": bars_of(at_rest, 9, spread=0.0),
        "dear": bars_of(walk(500, 10, 1e-4, 1e5), 10, 1e-4),
        "cheap": bars_of(walk(500, 11, 0.02, 1e-4), 11),
    }


def random_bars(seed: int, count: int) -> Bars:
    """Return bars whose shape, scale and ties follow from the seed."""
    random = np.random.default_rng(seed)
    price = float(10.0 ** random.integers(-4, 6))
    closes = walk(count, seed, float(random.choice([1e-3, 1e-2, 5e-2])), price)
    rests: NDArray[np.bool_] = random.random(count) < random.choice([0.0, 0.3, 0.9])
    for bar in np.flatnonzero(rests[1:]) + 1:
        closes[bar] = closes[bar - 1]
    bars = bars_of(closes, seed, float(random.choice([0.0, 1e-3, 1e-2])))
    if random.random() < 0.5:
        bars = on_ticks(bars, price / 64)
        for name in PRICES:
            bars[name] = np.maximum(bars[name], price / 64)
    if random.random() < 0.3:
        bars["volume"] = np.where(random.random(count) < 0.5, 0.0, bars["volume"])
    return bars
