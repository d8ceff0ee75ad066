"""
When a position is to be closed: stop, target, trailing stop and time, on every tick.

An entry carries its own exits. What closes is one order for all that the entry still holds; while
that order may be filled there is no other, so a stop and a target can never both be. Which comes
first in one tick does not arise: a tick has one price.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from duckbourse.orders.book import Book
from duckbourse.orders.order import Order, Reason


def held_quantity(book: Book, entry: Order) -> int:
    """Return how many shares of an entry are still held: what it got, less what closed it."""
    if not entry.filled_quantity:
        return 0
    closed = sum(order.filled_quantity for order in book.exits_of(entry.request.order_id))
    request = entry.request
    position = book.quantity(request.symbol, request.product) * request.side.sign
    return max(0, min(entry.filled_quantity - closed, position))


def has_live_exit(book: Book, entry: Order) -> bool:
    """Tell whether an order that closes the entry may still be filled."""
    return any(order.state.is_live for order in book.exits_of(entry.request.order_id))


def best_price(entry: Order, best: Decimal | None, price: Decimal) -> Decimal:
    """Return the best price since an entry, its own included, of the one known and this one."""
    sign = entry.request.side.sign
    known = [known for known in (best, entry.average_price, price) if known is not None]
    return max(known, key=lambda value: value * sign)


def due(entry: Order, best: Decimal | None, price: Decimal, now: datetime) -> Reason | None:
    """Return why an entry is to be closed at this price and time, or None if it is not."""
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
