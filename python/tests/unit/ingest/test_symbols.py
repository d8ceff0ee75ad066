"""The symbol in a file's name, without dates, ranges and intervals at its ends."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duckbourse.ingest.inference.symbols import infer_symbol
from tests.support.stores import HEADER, Shop

NAMES = {
    "RELIANCE_2020-10-01_to_2025-09-30": "RELIANCE",
    "FILUSDT-1m-2024-09": "FILUSDT",
    "BTCUSDT-1m-2024-12-31": "BTCUSDT",
    "AAPL_daily": "AAPL",
    "daily_adjusted_IBM": "IBM",
    "weekly_adjusted_BRK-B": "BRK-B",
    "daily_IBM": "IBM",
    "intraday_5min_IBM": "IBM",
    "IBM_daily_adjusted": "IBM",
    "TCS.NS": "TCS.NS",
    "TCS.NS_1d": "TCS.NS",
    "NIFTY 50_minute": "NIFTY 50",
    "NIFTY_50_minute": "NIFTY_50",
    "Binance_ETHUSDT_minute": "Binance_ETHUSDT",
    "gemini_BTCUSD_2020_1min": "gemini_BTCUSD",
    "20240102_AAPL": "AAPL",
    "EURUSD_M1_202001020000_202012312359": "EURUSD",
    "AAPL_1704153600_1735689600": "AAPL",
    "AAPL_5y_1d": "AAPL",
    "AAPL_1_min": "AAPL",
    "AAPL-1-min": "AAPL",
    "SBIN (daily)": "SBIN",
    "NSE_RELIANCE, 1D": "NSE_RELIANCE",
    "RELIANCE-EQ-01-01-2023-to-31-12-2023": "RELIANCE-EQ",
    "TCS_02-Jan-2024": "TCS",
    "MSFT_2020-2024": "MSFT",
    # parts of a symbol that look like one of these
    "RUSSELL 2000": "RUSSELL 2000",
    "CAC 40": "CAC 40",
    "BRK-B": "BRK-B",
    "M&M": "M&M",
    "BAJAJ-AUTO": "BAJAJ-AUTO",
    "20MICRONS": "20MICRONS",
    "63MOONS": "63MOONS",
    "NIFTY24JANFUT": "NIFTY24JANFUT",
    "NIFTY_FUT_25JAN2024": "NIFTY_FUT_25JAN2024",
    "4063-T-1d-bad-div": "4063-T-1d-bad-div",
    # nothing would remain
    "DAY": "DAY",
    "3M": "3M",
    # words that may be symbols in capitals, or with other words
    "DATA": "DATA",
    "PRICE": "PRICE",
    "data.us": "data.us",
    "Binance_ETHUSDT": "Binance_ETHUSDT",
    "500325": "500325",
}
NO_SYMBOLS = (
    *("2024-01-02", "20240102", "1m", "daily", "day", "bars", "day_bars", "bars_1m", "data"),
    *("history", "history_2024", "historical-data", "HistoricalData_1704153600", "download (1)"),
    *("prices 2020-01-01 to 2024-12-31", "chart", "yahoo_chart", "kite_js_day", "ohlcv-1d"),
    *("Download Data", "time_series_daily", "aggs", "klines_all", "stocks"),
)


@pytest.mark.parametrize("name", NAMES)
def test_the_symbol_in_a_name(name: str) -> None:
    assert infer_symbol(name) == NAMES[name]


@pytest.mark.parametrize("name", NO_SYMBOLS)
def test_generic_words_are_not_symbols(name: str) -> None:
    assert infer_symbol(name) is None


DAYS = st.dates(date(1990, 1, 1), date(2039, 12, 31))


@given(
    st.sampled_from(["RELIANCE", "TCS.NS", "BRK-B", "M&M", "ETH_USDT", "NIFTY 50"]),
    st.tuples(DAYS, DAYS),
    st.sampled_from(["", "_1m", "-1d", " minute", "_daily", "_15min"]),
    st.sampled_from(["%Y-%m-%d", "%Y%m%d", "%d-%m-%Y"]),
    st.sampled_from(["_", "_to_", "-to-", " - "]),
)
def test_no_range_or_interval_is_part_of_it(
    symbol: str, days: tuple[date, date], interval: str, form: str, between: str
) -> None:
    span = between.join(day.strftime(form) for day in days)
    assert infer_symbol(f"{symbol}{interval}_{span}") == symbol
    assert infer_symbol(f"{symbol}_{span}{interval}") == symbol
    assert infer_symbol(f"{span}_{symbol}{interval}") == symbol


def file_of(shop: Shop, name: str) -> Path:
    return shop.csv(f"{name}.csv", ["2024-01-02,1,2,1,2,5", "2024-01-03,1,2,1,2,5"], HEADER)


def test_a_file_without_a_symbol_is_asked_about(shop: Shop) -> None:
    path = file_of(shop, "history")
    report = shop.refuse(path, calendar="XNYS")
    assert report.notes == ("history.csv: it has no symbol, and 'history' is not one",)
    assert report.remedy.startswith("pass --symbol")
    assert shop.deliver(path, calendar="XNYS", symbol="IBM").symbol == "IBM"
    assert shop.deliver(file_of(shop, "history_MSFT"), calendar="XNYS").symbol == "history_MSFT"


def test_the_symbol_and_its_origin_are_reported(shop: Shop) -> None:
    path = file_of(shop, "RELIANCE_2020-10-01_to_2025-09-30")
    report = shop.deliver(path, calendar="XNSE")
    assert (report.symbol, report.symbol_from) == ("RELIANCE", "the file's name")
    assert shop.rows("daily", "distinct symbol") == [("RELIANCE",)]
    report = shop.deliver(path, calendar="XNSE", symbol="RIL")
    assert (report.symbol, report.symbol_from) == ("RIL", "as stated")


def test_a_pattern_finds_a_symbol_that_the_rule_does_not(shop: Shop) -> None:
    mapping = shop.file("m.toml", "symbol_pattern = '^[^_]+_(?P<symbol>[A-Z]+)_'")
    path = file_of(shop, "Binance_ETHUSDT_minute")
    report = shop.deliver(path, calendar="XNYS", mapping=mapping)
    assert (report.symbol, report.symbol_from) == ("ETHUSDT", "symbol_pattern")
    refused = shop.refuse(file_of(shop, "ethusdt"), calendar="XNYS", mapping=mapping)
    assert "finds no symbol in 'ethusdt'" in refused.notes[0]


def test_a_symbol_column_takes_precedence(shop: Shop) -> None:
    path = shop.csv("X_2024.csv", ["A,2024-01-02,1,2,1,2,5"], f"symbol,{HEADER}")
    report = shop.deliver(path, calendar="XNYS")
    assert (report.symbol, report.symbol_from) == (None, None)
    assert shop.rows("daily", "symbol") == [("A",)]
    assert json.dumps(report.columns_missed) == "{}"


@pytest.mark.parametrize("end", ["\t", " ", "\u00a0", "\u200b", "\ufeff"], ids=ascii)
def test_invisible_characters_make_no_other_symbol(shop: Shop, end: str) -> None:
    rows = [f"ACME{end},EQ{end},2024-01-02,1,2,1,2,5", "ACME,EQ,2024-01-03,1,2,1,2,5"]
    file = shop.csv("x.csv", rows, "symbol,series,date,open,high,low,close,volume")
    assert shop.deliver(file, calendar="XNSE").symbol_count == 1
    assert shop.rows("daily", "distinct symbol") == [("ACME",)]


def test_blanks_around_a_symbol_that_is_stated_or_named(shop: Shop) -> None:
    for name, stated in (("x.csv", {"symbol": "ACME\t"}), ("ACME .csv", {"source": "v"})):
        shop.deliver(shop.csv(name, ["2024-01-02,1,2,1,2,5"]), calendar="XNYS", **stated)
    assert shop.rows("daily", "distinct symbol") == [("ACME",)]
