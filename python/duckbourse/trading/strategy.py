"""
Strategies decide what to buy and sell; they know nothing of brokers.

A strategy is asked for orders after every batch of ticks, and is notified of its fills. It trades a
book of its own within the account: what it holds is what its own orders bought and sold, whatever
else holds the same symbol. The account's limits apply to the sum of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import ClassVar, Protocol

import msgspec

from duckbourse.orders.book import Book
from duckbourse.orders.order import Exits, Fill, Order, Request, Side, order_id_of
from duckbourse.risk.exits import protected
from duckbourse.streaming.prices import Prices
from duckbourse.trading.publication import Publication, Signal

# the strategy that orders by hand are booked under
BY_HAND = "by_hand"


class Close(msgspec.Struct, frozen=True):
    """
    Close all that the strategy holds of a symbol, and cancel its entries there.

    It is an exit like a stop: it is tried until the position is closed.
    """

    symbol: str


class ChangeExits(msgspec.Struct, frozen=True):
    """
    Give an entry of the strategy, open or held, other exits: all of them, as given here.

    It is denied, and logged, if one of them would be due at once or if the entry is being closed.
    """

    order_id: str
    exits: Exits


# what a strategy may return
Wanted = Request | Close | ChangeExits


class Context:
    """
    What a strategy sees.

    `account` is the book of the whole account; positions and entries are the strategy's own.
    `prices` are the last ones with their instants, and `now` is an instant in UTC. `waiting` are
    the entries of the account that wait for their turn at the broker; the book lacks them.
    """

    def __init__(
        self,
        strategy: str,
        publication: Publication,
        account: Book,
        prices: Prices,
        now: datetime,
        waiting: Iterable[Request] = (),
    ) -> None:
        self.strategy = strategy
        self.publication = publication
        self.account = account
        self.prices = prices
        self.now = now
        self._waiting = tuple(waiting)

    def owns(self, order: Order) -> bool:
        """Return whether an order is the strategy's; `signals` owns those of all presets."""
        return owner_of(order.request.strategy) == self.strategy

    @cached_property
    def entries(self) -> list[Order]:
        """The entries of which something is held, by symbol, oldest first."""
        return [order for order in self.account.held_entries() if self.owns(order)]

    @cached_property
    def open_orders(self) -> list[Order]:
        """The orders at work, exits included, and the entries that wait for their turn."""
        waiting = [Order(request=request) for request in self._waiting]
        return [order for order in (*self.account.open_orders(), *waiting) if self.owns(order)]

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """The shares held by symbol; negative if sold short."""
        held: dict[str, int] = {}
        for entry in self.entries:
            request = entry.request
            shares = request.side.sign * self.account.held_quantity(request.order_id)
            held[request.symbol] = held.get(request.symbol, 0) + shares
        return held

    @cached_property
    def busy(self) -> set[str]:
        """The symbols that are held or on order."""
        return {order.request.symbol for order in (*self.entries, *self.open_orders)}

    def price(self, symbol: str) -> Decimal | None:
        """Return the last price, or None if it is not known or older than the account allows."""
        known = self.prices.get(symbol)
        oldest = timedelta(milliseconds=self.publication.limits.max_tick_age_ms)
        return None if known is None or self.now - known[1] > oldest else known[0]

    def quantity_for(self, symbol: str, side: Side, pct: Decimal) -> int:
        """
        Return how many shares `pct` percent of equity are, in whole lots.

        What is bought counts at its protected price, which it may cost, and what is sold at the
        last price. It is capped by the account's limits and the exchange's freeze quantity, and 0
        if there is no fresh price or if the symbol is not known.
        """
        instrument, price = self.publication.instruments.get(symbol), self.price(symbol)
        if instrument is None or price is None:
            return 0
        limits = self.publication.limits
        each = max(price, protected(instrument, side, price, limits.protection_pct))
        pct = min(pct, limits.max_order_pct, limits.max_symbol_pct)
        quantity = int(self.account.equity_amount(self.prices) * pct / 100 / each)
        if instrument.freeze_quantity is not None:
            quantity = min(quantity, instrument.freeze_quantity)
        return quantity // instrument.lot_size * instrument.lot_size

    def entry(
        self,
        name: str,
        symbol: str,
        side: Side,
        quantity: int,
        *,
        limit_price: Decimal | None = None,
        exits: Exits | None = None,
        expires_at: datetime | None = None,
    ) -> Request:
        """
        Return an order that opens a position, or reduces one of the strategy.

        `name` says what it is for: in one session, an order of the same name is sent once. Without
        a limit price it has the account's protection beyond the last price, which must be known.
        """
        limits = self.publication.limits
        if limit_price is None:
            price = self.prices[symbol][0]
            instrument = self.publication.instruments[symbol]
            limit_price = protected(instrument, side, price, limits.protection_pct)
        return Request(
            order_id=order_id_of(
                limits.account, self.publication.session_date, "strategy", self.strategy, name
            ),
            symbol=symbol,
            side=side,
            quantity=quantity,
            product=limits.product,
            limit_price=limit_price,
            exits=exits,
            expires_at=expires_at,
            strategy=self.strategy,
            correlation_id=name,
        )


class Strategy(Protocol):
    """
    Decides which orders to send; parameters are the keyword arguments of its class.

    If a method raises, the strategy is not asked again until the loop is started again: it opens
    nothing more, its stops, targets and exit times go on, and people are notified.
    """

    def on_start(self, context: Context) -> None:
        """
        Take up a session, before anything else is asked; no price is known yet.

        A loop that is started again opens its strategies again, with nothing of what they kept.
        `context` has what the account did before, such as `context.account.orders`. A class
        that does not define it begins without it.
        """
        return

    def generate_orders(self, context: Context) -> Sequence[Wanted]:
        """Return what to send, close or change now; the id of a request is used once."""

    def on_fill(self, context: Context, order: Order, fill: Fill) -> None:
        """
        Handle a fill of an order of this strategy, entry or exit; the book has it already.

        A class that does not define it ignores its fills.
        """
        return


class SignalStrategy(Strategy):
    """
    Follows every signal of the session once it is known, with its stop, target, exit time and size.

    It holds at most one position per symbol: of several signals it follows the earliest, and of
    simultaneous ones the best ranked. The size is `position_pct` of equity in whole lots, capped by
    the account's limits and the exchange's freeze quantity. A signal that could not be followed for
    `max_age_minutes` is dropped, since its price is out of date. Each preset has a book of its own.
    """

    # the name of this strategy, whose orders are booked as `scanner.preset`
    NAME: ClassVar[str] = "signals"

    def __init__(self, *, max_age_minutes: float = 5) -> None:
        self._max_age = timedelta(minutes=max_age_minutes)
        self._done: set[str] = set()

    def generate_orders(self, context: Context) -> Sequence[Request]:
        publication, prices, now = context.publication, context.prices, context.now
        found: list[Request] = []
        fresh_since = now - timedelta(milliseconds=publication.limits.max_tick_age_ms)
        busy: set[str] | None = None
        for signal in publication.signals:
            if signal.known_at > now:
                break
            if signal.signal_id in self._done or now - signal.known_at > self._max_age:
                continue
            known = prices.get(signal.symbol)
            if known is None or known[1] < max(signal.known_at, fresh_since):
                continue  # trade only at a fresh price received after the signal
            self._done.add(signal.signal_id)
            if busy is None:
                busy = set(context.busy)
            if signal.symbol in busy or signal.symbol not in publication.instruments:
                continue
            request = self._entry(context, signal)
            if request is not None:
                busy.add(signal.symbol)
                found.append(request)
        return found

    def _entry(self, context: Context, signal: Signal) -> Request | None:
        """Return the order that follows a signal, or None if it is smaller than one lot."""
        publication, limits = context.publication, context.publication.limits
        instrument = publication.instruments[signal.symbol]
        side = Side.BUY if signal.direction == "long" else Side.SELL
        quantity = context.quantity_for(signal.symbol, side, signal.position_pct)
        if not quantity:
            return None
        price = context.prices[signal.symbol][0]
        return Request(
            order_id=order_id_of(
                limits.account, publication.session_date, "entry", signal.signal_id
            ),
            symbol=signal.symbol,
            side=side,
            quantity=quantity,
            product=limits.product,
            limit_price=protected(instrument, side, price, limits.protection_pct),
            signal_id=signal.signal_id,
            exits=Exits(
                stop_price=signal.stop_price,
                target_price=signal.target_price,
                exit_at=signal.exit_at,
            ),
            expires_at=signal.known_at + self._max_age,
            strategy=f"{signal.scanner}.{signal.preset}",
            correlation_id=signal.signal_id,
        )


def owner_of(booked: str) -> str:
    """Return the strategy of an order booked under this name: a preset's is `signals`."""
    return SignalStrategy.NAME if "." in booked else booked
