"""Prices counted in small fractions of a currency, and genuinely large prices."""

from __future__ import annotations

import pytest

from tests.support.stores import Shop

DATABENTO = "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol"
# 2020-01-02 and 2020-01-03, midnight in UTC
DAYS = (1_577_923_200_000_000_000, 1_578_009_600_000_000_000)
WON = [f"2024-01-0{day},148123000,149004000,147900000,148{day}51000,12.5" for day in (1, 2, 3)]
DONG = [f"2024-01-0{day},2500000000,2600000000,2400000000,2550000000,12.5" for day in (1, 2, 3)]


def databento(*symbols: tuple[str, int]) -> str:
    rows = [
        f"{day},35,2,38,{close},{close + 10**7},{close - 10**7},{close},1000,{symbol}"
        for symbol, close in symbols
        for day in DAYS
    ]
    return "\n".join([DATABENTO, *rows])


@pytest.mark.parametrize(
    "close", [89_100_000_000, 90_177_064_220, 1_230_000_000, 123_400_000], ids=str
)
def test_prices_in_billionths_are_asked_for_and_then_scaled(shop: Shop, close: int) -> None:
    # beside it a stock at five cents, whose count looks like a price
    file = shop.file("d.csv", databento(("PENNY", 50_000_000), ("ZDB", close)))
    refused = shop.refuse(file, calendar="XNYS")
    assert f"{close} of ZDB" in refused.notes[0]
    assert "--price-scale 1e-9 (in a mapping price_scale = 1e-9)" in refused.remedy
    assert f"if {close} is {close / 1e9:.12g}, or --price-scale 1 if" in refused.remedy
    shop.deliver(file, calendar="XNYS", price_scale=1e-9)
    # each is the nearest double to its decimals, and the volume is unchanged
    assert shop.rows("daily", "distinct symbol, close, high, volume") == [
        ("PENNY", 0.05, 0.06, 1000),
        ("ZDB", float(f"{close}e-9"), float(f"{close + 10**7}e-9"), 1000),
    ]
    dates = shop.rows("daily", "distinct session_date::varchar")
    assert dates == [("2020-01-02",), ("2020-01-03",)]


def test_a_mapping_scales_prices_and_an_adjusted_close(shop: Shop) -> None:
    mapping = shop.file("m.toml", "price_scale = 0.01\ncalendar = 'XNYS'")
    shop.deliver(shop.csv("PENCE.csv", ["2024-01-02,6812,6890,6701,6849,5"]), mapping=mapping)
    assert shop.rows("daily", "open, high, low, close, volume") == [(68.12, 68.9, 67.01, 68.49, 5)]
    closes = shop.csv("ADJ.csv", ["2024-01-02,6849"], "date,adj_close")
    shop.deliver(closes, mapping=mapping)
    assert shop.rows("adjusted_close", "adjusted_close") == [(68.49,)]


def test_large_prices_in_a_currency_of_small_units_are_accepted(shop: Shop) -> None:
    shop.deliver(shop.csv("BTCKRW.csv", WON), calendar="ALWAYS")
    dong = shop.csv("BTCVND.csv", DONG)
    assert "BTCVND" in shop.refuse(dong, calendar="ALWAYS").notes[0]
    shop.deliver(dong, calendar="ALWAYS", price_scale=1)
    assert shop.rows("daily", "max(close)") == [(2_550_000_000,)]
    # with one fractional price, they are not counts
    shop.deliver(shop.csv("IDR.csv", [*DONG, "2024-01-04,0.5,0.5,0.5,0.5,1"]), calendar="ALWAYS")
