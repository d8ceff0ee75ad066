"""
JSON answers with a symbol, an adjustment or an error beside the bars.

The shapes are those of the vendors' documentation.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from duckbourse.ingest import Outcome, identity
from tests.support.stores import Shop

DAYS = ("2024-01-02", "2024-01-03", "2024-01-04")
NAMES = ("open", "high", "low", "close", "volume")
BARS = [(100.5, 101.25, 99.75, 100.0, 1200.0), (100.0, 102.0, 99.5, 101.5, 3400.0)]
BARS.append((101.5, 101.75, 100.25, 100.75, 560.0))
EXPECTED = [(date.fromisoformat(day), *bar) for day, bar in zip(DAYS, BARS, strict=True)]
# midnight in New York
MILLIS = [1_704_171_600_000 + 86_400_000 * n for n in range(3)]
ADJUSTED = "its prices are adjusted for splits"


def short(stamps: list[Any], times: int = 1, **more: Any) -> list[dict[str, Any]]:
    """Return bars with one-letter keys."""
    return [
        {"t": at, **dict(zip("ohlcv", (v * times for v in bar), strict=True)), "n": 7, **more}
        for at, bar in zip(stamps, BARS, strict=True)
    ]


def long(day: str = "date", **more: Any) -> list[dict[str, Any]]:
    return [
        {day: at, **dict(zip(NAMES, bar, strict=True)), **more}
        for at, bar in zip(DAYS, BARS, strict=True)
    ]


def polygon(symbol: str, times: int = 1, adjusted: bool = True) -> dict[str, Any]:
    results = short(MILLIS, times)
    return {"ticker": symbol, "status": "DELAYED", "adjusted": adjusted, "results": results}


def alpaca(times: int = 1) -> list[dict[str, Any]]:
    return short([f"{day}T05:00:00Z" for day in DAYS], times, vw=1.5)


def yahoo(symbol: str) -> dict[str, Any]:
    columns: dict[str, list[Any]] = {n: [bar[at] for bar in BARS] for at, n in enumerate(NAMES)}
    # a day without a trade
    columns = {name: [*values[:1], None, *values[1:]] for name, values in columns.items()}
    result = {
        "meta": {"currency": "USD", "symbol": symbol, "exchangeTimezoneName": "America/New_York"},
        "timestamp": [1_704_205_800 + at for at in (0, 40_000, 86_400, 172_800)],
        "indicators": {
            "quote": [columns],
            "adjclose": [{"adjclose": [9.5, None, 9.6, 9.7]}],
        },
    }
    return {"chart": {"result": [result], "error": None}}


def alpha_vantage(symbol: str) -> dict[str, Any]:
    series = {
        day: {
            f"{at}. {name}": f"{v:.4f}"
            for at, (name, v) in enumerate(zip(NAMES, bar, strict=True), 1)
        }
        for day, bar in zip(DAYS, BARS, strict=True)
    }
    return {
        "Meta Data": {"1. Information": "Daily Prices", "2. Symbol": symbol},
        "Time Series (Daily)": dict(reversed(series.items())),
    }


ANSWERS: dict[str, tuple[Any, str, str]] = {
    "Polygon": (polygon("AAPL"), "AAPL", "its ticker"),
    "Twelve Data": (
        {
            "meta": {"symbol": "AAPL", "interval": "1day"},
            "values": long("datetime")[::-1],
            "status": "ok",
        },
        *("AAPL", "its symbol"),
    ),
    "FMP": ({"symbol": "AAPL", "historical": long(label="x", vwap=1)}, "AAPL", "its symbol"),
    "Alpha Vantage": (alpha_vantage("AAPL"), "AAPL", "its 2. Symbol"),
    "Yahoo": (yahoo("AAPL"), "AAPL", "its symbol"),
    "Alpaca": (
        {"bars": alpaca(), "symbol": "AAPL", "next_page_token": None},
        *("AAPL", "its symbol"),
    ),
    "Alpaca, by symbol": (
        {"bars": {"AAPL": alpaca()}, "next_page_token": None},
        *("AAPL", "its key in bars"),
    ),
}


@pytest.mark.parametrize(("document", "symbol", "origin"), ANSWERS.values(), ids=ANSWERS)
def test_the_symbol_beside_the_bars_is_used(
    shop: Shop, document: Any, symbol: str, origin: str
) -> None:
    path = shop.file("day_bars.json", json.dumps(document))
    report = shop.deliver(path, calendar="XNYS")
    assert (report.kind, report.symbol, report.symbol_from) == ("daily", symbol, origin)
    fields = "session_date, open, high, low, close, volume"
    assert shop.rows("daily", f"symbol, {fields}") == [(symbol, *row) for row in EXPECTED]
    refused = shop.refuse(path, calendar="XNYS", symbol="MSFT")
    assert (
        f"day_bars.json has the symbol {symbol} according to {origin}, not MSFT" in refused.notes[0]
    )
    assert shop.deliver(path, calendar="XNYS", symbol=f"{symbol}.US", source="s").rows_kept == 3


def test_two_files_of_one_name_are_two_symbols(shop: Shop) -> None:
    paths = [
        shop.file(f"{symbol}/day_bars.json", json.dumps(polygon(symbol, times)))
        for symbol, times in (("AAPL", 1), ("MSFT", 2))
    ]
    reports = shop.run(*paths, calendar="XNYS")
    assert [(one.outcome, one.rows_revised) for one in reports] == [(Outcome.DELIVERED, 0)] * 2
    assert shop.rows("daily", "count(*), sum(close)") == [(6, 3 * sum(bar[3] for bar in BARS))]
    assert shop.rows("daily", "distinct symbol") == [("AAPL",), ("MSFT",)]


def test_the_seed_may_rename_a_stated_symbol(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    path = shop.file("x.json", json.dumps(polygon("AAPL")))
    remedy = shop.refuse(path, calendar="XNYS", symbol="APPLE", source="poly").remedy
    line = remedy.split("the line ")[1].split(" to ")[0]
    seed = shop.file("vendor_symbols.csv", f"source,vendor_symbol,symbol\n{line}\n")
    monkeypatch.setattr(identity, "VENDOR_SYMBOLS", seed)
    shop.deliver(path, calendar="XNYS", source="poly")
    assert shop.rows("daily", "distinct symbol") == [("APPLE",)]


def test_many_symbols_in_one_answer(shop: Shop) -> None:
    bars = {"MSFT": alpaca(2), "AAPL": alpaca()}
    path = shop.file("data.json", json.dumps({"bars": bars, "next_page_token": None}))
    report = shop.deliver(path, calendar="XNYS")
    assert (report.symbol, report.symbol_count, report.rows_kept) == (None, 2, 6)
    assert shop.rows("daily", "symbol, close") == [
        *(("AAPL", close) for close in sorted(bar[3] for bar in BARS)),
        *(("MSFT", 2 * close) for close in sorted(bar[3] for bar in BARS)),
    ]


def test_a_day_of_all_symbols_has_a_symbol_per_row(shop: Shop) -> None:
    results = [
        {**short(MILLIS[:1] * 3, times)[0], "T": symbol}
        for symbol, times in (("AAPL", 1), ("MSFT", 2))
    ]
    path = shop.file("grouped.json", json.dumps({"status": "OK", "results": results}))
    shop.deliver(path, calendar="XNYS", kind="daily")
    assert shop.rows("daily", "symbol, session_date, close") == [
        ("AAPL", date(2024, 1, 2), 100.0),
        ("MSFT", date(2024, 1, 2), 200.0),
    ]


# ---- errors

KRAKEN = [
    [at, *(f"{v:.2f}" for v in bar[:4]), "100.1", f"{bar[4]}", 345]
    for at, bar in zip((1_704_153_600, 1_704_240_000, 1_704_326_400), BARS, strict=True)
]
FINE: dict[str, dict[str, Any]] = {
    "an empty list": {"error": []},
    "no text": {"error": ""},
    "null": {"error": None},
    "false": {"error": False},
    "200": {"code": 200, "message": "success"},
    "a status of 200": {"status": 200, "errors": []},
    "a word of its own": {"status": "DELAYED"},
    "another": {"status": "complete", "error": {}},
}


@pytest.mark.parametrize("fine", FINE.values(), ids=FINE)
def test_answers_that_are_not_errors(shop: Shop, fine: dict[str, Any]) -> None:
    path = shop.file("T.json", json.dumps({**fine, "data": long()}))
    assert shop.deliver(path, calendar="XNYS").rows_kept == 3
    nothing = shop.refuse(shop.file("U.json", json.dumps({**fine, "data": {"orders": 1}})))
    if fine.get("status") != "complete":
        assert "JSON of an unknown shape" in nothing.notes[0]


def test_kraken(shop: Shop) -> None:
    document = {"error": [], "result": {"XXBTZUSD": KRAKEN, "last": 1_704_326_400}}
    report = shop.deliver(shop.file("kraken.json", json.dumps(document)))
    assert (report.symbol, report.calendar) == ("XXBTZUSD", "ALWAYS")
    assert shop.rows("daily", "session_date, open, high, low, close, volume") == EXPECTED
    error = shop.file("kraken.json", json.dumps({"error": ["EQuery:Unknown asset pair"]}))
    assert shop.refuse(error).notes == (
        "kraken.json is a vendor's error: EQuery:Unknown asset pair",
    )


def test_an_answer_without_bars_says_why(shop: Shop) -> None:
    document = {"code": "50011", "msg": "Too many requests", "data": []}
    report = shop.refuse(shop.file("T.json", json.dumps(document)))
    assert report.notes == ("T.json is a vendor's error: Too many requests (50011)",)


# ---- formatting

LINES = "\n".join(map(json.dumps, long()))
WRITTEN = {
    "a mark before it": "\ufeff" + json.dumps(long()),
    "an object in each line": LINES,
    "an object in each line, as Windows writes it": "\ufeff" + LINES.replace("\n", "\r\n\r\n"),
    "a list in each line": "\n".join(json.dumps([*row.values()]) for row in long()),
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_how_json_is_written(shop: Shop, text: str) -> None:
    shop.deliver(shop.file("T.json", text), calendar="XNYS")
    assert shop.rows("daily", "session_date, open, high, low, close, volume") == EXPECTED


def test_one_object_in_one_line(shop: Shop) -> None:
    shop.deliver(shop.file("T.json", LINES.split("\n")[0]), calendar="XNYS", kind="daily")
    assert shop.rows("daily", "session_date, open, high, low, close, volume") == EXPECTED[:1]


def test_lines_that_are_cut_short_are_named(shop: Shop) -> None:
    report = shop.refuse(shop.file("T.json", LINES[:-9]), calendar="XNYS")
    assert report.notes == ("T.json is not JSON: line 3 is not",)


def test_objects_keyed_by_date(shop: Shop) -> None:
    document = {day.pop("date"): day for day in long()}
    shop.deliver(shop.file("T.json", json.dumps(document)), calendar="XNYS")
    assert shop.rows("daily", "session_date, open, high, low, close, volume") == EXPECTED


# ---- adjusted


@pytest.mark.parametrize(
    ("document", "is_reported"),
    [(polygon("A"), True), (polygon("A", adjusted=False), False), (yahoo("A"), True)],
    ids=["adjusted", "unadjusted", "Yahoo"],
)
def test_adjusted_bars_are_noted(shop: Shop, document: Any, is_reported: bool) -> None:
    report = shop.deliver(shop.file("T.json", json.dumps(document)), calendar="XNYS")
    notes = [note for note in report.notes if ADJUSTED in note]
    assert len(notes) == is_reported
    assert all("corporate_actions.csv" in note for note in notes)


def test_the_adjusted_closes_of_a_chart_are_those_for_dividends_too(shop: Shop) -> None:
    path = shop.file("T.json", json.dumps(yahoo("A")))
    shop.deliver(path, calendar="XNYS", kind="adjusted_close")
    assert shop.rows("adjusted_close", "adjusted_close") == [(9.5,), (9.6,), (9.7,)]


HISTORY = "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits"


@pytest.mark.parametrize(
    ("header", "is_reported"), [(HISTORY, True), (HISTORY.replace("Volume", "Adj Close"), False)]
)
def test_a_history_without_adjusted_closes_is_adjusted(
    shop: Shop, tmp_path: Path, header: str, is_reported: bool
) -> None:
    report = shop.deliver(
        shop.csv("T.csv", ["2024-01-02,1,2,1,2,5,0.0,0.0"], header), calendar="XNYS"
    )
    assert any("adjusted for splits and dividends" in note for note in report.notes) == is_reported
