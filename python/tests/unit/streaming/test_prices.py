"""The last price of each symbol is that of its last tick, in any batch."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duckbourse.streaming.feed import RECORD, decimal_price, instant, millionths
from duckbourse.streaming.prices import LastPrices, price_bounds

SYMBOLS = ("A", "B", "C")
TICKS = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 10**12)))


@given(st.lists(TICKS))
def test_the_last_tick_is_the_price(batches: list[list[tuple[int, int]]]) -> None:
    prices, wanted, at = LastPrices(SYMBOLS), {}, 0
    for batch in batches:
        records = np.zeros(len(batch), RECORD)
        for record, (place, price) in zip(records, batch, strict=True):
            at += 1
            record["symbol"], record["price"], record["received_at"] = place, price, at
            wanted[SYMBOLS[place]] = decimal_price(price), instant(at)
        prices.update(records)
    assert dict(prices) == wanted
    assert len(prices) == len(wanted)


def test_a_symbol_without_a_tick_has_no_price() -> None:
    prices = LastPrices(SYMBOLS)
    assert "A" not in prices
    assert prices.get("A") is None
    assert prices.get("Z") is None
    with pytest.raises(KeyError):
        prices["A"]
    record = np.zeros(1, RECORD)
    record["price"] = 10_050_000
    prices.update(record)
    assert prices["A"][0] == Decimal("10.05")
    assert list(prices) == ["A"]


def test_a_tick_is_within_fifty_times_the_prior_close() -> None:
    closes = {"A": Decimal("37.63"), "B": None}
    least, most = price_bounds(SYMBOLS, closes)
    assert [int(bound) for bound in least] == [millionths(Decimal("0.7526")), 1, 1]
    assert [int(bound) for bound in most] == [millionths(Decimal("1881.5")), 2**63 - 1, 2**63 - 1]
