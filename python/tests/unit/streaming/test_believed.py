"""Ticks that trading acts on: usual ones at once, odd ones when a second confirms them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duckbourse.streaming.believed import TickFilter
from duckbourse.streaming.feed import RECORD, Records, microseconds, millionths
from tests.support.market import instrument

OPEN = datetime(2026, 11, 25, 14, 30, tzinfo=UTC)
SYMBOLS = ("A", "B")


def ticks(*known: tuple[str, float | str, float]) -> Records:
    """Return ticks of symbol, price and seconds after the open at which they were traded."""
    records = np.zeros(len(known), RECORD)
    for record, (symbol, price, seconds) in zip(records, known, strict=True):
        record["symbol"] = SYMBOLS.index(symbol)
        record["price"] = millionths(Decimal(str(price)))
        record["traded_at"] = microseconds(OPEN + timedelta(seconds=seconds))
        record["received_at"] = record["traded_at"] + 1
    return records


def filter_of(**changed: Any) -> TickFilter:
    known = {"A": instrument(**changed), "B": instrument("B")}
    return TickFilter(
        SYMBOLS,
        {symbol: each.prior_close for symbol, each in known.items()},
        {symbol: each.price_band for symbol, each in known.items()},
        Decimal(10),
    )


def believed(ticked: TickFilter, *known: tuple[str, float | str, float]) -> list[float]:
    return [price / 1e6 for price in ticked.believed(ticks(*known))["price"].tolist()]


def test_a_usual_price_is_believed_at_once() -> None:
    ticked = filter_of()
    # to the very limit of the move, either way, and from there on
    assert believed(ticked, ("A", 110, 0), ("B", 90, 0)) == [110, 90]
    assert believed(ticked, ("A", 121, 1), ("B", 81, 1)) == [121, 81]


@pytest.mark.parametrize("odd", [110.01, 89.99, 1000, 0.01])
def test_an_odd_price_waits_for_a_second(odd: float) -> None:
    ticked = filter_of()
    assert believed(ticked, ("A", odd, 0)) == []
    assert ticked.unbelieved_count == 1
    assert believed(ticked, ("A", odd, 1)) == [odd]
    # it is the last one now
    assert believed(ticked, ("A", odd * 1.09, 2)) == [round(odd * 1.09, 6)]


def test_a_trade_that_is_reported_again_confirms_nothing() -> None:
    """A feed sends a packet for each change of the quote, with the same last trade."""
    ticked = filter_of()
    once, volume = ticks(("A", 60, 0)), ticks(("A", 60, 0))
    volume["cumulative_volume"] = 10
    assert not len(ticked.believed(once)) and not len(ticked.believed(once))
    # another trade of the same instant
    assert len(ticked.believed(volume)) == 1


def test_an_odd_price_is_forgotten_after_a_usual_one() -> None:
    ticked = filter_of()
    assert believed(ticked, ("A", 1000, 0)) == []
    assert believed(ticked, ("A", 101, 1)) == [101]
    assert believed(ticked, ("A", 1000, 2)) == []


def test_two_odd_prices_that_differ_confirm_nothing() -> None:
    ticked = filter_of()
    assert believed(ticked, ("A", 1000, 0)) == []
    assert believed(ticked, ("A", 1, 1)) == []
    assert believed(ticked, ("A", 1.1, 2)) == [1.1]


def test_a_price_outside_the_band_waits_for_a_second() -> None:
    ticked = filter_of(price_band_pct=Decimal(5))
    assert believed(ticked, ("A", "105.01", 0)) == []
    assert believed(ticked, ("A", 105, 1)) == [105]


@pytest.mark.parametrize(("near", "outside"), [("95.1", "94.99"), ("104.9", "105.01")])
def test_a_usual_price_near_the_band_believes_none_outside_it(near: str, outside: str) -> None:
    ticked = filter_of(price_band_pct=Decimal(5))
    assert believed(ticked, ("A", near, 0)) == [float(near)]
    assert believed(ticked, ("A", outside, 1)) == []


def test_a_trade_that_comes_late_is_not_believed() -> None:
    ticked = filter_of()
    assert believed(ticked, ("A", 101, 10)) == [101]
    assert believed(ticked, ("A", 99, 9), ("B", 99, 9)) == [99]
    assert believed(ticked, ("A", 102, 10)) == [102]
    # within one batch, too
    assert believed(ticked, ("A", 103, 12), ("A", 104, 11), ("A", 105, 13)) == [103, 105]


def test_a_time_that_is_ahead_makes_no_later_tick_late() -> None:
    """One trade that was said to be of the evening froze its symbol until then."""
    ticked = filter_of()
    ahead = ticks(("A", 101, 3600), ("A", 1000, 3601))
    ahead["received_at"] = microseconds(OPEN)
    # its price is believed, like any other
    assert ticked.believed(ahead)["price"].tolist() == [101_000_000]
    assert believed(ticked, ("A", 99, 10), ("A", 98, 9)) == [99]
    # as long as the exchange may be ahead of our clock, its time counts
    near = ticks(("A", 97, 20))
    near["received_at"] -= 5_000_000
    assert len(ticked.believed(near)) == 1
    assert believed(ticked, ("A", 96, 19)) == []


def test_without_a_prior_close_the_first_price_is_believed() -> None:
    ticked = filter_of(prior_close=None)
    assert believed(ticked, ("A", 7, 0)) == [7]
    assert believed(ticked, ("A", 8, 1)) == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from(SYMBOLS),
            st.sampled_from([1, 90, 95, 100, 105, 110, 120, 1000]),
            st.integers(0, 20),
        ),
        max_size=30,
    ),
    st.integers(1, 30),
)
def test_batches_are_believed_like_single_ticks(
    known: list[tuple[str, float, float]], size: int
) -> None:
    """Whatever the batches, the same ticks are believed."""
    single, batched = filter_of(), filter_of()
    alone = [price for one in known for price in believed(single, one)]
    together = [
        price
        for first in range(0, len(known), size)
        for price in believed(batched, *known[first : first + size])
    ]
    assert alone == together
    assert single.unbelieved_count == batched.unbelieved_count == len(known) - len(alone)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(SYMBOLS),
            st.one_of(st.sampled_from([1, 1000]), st.integers(80, 130)),
            st.integers(0, 20),
        ),
        max_size=40,
    ),
    st.integers(1, 8),
    st.sampled_from([None, Decimal(5), Decimal(20)]),
)
def test_each_tick_is_compared_with_the_last_one_that_was_believed(
    known: list[tuple[str, float, float]], size: int, band: Decimal | None
) -> None:
    """The rule, one tick after the other, as it is written."""
    ticked = filter_of(price_band_pct=band)
    low, high = instrument(price_band_pct=band).price_band
    last = {symbol: (100.0, 0.0) for symbol in SYMBOLS}
    waiting: dict[str, tuple[float, float]] = {}
    wanted = []
    for symbol, price, when in known:
        before, before_at = last[symbol]
        if when < before_at:
            continue
        is_odd = abs(price - before) > 0.1 * before
        if symbol == "A" and high is not None:
            is_odd |= not low <= price <= high
        odd, odd_at = waiting.get(symbol, (0.0, 0.0))
        if is_odd and price == odd and when <= odd_at:
            continue
        if is_odd and abs(price - odd) > 0.1 * odd:
            waiting[symbol] = price, when
            continue
        waiting.pop(symbol, None)
        last[symbol] = price, when
        wanted.append(price)
    found = [
        price
        for first in range(0, len(known), size)
        for price in believed(ticked, *known[first : first + size])
    ]
    assert found == wanted
