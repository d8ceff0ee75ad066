"""
Strategies decide what to buy and sell; they know nothing of brokers.

Implement `Strategy` to plug in your own, and pass it to `Trader` in place of SignalStrategy.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from duckbourse.orders.book import Book
from duckbourse.orders.order import Exits, Request, Side, order_id_of
from duckbourse.risk.exits import protected
from duckbourse.streaming.prices import Prices
from duckbourse.trading.publication import Publication, Signal

# a signal is dropped if it could not be followed for this long: its price is out of date
MAX_SIGNAL_AGE = timedelta(minutes=5)


class Strategy(Protocol):
    """Decides which orders to send."""

    def generate_orders(
        self, publication: Publication, book: Book, prices: Prices, now: datetime
    ) -> Sequence[Request]:
        """Return the order requests to send now; a request whose id was used is not sent again."""


class SignalStrategy:
    """
    Follows every signal of the session once it is known, with its stop, target, exit time and size.

    It holds at most one position per symbol: of several signals it follows the earliest, and of
    simultaneous ones the best ranked. The size is `position_pct` of equity in whole lots, capped by
    the account's limits and the exchange's freeze quantity.
    """

    def __init__(self) -> None:
        self._done: set[str] = set()

    def generate_orders(
        self, publication: Publication, book: Book, prices: Prices, now: datetime
    ) -> Sequence[Request]:
        found = []
        fresh_since = now - timedelta(milliseconds=publication.limits.max_tick_age_ms)
        busy = {held.symbol for held in book.open_positions()}
        busy |= {order.request.symbol for order in book.open_orders()}
        for signal in publication.signals:
            if signal.known_at > now:
                break
            if signal.signal_id in self._done or now - signal.known_at > MAX_SIGNAL_AGE:
                continue
            known = prices.get(signal.symbol)
            if known is None or known[1] < max(signal.known_at, fresh_since):
                continue  # trade only at a fresh price received after the signal
            self._done.add(signal.signal_id)
            if signal.symbol in busy or signal.symbol not in publication.instruments:
                continue
            request = entry(publication, book, prices, signal)
            if request is not None:
                busy.add(signal.symbol)
                found.append(request)
        return found


def entry(publication: Publication, book: Book, prices: Prices, signal: Signal) -> Request | None:
    """Return the order that follows a signal, or None if it is smaller than one lot."""
    limits, instrument = publication.limits, publication.instruments[signal.symbol]
    price = prices[signal.symbol][0]
    side = Side.BUY if signal.direction == "long" else Side.SELL
    limit = protected(instrument, side, price, limits.protection_pct)
    equity = book.equity_amount(prices)
    pct = min(signal.position_pct, limits.max_order_pct, limits.max_symbol_pct)
    quantity = int(equity * pct / 100 / limit)
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
        expires_at=signal.known_at + MAX_SIGNAL_AGE,
        strategy=f"{signal.scanner}.{signal.preset}",
        correlation_id=signal.signal_id,
    )
