"""Positions computed by hand, and against shares counted one by one."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duckbourse.orders.order import Fill, Product, Side
from duckbourse.orders.positions import CorporateAction, Lot, Position, after_action, after_fill
from tests.support.factories import fill

BUY, SELL = Side.BUY, Side.SELL


def held(*fills: Fill) -> Position:
    position = Position(symbol="A", product=Product.MIS)
    for one in fills:
        position = after_fill(position, one)
    return position


def test_average_cost_and_first_in_first_out() -> None:
    position = held(fill(10, "100"), fill(10, "110"), fill(5, "120", SELL))
    assert position.quantity == 15
    assert position.average_price == 105
    assert position.realized_amount == 5 * 15
    assert position.realized_fifo_amount == 5 * 20
    assert position.unrealized_amount(Decimal(107)) == 15 * 2


def test_a_reversal_closes_and_opens_the_rest() -> None:
    position = held(fill(10, "100"), fill(25, "90", SELL))
    assert (position.quantity, position.average_price) == (-15, Decimal(90))
    assert position.realized_amount == position.realized_fifo_amount == -100
    assert position.closed_round_trip_amount == -100
    position = after_fill(position, fill(15, "80"))
    assert (position.quantity, position.average_price, position.lots) == (0, None, ())
    assert position.realized_amount == 50
    assert (position.closed_round_trip_amount, position.round_trip_count) == (Decimal(150), 2)


def test_a_round_trip_pays_its_charges() -> None:
    paid: dict[str, Any] = {"charges_amount": Decimal(3)}
    position = held(fill(10, "100", **paid), fill(10, "101", SELL, **paid))
    assert position.closed_round_trip_amount == 10 - 6
    assert (position.realized_amount, position.charges_amount) == (Decimal(10), Decimal(6))


@pytest.mark.parametrize(
    ("price", "cash", "realized"), [(None, Decimal(96), 0), (Decimal(200), Decimal(100), 4)]
)
@pytest.mark.parametrize("side", Side)
def test_half_a_share_after_a_split_is_paid_out(
    side: Side, price: Decimal | None, cash: Decimal, realized: int
) -> None:
    sign = side.sign
    before = held(fill(3, "80", side), fill(4, "108", side))  # 672 in all, 96 each
    one_for_two = CorporateAction(
        symbol="A",
        ex_date=date(2026, 11, 25),
        action="split",
        old_shares=Decimal(2),
        new_shares=Decimal(1),
    )
    after, received = after_action(before, one_for_two, price)
    assert (after.quantity, after.cost_amount) == (sign * 3, Decimal(sign * 576))
    assert (received, after.realized_amount) == (sign * cash, Decimal(sign * realized))
    # whole shares that add up, the oldest rounded down
    assert after.lots == (Lot(sign, Decimal(160)), Lot(sign * 2, Decimal(216)))
    flat = after_fill(after, fill(3, "250", side.other))
    profit = sign * (3 * 250 - 672 + cash)
    assert flat.realized_amount == flat.realized_fifo_amount == profit


trades = st.lists(
    st.tuples(
        st.sampled_from([BUY, SELL]),
        st.integers(1, 30),
        st.decimals("1", "500", places=2),
    ),
    max_size=25,
)


@given(trades)
def test_positions_are_shares_counted_one_by_one(trades: list[tuple[Side, int, Decimal]]) -> None:
    position = held(*(fill(quantity, str(price), side) for side, quantity, price in trades))
    shares: list[tuple[int, Decimal]] = []
    realized = Decimal(0)
    for side, quantity, price in trades:
        for _ in range(quantity):
            if shares and shares[0][0] != side.sign:
                sign, bought = shares.pop(0)
                realized += (price - bought) * sign
            else:
                shares.append((side.sign, price))
    assert position.quantity == sum(sign for sign, _ in shares)
    assert position.realized_fifo_amount == realized
    assert sum(lot.quantity for lot in position.lots) == position.quantity
    # cash plus positions is the same money under either cost basis
    cash = -sum(side.sign * quantity * price for side, quantity, price in trades)
    last = Decimal(250)
    assert cash + position.quantity * last == pytest.approx(
        position.realized_amount + position.unrealized_amount(last)
    )
