"""
What is taken of a fill: the rows of the seed `charges`, to the ten-thousandth as in the warehouse.

The twin of the macro `fill_charges`; a test holds one against the other.
"""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal

import msgspec

from duckbourse.orders.order import Side

CENT = Decimal("0.0001")
ZERO = Decimal(0)


class Charges(msgspec.Struct, frozen=True, kw_only=True):
    """A segment's rates from a day on; columns as in the seed, which says their units."""

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
    """Return what is in force on a day; None before the first."""
    return max(
        (row for row in schedule if row.effective_from <= day),
        key=lambda row: row.effective_from,
        default=None,
    )


def order_charges(rates: Charges, side: Side, quantity: int, amount: Decimal) -> Decimal:
    """
    Return all that is taken of an order that has been filled so far, `amount` being its value.

    Taxes and stamp duty are rounded over the whole order, where a contract note rounds them over
    the day: what its further fills are charged makes up the difference.
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


def _in_whole_units(amount: Decimal, unit: Decimal | None) -> Decimal:
    if unit is None:
        return amount
    return (amount / unit).quantize(Decimal(1), ROUND_HALF_UP) * unit
