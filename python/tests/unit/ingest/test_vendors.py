"""
Documents of brokers, exchanges and pandas: a small one of each, with its values.

The shapes are those of the vendors' documentation: Zerodha's and Upstox' historical candles,
SmartAPI's getCandleData, Fyers' and Dhan's history, ccxt's fetchOHLCV, Binance's, OKX' and Bybit's
klines, yfinance's to_csv, TradingView's data feeds.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.stores import Shop

BARS = [(100.5, 101.25, 99.75, 100.0, 1200.0), (100.0, 102.0, 99.5, 101.5, 3400.0)]
BARS.append((101.5, 101.75, 100.25, 100.75, 560.0))
NINE_FIFTEEN = datetime(2024, 1, 2, 9, 15)
MINUTES = [NINE_FIFTEEN + timedelta(minutes=n) for n in range(3)]
IST = [at.isoformat() + "+05:30" for at in MINUTES]
# 09:15 in India is 03:45 in UTC
SECONDS = [
    int((at - timedelta(hours=5, minutes=30)).replace(tzinfo=UTC).timestamp()) for at in MINUTES
]
MILLIS = [1000 * second for second in SECONDS]
UTC_MINUTES = [at - timedelta(hours=5, minutes=30) for at in MINUTES]


def lists(stamps: list[Any], *more: Any, text: bool = False) -> list[list[Any]]:
    bars: list[list[Any]] = [[f"{v:.2f}" if text else v for v in bar] for bar in BARS]
    return [[stamp, *bar, *more] for stamp, bar in zip(stamps, bars, strict=True)]


KLINES = [
    [start, *bar, start + 59_999, "120600.00", 31, "600.00", "60300.00", "0"]
    for start, bar in zip(MILLIS, ([f"{v:.8f}" for v in bar] for bar in BARS), strict=True)
]
COLUMNS = {
    name: [bar[at] for bar in BARS]
    for at, name in enumerate(("open", "high", "low", "close", "volume"))
}

DOCUMENTS: dict[str, tuple[Any, dict[str, str]]] = {
    "Kite": (
        {
            "status": "success",
            "data": {"candles": lists([t.replace("+05:30", "+0530") for t in IST], 0)},
        },
        {},
    ),
    "Upstox, newest first": ({"status": "success", "data": {"candles": lists(IST, 0)[::-1]}}, {}),
    "Angel One": ({"status": True, "message": "SUCCESS", "errorcode": "", "data": lists(IST)}, {}),
    "Fyers": ({"s": "ok", "candles": lists(SECONDS)}, {}),
    "Dhan": ({**COLUMNS, "timestamp": [float(second) for second in SECONDS]}, {}),
    "Dhan's first API": (
        {"status": "success", "remarks": "", "data": {**COLUMNS, "start_Time": SECONDS}},
        {},
    ),
    "TradingView's feeds": (
        {"s": "ok", "t": SECONDS, **{name[0]: values for name, values in COLUMNS.items()}},
        {"calendar": "XNSE", "bar_label": "start"},
    ),
    "ccxt": (lists(MILLIS), {"calendar": "XNSE"}),
    "Binance": (KLINES, {"calendar": "XNSE"}),
    "OKX": (
        {
            "code": "0",
            "msg": "",
            "data": lists(list(map(str, MILLIS)), "1", "1", "1", text=True)[::-1],
        },
        {"calendar": "XNSE"},
    ),
    "Bybit": (
        {
            "retCode": 0,
            "retMsg": "OK",
            "result": {"list": lists(list(map(str, MILLIS)), "1", text=True)[::-1]},
        },
        {"calendar": "XNSE"},
    ),
    "Polygon": (
        {
            "status": "OK",
            "results": [
                {"v": b[4], "o": b[0], "c": b[3], "h": b[1], "l": b[2], "t": t, "n": 7}
                for t, b in zip(MILLIS, BARS, strict=True)
            ],
        },
        {"calendar": "XNSE", "bar_label": "start"},
    ),
}


@pytest.mark.parametrize(("document", "stated"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_documents(shop: Shop, document: Any, stated: dict[str, str]) -> None:
    report = shop.deliver(shop.file("SBIN.json", json.dumps(document)), **stated)
    assert (report.kind, report.calendar, report.bar_label) == ("minute", "XNSE", "start")
    assert shop.rows("minute", "symbol, bar_ts, open, high, low, close, volume") == [
        ("SBIN", at, *bar) for at, bar in zip(MINUTES, BARS, strict=True)
    ]
    assert report.columns_missed == {}


@pytest.mark.parametrize("nothing", [None, []])
def test_an_array_that_a_vendor_leaves_out(shop: Shop, nothing: list[float] | None) -> None:
    """Such as the volume of an index; bars without a close are useless."""
    whole, stated = DOCUMENTS["TradingView's feeds"]
    shop.deliver(shop.file("I.json", json.dumps({**whole, "v": nothing})), **stated)
    assert shop.rows("minute", "open, close, volume", "bar_ts") == [
        (bar[0], bar[3], None) for bar in BARS
    ]
    report = shop.refuse(shop.file("J.json", json.dumps({**whole, "c": nothing})), **stated)
    assert report.notes[0].startswith("J.json has no close; its columns are ")


@pytest.mark.parametrize("other", [5, "no_data", {"a": 1}])
def test_a_value_that_is_not_an_array_beside_arrays_is_refused(shop: Shop, other: object) -> None:
    whole, stated = DOCUMENTS["TradingView's feeds"]
    report = shop.refuse(shop.file("J.json", json.dumps({**whole, "v": other})), **stated)
    assert report.notes == ("J.json: v should be an array of the same length as t",)


def test_binance_is_open_all_day_and_its_stamps_are_openings(shop: Shop) -> None:
    report = shop.deliver(shop.file("ETHUSDT-1m-2024-01.json", json.dumps(KLINES)))
    assert (report.symbol, report.calendar, report.bar_label) == ("ETHUSDT", "ALWAYS", "start")
    assert [at for (at,) in shop.rows("minute", "bar_ts")] == UTC_MINUTES


ERRORS: dict[str, tuple[Any, str]] = {
    "Dhan": (
        {
            "errorType": "Invalid_Authentication",
            "errorCode": "DH-901",
            "errorMessage": "Token expired",
        },
        "Token expired (DH-901)",
    ),
    "Dhan's client": (
        {
            "status": "failure",
            "data": "",
            "remarks": {"error_code": "DH-905", "error_message": "Bad input"},
        },
        "Bad input (DH-905)",
    ),
    "Dhan's client, in words": ({"status": "failure", "remarks": "no data", "data": ""}, "no data"),
    "Angel One": (
        {"status": False, "message": "Something Went Wrong", "errorcode": "AB1004", "data": None},
        "Something Went Wrong (AB1004)",
    ),
    "Angel One, another": (
        {"success": False, "message": "Invalid API Key", "errorCode": "AG8004", "data": ""},
        "Invalid API Key (AG8004)",
    ),
    "Upstox": (
        {"status": "error", "errors": [{"errorCode": "UDAPI100011", "message": "Invalid key"}]},
        "Invalid key (UDAPI100011)",
    ),
    "Fyers": ({"s": "error", "code": -300, "message": "Invalid symbol"}, "Invalid symbol (-300)"),
    "Fyers without bars": ({"s": "no_data", "candles": []}, "no_data"),
    "Binance": ({"code": -1121, "msg": "Invalid symbol."}, "Invalid symbol. (-1121)"),
    "Alpha Vantage": ({"Note": "5 calls per minute"}, "5 calls per minute"),
}


@pytest.mark.parametrize(("document", "expected"), ERRORS.values(), ids=ERRORS)
def test_a_vendors_error_message_is_reported(shop: Shop, document: Any, expected: str) -> None:
    report = shop.refuse(shop.file("T.json", json.dumps(document)))
    assert report.notes == (f"T.json is a vendor's error: {expected}",)


@pytest.mark.parametrize(
    "order",
    [
        ["timestamp", "low", "high", "open", "close", "volume"],
        ["timestamp", "open", "close", "high", "low", "volume"],
    ],
    ids=["Coinbase", "Bitfinex"],
)
def test_another_order_of_the_same_six_fields_is_not_ccxt(shop: Shop, order: list[str]) -> None:
    own = [dict(zip(("timestamp", *COLUMNS), row, strict=True)) for row in lists(MILLIS)]
    path = shop.file("T.json", json.dumps([[row[name] for name in order] for row in own]))
    stated = {"calendar": "ALWAYS", "bar_label": "start"}
    report = shop.refuse(path, **stated)
    assert "the third is not the highest" in report.notes[0]
    assert report.remedy.endswith(f"names = {order}")
    mapping = shop.file("m.toml", f"names = {order}")
    shop.deliver(path, mapping=mapping, **stated)
    assert shop.rows("minute", "open, high, low, close, volume", "bar_ts") == BARS


# ---- yfinance

DAYS = [date(2024, 1, day) for day in (2, 3, 4)]
FIELDS = ("Adj Close", "Close", "High", "Low", "Open", "Volume")
OF = {"AAPL": 1, "MSFT": 2, "LOW": 3}  # a ticker with the name of a field


def value(field: str, day: int, times: int) -> str:
    opened, high, low, close, volume = BARS[day]
    of = dict(zip(FIELDS, (close, close, high, low, opened, volume), strict=True))
    return f"{of[field] * times}"


def stacked(tickers: list[str], by_ticker: bool, lines: int, reset: bool = False) -> str:
    pairs = (
        [(f, t) for t in tickers for f in FIELDS]
        if by_ticker
        else [(f, t) for f in FIELDS for t in tickers]
    )
    fields, symbols = [f for f, _ in pairs], [t for _, t in pairs]
    names = ["Ticker", "Price"] if by_ticker else ["Price", "Ticker"]
    if reset:  # reset_index, then to_csv(index=False)
        names = ["Date", ""]
    levels = [symbols, fields] if by_ticker else [fields, symbols]
    if lines == 2 and not reset:
        names = ["", ""]
    header = [",".join([name, *level]) for name, level in zip(names, levels, strict=True)]
    if lines == 3:
        header.append("Date" + "," * len(pairs))
    rows = [
        ",".join([str(day), *(value(f, at, OF[t]) for f, t in pairs)])
        for at, day in enumerate(DAYS)
    ]
    return "\n".join([*header, *rows])


@pytest.mark.parametrize("lines", [2, 3])
@pytest.mark.parametrize("by_ticker", [False, True], ids=["fields first", "tickers first"])
@pytest.mark.parametrize("tickers", [["AAPL"], ["AAPL", "MSFT", "LOW"]], ids=["one", "many"])
def test_yfinance(shop: Shop, tickers: list[str], by_ticker: bool, lines: int) -> None:
    report = shop.deliver(
        shop.file("prices.csv", stacked(tickers, by_ticker, lines)), calendar="XNYS"
    )
    check_wide(shop, tickers)
    assert report.symbol == ("AAPL" if tickers == ["AAPL"] else None)
    assert report.columns_left == ("Adj Close",)


def check_wide(shop: Shop, tickers: list[str]) -> None:
    assert shop.rows(
        "daily", "symbol, session_date, open, high, low, close, volume, source_row"
    ) == sorted(
        (ticker, day, *(number * OF[ticker] for number in BARS[at]), at + 1)
        for ticker in tickers
        for at, day in enumerate(DAYS)
    )


def test_yfinance_with_its_index_reset(shop: Shop) -> None:
    shop.deliver(
        shop.file("p.csv", stacked(["AAPL", "MSFT"], False, 2, reset=True)), calendar="XNYS"
    )
    check_wide(shop, ["AAPL", "MSFT"])


@pytest.mark.parametrize(
    "form", ["{field}_{ticker}", "{ticker}_{field}", "('{field}', '{ticker}')", "{ticker} {field}"]
)
def test_one_line_of_fields_and_tickers(shop: Shop, form: str) -> None:
    tickers = ["AAPL", "MSFT"]
    pairs = [(field, ticker) for field in FIELDS for ticker in tickers]
    header = ",".join(["Date", *('"' + form.format(field=f, ticker=t) + '"' for f, t in pairs)])
    text = "\n".join([header, *stacked(tickers, False, 3).splitlines()[3:]])
    shop.deliver(shop.file("p.csv", text), calendar="XNYS")
    check_wide(shop, tickers)


def test_wide_parquet(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    names = [(field, ticker) for field in FIELDS for ticker in ("AAPL", "MSFT")]
    with duckdb.connect() as con:
        fields = ", ".join(
            f"{value(f, at, OF[t])}::double as \"('{f}', '{t}')\"" for at in (0,) for f, t in names
        )
        con.execute(f"copy (select date '2024-01-02' as \"Date\", {fields}) to '{path}'")
    shop.deliver(path, calendar="XNYS")
    assert shop.rows("daily", "symbol, open, volume") == [
        ("AAPL", 100.5, 1200.0),
        ("MSFT", 201.0, 2400.0),
    ]


def test_a_day_on_which_only_another_symbol_traded_is_not_a_row(shop: Shop) -> None:
    lines = stacked(["AAPL", "MSFT"], False, 3).splitlines()
    day, *numbers = lines[4].split(",")
    lines[4] = ",".join([day, *("" if at % 2 else number for at, number in enumerate(numbers))])
    lines[5] = lines[5].replace("100.25", "x", 1)
    report = shop.deliver(
        shop.file("p.csv", "\n".join(lines)), calendar="XNYS", max_unreadable_pct=20
    )
    assert (report.rows_read, report.rows_kept) == (5, 4)
    assert shop.rows("daily", "symbol, source_row") == [
        ("AAPL", 1),
        ("AAPL", 2),
        ("MSFT", 1),
        ("MSFT", 3),
    ]
    [(row, rule, content)] = shop.rows("unreadable", "source_row, rule, content")
    assert (row, rule, json.loads(content)["symbol"]) == (3, "unreadable_low", "AAPL")
    assert report.unreadable[0].rows[0].line == 6


@pytest.mark.parametrize(
    "names", ["bid_open,bid_high,bid_low,bid_close", "BID_OPEN,BID_HIGH,BID_LOW,BID_CLOSE"]
)
def test_quote_fields_are_not_tickers(shop: Shop, names: str) -> None:
    path = shop.csv(
        "T.csv",
        ["2024-01-02,1,2,1,2,1,2,1,2"],
        f"date,{names},{names.lower().replace('bid', 'ask')}",
    )
    assert shop.refuse(path, calendar="XNYS").remedy


# ---- text

TEXTS: dict[str, tuple[str, str, list[tuple[Any, ...]]]] = {
    "Investing.com": (
        'Date","Price","Open","High","Low","Vol.","Change %',
        '01/{day:02d}/2024","100.00","100.5","101.25","99.75","1.20K","-0.5%',
        [],
    ),
    "Nasdaq": (
        "Date,Close/Last,Volume,Open,High,Low",
        "01/{day:02d}/2024,$100.00,1200,$100.50,$101.25,$99.75",
        [],
    ),
    "Barchart": (
        "Time,Open,High,Low,Last,Change,%Chg,Volume",
        "2024-01-{day:02d},100.5,101.25,99.75,100,1,+1%,1200",
        [],
    ),
}


@pytest.mark.parametrize(("header", "row", "_"), TEXTS.values(), ids=TEXTS)
def test_text(shop: Shop, header: str, row: str, _: object) -> None:
    quote = '"' if '"' in header else ""
    lines = [
        f"{quote}{line}{quote}" for line in (header, *(row.format(day=day) for day in (2, 3, 16)))
    ]
    shop.deliver(shop.file("T.csv", "\n".join(lines)), calendar="XNYS")
    assert shop.rows("daily", "session_date, open, high, low, close, volume") == [
        (date(2024, 1, day), *BARS[0]) for day in (2, 3, 16)
    ]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0.10M", 100_000),
        ("1.2K", 1_200),
        ("3.4B", 3.4e9),
        ("55.86m", 55_860_000),
        ("-", None),
        ("12", 12),
    ],
)
def test_powers_of_a_volume(shop: Shop, text: str, number: float | None) -> None:
    shop.deliver(shop.csv("T.csv", [f"2024-01-02,1,2,1,2,{text}"]), calendar="XNYS")
    assert shop.rows("daily", "volume") == [(number,)]


@pytest.mark.parametrize("gap", [" ", "  "])
@pytest.mark.parametrize(
    ("zone", "clock"), [("US/Eastern", "{:02d}:{:02d}"), ("America/Chicago", "{:02d}:{:02d}")]
)
def test_timestamps_followed_by_their_zone(shop: Shop, zone: str, clock: str, gap: str) -> None:
    late = 0 if zone == "US/Eastern" else 60
    ats = [divmod(9 * 60 + 30 - late + minute, 60) for minute in range(390)]
    rows = [f"20240102{gap}{clock.format(*at)}:00 {zone},1,2,1,2,5,1.5,7" for at in ats]
    path = shop.csv("IBM.csv", rows, "date,open,high,low,close,volume,average,barCount")
    report = shop.deliver(path)
    assert (report.calendar, report.bar_label) == ("XNYS", "start")
    assert shop.rows("minute", "min(bar_ts), max(bar_ts)") == [
        (datetime(2024, 1, 2, 9, 30), datetime(2024, 1, 2, 15, 59))
    ]


@pytest.mark.parametrize(
    ("name", "label"), [("open_time", "start"), ("Open Time", "start"), ("close_time", "end")]
)
def test_the_name_of_a_timestamp_column_gives_its_label(shop: Shop, name: str, label: str) -> None:
    rows = [f"2024-01-02 11:{minute:02d}:00,1,2,1,2,5" for minute in range(60)]
    report = shop.deliver(
        shop.csv("T.csv", rows, f"{name},open,high,low,close,volume"), calendar="XNSE"
    )
    assert report.bar_label == label
    assert f"minutes labeled by {label}: its column {name} says so" in report.notes


def test_hours_that_contradict_the_name_are_asked_about(shop: Shop) -> None:
    rows = [f"2024-01-02 {at // 60:02d}:{at % 60:02d}:00,1,2,1,2,5" for at in range(556, 931)]
    path = shop.csv("T.csv", rows, "open_time,open,high,low,close,volume")
    report = shop.deliver(path, calendar="XNSE")
    # 09:16 to 15:30 are ends, whatever the name of the column
    assert report.bar_label == "end"
