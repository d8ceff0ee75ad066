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
            record["symbol"], record["price"] = place, price
            record["received_at"] = record["traded_at"] = at
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


def test_a_price_is_as_old_as_its_trade() -> None:
    """What came again after a reconnection was fresh, however old its trade was."""
    prices = LastPrices(("A", "B"))
    assert prices.last_receipt() is None
    records = np.zeros(2, RECORD)
    records["symbol"] = 0, 1
    records["price"] = 1_000_000
    records["received_at"] = 100_000_000, 160_000_000
    # a clock that is ahead does not make a price of the future
    records["traded_at"] = 40_000_000, 170_000_000
    prices.update(records)
    assert [prices[symbol][1] for symbol in "AB"] == [instant(40_000_000), instant(160_000_000)]
    # silence is of the receipts: a quote that changes is not silent
    assert (prices.seconds_of_silence("A"), prices.seconds_of_silence("B")) == (60, 0)
    assert prices.seconds_of_silence("C") is None
    assert prices.last_receipt() == instant(160_000_000)


@pytest.mark.parametrize(
    ("quotes", "before"),
    [
        # the bid, and when it was received
        ([(99, 0), (60, 1)], 99),
        ([(99, 0), (60, 1), (60, 1.5), (60, 1.999999)], 99),
        ([(99, 0), (60, 1), (60, 1.6), (60, 2)], 60),
        ([(99, 0), (60, 1), (61, 1.1)], 60),
        ([(99, 0), (60, 1), (61, 1.1), (61, 1.2)], 60),
        ([(99, 0), (60, 1), (99, 1.1), (60, 1.2)], 99),
    ],
)
@pytest.mark.parametrize("side", ["bid", "ask"])
def test_a_quote_that_is_repeated_within_its_second_is_the_same_one(
    quotes: list[tuple[float, float]], before: int, side: str
) -> None:
    """An odd bid was confirmed by a packet that had another ask beside it."""
    prices = LastPrices(SYMBOLS)
    for number, (price, seconds) in enumerate(quotes):
        records = np.zeros(2, RECORD)
        records["symbol"] = 0, 1
        records["price"], records["received_at"] = 100_000_000, 5_000_000 + int(seconds * 10**6)
        records["bid"] = records["ask"] = 200_000_000 + number
        records[side] = millionths(Decimal(price))
        prices.update(records)
    for symbol in "AB":
        quote = prices.quote(symbol)
        assert quote is not None
        assert (quote.bid_before if side == "bid" else quote.ask_before) == before
