"""
Exits, evaluated on every tick: stop, target, trailing stop and time.

An entry carries its own exits. An exit is one order for everything the entry still holds. While it
may still fill, no second exit is sent, so a stop and a target can never both fill. A tick has one
price, so the question which of the two came first within a tick does not arise.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from duckbourse.orders.book import Book
from duckbourse.orders.order import Order, Reason


def held_quantity(book: Book, entry: Order) -> int:
    """Return the shares of an entry still held: its fills less the fills of its exits."""
    if not entry.filled_quantity:
        return 0
    closed = sum(order.filled_quantity for order in book.exits_of(entry.request.order_id))
    request = entry.request
    position = book.quantity(request.symbol, request.product) * request.side.sign
    return max(0, min(entry.filled_quantity - closed, position))


def has_live_exit(book: Book, entry: Order) -> bool:
    """Return whether an exit order of the entry may still be filled."""
    return any(order.state.is_live for order in book.exits_of(entry.request.order_id))


def best_price(entry: Order, best: Decimal | None, price: Decimal) -> Decimal:
    """Return the best price since an entry: of the entry price, the best to date and this one."""
    sign = entry.request.side.sign
    known = [known for known in (best, entry.average_price, price) if known is not None]
    return max(known, key=lambda value: value * sign)


def due(entry: Order, best: Decimal | None, price: Decimal, now: datetime) -> Reason | None:
    """Return the reason to close an entry at this price and time, or None."""
    exits, sign = entry.request.exits, entry.request.side.sign
    if exits is None:
        return None
    if exits.stop_price is not None and (price - exits.stop_price) * sign <= 0:
        return Reason.STOP
    trail = exits.trail_distance
    if trail is not None and best is not None and (best - price) * sign >= trail:
        return Reason.TRAILING_STOP
    if exits.target_price is not None and (price - exits.target_price) * sign >= 0:
        return Reason.TARGET
    if exits.exit_at is not None and now >= exits.exit_at:
        return Reason.TIME
    return None
