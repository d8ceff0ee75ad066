"""What is computed from indexes and as events arrive equals a walk over everything."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from operator import itemgetter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from duckbourse.orders import events
from duckbourse.orders.book import Book
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Order, OrderType, Product, Reason, Request, Side
from duckbourse.risk.checks import OrderContext
from tests.support.factories import fill, request
from tests.unit.risk.test_checks import NOW, book_with, context_of

KINDS = ("entry", "exit", "resting stop", "not ours")
ASKED = st.fixed_dictionaries(
    {
        "symbol": st.sampled_from("AB"),
        "side": st.sampled_from(Side),
        "product": st.sampled_from(Product),
        "strategy": st.sampled_from(["one", "other"]),
        "quantity": st.integers(1, 9),
        "limit_price": st.sampled_from([None, Decimal(99), Decimal(101)]),
    }
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["open", "open", "modify", "accept", "fill", "end"]),
        st.sampled_from(KINDS),
        ASKED,
        st.integers(0, 99),
    ),
    max_size=30,
)


def open_order(book: Book, kind: str, asked: dict[str, Any]) -> None:
    """Open an order of a kind."""
    if kind == "not ours":
        book.apply(
            events.ExternalOrderSeen(
                at=NOW, request=request(**asked), state=State.OPEN, broker_order_id="theirs"
            )
        )
        return
    is_stop = kind == "resting stop"
    held = [order.request.order_id for order in book.held_entries()]
    wanted = request(
        **asked,
        reason=Reason.ENTRY if kind == "entry" else Reason.STOP,
        entry_id=None if kind == "entry" or not held else held[asked["quantity"] % len(held)],
        order_type=OrderType.SL if is_stop else OrderType.LIMIT,
    )
    order_id = wanted.order_id
    book.apply(events.OrderIntended(at=NOW, request=wanted))
    book.apply(events.OrderSent(at=NOW, order_id=order_id))
    for state in (State.ACKED, State.TRIGGER_PENDING if is_stop else State.OPEN):
        book.apply(events.OrderUpdated(at=NOW, order_id=order_id, state=state))


def change(book: Book, what: str, order: Order, asked: dict[str, Any]) -> None:
    """Change an open order of ours."""
    order_id, quantity = order.request.order_id, asked["quantity"]
    match what:
        case "modify":
            terms = {"limit_price": asked["limit_price"], "trigger_price": None}
            book.apply(
                events.ModifyRequested(
                    at=NOW, order_id=order_id, quantity=order.filled_quantity + quantity, **terms
                )
            )
        case "accept" if order.pending:
            book.apply(events.ModifyEnded(at=NOW, order_id=order_id, is_accepted=True))
        case "fill" if order.state is not State.TRIGGER_PENDING:
            asked_for = order.request
            booked = fill(
                min(quantity, order.open_quantity),
                "100",
                asked_for.side,
                order_id=order_id,
                symbol=asked_for.symbol,
                product=asked_for.product,
            )
            book.apply(events.FillBooked(at=NOW, fill=booked))
        case "end":
            book.apply(events.OrderUpdated(at=NOW, order_id=order_id, state=State.CANCELLED))


def at_worst(order: Order) -> Order:
    """Return an order as it would fill most."""
    if order.pending is None:
        return order
    quantity = max(order.request.quantity, order.pending.quantity)
    return replace(order, request=replace(order.request, quantity=quantity))


def expect_the_sums_of_a_walk(context: OrderContext) -> None:
    """Compare what the checks use with a walk over all open orders."""
    asked, replaced = context.request, context.replaces
    others = [
        at_worst(order)
        for order in context.book.live.values()
        if not (order.gives_way_to(asked) if replaced is None else order is replaced)
    ]
    same = [
        order
        for order in others
        if (order.request.symbol, order.request.product, order.request.side)
        == (asked.symbol, asked.product, asked.side)
    ]
    working = asked.quantity - (replaced.filled_quantity if replaced else 0)
    assert context.open_quantity == working + sum(order.open_quantity for order in same)
    assert context.own_open_quantity == working + sum(
        order.open_quantity
        for order in same
        if order.is_external or order.request.strategy == asked.strategy
    )
    crossing = context.others(context.book.open_orders_of(asked.symbol, asked.side.other))
    assert ids(crossing) == ids(
        order
        for order in others
        if (order.request.symbol, order.request.side) == (asked.symbol, asked.side.other)
    )
    entries = [order for order in others if order.request.reason is Reason.ENTRY]
    assert context.openings[0][:3] == (asked, working, replaced)
    assert ids(order for _, _, order, _ in context.openings[1:] if order) == ids(entries)
    assert sum(opening.amount for opening in context.openings[1:]) == sum(
        # either limit may be in force
        max(
            context.amount(terms, order.open_quantity)
            for terms in (order.request, order.pending)
            if terms is not None
        )
        for order in entries
    )


def expect_what_all_fills_leave(book: Book) -> None:
    """Compare what each entry holds with what its fills leave, taken together."""
    again = deepcopy(book)
    for key in list(again._fills_of):
        again._attribute(key)
    for key in again._held.keys() | book._held.keys():
        assert list(book._held[key].items()) == list(again._held[key].items())
    assert again._fills_of == book._fills_of
    trips = [(at, key, amount) for key, trips in book._round_trips.items() for at, amount in trips]
    assert book._trips == sorted(trips, key=itemgetter(0, 1))


def ids(orders: Any) -> list[str]:
    return sorted(order.request.order_id for order in orders)


@given(STEPS, ASKED, st.integers(0, 99))
def test_the_sums_of_the_checks_are_those_of_a_walk(
    steps: list[tuple[str, str, dict[str, Any], int]], asked: dict[str, Any], place: int
) -> None:
    book = book_with()
    for what, kind, terms, number in steps:
        ours = [order for order in book.live.values() if not order.is_external]
        if what == "open":
            open_order(book, kind, terms)
        elif ours:
            change(book, what, ours[number % len(ours)], terms)
        expect_what_all_fills_leave(book)
        wanted: Request = request(**asked)
        expect_the_sums_of_a_walk(context_of(wanted, book))
        if ours := [order for order in book.live.values() if not order.is_external]:
            order = ours[place % len(ours)]
            changed = replace(order.request, quantity=asked["quantity"])
            expect_the_sums_of_a_walk(context_of(changed, book, replaces=order))


def test_a_fill_that_arrives_after_its_exit_leaves_nothing() -> None:
    book = book_with()
    entry, leaving = request(quantity=10), request(side=Side.SELL, quantity=10, reason=Reason.STOP)
    leaving = replace(leaving, entry_id=entry.order_id)
    for asked, quantity in ((entry, 5), (leaving, 10), (entry, 5)):
        if asked.order_id not in book.orders:
            book.apply(events.OrderIntended(at=NOW, request=asked))
            book.apply(events.OrderSent(at=NOW, order_id=asked.order_id))
        filled = fill(quantity, "100", asked.side, order_id=asked.order_id)
        book.apply(events.FillBooked(at=NOW, fill=filled))
        expect_what_all_fills_leave(book)
    assert not book.held_entries()
