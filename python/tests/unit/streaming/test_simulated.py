"""Simulated ticks: reproducible, on the tick grid, within the session, as volatile as set."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from duckbourse.streaming.feed import microseconds
from duckbourse.streaming.simulated import DEVIATION_PCT, RandomWalk, simulate_ticks

OPENS, CLOSES = datetime(2024, 7, 1, 13, 30, tzinfo=UTC), datetime(2024, 7, 1, 20, tzinfo=UTC)
WALKS = [
    RandomWalk(f"S{number}", Decimal("0.10") + number, Decimal("0.05"))
    for number in range(0, 400, 2)
]


def test_ticks_are_reproducible_and_within_the_session() -> None:
    records = simulate_ticks(WALKS, OPENS, CLOSES, 500, seed=1)
    assert np.array_equal(records, simulate_ticks(WALKS, OPENS, CLOSES, 500, seed=1))
    assert not np.array_equal(records, simulate_ticks(WALKS, OPENS, CLOSES, 500, seed=2))
    assert len(records) == 200 * 500
    assert records["traded_at"].min() >= microseconds(OPENS)
    assert records["received_at"].max() < microseconds(CLOSES)
    assert (np.diff(records["received_at"]) >= 0).all()
    assert (records["received_at"] > records["traded_at"]).all()
    assert (records["price"] % 50_000 == 0).all()
    assert (records["bid"] < records["ask"]).all()
    assert records["bid"].min() > 0
    for place in (0, 199):
        of_one = records[records["symbol"] == place]
        in_order = of_one[np.argsort(of_one["traded_at"], kind="stable")]
        assert (np.diff(in_order["cumulative_volume"]) == in_order["quantity"][1:]).all()


def test_a_day_has_the_set_volatility() -> None:
    """Over two hundred symbols, within the sampling error of a standard deviation (5%)."""
    records = simulate_ticks(WALKS, OPENS, CLOSES, 500, seed=3)
    moves = []
    for place, walk in enumerate(WALKS[50:], 50):
        last = records[records["symbol"] == place]["price"][-1]
        moves.append(float(Decimal(int(last)) / 10**6 / walk.price) - 1)
    assert np.std(moves) * 100 == pytest.approx(DEVIATION_PCT, rel=0.2)
    assert abs(np.mean(moves)) * 100 < 4 * DEVIATION_PCT / len(moves) ** 0.5


def test_noon_is_quieter_than_the_ends() -> None:
    at = simulate_ticks(WALKS[:20], OPENS, CLOSES, 2_000, seed=4)["traded_at"]
    counts, _ = np.histogram(at, 13, (microseconds(OPENS), microseconds(CLOSES)))
    assert counts[0] > 2 * counts[6] < counts[12]
