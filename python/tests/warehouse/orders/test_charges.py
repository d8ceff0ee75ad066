"""The charges of an order are those of the macro, row by row of the schedule."""

from __future__ import annotations

import random
from datetime import date
from decimal import Decimal

import duckdb
import pytest

from duckbourse.orders.charges import charges_on, order_charges
from duckbourse.orders.order import Side
from tests.support.charges import SEED, rows, schedule
from tests.support.warehouse import Warehouse

FILLS = """
select
    fills.number,
    {{ total_charges(fill_charges('buy', 'fills.quantity', 'fills.price', 'schedule')) }} as bought,
    {{ total_charges(fill_charges('sell', 'fills.quantity', 'fills.price', 'schedule')) }} as sold
from fills
inner join schedule using (segment, effective_from)
"""


def test_charges_are_the_macros(sample: Warehouse) -> None:
    draw = random.Random(1)
    fills = [
        (number, row["segment"], row["effective_from"], draw.randint(1, 9_999), price)
        for number, row in enumerate(rows() * 20)
        for price in [round(draw.uniform(1, 5_000), 2)]
    ]
    compiled = sample.inline(FILLS)
    with duckdb.connect() as connection:
        connection.execute(f"create table schedule as from read_csv('{SEED}')")
        connection.execute(
            "create table fills (number int, segment text, effective_from date, quantity bigint,"
            " price decimal(18, 6))"
        )
        connection.executemany("insert into fills values (?, ?, ?, ?, ?)", fills)
        wanted = {
            number: (bought, sold)
            for number, bought, sold in connection.execute(compiled).fetchall()
        }
    assert len(wanted) == len(fills)
    for number, segment, day, quantity, price in fills:
        rates = charges_on(schedule(str(segment)), date.fromisoformat(str(day)))
        assert rates is not None
        for side, total in zip((Side.BUY, Side.SELL), wanted[number], strict=True):
            found = order_charges(rates, side, quantity, quantity * Decimal(str(price)))
            # a rate is a double there: half of the last digit may fall to either side
            assert abs(found - total) <= Decimal("0.0002"), (segment, day, quantity, price)


def test_published_round_trip() -> None:
    """One lakh bought and 1.005 lakh sold within the day: 82.82, by the spec's table of rates."""
    rates = charges_on(schedule("nse_intraday"), date(2026, 11, 1))
    assert rates is not None
    bought = order_charges(rates, Side.BUY, 100, Decimal(100_000))
    sold = order_charges(rates, Side.SELL, 100, Decimal(100_500))
    assert float(bought + sold) == pytest.approx(82.82, abs=0.01)


def test_before_the_first_row_there_are_none() -> None:
    assert charges_on(schedule("nse_intraday"), date(1999, 1, 1)) is None
