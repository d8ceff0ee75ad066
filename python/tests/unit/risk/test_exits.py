"""Exits by hand: which one is due at which price and time, long and short."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import duckdb
import pytest

from duckbourse.orders import events
from duckbourse.orders.book import Book
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Exits, Order, Reason, Side
from duckbourse.risk.exits import best_price, due, quoted_price, stop_of
from duckbourse.trading.publication import to_signals
from tests.support.factories import CAPITAL, NOW, fill, request

EXITS = Exits(
    stop_price=Decimal(98),
    target_price=Decimal(104),
    trail_distance=Decimal(3),
    exit_at=NOW + timedelta(hours=1),
)
SHORT = Exits(stop_price=Decimal(102), target_price=Decimal(96), trail_distance=Decimal(3))


def entered(exits: Exits, side: Side = Side.BUY) -> Order:
    return Order(
        request=request("entry", exits=exits, side=side),
        state=State.FILLED,
        filled_quantity=10,
        filled_amount=Decimal(1000),
    )


@pytest.mark.parametrize(
    ("side", "best", "price", "wanted"),
    [
        (Side.BUY, "100", "98.05", None),
        (Side.BUY, "100", "98", Reason.STOP),
        (Side.BUY, "100", "103.95", None),
        (Side.BUY, "100", "104", Reason.TARGET),
        (Side.BUY, "103", "100.05", None),
        (Side.BUY, "103", "100", Reason.TRAILING_STOP),
        (Side.SELL, "100", "101.95", None),
        (Side.SELL, "100", "102", Reason.STOP),
        (Side.SELL, "100", "96", Reason.TARGET),
        (Side.SELL, "97", "100", Reason.TRAILING_STOP),
    ],
)
def test_the_exit_that_is_due(side: Side, best: str, price: str, wanted: Reason | None) -> None:
    entry = entered(EXITS if side is Side.BUY else SHORT, side)
    assert due(entry, Decimal(best), Decimal(price), NOW) is wanted


@pytest.mark.parametrize(
    ("side", "best", "wanted"),
    [
        (Side.BUY, None, "98"),
        (Side.BUY, "100", "98"),
        (Side.BUY, "103", "100"),
        (Side.SELL, "101", "102"),
        (Side.SELL, "97", "100"),
    ],
)
def test_the_stop_is_the_nearer_of_stop_and_trail(
    side: Side, best: str | None, wanted: str
) -> None:
    entry = entered(EXITS if side is Side.BUY else SHORT, side)
    known = None if best is None else Decimal(best)
    stop = stop_of(entry, known)
    assert stop == Decimal(wanted)
    # `due` agrees: just there, and not a paisa before
    assert due(entry, known, stop, NOW) in {Reason.STOP, Reason.TRAILING_STOP}
    assert due(entry, known, stop + side.sign * Decimal("0.01"), NOW) is None
    assert stop_of(entered(Exits()), Decimal(1)) is None


def test_the_time_exit_comes_last() -> None:
    late = NOW + timedelta(hours=1)
    assert due(entered(EXITS), Decimal(100), Decimal(101), late) is Reason.TIME
    assert due(entered(EXITS), Decimal(100), Decimal(98), late) is Reason.STOP
    assert due(entered(Exits()), Decimal(100), Decimal(1), late) is None


def test_the_best_price_starts_at_the_entry() -> None:
    assert best_price(entered(EXITS), None, Decimal(99)) == 100
    assert best_price(entered(EXITS), Decimal(103), Decimal(102)) == 103
    assert best_price(entered(SHORT, Side.SELL), Decimal(97), Decimal(96)) == 96


def test_the_quantity_an_entry_still_holds() -> None:
    entry, out = request("in"), request("out", side=Side.SELL, entry_id=request("in").order_id)
    book = Book(CAPITAL)
    for asked in (entry, out):
        book.apply(events.OrderIntended(at=NOW, request=asked))
        book.apply(events.OrderSent(at=NOW, order_id=asked.order_id))
    assert book.held_quantity(entry.order_id) == 0
    book.apply(events.FillBooked(at=NOW, fill=fill(10, "100", order_id=entry.order_id)))
    book.apply(events.FillBooked(at=NOW, fill=fill(4, "99", Side.SELL, order_id=out.order_id)))
    assert book.held_quantity(entry.order_id) == 6
    assert [order.state.is_live for order in book.exits_of(entry.order_id)] == [True]
    # someone else sold the rest
    book.apply(events.FillBooked(at=NOW, fill=fill(5, "99", Side.SELL)))
    assert book.held_quantity(entry.order_id) == 1


def test_an_exit_closes_the_entry_that_it_names() -> None:
    first, second = request("first"), request("second")
    out = request("out of second", side=Side.SELL, entry_id=second.order_id)
    book = Book(CAPITAL)
    for asked in (first, second, out):
        book.apply(events.OrderIntended(at=NOW, request=asked))
        book.apply(events.OrderSent(at=NOW, order_id=asked.order_id))
    for asked in (first, second):
        book.apply(events.FillBooked(at=NOW, fill=fill(10, "100", order_id=asked.order_id)))
    book.apply(events.FillBooked(at=NOW, fill=fill(7, "99", Side.SELL, order_id=out.order_id)))
    assert [book.held_quantity(each.order_id) for each in (first, second)] == [10, 3]
    # what names no entry closes the oldest
    book.apply(events.FillBooked(at=NOW, fill=fill(12, "99", Side.SELL)))
    assert [book.held_quantity(each.order_id) for each in (first, second)] == [0, 1]
    assert [order.request.order_id for order in book.held_entries()] == [second.order_id]


@pytest.mark.parametrize(
    ("exit_time", "wanted"),
    [("15:15", datetime(2024, 1, 2, 9, 45)), ("24:00", datetime(2024, 1, 2, 18, 30))],
)
def test_a_signal_says_when_its_position_is_closed(exit_time: str, wanted: datetime) -> None:
    """At a time of day in India, or at the midnight after it."""
    answer = duckdb.execute(
        "select 'x' as signal_id, 'crp' as scanner, 'standard' as preset, 'A' as symbol, "
        "'long' as direction, date '2024-01-02' as session_date, known_ts: session_date + time "
        "'09:50', 100.0 as entry_price, null as stop_price, null as target_price, "
        "10.0 as position_pct, 1 as signal_rank, ?::time as exit_time",
        [exit_time],
    )
    row = dict(zip([column[0] for column in answer.description], answer.fetchall()[0], strict=True))
    [signal] = to_signals([row], ZoneInfo("Asia/Kolkata"), frozenset())
    assert signal.exit_at == wanted.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("side", "bid", "ask", "wanted"),
    [
        (Side.BUY, "99", "108.90", "99"),  # as wide as 10 percent of the bid
        (Side.SELL, "99", "108.90", "108.90"),
        (Side.BUY, "99", "108.95", None),  # wider, and the far side is no worse
        (Side.BUY, "80", "97", "97"),
        (Side.SELL, "101", "120", "101"),
        (Side.BUY, "100.05", "100", None),
    ],
)
def test_the_price_by_a_quote(side: Side, bid: str, ask: str, wanted: str | None) -> None:
    found = quoted_price(side, Decimal(100), Decimal(bid), Decimal(ask), Decimal(10))
    assert found == (wanted and Decimal(wanted))
