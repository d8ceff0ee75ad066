"""
What is bought and sold: a strategy says so, and knows nothing of brokers.

Implement `Strategy` to plug in your own, and pass it to `Trader` in place of SignalStrategy.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Protocol

from duckbourse.orders.book import Book
from duckbourse.orders.order import Exits, Reason, Request, Side, order_id_of
from duckbourse.risk.limits import Instrument, Limits
from duckbourse.streaming.prices import Prices
from duckbourse.trading.publication import Publication, Signal

# a signal that could not be followed for so long is left alone: its price is not the one it saw
MAX_SIGNAL_AGE = timedelta(minutes=5)


class Strategy(Protocol):
    """Decides which orders to send."""

    def generate_orders(
        self, publication: Publication, book: Book, prices: Prices, now: datetime
    ) -> Sequence[Request]:
        """Return the orders to send now; one that was sent before is not sent again."""


class SignalStrategy:
    """
    Follow every signal of the session when it is known, with its stop, target, time and size.

    One position a symbol: of several signals the first known, best ranked is followed. The size is
    `position_pct` of equity, in whole lots, and no more than the account may have of it or the
    exchange takes in one order.
    """

    def __init__(self) -> None:
        self._done: set[str] = set()

    def generate_orders(
        self, publication: Publication, book: Book, prices: Prices, now: datetime
    ) -> Sequence[Request]:
        found = []
        fresh_since = now - timedelta(milliseconds=publication.limits.max_tick_age_ms)
        taken = {held.symbol for held in book.open_positions()}
        taken |= {order.request.symbol for order in book.open_orders()}
        for signal in publication.signals:
            if signal.known_at > now:
                break
            if signal.signal_id in self._done or now - signal.known_at > MAX_SIGNAL_AGE:
                continue
            known = prices.get(signal.symbol)
            if known is None or known[1] < max(signal.known_at, fresh_since):
                continue  # the first price after it, and none that is old, can be traded at
            self._done.add(signal.signal_id)
            if signal.symbol in taken or signal.symbol not in publication.instruments:
                continue
            request = entry(publication, book, prices, signal)
            if request is not None:
                taken.add(signal.symbol)
                found.append(request)
        return found


def entry(publication: Publication, book: Book, prices: Prices, signal: Signal) -> Request | None:
    """Return the order that follows a signal, or None where not one lot is affordable."""
    limits, instrument = publication.limits, publication.instruments[signal.symbol]
    price = prices[signal.symbol][0]
    side = Side.BUY if signal.direction == "long" else Side.SELL
    limit = protected(limits, instrument, side, price)
    equity = book.equity_amount(prices)
    share = min(signal.position_pct, limits.max_order_pct, limits.max_symbol_pct)
    quantity = int(equity * share / 100 / limit)
    if instrument.freeze_quantity is not None:
        quantity = min(quantity, instrument.freeze_quantity)
    lots = quantity // instrument.lot_size
    if lots < 1:
        return None
    return Request(
        order_id=order_id_of(limits.account, publication.session_date, "entry", signal.signal_id),
        symbol=signal.symbol,
        side=side,
        quantity=lots * instrument.lot_size,
        product=limits.product,
        limit_price=limit,
        signal_id=signal.signal_id,
        exits=Exits(
            stop_price=signal.stop_price,
            target_price=signal.target_price,
            exit_at=signal.exit_at,
        ),
        strategy=f"{signal.scanner}.{signal.preset}",
        correlation_id=signal.signal_id,
    )


def exit_of(
    publication: Publication,
    book: Book,
    entry_id: str,
    quantity: int,
    reason: Reason,
    price: Decimal,
) -> Request:
    """Return the order that closes so much of what an entry opened."""
    entered = book.orders[entry_id].request
    side = entered.side.other
    attempt = len(book.exits_of(entry_id)) + 1
    return Request(
        order_id=order_id_of(
            publication.limits.account,
            publication.session_date,
            "exit",
            entry_id,
            str(attempt),
        ),
        symbol=entered.symbol,
        side=side,
        quantity=quantity,
        product=entered.product,
        limit_price=protected(
            publication.limits, publication.instruments[entered.symbol], side, price
        ),
        reason=reason,
        entry_id=entry_id,
        strategy=entered.strategy,
        correlation_id=entered.correlation_id,
    )


def protected(limits: Limits, instrument: Instrument, side: Side, price: Decimal) -> Decimal:
    """Return the worst price that a market order may fill at, on the instrument's tick."""
    worst = price * (1 + side.sign * limits.protection_pct / 100)
    steps = worst / instrument.tick_size
    rounding = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
    return steps.to_integral_value(rounding) * instrument.tick_size
