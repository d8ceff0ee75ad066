"""Made-up minutes match any day to the last digit."""

from __future__ import annotations

from datetime import date

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from duckbourse import synthetic
from duckbourse.cli import minutes
from duckbourse.synthetic.minutes import Days, Session, minute_bars, shares


def test_commands_name_the_source_of_these_minutes() -> None:
    assert minutes.SOURCE == synthetic.SOURCE


def hostile_days() -> st.SearchStrategy[tuple[float, float, float, float, float]]:
    """Days with one price, one tick, prices off the grid, hardly any volume, or far too much."""
    price = st.one_of(
        st.integers(1, 200_000).map(lambda cents: cents / 100),
        st.floats(1e-4, 1e9, allow_subnormal=False),
        st.sampled_from([0.0001, 0.01, 0.05, 1.0, 99.995, 1e7, 2.0**40 + 0.01]),
    )
    width = st.one_of(st.just(0.0), st.sampled_from([0.01, 0.02, 0.05]), st.floats(0, 1e5))
    where = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1))
    volume = st.one_of(st.integers(0, 500), st.integers(0, 2**53)).map(float)

    def day(
        low: float, width: float, opens: float, closes: float, volume: float
    ) -> tuple[float, float, float, float, float]:
        high = low + width
        return (
            min(max(low + opens * width, low), high),
            high,
            low,
            min(max(low + closes * width, low), high),
            volume,
        )

    return st.builds(day, price, width, where, where, volume)


@settings(max_examples=300)
@given(
    days=st.lists(hostile_days(), min_size=1, max_size=4),
    bar_count=st.sampled_from([1, 2, 3, 5, 60, 390]),
    seed=st.integers(0, 2**64),
    per_unit=st.sampled_from([20, 100]),
)
@example(days=[(10.0, 10.0, 10.0, 10.0, 1.0)], bar_count=390, seed=0, per_unit=100)
@example(days=[(10.0, 11.0, 10.0, 10.5, 0.0)], bar_count=390, seed=0, per_unit=100)
@example(days=[(10.0, 10.01, 10.0, 10.01, 7.0)], bar_count=390, seed=0, per_unit=100)
@example(days=[(10.0, 12.0, 8.0, 10.0, 7.0)], bar_count=2, seed=0, per_unit=100)
@example(days=[(73.64, 73.645, 73.192, 73.3, 2.0**53)], bar_count=390, seed=0, per_unit=20)
def test_any_day_is_matched_exactly(
    days: list[tuple[float, float, float, float, float]], bar_count: int, seed: int, per_unit: int
) -> None:
    day = Days(*np.array(days).T)
    bars = minute_bars(
        day, seed, [f"S{n}" for n in range(len(days))], session_of(bar_count), per_unit
    )
    assert (bars.open[:, 0] == day.open).all()
    assert (bars.high.max(axis=1) == day.high).all()
    assert (bars.low.min(axis=1) == day.low).all()
    assert (bars.close[:, -1] == day.close).all()
    assert [sum(map(int, volumes)) for volumes in bars.volume] == [int(v) for v in day.volume]
    assert (bars.volume == np.floor(bars.volume)).all()
    assert (bars.volume >= 0).all()
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()


def test_a_fractional_volume_is_matched_too() -> None:
    parts = shares(np.array([10.5, 0.25]), np.ones((2, 4)))
    assert parts.tolist() == [[2, 3, 2, 3.5], [0, 0, 0, 0.25]]


def session_of(bar_count: int) -> Session:
    starts = np.datetime64("2010-05-06T09:30", "us") + np.arange(bar_count).astype("m8[m]")
    return Session(date(2010, 5, 6), starts)
