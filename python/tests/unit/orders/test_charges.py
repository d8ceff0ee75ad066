"""Charges of single orders, worked by hand from the seed's rates."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from duckbourse.orders.charges import charges_on, order_charges
from duckbourse.orders.order import Side
from tests.support.charges import schedule


def charges(segment: str, day: date, side: Side, quantity: int, amount: int) -> Decimal:
    rates = charges_on(schedule(segment), day)
    assert rates is not None
    return order_charges(rates, side, quantity, Decimal(amount))


@pytest.mark.parametrize(
    ("segment", "day", "side", "quantity", "amount", "wanted"),
    [
        # brokerage 0.03% of 50,000 = 15, exchange 0.00307% = 1.535, SEBI 0.0001% = 0.05, GST of
        # these 18% = 2.9853, stamp duty 0.003% = 1.50, rounded to 2
        ("nse_intraday", date(2024, 11, 1), Side.BUY, 50, 50_000, "21.5703"),
        # no stamp duty; STT 0.025% of 50,000 = 12.50, rounded to 13
        ("nse_intraday", date(2024, 11, 1), Side.SELL, 50, 50_000, "32.5703"),
        # brokerage is 20 at most: 0.03% would be 300; 30.7 + 1 + 18% of 51.7 + 30
        ("nse_intraday", date(2024, 11, 1), Side.BUY, 500, 1_000_000, "91.0060"),
        # in January 2021 the exchange took 0.00345% and SEBI 0.00005%
        ("nse_intraday", date(2021, 1, 1), Side.BUY, 50, 50_000, "21.7650"),
        # delivery: STT 0.1% = 50, exchange 1.535, SEBI 0.05, GST 0.2853, depository 15.34
        ("nse_delivery", date(2024, 11, 1), Side.SELL, 50, 50_000, "67.2103"),
        # delivery: STT 50, exchange, SEBI and GST as above, stamp duty 0.015% = 7.50, rounded to 8
        ("nse_delivery", date(2024, 11, 1), Side.BUY, 50, 50_000, "59.8703"),
        # SEC 0.00127% of 1,000,000 = 12.70; FINRA 0.000075 a share, at most 3.75
        ("us_equity", date(2010, 2, 1), Side.SELL, 10_000, 1_000_000, "13.4500"),
        ("us_equity", date(2010, 2, 1), Side.SELL, 100_000, 1_000_000, "16.4500"),
        ("us_equity", date(2010, 2, 1), Side.BUY, 10_000, 1_000_000, "0"),
    ],
)
def test_charges_by_hand(
    segment: str, day: date, side: Side, quantity: int, amount: int, wanted: str
) -> None:
    assert charges(segment, day, side, quantity, amount) == Decimal(wanted)


def test_there_are_no_charges_before_the_first_rates() -> None:
    assert charges_on(schedule("us_equity"), date(1990, 1, 1)) is None
