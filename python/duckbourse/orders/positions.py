"""
Positions by symbol and product, computed from fills: average cost and first in, first out.

A long position has a positive quantity, a short position a negative one. A fill larger than the
position closes it and opens the rest in the other direction. Amounts are in the currency of the
account and before charges unless stated otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

import msgspec

from duckbourse.orders.order import Fill, Product

ZERO = Decimal(0)
CENT = Decimal("0.01")


class CorporateAction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    A row of `seeds.corporate_actions`: a split or bonus of old into new shares, or a dividend.

    `dividend_amount` is money per share as traded on the ex-date.
    """

    symbol: str
    ex_date: date
    action: str
    old_shares: Decimal | None = None
    new_shares: Decimal | None = None
    dividend_amount: Decimal | None = None

    @property
    def action_id(self) -> str:
        return f"{self.symbol}|{self.ex_date.isoformat()}|{self.action}"

    @property
    def share_ratio(self) -> Fraction:
        """New shares for one old one; 1 for a dividend."""
        if self.old_shares is None or self.new_shares is None:
            return Fraction(1)
        return Fraction(self.new_shares) / Fraction(self.old_shares)

    def price_after(self, price: Decimal) -> Decimal:
        """Return a price of before the action in new shares."""
        return _decimal(Fraction(price) / self.share_ratio)

    @property
    def order(self) -> tuple[date, bool, str]:
        """The order of actions: by day, and a dividend after a split, in whose shares it is."""
        return self.ex_date, self.dividend_amount is not None, self.action


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


def scaled(quantities: Sequence[int], ratio: Fraction) -> list[int]:
    """Return signed quantities times a ratio, in whole shares that add up to the whole sum."""
    found, before, total = [], 0, 0
    for quantity in quantities:
        total += quantity
        found.append(int(total * ratio) - before)
        before += found[-1]
    return found


def after_action(
    position: Position, action: CorporateAction, price: Decimal | None
) -> tuple[Position, Decimal]:
    """
    Return a position after a split, bonus or dividend, and the cash that it brings.

    A fraction of a share is paid out at `price`, or at cost if that is None. A short position pays
    the dividend.
    """
    if action.dividend_amount is not None:
        return position, position.quantity * action.dividend_amount
    ratio = action.share_ratio
    exact = position.quantity * ratio
    quantity = int(exact)
    fraction_cost = _decimal(Fraction(position.cost_amount) * (exact - quantity) / exact)
    cost = position.cost_amount - fraction_cost
    if price is None:
        cash = fraction_cost
    else:
        cash = _decimal(Fraction(price) * (exact - quantity)).quantize(CENT)
    gain = cash - fraction_cost
    trip = position.round_trip_amount + gain
    left = scaled([lot.quantity for lot in position.lots], ratio)
    # what the whole shares of the lots leave out, at the prices of the lots
    lots_cost = sum(
        (
            (lot.quantity - each / ratio) * Fraction(lot.price)
            for lot, each in zip(position.lots, left, strict=True)
        ),
        Fraction(0),
    )
    return msgspec.structs.replace(
        position,
        quantity=quantity,
        cost_amount=cost if quantity else ZERO,
        realized_amount=position.realized_amount + gain,
        realized_fifo_amount=position.realized_fifo_amount + cash - _decimal(lots_cost),
        lots=tuple(
            Lot(each, action.price_after(lot.price))
            for lot, each in zip(position.lots, left, strict=True)
            if each
        ),
        round_trip_amount=trip if quantity else ZERO,
        round_trip_count=position.round_trip_count + (not quantity),
        closed_round_trip_amount=None if quantity else trip,
    ), cash


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)
