"""
Simulates a session: random-walk ticks, reproducible by seed.

A price takes normal steps that add up to the daily standard deviation, rounded to the tick size;
trades are more frequent near the open and the close. It serves to try out the trading loop and says
nothing about markets.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec
import numpy as np

from duckbourse.streaming.feed import RECORD, Records, microseconds, millionths

SECOND = 1_000_000
DEVIATION_PCT = 1.5
MEAN_QUANTITY = 200
# trade frequency at the open and the close relative to noon
RUSH_FACTOR = 4.0
# latency of a tick: from, to
LATENCY_US = (2_000, 60_000)


class RandomWalk(msgspec.Struct, frozen=True):
    """The starting price and tick size of a symbol."""

    symbol: str
    price: Decimal
    tick_size: Decimal


def simulate_ticks(
    walks: list[RandomWalk], opens_at: datetime, closes_at: datetime, tick_count: int, seed: int
) -> Records:
    """Return `tick_count` ticks of each symbol, in the order received."""
    draws = np.random.default_rng(seed)
    parts = [
        _walk_ticks(walk, place, microseconds(opens_at), microseconds(closes_at), tick_count, draws)
        for place, walk in enumerate(walks)
    ]
    records = np.concatenate(parts)
    return records[np.argsort(records["received_at"], kind="stable")]


def _walk_ticks(
    walk: RandomWalk, place: int, opens: int, closes: int, count: int, draws: np.random.Generator
) -> Records:
    # trade density over the session: lowest at noon, highest at the open and the close
    at = np.linspace(0, 1, 1_000)
    density = 1 + (RUSH_FACTOR - 1) * np.cos(np.pi * at) ** 2
    when = np.sort(np.interp(draws.random(count), np.cumsum(density) / density.sum(), at))
    steps = draws.normal(0, DEVIATION_PCT / 100 / np.sqrt(count), count)
    tick, start = millionths(walk.tick_size), millionths(walk.price)
    ticks = np.maximum(np.rint(start * np.exp(np.cumsum(steps)) / tick), 1).astype("i8")
    records = np.zeros(count, RECORD)
    records["symbol"] = place
    records["traded_at"] = opens + (when * (closes - opens - SECOND)).astype("i8")
    records["received_at"] = records["traded_at"] + draws.integers(*LATENCY_US, count)
    records["price"] = ticks * tick
    records["bid"] = np.maximum(ticks - 1, 1) * tick
    records["ask"] = (ticks + 1) * tick
    records["quantity"] = draws.geometric(1 / MEAN_QUANTITY, count)
    records["cumulative_volume"] = np.cumsum(records["quantity"])
    return records
