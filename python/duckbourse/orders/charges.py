"""
Charges of a fill from the rows of the seed `charges`, to four decimals as in the warehouse.

This is the counterpart of the macro `fill_charges`; a test compares the two.
"""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

import msgspec

from duckbourse.orders.order import Fill, Side

CENT = Decimal("0.0001")
ZERO = Decimal(0)


class Charges(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """A segment's rates from a date onward; columns and units are those of the seed."""

    effective_from: date
    brokerage_pct: Decimal
    max_brokerage_amount: Decimal | None
    buy_tax_pct: Decimal
    sell_tax_pct: Decimal
    exchange_pct: Decimal
    buy_regulator_pct: Decimal
    sell_regulator_pct: Decimal
    sell_share_amount: Decimal
    max_sell_share_amount: Decimal | None
    gst_pct: Decimal
    buy_stamp_pct: Decimal
    tax_unit_amount: Decimal | None
    sell_depository_amount: Decimal


def charges_on(schedule: tuple[Charges, ...], day: date) -> Charges | None:
    """Return the rates in force on a date, or None before the first."""
    return max(
        (row for row in schedule if row.effective_from <= day),
        key=lambda row: row.effective_from,
        default=None,
    )


@lru_cache(4096)
def order_charges(rates: Charges, side: Side, quantity: int, amount: Decimal) -> Decimal:
    """
    Return the total charges of an order on its filled quantity to date, worth `amount`.

    Taxes and stamp duty are rounded per order, where a contract note rounds them per day. Charges
    are cumulative, so a later fill pays the difference to the total before it.
    """
    turnover = amount / 100
    is_buy = side is Side.BUY
    brokerage = turnover * rates.brokerage_pct
    if rates.max_brokerage_amount is not None:
        brokerage = min(brokerage, rates.max_brokerage_amount)
    exchange = turnover * rates.exchange_pct
    regulator = turnover * (rates.buy_regulator_pct if is_buy else rates.sell_regulator_pct)
    parts = [
        brokerage,
        _in_whole_units(
            turnover * (rates.buy_tax_pct if is_buy else rates.sell_tax_pct),
            rates.tax_unit_amount,
        ),
        exchange,
        regulator,
        (brokerage + exchange + regulator) * rates.gst_pct / 100,
    ]
    if is_buy:
        parts.append(_in_whole_units(turnover * rates.buy_stamp_pct, rates.tax_unit_amount))
    else:
        shares = quantity * rates.sell_share_amount
        if rates.max_sell_share_amount is not None:
            shares = min(shares, rates.max_sell_share_amount)
        parts += [shares, rates.sell_depository_amount]
    return sum((part.quantize(CENT, ROUND_HALF_UP) for part in parts), ZERO)


def fill_charges(
    schedule: tuple[Charges, ...],
    fill: Fill,
    quantity: int,
    amount: Decimal,
    charges_amount: Decimal,
) -> Decimal:
    """
    Return the charges of a fill of an order, 0 before the schedule begins.

    Before it the order had filled `quantity` for `amount`, and paid `charges_amount`.
    """
    rates = charges_on(schedule, fill.filled_at.date())
    if rates is None:
        return ZERO
    quantity, amount = quantity + fill.quantity, amount + fill.quantity * fill.price
    return order_charges(rates, fill.side, quantity, amount) - charges_amount


def _in_whole_units(amount: Decimal, unit: Decimal | None) -> Decimal:
    if unit is None:
        return amount
    return (amount / unit).quantize(Decimal(1), ROUND_HALF_UP) * unit
