"""
A session that never was: ticks of random walks, the same again from the same seed.

A share's price takes normal steps that add up to its deviation of a day, rounded to its tick;
trades are more frequent near the open and the close. It is for trying the loop, and says nothing of
markets.
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
# how much more often it trades at the open and the close than at noon
RUSH = 4.0
# a tick is under way for so long
LATENCY_US = (2_000, 60_000)


class Walk(msgspec.Struct, frozen=True):
    """Where a share starts, and the step between two of its prices."""

    symbol: str
    price: Decimal
    tick_size: Decimal


def simulated(
    walks: list[Walk], opens_at: datetime, closes_at: datetime, tick_count: int, seed: int
) -> Records:
    """Return so many ticks of each share, in the order in which they come."""
    draws = np.random.default_rng(seed)
    parts = [
        _walked(walk, place, microseconds(opens_at), microseconds(closes_at), tick_count, draws)
        for place, walk in enumerate(walks)
    ]
    records = np.concatenate(parts)
    return records[np.argsort(records["received_at"], kind="stable")]


def _walked(
    walk: Walk, place: int, opens: int, closes: int, count: int, draws: np.random.Generator
) -> Records:
    # between noon and the ends, by the cosine of the time of day
    at = np.linspace(0, 1, 1_000)
    density = 1 + (RUSH - 1) * np.cos(np.pi * at) ** 2
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
