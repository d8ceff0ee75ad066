"""What is closed on both sides of a symbol crosses in the account, and nothing is closed twice."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.orders import events
from duckbourse.orders.book import Book, provisional_key
from duckbourse.orders.lifecycle import State
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import Order, OrderType, Product, Reason, Request, Side
from duckbourse.streaming.prices import LastPrices
from duckbourse.trading.exits import ExitManager
from tests.support.factories import fill, request
from tests.support.market import Market, at
from tests.unit.orders.test_open_orders import expect_what_all_fills_leave
from tests.unit.risk.test_checks import NOW, book_with, opened_as


def held(book: Book, strategy: str, side: Side) -> Request:
    """Hold ten shares of a strategy."""
    entry = request(strategy=strategy, side=side, quantity=10)
    for event in opened_as(entry):
        book.apply(event)
    book.apply(events.FillBooked(at=NOW, fill=fill(10, "100", side, order_id=entry.order_id)))
    return entry


def at_work(book: Book, asked: Request, state: State = State.OPEN) -> Order:
    book.apply(events.OrderIntended(at=NOW, request=asked))
    book.apply(events.OrderSent(at=NOW, order_id=asked.order_id))
    for each in (State.ACKED, state):
        book.apply(events.OrderUpdated(at=NOW, order_id=asked.order_id, state=each))
    return book.orders[asked.order_id]


def exit_of(book: Book, entry: Request) -> None:
    side = entry.side.other
    asked = request(side=side, quantity=10, strategy=entry.strategy, entry_id=entry.order_id)
    at_work(book, replace(asked, reason=Reason.TARGET))


def rest(book: Book, entry: Request) -> None:
    asked = request(
        side=entry.side.other,
        quantity=10,
        strategy=entry.strategy,
        entry_id=entry.order_id,
        reason=Reason.STOP,
        order_type=OrderType.SL,
        trigger_price=Decimal(90),
    )
    assert at_work(book, asked, State.TRIGGER_PENDING).is_resting


def fill_early(book: Book) -> None:
    """Fill an order of a third strategy by its status; its trade is yet to be reported."""
    order_id = at_work(book, request(strategy="z")).request.order_id
    key = provisional_key(order_id)
    booked = fill(1, "100", order_id=order_id, fill_key=key, is_provisional=True)
    book.apply(events.FillBooked(at=NOW, fill=booked))


@pytest.mark.parametrize(
    ("what", "is_crossed"),
    [
        (lambda book, one, other: None, True),
        (lambda book, one, other: exit_of(book, one), False),
        (lambda book, one, other: exit_of(book, other), False),
        (lambda book, one, other: rest(book, one), False),
        (lambda book, one, other: rest(book, other), False),
        # what opens the other side closes the oldest of its strategy
        (lambda book, one, other: at_work(book, request(strategy="x", side=Side.SELL)), False),
        (lambda book, one, other: at_work(book, request(strategy="z", side=Side.SELL)), True),
        (lambda book, one, other: rest(book, held(book, "x", Side.BUY)), True),
        (lambda book, one, other: fill_early(book), False),
    ],
    ids=[
        "nothing else",
        "an exit of one",
        "an exit of the other",
        "a stop of one",
        "a stop of the other",
        "an order of one strategy",
        "an order of a third strategy",
        "a stop of another entry",
        "a fill without its trade",
    ],
)
def test_two_sides_cross_where_no_order_may_close_one_of_them(
    tmp_path: Path, what: Callable[[Book, Request, Request], object], is_crossed: bool
) -> None:
    book = book_with()
    # what no order opened is there too, and stays
    book.apply(events.FillBooked(at=NOW, fill=fill(3, "90", order_id="nobody")))
    one, other = held(book, "x", Side.BUY), held(book, "y", Side.SELL)
    what(book, one, other)
    for entry in (one, other):
        triggered = events.ExitTriggered(
            at=NOW, entry_id=entry.order_id, reason=Reason.TIME, price=Decimal(100)
        )
        book.apply(triggered)
    broker = SimpleNamespace(capabilities=SimpleNamespace(can_rest_stops=False))
    manager = SimpleNamespace(book=book, record=book.apply, broker=broker)
    publication = Market(tmp_path).publication()
    exits = ExitManager(cast("Manager", manager), LastPrices(("A",)), lambda: publication)
    before = book.cash_amount, dict(book.positions), book.unowned()
    with clock.driven_by(lambda: at(10)):
        exits._cross(book.held_entries())
    assert book.unowned() == {("A", Product.MIS): 3}
    left = [book.held_quantity(entry.order_id) for entry in (one, other)]
    assert left == ([0, 0] if is_crossed else [10, 10])
    assert (book.cash_amount, book.positions, book.unowned()) == before
    expect_what_all_fills_leave(book)


@pytest.mark.parametrize(
    ("missing", "long", "short"),
    [(0, 10, 10), (3, 10, 10), (13, 7, 10), (25, 0, 10), (-3, 10, 7), (-13, 10, 0)],
)
def test_what_the_broker_lacks_bounds_the_side_that_it_lacks(
    missing: int, long: int, short: int
) -> None:
    """The net of the account bounded both sides, so that the smaller one could never be left."""
    book = book_with()
    long_entry = held(book, "x", Side.BUY)
    held(book, "x2", Side.BUY)
    short_entry = held(book, "y", Side.SELL)
    manager = Manager(book, cast("Any", None), cast("Any", None), check=lambda *_: None)
    for _ in range(2):
        manager.unbooked.compare({("A", Product.MIS): missing}, {})

    def closable(entry: Request) -> int:
        return manager.closable_quantity(book.orders[entry.order_id])

    assert (closable(long_entry), closable(short_entry)) == (long, short)
