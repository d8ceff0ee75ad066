"""
Positions by symbol and product, computed from fills: average cost and first in, first out.

A long position has a positive quantity, a short position a negative one. A fill larger than the
position closes it and opens the rest in the other direction. Amounts are in the currency of the
account and before charges unless stated otherwise.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from duckbourse.orders.order import Fill, Product

ZERO = Decimal(0)


class Lot(msgspec.Struct, frozen=True):
    """Shares opened at one price; negative if sold short."""

    quantity: int
    price: Decimal


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """
    One symbol and product.

    `cost_amount` is what the open quantity cost at average price, negative for a short position.
    `realized_amount` uses average cost, `realized_fifo_amount` first in, first out; the two agree
    when the position is flat. `round_trip_amount` is the realized profit of the open round trip,
    less its charges. `closed_round_trip_amount` is that of the round trip that the last fill
    closed, or None if it closed none.
    """

    symbol: str
    product: Product
    quantity: int = 0
    cost_amount: Decimal = ZERO
    realized_amount: Decimal = ZERO
    realized_fifo_amount: Decimal = ZERO
    charges_amount: Decimal = ZERO
    lots: tuple[Lot, ...] = ()
    round_trip_amount: Decimal = ZERO
    round_trip_count: int = 0
    closed_round_trip_amount: Decimal | None = None

    @property
    def average_price(self) -> Decimal | None:
        return self.cost_amount / self.quantity if self.quantity else None

    def unrealized_amount(self, last_price: Decimal) -> Decimal:
        return last_price * self.quantity - self.cost_amount


def after_fill(position: Position, fill: Fill) -> Position:
    """Return the position after a fill of its symbol and product."""
    signed = fill.signed_quantity
    closing = 0
    if position.quantity * signed < 0:
        closing = min(abs(signed), abs(position.quantity))
    position = _charged(position, fill.charges_amount)
    if closing:
        position = _closed(position, closing, fill.price)
    opening = abs(signed) - closing
    if opening:
        position = _opened(position, fill.side.sign * opening, fill.price)
    return position


def _charged(position: Position, amount: Decimal) -> Position:
    return msgspec.structs.replace(
        position,
        charges_amount=position.charges_amount + amount,
        round_trip_amount=position.round_trip_amount - amount,
        closed_round_trip_amount=None,
    )


def _opened(position: Position, signed: int, price: Decimal) -> Position:
    return msgspec.structs.replace(
        position,
        quantity=position.quantity + signed,
        cost_amount=position.cost_amount + price * signed,
        lots=(*position.lots, Lot(signed, price)),
    )


def _closed(position: Position, closing: int, price: Decimal) -> Position:
    sign = 1 if position.quantity > 0 else -1
    cost = position.cost_amount * closing / abs(position.quantity)
    realized = price * sign * closing - cost
    lots, fifo = _first_out(position.lots, closing, price)
    left = position.quantity - sign * closing
    trip = position.round_trip_amount + realized
    return msgspec.structs.replace(
        position,
        quantity=left,
        cost_amount=position.cost_amount - cost if left else ZERO,
        realized_amount=position.realized_amount + realized,
        realized_fifo_amount=position.realized_fifo_amount + fifo,
        lots=lots,
        round_trip_amount=trip if left else ZERO,
        round_trip_count=position.round_trip_count if left else position.round_trip_count + 1,
        closed_round_trip_amount=None if left else trip,
    )


def _first_out(
    lots: tuple[Lot, ...], closing: int, price: Decimal
) -> tuple[tuple[Lot, ...], Decimal]:
    realized = ZERO
    while closing:
        lot, lots = lots[0], lots[1:]
        sign = 1 if lot.quantity > 0 else -1
        taken = min(closing, abs(lot.quantity))
        realized += (price - lot.price) * sign * taken
        closing -= taken
        left = lot.quantity - sign * taken
        if left:
            lots = (Lot(left, lot.price), *lots)
    return lots, realized
