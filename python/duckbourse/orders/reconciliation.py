"""
Reconciliation: the book of an account compared with its broker, at the start and while trading.

The broker's orders come first, then its trades, then what it holds and its cash. What the book
missed is booked. What differs afterward is explained, if it has a known and harmless cause, or it
keeps the account halted: orders, their number under one tag, the quantities and prices of fills,
charges, positions and cash.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from duckbourse import clock
from duckbourse.errors import BrokerError
from duckbourse.orders import events
from duckbourse.orders.book import Book, Key
from duckbourse.orders.broker import Funds, Holding, OrderReport, TradeReport
from duckbourse.orders.downgrade import BROKER_DIFFERS, BY_RECONCILIATION
from duckbourse.orders.events import TradingState
from duckbourse.orders.lifecycle import State
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import Order, is_order_id
from duckbourse.orders.positions import ZERO

# how often a reconciliation with differences is repeated
RETRIES = 3
# a contract note rounds the taxes of a day, and we those of an order
ROUNDING_AMOUNT = Decimal(1)
# how long a comparison while trading waits for look-ups, which have an end of their own
LOOKED_UP_SECONDS = 5.0


class Statement(NamedTuple):
    """What a broker says of an account; of `looked_up`, orders that it still has to find."""

    orders: Sequence[OrderReport]
    trades: Sequence[TradeReport]
    holdings: Sequence[Holding]
    funds: Funds | None
    looked_up: Set[str] = frozenset()


# what a difference is of: cash, charges, a position, an order or a fill
Subject = tuple[str, ...]


class Difference(NamedTuple):
    """What differs, and how; while the subject stays, its figures may move."""

    subject: Subject
    text: str


class Reconciliation:
    """Compares the book of a manager with its broker, and books what it missed."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        # what the last comparison found
        self._pending_before: set[str] = set()
        self._differences_before: Set[Difference] = frozenset()
        # what of it stayed
        self._standing: Set[Subject] = frozenset()

    @property
    def book(self) -> Book:
        return self._manager.book

    async def recover(self) -> tuple[str, ...]:
        """
        Reconcile the book after a start and return the differences that remain.

        An order that was sent and never answered is found by its tag, or was not placed.
        Differences are checked again, since trading may go on during the queries. The trading state
        changes only if an order of ours is missing here; whoever starts the loop decides on others.
        """
        for order in list(self.book.open_orders()):
            self._manager.mark_unknown(order, "the process ended before an answer")
        now = clock.now()
        self._manager.pace.remember((now - at).total_seconds() for at in self.book.requested_at)
        found, explained = await self._compared()
        for _ in range(RETRIES):
            if not found:
                break
            # nothing of ours should be open that no loop knows of, whatever else differs
            for report in self._manager.unbooked.open_there.values():
                await self._manager.cancel_ended(report)
            found, explained = await self._compared()
        for order in list(self.book.open_orders()):
            self._manager.clear_pending(order.request.order_id)
        await self._manager.record_durably(
            events.Reconciled(at=clock.now(), differences=_texts(found), explained=explained)
        )
        return _texts(found)

    async def repeat(self) -> tuple[str, ...]:
        """
        Compare again while trading; halt on what differs twice in a row. Return what differs now.

        A difference may be an update that is on its way, so it is believed when it stays. What was
        asked of the broker and had no effect until then can be asked again. Raise BrokerError if
        the broker does not answer.
        """
        pending = {
            order.request.order_id
            for order in self.book.open_orders()
            if order.is_cancel_pending or order.is_modify_pending
        }
        open_before = set(self._manager.unbooked.open_there)
        found, explained = await self._compared(LOOKED_UP_SECONDS)
        for order_id in pending & self._pending_before:
            self._manager.clear_pending(order_id)
        self._pending_before = pending
        # an amount that moves while it differs goes on to differ
        before = {each.subject for each in self._differences_before}
        stays = tuple(each for each in found if each.subject in before)
        self._differences_before = frozenset(found)
        standing = frozenset(each.subject for each in stays)
        if standing != self._standing or bool(stays) != bool(self.book.differences):
            self._standing = standing
            self._manager.record(
                events.Reconciled(at=clock.now(), differences=_texts(stays), explained=explained)
            )
        if stays:
            self.halt()
        for broker_order_id, report in self._manager.unbooked.open_there.items():
            if broker_order_id in open_before:
                await self._manager.cancel_ended(report)
        return _texts(found)

    def halt(self) -> None:
        """Halt because the broker differs; what a start may not lift stays in force."""
        self._manager.downgrade(TradingState.HALTED, BROKER_DIFFERS, BY_RECONCILIATION)

    async def _compared(
        self, seconds: float = math.inf
    ) -> tuple[tuple[Difference, ...], tuple[str, ...]]:
        """
        Book what the broker says; return what differs without and with an explanation.

        An order that is still being looked up after so many seconds is no difference yet.
        """
        manager = self._manager
        broker, call = manager.broker, manager.call_broker
        terms = self.book.terms()
        reports = await call(broker.orders())
        try:
            trades = await call(broker.trades())
        except BrokerError:
            # without the trades, the orders still say what is filled
            for report in reports:
                manager.on_update(report)
            raise
        ended = self._of_earlier_sessions(trades)
        reports = [report for report in reports if report.broker_order_id not in ended]
        trades = [trade for trade in trades if trade.broker_order_id not in ended]
        for report in reports:
            manager.on_update(report)
            manager.accept_terms(report, terms)
        for trade in trades:
            manager.on_update(trade)
        known = {report.order_id for report in reports}
        known_there = {report.broker_order_id for report in reports}
        # of the exchange's calendar: where it is night, the date in UTC is that of the day before
        today = self.book.session_date or clock.now().date()
        for order in list(self.book.open_orders()):
            is_lost = order.state is State.UNKNOWN and order.request.order_id not in known
            is_forgotten = (
                order.broker_order_id is not None
                and order.broker_order_id not in known_there
                and order.sent_at is not None
                and order.sent_at.date() >= today
            )
            if is_lost or is_forgotten:
                manager.look_up(order.request.order_id)
        await manager.wait_idle(seconds)
        filled = {
            order_id: (request.symbol, request.product)
            for order_id in manager.unbooked.contradicted
            for request in (self.book.orders[order_id].request,)
        }
        holdings = [*await call(broker.positions())]
        if not broker.capabilities.positions_include_holdings:
            holdings += await call(broker.holdings())
        looked_up = frozenset(manager.looked_up)
        statement = Statement(reports, trades, holdings, await call(broker.funds()), looked_up)
        missing = _missing(self.book, holdings)
        # on the side of the position: of one for sale, the broker has fewer to sell
        lacking = {key for key, shares in missing.items() if shares * self.book.quantity(*key) > 0}
        manager.unbooked.compare(missing, filled, lacking)
        manager.unbooked.note_open(
            {report.broker_order_id: report for _, report in _ended_here(self.book, reports)}
        )
        explained = tuple(self._expire_forgotten(statement, today))
        return differences(self.book, statement, today), explained

    def _of_earlier_sessions(self, trades: Iterable[TradeReport]) -> set[str]:
        """
        Return the broker's ids of orders that traded before this session and ended with theirs.

        The account carries what was still open; the rest was booked in its own session.
        """
        book = self.book
        return {
            trade.broker_order_id
            for trade in trades
            if book.session_date is not None
            and trade.fill.filled_at.date() < book.session_date
            and book.order_by_broker_id(trade.broker_order_id) is None
            and trade.fill.order_id not in book.orders
        }

    def _expire_forgotten(self, statement: Statement, today: date) -> Iterable[str]:
        """Let the orders of earlier days expire that the broker has forgotten, and say so."""
        known = {report.broker_order_id for report in statement.orders}
        for order in list(self.book.open_orders()):
            sent_at, order_id = order.sent_at, order.request.order_id
            if order.broker_order_id in known or sent_at is None or sent_at.date() >= today:
                continue
            if self._manager.was_sent_here(order_id):
                continue  # no day has ended: the machine's clock was set
            if order.state is State.UNKNOWN:
                continue  # the broker has yet to say whether it ever had it
            self._manager.advance(order_id, State.EXPIRED, message="the broker's day is over")
            yield f"order {order_id} of {sent_at.date()} expired at the end of its day"


def differences(book: Book, statement: Statement, today: date) -> tuple[Difference, ...]:
    """Return how a book differs from what its broker says on this day, without an explanation."""
    return (
        *_of_orders(book, statement.orders, statement.looked_up),
        *_of_fills(book, statement.trades, today),
        *_of_charges(book, statement.trades),
        *_of_positions(book, statement.holdings),
        *_of_cash(book, statement, today),
    )


def _texts(found: Iterable[Difference]) -> tuple[str, ...]:
    return tuple(each.text for each in found)


def _of_orders(
    book: Book, reports: Sequence[OrderReport], looked_up: Set[str]
) -> Iterable[Difference]:
    known = {report.broker_order_id for report in reports}
    for order in book.open_orders():
        order_id, state = order.request.order_id, order.state
        if order.broker_order_id not in known and order_id not in looked_up:
            what = f"order {order_id} is {state} here, but not known to the broker"
            yield Difference(("order", order_id), what)
    for ended, report in _ended_here(book, reports):
        order_id = ended.request.order_id
        what = f"order {order_id} is {ended.state} here, {report.state} at the broker"
        yield Difference(("order", order_id), what)
    tags = Counter(report.order_id for report in reports if report.order_id)
    for tag, count in sorted(tags.items()):
        if count > 1 and (tag in book.orders or is_order_id(tag)):
            yield Difference(("tag", tag), f"order {tag} is at the broker {count} times")


def _ended_here(book: Book, reports: Iterable[OrderReport]) -> list[tuple[Order, OrderReport]]:
    """Return the orders of ours that have ended here and are open at the broker, with its word."""
    return [
        (order, report)
        for report in reports
        if report.state.is_live
        and (
            order := book.order_by_broker_id(report.broker_order_id)
            or book.orders.get(report.order_id or "")
        )
        and not order.state.is_live
        and not order.is_external
    ]


def _of_fills(book: Book, trades: Iterable[TradeReport], today: date) -> Iterable[Difference]:
    reported = {trade.fill.fill_key: trade.fill for trade in trades}
    for fill in book.fills.values():
        if fill.is_provisional or fill.filled_at.date() != today:
            continue
        theirs = reported.get(fill.fill_key)
        if theirs is None:
            what = f"fill {fill.fill_key} of {fill.quantity} {fill.symbol} is not at the broker"
            yield Difference(("fill", fill.fill_key), what)
        elif (theirs.quantity, theirs.price) != (fill.quantity, fill.price):
            what = (
                f"fill {fill.fill_key} of {fill.symbol}: {fill.quantity} at {fill.price} here,"
                f" {theirs.quantity} at {theirs.price} at the broker"
            )
            yield Difference(("fill", fill.fill_key), what)


def _of_charges(book: Book, trades: Iterable[TradeReport]) -> Iterable[Difference]:
    """Compare the charges of all trades that the broker states charges of."""
    stated = [trade for trade in trades if trade.charges_amount is not None]
    ours = [book.fills.get(trade.fill.fill_key) for trade in stated]
    here = sum((fill.charges_amount for fill in ours if fill), ZERO)
    there = sum(
        (
            trade.charges_amount or ZERO
            for trade, fill in zip(stated, ours, strict=True)
            if fill is not None
        ),
        ZERO,
    )
    if abs(here - there) > ROUNDING_AMOUNT:
        yield Difference(("charges",), f"charges: {here:.2f} here, {there:.2f} at the broker")


def _missing(book: Book, holdings: Iterable[Holding]) -> dict[Key, int]:
    """Return the signed shares that a book has more than its broker, without those it agrees on."""
    missing: Counter[Key] = Counter()
    for ours in book.open_positions():
        missing[ours.symbol, ours.product] += ours.quantity
    for theirs in holdings:
        missing[theirs.symbol, theirs.product] -= theirs.quantity
    return {key: shares for key, shares in sorted(missing.items()) if shares}


def _of_positions(book: Book, holdings: Iterable[Holding]) -> Iterable[Difference]:
    for (symbol, product), missing in _missing(book, holdings).items():
        here = book.quantity(symbol, product)
        what = f"{symbol} {product}: {here} here, {here - missing} at the broker"
        yield Difference(("position", symbol, product), what)


def _of_cash(book: Book, statement: Statement, today: date) -> Iterable[Difference]:
    """Compare the cash; the trades of others and charges that are still due explain a part."""
    funds = statement.funds
    if funds is None:
        return
    here = book.cash_amount
    for trade in statement.trades:
        order = book.order_by_broker_id(trade.broker_order_id)
        if order is not None and order.is_external:
            here -= trade.fill.signed_quantity * trade.fill.price + (trade.charges_amount or ZERO)
    if not funds.has_charges:
        here += sum(
            (fill.charges_amount for fill in book.fills.values() if fill.filled_at.date() == today),
            ZERO,
        )
    if abs(here - funds.cash_amount) > ROUNDING_AMOUNT:
        what = f"cash: {here:.2f} here, {funds.cash_amount:.2f} at the broker"
        yield Difference(("cash",), what)
