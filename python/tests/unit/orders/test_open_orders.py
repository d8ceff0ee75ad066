"""What is computed from indexes and as events arrive equals a walk over everything."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from decimal import Decimal
from operator import itemgetter
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.orders import events
from duckbourse.orders.book import Book, provisional_key
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Order, OrderType, Product, Reason, Request, Side
from duckbourse.orders.positions import ZERO, CorporateAction
from duckbourse.risk.checks import OrderContext
from duckbourse.trading.exits import ExitManager
from tests.support.factories import LIMITS, fill, request
from tests.unit.risk.test_checks import DAY, NOW, book_with, context_of, opened_as

KINDS = ("entry", "exit", "resting stop", "not ours")
ORDER_STEPS = ("modify", "accept", "wrong", "provisional", "end")
BOOK_STEPS = ("stray", "trades", "take over", "carry", "split", "cross")
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
        st.sampled_from([*["open"] * 4, *["fill"] * 4, *ORDER_STEPS, *BOOK_STEPS]),
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
    held = [order.request for order in book.held_entries()]
    entry = None if kind == "entry" or not held else held[asked["quantity"] % len(held)]
    if entry is not None:
        same = {name: getattr(entry, name) for name in ("symbol", "product", "strategy")}
        asked = {**asked, **same, "side": entry.side.other}
    wanted = request(
        **asked,
        reason=Reason.ENTRY if kind == "entry" else Reason.STOP,
        entry_id=entry and entry.order_id,
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
        case "fill" | "wrong" if order.state is not State.TRIGGER_PENDING and order.open_quantity:
            side = order.request.side if what == "fill" else order.request.side.other
            book_fill(book, order.request, min(quantity, order.open_quantity), side)
        case "provisional" if order.open_quantity and not book.provisional_quantity(order_id):
            last = {"fill_key": provisional_key(order_id), "is_provisional": True}
            book_fill(book, order.request, order.open_quantity, order.request.side, **last)
        case "end":
            book.apply(events.OrderUpdated(at=NOW, order_id=order_id, state=State.CANCELLED))


def book_fill(book: Book, of: Request, quantity: int, side: Side, **changed: Any) -> None:
    whose = {"order_id": of.order_id, "symbol": of.symbol, "product": of.product, **changed}
    price = str(100 + quantity)
    book.apply(events.FillBooked(at=NOW, fill=fill(quantity, price, side, **whose)))


def take_over(book: Book, symbol: str) -> None:
    """Take over what no entry opened, as a person does."""
    exits = SimpleNamespace(
        book=book,
        _manager=SimpleNamespace(record=book.apply),
        _publication=lambda: SimpleNamespace(limits=LIMITS, session_date=DAY),
    )
    with clock.driven_by(lambda: NOW):
        ExitManager.take_over(cast("ExitManager", exits), symbol)


def cross(book: Book, symbol: str, product: Product) -> None:
    """Let the oldest entries on both sides of a symbol close each other."""
    held = [
        order
        for order in book.held_entries()
        if (order.request.symbol, order.request.product) == (symbol, product)
        and order.request.reason is Reason.ENTRY
    ]
    sides = [[each for each in held if each.request.side is side] for side in Side]
    if not all(sides) or book.is_provisional(symbol, product):
        return
    legs = [of_side[0].request for of_side in sides]
    quantity = min(book.held_quantity(each.order_id) for each in legs)
    one, other = (
        request(
            symbol=symbol,
            product=product,
            side=each.side.other,
            quantity=quantity,
            strategy=each.strategy,
            reason=Reason.STOP,
            entry_id=each.order_id,
        )
        for each in legs
    )
    before = book.cash_amount, dict(book.positions), book.unowned()
    book.apply(events.LegsCrossed(at=NOW, requests=(one, other), price=Decimal(103)))
    assert (book.cash_amount, book.positions, book.unowned()) == before


def carry(book: Book) -> None:
    """Begin the next session."""
    before = book.legs(), costs(book), book.unowned()
    book.apply(events.AccountCarried(at=NOW, checksum=1, carried=book.carried()))
    assert (book.legs(), costs(book), book.unowned()) == before
    equity = book.equity_amount({})
    book.apply(events.SessionStarted(at=NOW, session_date=DAY, equity_amount=equity))


def costs(book: Book) -> dict[tuple[str, str, Product], Decimal]:
    """Return what the shares of each strategy cost."""
    return {leg: book.leg_cost(*leg) for leg in book.legs()}


def happen(book: Book, what: str, asked: dict[str, Any]) -> None:
    """Let something happen that is of no order."""
    symbol, quantity = asked["symbol"], asked["quantity"]
    match what:
        case "stray":
            of_none = request(symbol=symbol, product=asked["product"])
            book_fill(book, of_none, quantity, asked["side"], order_id="nobody")
        case "trades":
            for known in [each for each in book.fills.values() if each.is_provisional]:
                left = max(0, known.quantity - quantity)
                reduced = events.ProvisionalReduced(at=NOW, order_id=known.order_id, quantity=left)
                book.apply(reduced)
                expect_what_all_fills_leave(book)
                of_order = book.orders[known.order_id].request
                book_fill(book, of_order, known.quantity - left, known.side)
        case "take over":
            take_over(book, symbol)
        case "cross":
            cross(book, symbol, asked["product"])
        case "carry":
            carry(book)
        case "split":
            for order in list(book.live.values()):
                ended = events.OrderUpdated(
                    at=NOW, order_id=order.request.order_id, state=State.CANCELLED
                )
                book.apply(ended)
            carry(book)
            action = CorporateAction(
                symbol=symbol,
                ex_date=DAY,
                action=f"split {book.event_count}",
                old_shares=Decimal(2),
                new_shares=Decimal(1 if quantity < 5 else 4),
            )
            price = Decimal(100)
            book.apply(events.CorporateActionApplied(at=NOW, action=action, price=price))


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
    assert ids(opening.order for opening in context.openings[1:]) == ids(entries)
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
    again._divided_before.clear()
    for key in list(again._fills_of):
        again._attribute(key)
    assert again._divisions == book._divisions
    for key in again._held.keys() | book._held.keys():
        assert list(book._held[key].items()) == list(again._held[key].items())
    assert again._fills_of == book._fills_of
    of_strategies: Counter[tuple[str, str, Product]] = Counter()
    for strategy, held in book.strategy_positions():
        of_strategies[strategy, held.symbol, held.product] += held.quantity
    legs = book.legs()
    assert {key: shares for key, shares in of_strategies.items() if shares} == legs
    left = {key: position.quantity for key, position in book.positions.items()}
    for entry in book.held_entries():
        asked = entry.request
        shares = asked.side.sign * book.held_quantity(asked.order_id)
        left[asked.symbol, asked.product] -= shares
        of_strategies[asked.strategy, asked.symbol, asked.product] -= shares
    for key, position in book.positions.items():
        strategies = {""} | {entry.request.strategy for entry in book.held_entries()}
        cost = sum(book.leg_cost(strategy, *key) for strategy in strategies)
        assert cost == pytest.approx(position.cost_amount, abs=Decimal("1e-9"))
    of_strategies.subtract({("", *key): shares for key, shares in left.items()})
    assert not any(of_strategies.values())
    assert {key: shares for key, shares in left.items() if shares} == book.unowned()
    trips = {
        trip.entry.request.order_id: trip.quantity - sum(count for _, count in trip.closed)
        for trip in book.round_trips()
    }
    assert {order_id: shares for order_id, shares in trips.items() if shares} == {
        entry.request.order_id: book.held_quantity(entry.request.order_id)
        for entry in book.held_entries()
    }
    closed = [(at, key, amount) for key, each in book._round_trips.items() for at, amount in each]
    assert book._trips == sorted(closed, key=itemgetter(0, 1))


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
        elif what in BOOK_STEPS:
            happen(book, what, terms)
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


@pytest.mark.parametrize(
    ("traded", "profit"),
    [
        # of an entry, of no order, and an exit: side, shares and price of each
        ([("entry", 100, 100), ("none", 50, 112), ("taken", -50, 112), ("exit", -100, 100)], 0),
        ([("entry", 100, 100), ("none", 50, 112), ("exit", -50, 104), ("taken", -50, 110)], 600),
        ([("none", 100, 100), ("none", -40, 100), ("taken", -60, 101)], 60),
        ([("none", 100, 100), ("taken", -100, 101), ("none", -100, 101), ("taken", 100, 100)], 200),
        ([("wrong", -100, 100), ("taken", 100, 101)], -100),
        ([("entry", 100, 100), ("none", -150, 105), ("taken", 50, 104)], 550),
        ([("none", 50, 112), ("take", 0, 0), ("none", 20, 120), ("taken", -70, 112)], -160),
    ],
)
def test_round_trips_add_up_to_the_profit_of_the_account(
    traded: list[tuple[str, int, int]], profit: int
) -> None:
    entry = request(quantity=100, strategy="crp")
    book = book_with(*opened_as(entry))
    for whose, shares, price in traded:
        if whose in ("take", "taken"):
            take_over(book, "A")
        if not shares:
            continue
        side = Side.BUY if shares > 0 else Side.SELL
        if whose in ("exit", "taken"):
            is_taken = whose == "taken"
            for held in book.held_entries():
                if (held.request.strategy == "") is is_taken:
                    leave(
                        book,
                        held.request,
                        min(abs(shares), book.held_quantity(held.request.order_id)),
                        price,
                    )
        else:
            order_id = "nobody" if whose == "none" else entry.order_id
            booked = fill(abs(shares), str(price), side, order_id=order_id)
            book.apply(events.FillBooked(at=NOW, fill=booked))
        expect_what_all_fills_leave(book)
    for held in book.held_entries():
        leave(book, held.request, book.held_quantity(held.request.order_id), traded[-1][2])
    expect_what_all_fills_leave(book)
    assert not book.open_positions()
    trips = [
        trip.entry.request.side.sign
        * (sum((each.price * count for each, count in trip.closed), ZERO) - trip.amount)
        for trip in book.round_trips()
    ]
    of_strategies = [held.realized_amount for _, held in book.strategy_positions()]
    expected = book.equity_amount({}) - book.capital_amount
    assert sum(trips) == sum(of_strategies) == expected == profit


def leave(book: Book, entry: Request, quantity: int, price: int) -> None:
    """Close so many shares of an entry."""
    leaving = request(
        side=entry.side.other,
        quantity=quantity,
        strategy=entry.strategy,
        reason=Reason.STOP,
        entry_id=entry.order_id,
    )
    for event in opened_as(leaving):
        book.apply(event)
    booked = fill(quantity, str(price), leaving.side, order_id=leaving.order_id)
    book.apply(events.FillBooked(at=NOW, fill=booked))


def test_a_session_begins_where_only_trades_are_missing() -> None:
    """The entry holds nothing, and is needed to divide again what its exit closed."""
    entry = request(product=Product.CNC)
    leaving = replace(request(side=Side.SELL, product=Product.CNC), reason=Reason.STOP)
    leaving = replace(leaving, entry_id=entry.order_id)
    book = book_with(*opened_as(entry))
    book_fill(book, entry, 10, Side.BUY)
    carry(book)
    for event in opened_as(leaving):
        book.apply(event)
    key = provisional_key(leaving.order_id)
    book_fill(book, leaving, 10, Side.SELL, fill_key=key, is_provisional=True)
    assert not book.held_entries()
    carry(book)
    book.apply(events.ProvisionalReduced(at=NOW, order_id=leaving.order_id, quantity=4))
    expect_what_all_fills_leave(book)
    assert book.held_quantity(entry.order_id) == 6


def test_the_next_session_knows_what_is_open_and_not_what_ended() -> None:
    """What the broker has yet to end was an order that the book lacked."""
    rests, ended = request(), request()
    over = events.OrderUpdated(at=NOW, order_id=ended.order_id, state=State.CANCELLED)
    book = book_with(*opened_as(rests), *opened_as(ended), over)
    carry(book)
    assert list(book.orders) == list(book.live) == [rests.order_id]


def test_a_split_takes_provisional_fills_as_final() -> None:
    """The next fill divided them again, in shares of before the split."""
    entry = request(product=Product.CNC)
    book = book_with(*opened_as(entry))
    key = provisional_key(entry.order_id)
    book_fill(book, entry, 10, Side.BUY, fill_key=key, is_provisional=True)
    happen(book, "split", {"symbol": "A", "quantity": 9})
    book_fill(book, request(product=Product.CNC), 1, Side.SELL, order_id="nobody")
    expect_what_all_fills_leave(book)
    assert book.held_quantity(entry.order_id) == book.quantity("A", Product.CNC) == 19
    assert not book.is_provisional("A", Product.CNC)


@pytest.mark.parametrize("what", ["take over", "split"])
def test_what_no_entry_opened_before_the_session_is_not_divided_twice(what: str) -> None:
    entry = request(quantity=2, product=Product.CNC)
    book = book_with(*opened_as(entry))
    book_fill(book, entry, 2, Side.BUY)
    book_fill(book, request(product=Product.CNC), 1, Side.BUY, order_id="nobody")
    carry(book)
    assert book.unowned() == {("A", Product.CNC): 1}
    happen(book, what, {"symbol": "A", "quantity": 1})
    assert book.unowned() == {}
    expect_what_all_fills_leave(book)
