"""
The complete state of an account, computed from its events: orders, fills, positions and cash.

`apply` is the only way to change a book, live and after a crash alike, so a book rebuilt from the
journal equals the live one. It rejects no event, because every event is already a fact. Cash and
positions derive from fills, corporate actions and cash movements alone: equity is cash plus the
positions marked at their last prices.

A book is that of an account in one session. `carried` is what outlives the session; the book of the
next one begins with it.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import singledispatchmethod
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from msgspec.structs import replace

from duckbourse.errors import NotApplicable
from duckbourse.orders import events
from duckbourse.orders.events import Carried, CashKind, Event, Halt, Held, TradingState
from duckbourse.orders.lifecycle import LIVE, State, advance
from duckbourse.orders.order import PRICE_STEP, Fill, Order, Product, Reason, Request, Side
from duckbourse.orders.positions import (
    ZERO,
    CorporateAction,
    Lot,
    Position,
    after_action,
    after_fill,
    scaled,
)
from duckbourse.streaming.prices import Prices

Key = tuple[str, Product]

# who changes the trading state without a person
LOOP = frozenset({"start", "session"})
# the reason of a halt that ends with the first start
NOT_STARTED = "not started"
# states in which the broker reports no fills
NEVER_FILLED = frozenset({State.DENIED, State.REJECTED, State.NOT_PLACED})


class RoundTrip(NamedTuple):
    """
    An order, the shares that it opened, and the fills that closed them, each with how many.

    `amount` is what was traded to open them, and `charges_amount` what that cost. An exit opens
    what it closed beyond its entry.
    """

    entry: Order
    quantity: int
    amount: Decimal
    charges_amount: Decimal
    closed: list[tuple[Fill, int]]


@dataclass(slots=True)
class Division:
    """
    Of each order: the shares that it holds, and the fills that opened and closed them.

    `beyond` has, by entry, the fills that closed more than was held, and how much is still open.
    `quantity` is the signed sum of the fills, and `unowned` what of it no entry opened. `parts` are
    the shares of each fill by the strategy to which they belong, and `shares` what each strategy
    holds, negative if short.
    """

    held: dict[str, int]
    unowned: Position
    quantity: int = 0
    parts: list[tuple[str, Fill, int]] = field(default_factory=list)
    shares: dict[str, int] = field(default_factory=dict)
    opened: dict[str, list[tuple[Fill, int]]] = field(default_factory=dict)
    closed: dict[str, list[tuple[Fill, int]]] = field(default_factory=dict)
    beyond: dict[str, list[tuple[Fill, int]]] = field(default_factory=dict)

    @property
    def left(self) -> dict[str, int]:
        """What each order holds, an exit what it closed beyond its entry."""
        if not self.beyond:
            return self.held
        left = dict(self.held)
        for known in self.beyond.values():
            for early, shares in known:
                if shares:
                    left[early.order_id] = left.get(early.order_id, 0) + shares
        return left

    def copy(self) -> Division:
        """Return a division that changes for itself."""

        def lists(known: dict[str, list[tuple[Fill, int]]]) -> dict[str, list[tuple[Fill, int]]]:
            return {name: list(fills) for name, fills in known.items()}

        return Division(
            dict(self.held),
            self.unowned,
            self.quantity,
            list(self.parts),
            dict(self.shares),
            lists(self.opened),
            lists(self.closed),
            lists(self.beyond),
        )

    def hold(self, strategy: str, signed: int) -> None:
        """Add shares to what a strategy holds."""
        self.shares[strategy] = self.shares.get(strategy, 0) + signed


class Book:
    """
    The state of one account.

    `best_price` and `exit_reason` are keyed by entry: the best price since the entry, and why its
    exit was triggered. External orders count as open orders, but their fills are not ours.
    `capital_amount` is what was paid in, less what was withdrawn. `carried_orders` are the ids of
    the orders of earlier sessions. Realized amounts and charges of positions are the session's.
    """

    def __init__(self, capital_amount: Decimal) -> None:
        self.capital_amount = capital_amount
        self.cash_amount = capital_amount
        self.orders: dict[str, Order] = {}
        self.live: dict[str, Order] = {}
        # of these, the entries; and all by symbol, side, and whether they are entries
        self._live_entries: dict[str, Order] = {}
        self._live_of: dict[tuple[str, Side, bool], dict[str, Order]] = {}
        # the entries that wait for their turn, by their ids, in order; they are no orders yet
        self.waiting: dict[str, events.OrderWaiting] = {}
        self.fills: dict[str, Fill] = {}
        self.positions: dict[Key, Position] = {}
        self.best_price: dict[str, Decimal] = {}
        self.exit_reason: dict[str, Reason] = {}
        # who moved the exits of an entry last: a strategy, or `by_hand`
        self.exits_by: dict[str, str] = {}
        # the orders of this session whose terms or exits were changed, as they were asked for
        self.asked: dict[str, Request] = {}
        self.state = TradingState.HALTED
        self.state_reason = NOT_STARTED
        # who changed the state last; empty if nobody has
        self.state_by = ""
        # the halts since it was active, by their ids, in order
        self.halts: dict[str, Halt] = {}
        # why everything is to be closed, if it is
        self.flatten_reason: Reason | None = None
        self.session_date: date | None = None
        self.session_start_amount = capital_amount
        self.peak_amount = capital_amount
        self.differences: tuple[str, ...] = ()
        self.build_id = ""
        self.event_count = 0
        self._by_broker_id: dict[str, str] = {}
        self._by_signal: dict[str, list[str]] = {}
        self._by_entry: dict[str, list[str]] = {}
        # this session: the number of entries sent, and the round trips that were closed, each with
        # the instant of the fill that closed it
        self.entry_count = 0
        # when this session's orders, modifications and cancels were sent to the broker
        self.requested_at: list[datetime] = []
        self.has_ended = False
        # of this session: dividends, of actions and by hand, and interest, negative if it is owed
        self.dividend_amount = ZERO
        self.interest_amount = ZERO
        # prices of what is held, from the end of a session to the first ticks of the next one
        self.marks: dict[str, Decimal] = {}
        self.carried_orders: frozenset[str] = frozenset()
        self.action_ids: dict[str, None] = {}
        self.cash_ids: dict[str, None] = {}
        # of each symbol that a session began with: the first and the last session of each run of
        # them; what it missed on those days can be known late
        self.overnight: dict[str, tuple[tuple[date, date], ...]] = {}
        # what each strategy held when the session began
        self._strategies_before: dict[Key, dict[str, Position]] = {}
        self._round_trips: dict[Key, list[tuple[datetime, Decimal]]] = {}
        # the same in order
        self._trips: list[tuple[datetime, Key, Decimal]] = []
        # the losses in a row before this session, and when a person last resumed trading
        self._losses_before = 0
        self._resumed_at: datetime | None = None
        self._round_trips_before: dict[Key, int] = {}
        # what each entry held when the session began, and what was taken over since
        self._held_at_start: dict[Key, dict[str, int]] = {}
        # the same of positions that were not flat since, and what no entry opened of them; the
        # fills since the position was last flat, and what of each entry they leave open
        self._held_before: dict[Key, tuple[int, dict[str, int]]] = {}
        self._unowned_before: dict[Key, Position] = {}
        self._fills_of: dict[Key, list[str]] = {}
        self._divisions: dict[Key, Division] = {}
        # the positions with trades that were not what was ordered
        self._odd: set[Key] = set()
        # the divisions of this session that ended, with a flat position or a take-over
        self._ended: dict[Key, list[Division]] = {}
        self._held: dict[Key, dict[str, int]] = {}
        # positions with a provisional fill: the position before it, and the fills from it onward
        self._before_provisional: dict[Key, Position] = {}
        self._from_provisional: dict[Key, list[str]] = {}
        # the division before that fill, and the number of the fills that it divides
        self._divided_before: dict[Key, tuple[Division, int]] = {}

    # queries

    def order_by_broker_id(self, broker_order_id: str) -> Order | None:
        """Return the order with this broker order id, or None."""
        order_id = self._by_broker_id.get(broker_order_id)
        return None if order_id is None else self.orders[order_id]

    def open_orders(self) -> Iterable[Order]:
        return self.live.values()

    def open_orders_of(self, symbol: str, side: Side) -> Iterable[Order]:
        """Return the open orders of a symbol on one side, the exits first."""
        return chain.from_iterable(
            self._live_of.get((symbol, side, is_entry), {}).values() for is_entry in (False, True)
        )

    def giving_way_to(self, request: Request) -> list[Order]:
        """Return the resting stops that give way to a request before it is sent."""
        exits = self._live_of.get((request.symbol, request.side, False), {})
        return [order for order in exits.values() if order.gives_way_to(request)]

    def opening_orders(self) -> Iterable[Order]:
        """Return the open orders that are no exits; what is not ours may open something too."""
        return self._live_entries.values()

    @property
    def open_entries(self) -> list[Order]:
        """The open orders of ours that are no exits."""
        return [order for order in self.opening_orders() if not order.is_external]

    def terms(self) -> dict[str, int]:
        """Return how often the terms of each open order were changed, by its id."""
        return {order_id: order.modification_count for order_id, order in self.live.items()}

    @property
    def has_odd_trades(self) -> bool:
        """Whether there were trades that were not what was ordered."""
        return bool(self._odd)

    def open_positions(self) -> list[Position]:
        """Return the positions with a non-zero quantity."""
        return [position for position in self.positions.values() if position.quantity]

    def held_symbols(self) -> set[str]:
        """Return the symbols of which the account holds something, or strategies on both sides."""
        held = {position.symbol for position in self.open_positions()}
        return held | {symbol for symbol, _ in self._held}

    def quantity(self, symbol: str, product: Product) -> int:
        position = self.positions.get((symbol, product))
        return position.quantity if position else 0

    def equity_amount(self, prices: Prices) -> Decimal:
        """Return cash plus positions at their last price or mark, or at cost if there is none."""
        return self.cash_amount + sum(
            (self.amount(position, prices) for position in self.open_positions()), ZERO
        )

    def last_price(self, symbol: str, prices: Prices) -> Decimal | None:
        """Return the last price of a symbol that is held, or its mark; None if neither is known."""
        return prices[symbol][0] if symbol in prices else self.marks.get(symbol)

    def amount(self, position: Position, prices: Prices) -> Decimal:
        """
        Return the value of a position at its last price or mark, or its cost without either.

        Shares of trades that were not what was ordered are worth no more than they cost: such a
        trade may be wrong, and its gain with it.
        """
        last = self.last_price(position.symbol, prices)
        if last is None:
            return position.cost_amount
        key = (position.symbol, position.product)
        if key not in self._odd or key not in self._divisions:
            return position.quantity * last
        unowned = self._divisions[key].unowned
        owned_amount = (position.quantity - unowned.quantity) * last
        return owned_amount + min(unowned.quantity * last, unowned.cost_amount)

    def session_round_trips(self) -> list[Decimal]:
        """Return the net profit of each round trip closed in this session, grouped by symbol."""
        return [amount for closed in self._round_trips.values() for _, amount in closed]

    @property
    def consecutive_losses(self) -> int:
        """
        The number of round trips that lost, since the last one that did not.

        It goes on from session to session, and ends when a person resumes trading.
        """
        lost = 0
        for at, _, amount in reversed(self._trips):
            if self._resumed_at is not None and at <= self._resumed_at:
                break
            if amount >= 0:
                return lost
            lost += 1
        return lost + self._losses_before

    def entries_of_signal(self, signal_id: str) -> list[Order]:
        """Return the entries that follow a signal, without those denied, rejected or not placed."""
        return [
            order
            for order_id in self._by_signal.get(signal_id, ())
            if (order := self.orders[order_id]).state not in NEVER_FILLED
        ]

    def held_entries(self) -> list[Order]:
        """Return the entries of which something is held, by symbol, oldest first."""
        return [self.orders[order_id] for held in self._held.values() for order_id in held]

    def held_quantity(self, entry_id: str) -> int:
        """
        Return the shares of an entry that are held: its fills, less what closed them.

        What closes a position closes the entry that it names, else the oldest ones of its strategy.
        An entry whose position was closed holds nothing, whatever is bought of its symbol
        afterward.
        """
        request = self.orders[entry_id].request
        return self._held.get((request.symbol, request.product), {}).get(entry_id, 0)

    def round_trips(self) -> list[RoundTrip]:
        """
        Return what each entry opened in this session, or held at its start, and what closed it.

        An order that only closes what its strategy holds opened nothing, and is none of them.
        """
        found = []
        for key in dict.fromkeys((*self._held_at_start, *self.positions)):
            before = self._held_at_start.get(key, {})
            all_opened: dict[str, list[tuple[Fill, int]]] = {}
            all_closed: dict[str, list[tuple[Fill, int]]] = {}
            for division in self._divisions_of(key):
                for order_id, fills in division.opened.items():
                    all_opened.setdefault(order_id, []).extend(fills)
                for order_id, fills in division.closed.items():
                    all_closed.setdefault(order_id, []).extend(fills)
            for order_id in before | all_opened:
                order, opened = self.orders[order_id], all_opened.get(order_id, [])
                held = Decimal(before.get(order_id, 0))
                filled = order.filled_quantity or 1
                trip = RoundTrip(
                    order,
                    int(held) + sum(count for _, count in opened),
                    sum(
                        (fill.price * count for fill, count in opened),
                        order.filled_amount * held / filled if held else ZERO,
                    ),
                    sum(
                        (fill.charges_amount * count / fill.quantity for fill, count in opened),
                        order.charges_amount * held / filled if held else ZERO,
                    ),
                    all_closed.get(order_id, []),
                )
                if trip.quantity:
                    found.append(trip)
        return found

    def only_reduces(self, order: Order) -> bool:
        """Return whether an order opened nothing, or is to: it closes what its strategy holds."""
        request, order_id = order.request, order.request.order_id
        key = (request.symbol, request.product)
        if request.reason is not Reason.ENTRY:
            return True
        if order_id in self._held_at_start.get(key, {}):
            return False
        if order.filled_quantity:
            return not any(
                sum(count for _, count in division.opened.get(order_id, ()))
                for division in self._divisions_of(key)
            )
        held = -request.side.sign * self.quantity_of(request.strategy, *key)
        return order.state.is_live and request.quantity <= held

    def unowned(self) -> dict[Key, int]:
        """
        Return the signed shares by symbol and product that no entry opened, and so no exit closes.

        They come of trades that were not what was ordered. A person can take them over.
        """
        return {
            key: division.unowned.quantity
            for key, division in list(self._divisions.items())
            if division.unowned.quantity
        }

    def unowned_amount(self, symbol: str, product: Product) -> Decimal:
        """Return what the shares cost that no entry opened; negative if short."""
        division = self._divisions.get((symbol, product))
        return division.unowned.cost_amount if division else ZERO

    def is_provisional(self, symbol: str, product: Product) -> bool:
        """Return whether a position has a fill that its trades will replace."""
        return (symbol, product) in self._from_provisional

    def quantity_of(self, strategy: str, symbol: str, product: Product) -> int:
        """
        Return the shares that the entries booked under a strategy hold; negative if short.

        What no entry opened belongs to no strategy, whose name is empty.
        """
        division = self._divisions.get((symbol, product))
        return division.shares.get(strategy, 0) if division else 0

    def legs(self) -> dict[tuple[str, str, Product], int]:
        """
        Return the shares of each strategy by its name, symbol and product; negative if short.

        Strategies may hold both sides of what the account does not.
        """
        return {
            (strategy, *key): shares
            for key, division in sorted(self._divisions.items(), key=itemgetter(0))
            for strategy, shares in list(division.shares.items())
            if shares
        }

    def leg_cost(self, strategy: str, symbol: str, product: Product) -> Decimal:
        """Return what the shares of a strategy cost; negative if short."""
        key = (symbol, product)
        position = self.positions.get(key)
        of_nobody, own = position.cost_amount if position else ZERO, ZERO
        for entry_id, held in self._held.get(key, {}).items():
            order = self.orders[entry_id]
            paid = order.request.side.sign * held * (order.average_price or ZERO)
            of_nobody -= paid
            if order.request.strategy == strategy:
                own += paid
        return own if strategy else own + of_nobody

    def strategy_positions(self) -> list[tuple[str, Position]]:
        """
        Return the positions of each strategy, with its name, as if it had an account of its own.

        Of a symbol, the quantities add up to that of the account, and so do the charges. A profit
        that the account makes by netting one strategy with another, each of them makes for itself.
        """
        found: dict[tuple[str, str, Product], Position] = {
            (strategy, *key): position
            for key, of_key in self._strategies_before.items()
            for strategy, position in of_key.items()
        }
        for symbol, product in list(self.positions):
            for division in self._divisions_of((symbol, product)):
                for strategy, fill, count in division.parts:
                    key = (strategy, symbol, product)
                    before = found.get(key) or Position(symbol=symbol, product=product)
                    found[key] = after_fill(before, _part(fill, count))
        return [(strategy, position) for (strategy, _, _), position in found.items()]

    def exits_of(self, entry_id: str) -> list[Order]:
        """Return the attempts to close the position of an entry, those denied included."""
        return [self.orders[order_id] for order_id in self._by_entry.get(entry_id, ())]

    def carried(self) -> Carried:
        """Return what outlives the session; an AccountCarried begins the next book with it."""
        entries = {entry_id for held in self._held.values() for entry_id in held}
        unfinal = {name for key in self._from_provisional for name in self._fills_of[key]}
        fills = [
            fill
            for name, fill in self.fills.items()
            if name in unfinal or fill.order_id in self.live
        ]
        kept = [
            key
            for key, position in self.positions.items()
            if position.quantity or key in self._held or key in self._from_provisional
        ]
        held = tuple(self._held_of(key) for key in kept)
        # what is held is divided again from what was held before, by entries that may hold nothing
        entries.update(*(each.entries for each in held))
        orders = entries | self.live.keys() | {fill.order_id for fill in fills}
        return Carried(
            capital_amount=self.capital_amount,
            cash_amount=self.cash_amount,
            peak_amount=self.peak_amount,
            consecutive_losses=self.consecutive_losses,
            state=self.state,
            state_reason=self.state_reason,
            state_by=self.state_by,
            halts=dict(self.halts),
            session_date=self.session_date,
            flatten_reason=self.flatten_reason,
            positions=tuple(
                replace(
                    position,
                    realized_amount=ZERO,
                    realized_fifo_amount=ZERO,
                    charges_amount=ZERO,
                    closed_round_trip_amount=None,
                )
                for position in (self.positions[key] for key in kept)
            ),
            held=held,
            orders=tuple(order for name, order in self.orders.items() if name in orders),
            fills=tuple(fills),
            best_price={name: best for name, best in self.best_price.items() if name in entries},
            exit_reason={name: why for name, why in self.exit_reason.items() if name in entries},
            exits_by={name: by for name, by in self.exits_by.items() if name in entries},
            marks={
                symbol: mark
                for symbol, mark in self.marks.items()
                if any(held.symbol == symbol for held in self.open_positions())
            },
            action_ids=tuple(self.action_ids),
            cash_ids=tuple(self.cash_ids),
            overnight=dict(self.overnight),
            differences=self.differences,
            waiting=tuple(self.waiting.values()),
        )

    def _held_of(self, key: Key) -> Held:
        symbol, product = key
        if key in self._from_provisional:
            quantity, entries = self._held_before.get(key, (0, {}))
            return Held(
                symbol=symbol,
                product=product,
                quantity=quantity,
                entries=entries,
                fills=tuple(self._fills_of[key]),
                provisional_fills=tuple(self._from_provisional[key]),
                before_provisional=self._before_provisional[key],
            )
        return Held(
            symbol=symbol,
            product=product,
            quantity=self.positions[key].quantity,
            entries=dict(self._held.get(key, {})),
        )

    def provisional_quantity(self, order_id: str) -> int:
        fill = self.fills.get(provisional_key(order_id))
        return fill.quantity if fill else 0

    # changes

    def apply(self, event: Event) -> None:
        """Apply an event."""
        self.event_count += 1
        _change(type(event))(self, event)

    @singledispatchmethod
    def _apply(self, event: Event) -> None:
        raise TypeError(f"a book cannot apply a {type(event).__name__}")

    @_apply.register
    def _(self, event: events.OrderWaiting) -> None:
        order_id = event.request.order_id
        if (before := self.waiting.get(order_id)) is not None:
            self.asked.setdefault(order_id, before.request)
        self.waiting[order_id] = event

    @_apply.register
    def _(self, event: events.OrderDenied) -> None:
        self.waiting.pop(event.request.order_id, None)
        order = Order(
            request=event.request,
            state=advance(event.request.order_id, State.NEW, State.DENIED),
            message=f"{event.code}: {event.detail}",
        )
        if event.request.entry_id is not None:
            self._by_entry.setdefault(event.request.entry_id, []).append(event.request.order_id)
        self._store(order)

    @_apply.register
    def _(self, event: events.OrderIntended) -> None:
        request = event.request
        self.waiting.pop(request.order_id, None)
        if request.reason is Reason.ENTRY:
            self.entry_count += 1
            if request.signal_id is not None:
                self._by_signal.setdefault(request.signal_id, []).append(request.order_id)
        if request.entry_id is not None:
            self._by_entry.setdefault(request.entry_id, []).append(request.order_id)
        self._store(
            Order(request=request, state=advance(request.order_id, State.NEW, State.INTENT))
        )

    @_apply.register
    def _(self, event: events.OrderSent) -> None:
        order = self.orders[event.order_id]
        state = advance(event.order_id, order.state, State.SENT)
        self.requested_at.append(event.at)
        self._store(replace(order, state=state, sent_at=event.at))

    @_apply.register
    def _(self, event: events.OrderUpdated) -> None:
        order = self.orders[event.order_id]
        is_done = not event.state.is_live
        # that it was to be cancelled does not hide the last word of it
        words = (order.cancel_why, event.message if is_done else "")
        self._store(
            replace(
                order,
                state=event.state
                if order.is_external
                else advance(event.order_id, order.state, event.state),
                broker_order_id=event.broker_order_id or order.broker_order_id,
                message=event.message or order.message,
                cancel_why=order.cancel_why and "; ".join(filter(None, words)),
                is_cancel_pending=order.is_cancel_pending and not is_done,
                is_modify_pending=order.is_modify_pending and not is_done,
            )
        )

    @_apply.register
    def _(self, event: events.ExternalOrderSeen) -> None:
        self._store(
            Order(
                request=event.request,
                state=event.state,
                broker_order_id=event.broker_order_id,
                is_external=True,
            )
        )

    @_apply.register
    def _(self, event: events.OrderAdopted) -> None:
        if event.request.entry_id is not None:
            self._by_entry.setdefault(event.request.entry_id, []).append(event.request.order_id)
        self._store(
            Order(
                request=event.request,
                state=State.ACKED,
                broker_order_id=event.broker_order_id,
                sent_at=event.at,
            )
        )

    @_apply.register
    def _(self, event: events.FillBooked) -> None:
        fill = event.fill
        self.fills[fill.fill_key] = fill
        self.cash_amount -= fill.signed_quantity * fill.price + fill.charges_amount
        key = (fill.symbol, fill.product)
        position = self.positions.get(key) or Position(symbol=fill.symbol, product=fill.product)
        if fill.is_provisional and key not in self._from_provisional:
            self._before_provisional[key], self._from_provisional[key] = position, []
        if key in self._from_provisional:
            self._from_provisional[key].append(fill.fill_key)
        position = after_fill(position, fill)
        self.positions[key] = position
        self._fills_of.setdefault(key, []).append(fill.fill_key)
        self._count_round_trip(position, fill.filled_at)
        self._count_fill(fill, 1)
        if key in self._divisions:
            self._divide_next(key, self._divisions[key], fill, len(self._fills_of[key]) - 1)
            self._hold(key)
        else:
            self._attribute(key)

    @_apply.register
    def _(self, event: events.ProvisionalReduced) -> None:
        key = provisional_key(event.order_id)
        fill = self.fills[key]
        if event.quantity:
            self.fills[key] = replace(fill, quantity=event.quantity)
        else:
            del self.fills[key]
        reduction = replace(fill, quantity=fill.quantity - event.quantity)
        self.cash_amount += reduction.signed_quantity * reduction.price
        self._count_fill(reduction, -1)
        self._rebuild_position((fill.symbol, fill.product))
        self._attribute((fill.symbol, fill.product))

    @_apply.register
    def _(self, event: events.CancelRequested) -> None:
        self.requested_at.append(event.at)
        order = self.orders[event.order_id]
        why = event.why or order.cancel_why
        self._store(replace(order, is_cancel_pending=True, cancel_why=why))

    @_apply.register
    def _(self, event: events.CancelRefused) -> None:
        order = self.orders[event.order_id]
        message = event.message or order.message
        self._store(replace(order, is_cancel_pending=False, message=message))

    @_apply.register
    def _(self, event: events.ModifyRequested) -> None:
        self.requested_at.append(event.at)
        order = self.orders[event.order_id]
        wanted = replace(
            order.request,
            quantity=event.quantity,
            limit_price=event.limit_price,
            trigger_price=event.trigger_price,
        )
        self._store(replace(order, is_modify_pending=True, pending=wanted))

    @_apply.register
    def _(self, event: events.ModifyEnded) -> None:
        order = self.orders[event.order_id]
        accepted = event.is_accepted and order.pending is not None
        if accepted:
            self.asked.setdefault(event.order_id, order.request)
        self._store(
            replace(
                order,
                request=order.pending if accepted and order.pending else order.request,
                pending=None,
                modification_count=order.modification_count + accepted,
                is_modify_pending=False,
                message=event.message or order.message,
            )
        )

    @_apply.register
    def _(self, event: events.ExitTriggered) -> None:
        self.exit_reason[event.entry_id] = event.reason

    @_apply.register
    def _(self, event: events.ExitsChanged) -> None:
        order = self.orders[event.entry_id]
        self.asked.setdefault(event.entry_id, order.request)
        self.exits_by[event.entry_id] = event.by
        pending = order.pending and replace(order.pending, exits=event.exits)
        changed = replace(order.request, exits=event.exits)
        self._store(replace(order, request=changed, pending=pending))

    @_apply.register
    def _(self, event: events.PositionTakenOver) -> None:
        request = event.request
        order_id, key = request.order_id, (request.symbol, request.product)
        self._store(
            Order(
                request=request,
                state=State.FILLED,
                filled_quantity=request.quantity,
                filled_amount=event.amount,
                message="taken over: no order opened it",
                sent_at=event.at,
            )
        )
        entries = self._held.get(key, {}) | {order_id: request.quantity}
        self._held_at_start.setdefault(key, {})[order_id] = request.quantity
        self._divide_from_here(key, entries)
        self._attribute(key)

    @_apply.register
    def _(self, event: events.LegsCrossed) -> None:
        request = event.requests[0]
        key = (request.symbol, request.product)
        division = self._divisions[key]
        for request, fill in zip(event.requests, event.fills, strict=True):
            assert request.entry_id is not None, "it closes an entry"
            self._by_entry.setdefault(request.entry_id, []).append(request.order_id)
            self._store(
                Order(
                    request=request,
                    state=State.FILLED,
                    filled_quantity=fill.quantity,
                    filled_amount=fill.quantity * fill.price,
                    message="crossed in the account: the other side was closed too",
                )
            )
            self._divide(key, division, fill)
        self._divide_from_here(key, division.left)
        if division.unowned.quantity:
            self._unowned_before[key] = division.unowned
        self._attribute(key)

    @_apply.register
    def _(self, event: events.FlattenRequested) -> None:
        self.flatten_reason = event.reason

    @_apply.register
    def _(
        self,
        event: events.ClockJumped
        | events.ExitDelayed
        | events.FeedChanged
        | events.LoopStopped
        | events.PriceSilent
        | events.ShortByHand
        | events.StopTakenBack
        | events.StrategyFailed,
    ) -> None:
        """Change nothing; people are notified of it."""

    @_apply.register
    def _(self, event: events.TrailMoved) -> None:
        self.best_price[event.entry_id] = event.best_price

    @_apply.register
    def _(self, event: events.TradingStateChanged) -> None:
        self.state = event.state
        self.state_reason = event.reason
        self.state_by = event.by
        if event.state is not TradingState.ACTIVE:
            self._note_halt(event.halt_id or event.at.isoformat(), event.request_id)
            return
        self.halts.clear()
        self.flatten_reason = None
        if event.by not in LOOP:
            self._losses_before, self._resumed_at = 0, event.at

    @_apply.register
    def _(self, event: events.SessionStarted) -> None:
        self._note_overnight(event.session_date)
        self.session_date = event.session_date
        self.has_ended = False
        self.flatten_reason = None
        self.marks = dict(event.marks)
        self.session_start_amount = event.equity_amount
        self.peak_amount = max(self.peak_amount, event.equity_amount)
        self.entry_count = 0
        self.requested_at = []
        self._losses_before, self._resumed_at = self.consecutive_losses, None
        self._round_trips, self._trips = {}, []
        self._round_trips_before = {
            key: held.round_trip_count for key, held in self.positions.items()
        }

    @_apply.register
    def _(self, event: events.SessionEnded) -> None:
        self.has_ended = True
        self.marks = dict(event.marks)
        self.peak_amount = max(self.peak_amount, event.equity_amount)

    @_apply.register
    def _(self, event: events.AccountCarried) -> None:
        carried = event.carried
        self.__init__(carried.capital_amount)  # type: ignore[misc]
        self.event_count = 1
        self.cash_amount = carried.cash_amount
        self.peak_amount = carried.peak_amount
        self._losses_before = carried.consecutive_losses
        self.state, self.state_reason = carried.state, carried.state_reason
        self.state_by = carried.state_by
        self.halts = dict(carried.halts)
        self.session_date = carried.session_date
        self.flatten_reason = carried.flatten_reason
        self.differences = carried.differences
        self.best_price, self.exit_reason = dict(carried.best_price), dict(carried.exit_reason)
        self.exits_by = dict(carried.exits_by)
        self.marks = dict(carried.marks)
        self.action_ids = dict.fromkeys(carried.action_ids)
        self.cash_ids = dict.fromkeys(carried.cash_ids)
        self.overnight = dict(carried.overnight)
        self.waiting = {each.request.order_id: each for each in carried.waiting}
        self.carried_orders = frozenset(order.request.order_id for order in carried.orders)
        for order in carried.orders:
            self._store(order)
        self.fills = {fill.fill_key: fill for fill in carried.fills}
        self.positions = {(held.symbol, held.product): held for held in carried.positions}
        for held in carried.held:
            key = (held.symbol, held.product)
            self._held_at_start[key] = dict(held.entries)
            self._held_before[key] = (held.quantity, held.entries)
            self._divide_before(key)
            self._fills_of[key] = list(held.fills)
            if held.before_provisional is not None:
                self._before_provisional[key] = held.before_provisional
                self._from_provisional[key] = list(held.provisional_fills)
            self._attribute(key)
        self.session_start_amount = self.equity_amount({})

    @_apply.register
    def _(self, event: events.CorporateActionApplied) -> None:
        action = event.action
        self.action_ids[action.action_id] = None
        for key, position in list(self.positions.items()):
            # strategies may hold both sides of what the account does not hold
            is_open = position.quantity or key in self._held or key in self._from_provisional
            if key[0] != action.symbol or not is_open:
                continue
            if position.quantity:
                position, cash = after_action(position, action, event.price)
                self.positions[key] = position
                self.cash_amount += cash
                if action.dividend_amount is not None:
                    self.dividend_amount += cash
                else:
                    self._count_round_trip(position, event.at)
            if action.dividend_amount is None:
                self._end_provisional(key)
                self._scale_entries(key, action)
        # marks are of the session before, and an action may arrive after its first session
        is_old = self.session_date is None or self.session_date < action.ex_date
        if action.symbol in self.marks and action.dividend_amount is None and is_old:
            self.marks[action.symbol] = action.price_after(self.marks[action.symbol])

    @_apply.register
    def _(self, event: events.CorporateActionMissed) -> None:
        self.action_ids[event.action.action_id] = None

    @_apply.register
    def _(self, event: events.CashMoved) -> None:
        self.cash_ids[event.cash_id] = None
        self.cash_amount += event.amount
        if event.kind is CashKind.DIVIDEND:
            self.dividend_amount += event.amount
        if event.kind is CashKind.INTEREST:
            self.interest_amount += event.amount
        if not event.kind.is_capital:
            return
        self.capital_amount += event.amount
        self.session_start_amount += event.amount
        # the drawdown in percent stays as it was
        equity = event.equity_amount
        if equity > 0:
            self.peak_amount = self.peak_amount * (equity + event.amount) / equity
        else:
            self.peak_amount += event.amount

    @_apply.register
    def _(self, event: events.PublicationLoaded) -> None:
        self.build_id = event.build_id

    @_apply.register
    def _(self, event: events.Reconciled) -> None:
        self.has_ended = False  # a session that ended and goes on ends again
        self.differences = event.differences

    @_apply.register
    def _(self, event: events.JournalSalvaged) -> None:
        self.state = TradingState.HALTED
        self.state_by = "journal"
        self.state_reason = f"the journal was damaged; the damaged file is kept as {event.kept_as}"
        self._note_halt(event.kept_as)

    def _note_overnight(self, session: date) -> None:
        """Note what is held when a session begins, after the one that the book still has."""
        held = self._held_before.items()
        for symbol in sorted({key[0] for key, (quantity, of) in held if quantity or of}):
            *runs, (first, last) = self.overnight.get(symbol) or ((session, session),)
            if last not in (session, self.session_date):
                runs, first = [*runs, (first, last)], session
            self.overnight[symbol] = (*runs, (first, session))

    def was_held(self, symbol: str, session: date) -> bool:
        """Return whether something of a symbol was held when a session of the account began."""
        return any(first <= session <= last for first, last in self.overnight.get(symbol, ()))

    def _note_halt(self, halt_id: str, request_id: str = "") -> None:
        what = f"{self.state}: {self.state_reason} (by {self.state_by})"
        self.halts[halt_id] = Halt(what, request_id)

    def _count_round_trip(self, position: Position, at: datetime) -> None:
        """Count the round trip that the last change of a position closed, if it closed one."""
        amount = position.closed_round_trip_amount
        if amount is not None:
            key = (position.symbol, position.product)
            self._round_trips.setdefault(key, []).append((at, amount))
            insort(self._trips, (at, key, amount), key=itemgetter(0, 1))

    def _scale_entries(self, key: Key, action: CorporateAction) -> None:
        """Restate what the entries of a position hold, their prices, stops and targets."""
        entries = self._held.get(key, {})
        orders = {entry_id: self.orders[entry_id] for entry_id in entries}
        left = scaled(
            [orders[entry_id].request.side.sign * held for entry_id, held in entries.items()],
            action.share_ratio,
        )
        for (entry_id, order), held in zip(orders.items(), left, strict=True):
            restated = max(1, round(order.filled_quantity * action.share_ratio))
            average = order.average_price
            self._store(
                replace(
                    order,
                    request=_restated(order.request, action, restated),
                    filled_quantity=restated,
                    filled_amount=restated * action.price_after(average) if average else ZERO,
                )
            )
            if entry_id in self.best_price:
                best = action.price_after(self.best_price[entry_id])
                self.best_price[entry_id] = best.quantize(PRICE_STEP)
            entries[entry_id] = abs(held)
        self._ended.pop(key, None)
        self._held_at_start[key] = dict(entries)
        self._held_before[key] = (self.positions[key].quantity, entries)
        self._fills_of[key] = []
        self._divide_before(key)
        self._attribute(key)

    def _end_provisional(self, key: Key) -> None:
        """Take the provisional fills of a position as final: no trade is of restated shares."""
        self._before_provisional.pop(key, None)
        self._divided_before.pop(key, None)
        for name in self._from_provisional.pop(key, ()):
            if (fill := self.fills.get(name)) is not None and fill.is_provisional:
                final = replace(fill, fill_key=f"{fill.order_id}|final", is_provisional=False)
                del self.fills[name]
                self.fills[final.fill_key] = final

    def _divide_before(self, key: Key) -> None:
        """Divide what was held when the session began among its strategies, each at its cost."""
        quantity, entries = self._held_before[key]
        position = self.positions[key]
        average = position.average_price or ZERO
        found: dict[str, Position] = {}
        self._unowned_before.pop(key, None)

        def hold(strategy: str, shares: int, amount: Decimal) -> None:
            before = found.get(strategy) or Position(symbol=key[0], product=key[1])
            found[strategy] = replace(
                before,
                quantity=before.quantity + shares,
                cost_amount=before.cost_amount + amount,
                lots=(*before.lots, Lot(shares, amount / shares)),
            )

        left, left_amount = quantity, position.cost_amount
        for entry_id, held in entries.items():
            request, price = self.orders[entry_id].request, self.orders[entry_id].average_price
            if shares := request.side.sign * held:
                amount = shares * (price or average)
                hold(request.strategy, shares, amount)
                left, left_amount = left - shares, left_amount - amount
        if left:
            # a position with provisional fills costs more, or less, than what was held before them
            amount = left_amount if quantity == position.quantity else left * average
            hold("", left, amount)
            self._odd.add(key)
            self._unowned_before[key] = Position(
                symbol=key[0],
                product=key[1],
                quantity=left,
                cost_amount=amount,
                lots=(Lot(left, amount / left),),
            )
        self._strategies_before[key] = found

    def _store(self, order: Order) -> None:
        order_id = order.request.order_id
        self.orders[order_id] = order
        request = order.request
        is_entry = request.reason is Reason.ENTRY
        found = [self.live, self._live_of.setdefault((request.symbol, request.side, is_entry), {})]
        if is_entry:
            found.append(self._live_entries)
        for orders in found:
            if order.state in LIVE:
                orders[order_id] = order
            else:
                orders.pop(order_id, None)
        if order.broker_order_id:
            self._by_broker_id[order.broker_order_id] = order_id

    def _count_fill(self, fill: Fill, sign: int) -> None:
        order = self.orders.get(fill.order_id)
        if order is None:
            return
        filled = order.filled_quantity + sign * fill.quantity
        state = order.state
        if not order.is_external:
            state = _state_after_fill(order, filled)
        self._store(
            replace(
                order,
                state=state,
                filled_quantity=filled,
                filled_amount=order.filled_amount + sign * fill.quantity * fill.price,
                charges_amount=order.charges_amount + sign * fill.charges_amount,
                is_cancel_pending=order.is_cancel_pending and state in LIVE,
            )
        )

    def _attribute(self, key: Key) -> None:
        """
        Compute what each entry holds from the fills since the position was last flat.

        A provisional fill is only replaced, so the fills before the first one are divided once.
        """
        known = key in self._divided_before
        division, count = self._divided_before.pop(key) if known else (self._undivided(key), 0)
        names = self._fills_of[key]
        names[count:] = [name for name in names[count:] if name in self.fills]
        for place, name in enumerate(names[count:], count):
            self._divide_next(key, division, self.fills[name], place)
        self._divisions[key] = division
        self._hold(key)

    def _divide_next(self, key: Key, division: Division, fill: Fill, place: int) -> None:
        """Divide the fill at a place of a position; keep the division before a provisional one."""
        if fill.is_provisional and key not in self._divided_before:
            self._divided_before[key] = division.copy(), place
        self._divide(key, division, fill)

    def _divide_from_here(self, key: Key, entries: Mapping[str, int]) -> None:
        """Begin another division of a position, in which the entries hold this."""
        self._ended.setdefault(key, []).append(self._divisions[key])
        self._held_before[key] = (self.positions[key].quantity, dict(entries))
        self._divided_before.pop(key, None)
        self._unowned_before.pop(key, None)
        self._fills_of[key] = []

    def _hold(self, key: Key) -> None:
        """Hold what the fills of a position left of its entries."""
        division = self._divisions[key]
        held = division.left
        if not division.quantity and not held and key not in self._from_provisional:
            self._ended.setdefault(key, []).append(division)
            del self._fills_of[key], self._divisions[key]
            self._held_before.pop(key, None)
            self._unowned_before.pop(key, None)
        self._held.pop(key, None)
        if held:
            self._held[key] = held

    def _divisions_of(self, key: Key) -> list[Division]:
        """Return the divisions of a position in this session, in order."""
        last = self._divisions.get(key)
        return [*self._ended.get(key, ()), *([last] if last else [])]

    def _undivided(self, key: Key) -> Division:
        """Return the division of a position before its fills, of which orders held something."""
        quantity, before = self._held_before.get(key, (0, {}))
        division = Division(
            {order_id: shares for order_id, shares in before.items() if shares},
            self._unowned_before.get(key) or Position(symbol=key[0], product=key[1]),
            quantity,
        )
        for order_id, count in division.held.items():
            request = self.orders[order_id].request
            division.hold(request.strategy, request.side.sign * count)
            quantity -= request.side.sign * count
        division.hold("", quantity)
        return division

    def _divide(self, key: Key, division: Division, fill: Fill) -> None:
        """
        Divide one more fill of a position among the orders that opened it.

        A fill of an exit can be booked before the one of its entry that replaces a provisional one.
        What an exit closed beyond its entry is opened and held under the exit's own id. A fill that
        contradicts its order belongs to none.
        """
        held, opened, closed = division.held, division.opened, division.closed
        division.quantity += fill.signed_quantity
        order = self.orders.get(fill.order_id)
        request = order.request if order else None
        if request and (request.symbol, request.product, request.side) != (*key, fill.side):
            request = None
        left = fill.quantity
        parts: dict[str, int] = {}

        def give(order_id: str, count: int) -> None:
            strategy = self.orders[order_id].request.strategy
            parts[strategy] = parts.get(strategy, 0) + count

        for entry_id in self._closed_first(held, fill.side, request):
            count = min(left, held[entry_id])
            held[entry_id] -= count
            left -= count
            if count:
                closed.setdefault(entry_id, []).append((fill, count))
                give(entry_id, count)
            if not held[entry_id]:
                del held[entry_id]
        if left and request is not None and request.reason is Reason.ENTRY:
            order_id = request.order_id
            opened.setdefault(order_id, []).append((fill, left))
            for early, count in _offset(division.beyond.get(order_id, []), left):
                closed.setdefault(order_id, []).append((early, count))
                opened[early.order_id].append((early, -count))
                left -= count
                give(early.order_id, count)
            if left:
                held[order_id] = held.get(order_id, 0) + left
                give(order_id, left)
        elif left and request is not None and request.entry_id is not None:
            for known in division.beyond.values():  # what buys an excess back
                of_exit = [each for each in known if each[0].order_id == request.entry_id]
                for early, count in _offset(of_exit, left):
                    closed.setdefault(early.order_id, []).append((fill, count))
                    left -= count
                    give(early.order_id, count)
                others = [each for each in known if each[0].order_id != request.entry_id]
                known[:] = [*others, *of_exit]
            if left:
                division.beyond.setdefault(request.entry_id, []).append((fill, left))
                opened.setdefault(request.order_id, []).append((fill, left))
                give(request.order_id, left)
        elif left:
            if order is not None:
                self._odd.add(key)
            division.unowned = after_fill(division.unowned, _part(fill, left))
            parts[""] = parts.get("", 0) + left
        for strategy, count in parts.items():
            division.parts.append((strategy, fill, count))
            division.hold(strategy, fill.side.sign * count)

    def _closed_first(self, held: dict[str, int], side: Side, request: Request | None) -> list[str]:
        """
        Return the entries that a fill closes, in this order: what it names, then the oldest.

        They are those of its strategy on the other side: no strategy closes another's. A fill of no
        order of ours closes any.
        """
        closed = [
            entry_id
            for entry_id in held
            if (entered := self.orders[entry_id].request).side is not side
            and (request is None or entered.strategy == request.strategy)
        ]
        return sorted(closed, key=lambda each: request is None or each != request.entry_id)

    def _rebuild_position(self, key: Key) -> None:
        """Recompute a position from its first provisional fill onward, with the remaining fills."""
        position = self._before_provisional.pop(key)
        remaining = [name for name in self._from_provisional.pop(key) if name in self.fills]
        before = self._round_trips_before.get(key, 0)
        round_trips = self._round_trips.get(key, [])[: max(0, position.round_trip_count - before)]
        for place, name in enumerate(remaining):
            fill = self.fills[name]
            if fill.is_provisional and key not in self._from_provisional:
                self._before_provisional[key], self._from_provisional[key] = (
                    position,
                    remaining[place:],
                )
            position = after_fill(position, fill)
            if position.closed_round_trip_amount is not None and position.round_trip_count > before:
                round_trips.append((fill.filled_at, position.closed_round_trip_amount))
        self.positions[key] = position
        self._round_trips[key] = round_trips
        self._trips = sorted(
            ((at, of, amount) for of, trips in self._round_trips.items() for at, amount in trips),
            key=itemgetter(0, 1),
        )


# the method that applies a type of event; a call of `_apply` itself builds a function first
_change: Callable[[type[Event]], Callable[[Book, Event], None]] = vars(Book)[
    "_apply"
].dispatcher.dispatch


def _part(fill: Fill, count: int) -> Fill:
    """Return so many shares of a fill, with their part of its charges."""
    if count == fill.quantity:
        return fill
    return replace(fill, quantity=count, charges_amount=fill.charges_amount * count / fill.quantity)


def _offset(known: list[tuple[Fill, int]], left: int) -> list[tuple[Fill, int]]:
    """Take as much of these fills as there is; return what was taken of each."""
    taken = []
    for place, (fill, shares) in enumerate(known):
        count = min(left, shares)
        known[place] = (fill, shares - count)
        left -= count
        if count:
            taken.append((fill, count))
    return taken


def _restated(request: Request, action: CorporateAction, quantity: int) -> Request:
    def price(known: Decimal | None) -> Decimal | None:
        return None if known is None else action.price_after(known).quantize(PRICE_STEP)

    exits = request.exits
    if exits is not None:
        exits = replace(
            exits,
            stop_price=price(exits.stop_price),
            target_price=price(exits.target_price),
            trail_distance=price(exits.trail_distance),
        )
    return replace(request, quantity=quantity, limit_price=price(request.limit_price), exits=exits)


def _state_after_fill(order: Order, filled: int) -> State:
    """Return the state after a fill; an order the broker ended keeps its state until it is full."""
    order_id = order.request.order_id
    if order.state in NEVER_FILLED:
        return order.state  # impossible; the manager halts on it, but the money has moved
    if filled >= order.request.quantity:
        if order.state is State.FILLED:
            return State.FILLED
        return advance(order_id, _assume_open(order), State.FILLED)
    if order.state in (State.CANCELLED, State.EXPIRED):
        return order.state
    if order.state is State.FILLED:
        return State.FILLED  # a provisional fill is reversed before its trades arrive
    return advance(order_id, _assume_open(order), State.PARTIAL)


def _assume_open(order: Order) -> State:
    """Return OPEN for an order whose opening was never reported: a filled order was open."""
    early = (State.ACKED, State.TRIGGER_PENDING)
    return State.OPEN if order.state in early else order.state


def provisional_key(order_id: str) -> str:
    return f"{order_id}|provisional"


def rebuild_book(
    capital_amount: Decimal, recorded: Iterable[Event], on_progress: Callable[[int], None]
) -> Book:
    """
    Rebuild a book from its recorded events; report their number to `on_progress` as it grows.

    Raise NotApplicable for an event that a broken adapter or an older version left behind.
    """
    book = Book(capital_amount)
    for number, event in enumerate(recorded, 1):
        try:
            book.apply(event)
        except Exception as error:  # whatever it is: the other accounts can be read
            raise NotApplicable(number, type(event).__name__, error) from error
        if number % 10_000 == 0:
            on_progress(number)
    return book
