"""Each vendor format gives the same bars."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tarfile
import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import polars
import pytest

from duckbourse.ingest import Outcome
from tests.support.stores import HEADER, Shop

DAYS = ["2024-01-02", "2024-01-03", "2024-01-04"]
ROWS = [f"{day},10.5,11,10,10.75,1000" for day in DAYS]
BARS = [(date.fromisoformat(day), 10.5, 11.0, 10.0, 10.75, 1000.0) for day in DAYS]
BAR = "session_date, open, high, low, close, volume"

TEXTS = {
    "comma": "\n".join([HEADER, *ROWS]),
    "windows": "\r\n".join([HEADER, *ROWS]) + "\r\n",
    "byte order mark": "\ufeff" + "\n".join([HEADER, *ROWS]),
    "semicolon": "\n".join([HEADER, *ROWS]).replace(",", ";"),
    "tab": "\n".join([HEADER, *ROWS]).replace(",", "\t"),
    "quoted": "\n".join('"' + row.replace(",", '","') + '"' for row in [HEADER, *ROWS]),
    "blank lines": "\n\n" + "\n\n".join([HEADER, *ROWS]) + "\n\n",
    "comma at the end": "\n".join(row + "," for row in [HEADER, *ROWS]),
    "comma at the end of rows": "\n".join([HEADER, *(row + "," for row in ROWS)]),
    "spaces": "\n".join([HEADER, *ROWS]).replace(",", ", "),
    "index without a name": "\n".join([HEADER, *ROWS]).replace("date,", ","),
    "descending": "\n".join([HEADER, *reversed(ROWS)]),
    "yfinance": "\n".join(
        [
            "Price,Close,High,Low,Open,Volume",
            "Ticker,T,T,T,T,T",
            "Date,,,,,",
            *(f"{day},10.75,11,10,10.5,1000" for day in DAYS),
        ]
    ),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_text(shop: Shop, text: str, packed: bool) -> None:
    content = text.encode()
    path = shop.file("T.csv.gz", gzip.compress(content)) if packed else shop.file("T.csv", content)
    report = shop.deliver(path, calendar="XNYS")
    assert report.kind == "daily"
    assert report.rows_read == report.rows_kept == 3
    assert shop.rows("daily", f"symbol, {BAR}") == [("T", *bar) for bar in BARS]


@pytest.mark.parametrize(
    ("pattern", "stamps"),
    [
        ("ISO", ["2024-01-02", "2024-01-03", "2024-01-15"]),
        ("slashes", ["2024/1/2", "2024/1/3", "2024/1/15"]),
        ("compact", ["20240102", "20240103", "20240115"]),
        ("day first", ["02-01-2024", "03-01-2024", "15-01-2024"]),
        ("month first", ["01/02/2024", "01/03/2024", "01/15/2024"]),
        ("month by name", ["02-JAN-2024", "03-JAN-2024", "15-JAN-2024"]),
        ("short year", ["02-Jan-24", "03-Jan-24", "15-Jan-24"]),
        ("in words", ["Jan 02, 2024", "Jan 03, 2024", "Jan 15, 2024"]),
        ("midnight", ["2024-01-02 00:00:00", "2024-01-03 00:00:00", "2024-01-15 00:00:00"]),
        ("offset", [f"2024-01-{day} 00:00:00+05:30" for day in ("02", "03", "15")]),
        ("UTC", [f"2024-01-{day}T00:00:00Z" for day in ("02", "03", "15")]),
        ("midnight in India", [f"2024-01-{day} 18:30:00+00:00" for day in ("01", "02", "14")]),
        (
            "JSON of a clock in India",
            [f"2024-01-{day}T18:30:00.000Z" for day in ("01", "02", "14")],
        ),
        ("the open in Chicago", [f"2024-01-{day}T21:45:00-06:00" for day in ("01", "02", "14")]),
        ("a zone behind", [f"202401{day} 13:30:00 US/Eastern" for day in ("01", "02", "14")]),
        ("epoch", ["1704153600", "1704240000", "1705276800"]),
        ("epoch of midnight in India", ["1704133800", "1704220200", "1705257000"]),
    ],
)
def test_dates(shop: Shop, pattern: str, stamps: list[str]) -> None:
    path = shop.csv("T.csv", [f'"{stamp}",1,1,1,1,1' for stamp in stamps])
    shop.deliver(path, calendar="XNSE")
    days = [day for (day,) in shop.rows("daily", "session_date")]
    assert days == [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 15)]


# The orders of date parts in which vendors write two-digit years.
ORDERS = {"-": ("dmy", "mdy", "ymd"), "/": ("dmy", "mdy", "ymd"), ".": ("dmy", "ymd")}
SHORT_YEARS = [
    mark.join(f"%{part}" for part in order) for mark, orders in ORDERS.items() for order in orders
]


@pytest.mark.parametrize("pattern", [*SHORT_YEARS, "%y-%m-%d %H:%M:%S"])
def test_an_ambiguous_date_is_asked_for_with_all_its_orders(shop: Shop, pattern: str) -> None:
    path = shop.csv("T.csv", [f"{date(2012, 11, 10).strftime(pattern)},1,1,1,1,1"])
    asked = shop.refuse(path, calendar="XNYS", kind="daily")
    mark = pattern[2]
    orders = [mark.join(f"%{part}" for part in order) + pattern[8:] for order in ORDERS[mark]]
    assert f" may be {' or '.join(orders)}, that is " in asked.notes[0]
    assert "2012-11-10" in asked.notes[0]
    assert asked.remedy.endswith(" or ".join(f"'{order}'" for order in orders))
    mapping = shop.file("m.toml", f"date_format = '{pattern}'")
    shop.deliver(path, calendar="XNYS", kind="daily", mapping=mapping)
    assert shop.rows("daily", "session_date") == [(date(2012, 11, 10),)]


@pytest.mark.parametrize("pattern", SHORT_YEARS)
def test_consecutive_sessions_decide_the_order_of_day_month_and_year(
    shop: Shop, pattern: str
) -> None:
    days = [day for n in range(1, 13) if (day := date(2024, 11, n)).isoweekday() < 6]
    path = shop.csv("T.csv", [f"{day.strftime(pattern)},1,1,1,1,1" for day in days])
    shop.deliver(path, calendar="XNYS")
    assert [day for (day,) in shop.rows("daily", "session_date")] == days


def test_dates_after_the_file_are_ruled_out(shop: Shop) -> None:
    # 24 July 2027 is in the future
    shop.deliver(shop.csv("T.csv", ["24-07-27,1,1,1,1,1"]), calendar="XNYS")
    assert shop.rows("daily", "session_date") == [(date(2024, 7, 27),)]


@pytest.mark.parametrize("pattern", ["%d/%m/%Y", "%d-%m-%y"])
def test_months_are_not_taken_for_days(shop: Shop, pattern: str) -> None:
    # in the other order, these are the first twelve days of January
    days = [date(2024, month, 1) for month in range(1, 13)]
    path = shop.csv("T.csv", [f"{day.strftime(pattern)},1,1,1,1,1" for day in days])
    assert f"may be {pattern} or " in shop.refuse(path, calendar="XNYS", kind="daily").notes[0]


def test_a_day_after_the_twelfth_far_down_decides_day_and_month(shop: Shop) -> None:
    stamps = [f"0{day}-0{month}-2024" for month in (1, 2, 3) for day in range(1, 10)] * 20
    path = shop.csv("T.csv", [f"{stamp},1,1,1,1,1" for stamp in [*stamps, "25-03-2024"]])
    shop.deliver(path, calendar="XNSE")
    assert shop.rows("daily", "max(session_date)") == [(date(2024, 3, 25),)]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>", "20240102,{0}00,1,2,1,2,5"),
        ("Date,Time,Open,High,Low,Close,Volume", "2024-01-02,{0:.2}:{0:.4},1,2,1,2,5"),
        ("time,open,high,low,close,volume", "2024-01-02T{0:.2}:30:00,1,2,1,2,5"),
    ],
)
def test_dates_and_times_in_two_columns(shop: Shop, header: str, row: str) -> None:
    clocks = [f"09{minute:02d}" for minute in range(15, 25)]
    rows = []
    for clock in clocks:
        text = row.replace("{0:.2}:{0:.4}", f"{clock[:2]}:{clock[2:]}")
        text = text.replace("{0:.2}:30", f"{clock[:2]}:{clock[2:]}").replace("{0}", clock)
        rows.append(text)
    shop.deliver(shop.csv("T.csv", rows, header), calendar="XNSE", bar_label="start")
    assert shop.rows("minute", "min(bar_ts), max(bar_ts), count(*)") == [
        (datetime(2024, 1, 2, 9, 15), datetime(2024, 1, 2, 9, 24), 10)
    ]


def test_a_spreadsheet_may_drop_a_leading_zero_of_the_time(shop: Shop) -> None:
    rows = [f"20240102,{clock},1,2,1,2,5" for clock in (91500, 91600, 91700, 101800)]
    path = shop.csv("T.csv", rows, "date,time,open,high,low,close,volume")
    shop.deliver(path, calendar="XNSE", bar_label="start")
    assert [at.hour for (at,) in shop.rows("minute", "bar_ts")] == [9, 9, 9, 10]


def kite(rows: list[list[object]]) -> str:
    return json.dumps({"status": "success", "data": {"candles": rows}})


def test_kite_candles_with_and_without_open_interest(shop: Shop) -> None:
    stamps = [f"2024-01-02T09:{minute}:00+0530" for minute in (15, 16, 17)]
    plain = shop.file("A.json", kite([[at, 1, 2.5, 1, 2, 100] for at in stamps]))
    future = shop.file("B.json", kite([[at, 1, 2.5, 1, 2, 100, 7] for at in stamps]))
    reports = shop.run(plain, future)
    assert [(r.calendar, r.bar_label, r.rows_kept) for r in reports] == [("XNSE", "start", 3)] * 2
    rows = shop.rows("minute", "symbol, bar_ts, high, volume")
    assert rows[0] == ("A", datetime(2024, 1, 2, 9, 15), 2.5, 100.0)
    assert len(rows) == 6


def test_kite_daily_candles_keep_their_date(shop: Shop) -> None:
    stamps = ["2024-01-01T00:00:00+0530", "2024-01-02T00:00:00+0530"]
    shop.deliver(shop.file("A.json", kite([[at, 1, 2, 1, 2, 9] for at in stamps])))
    days = [day for (day,) in shop.rows("daily", "session_date")]
    assert days == [date(2024, 1, 1), date(2024, 1, 2)]


@pytest.mark.parametrize("stamp", ["timestamp", "start_Time"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_dhan_arrays(shop: Shop, stamp: str, wrapped: bool) -> None:
    first = 1704167100  # 2024-01-02 09:15 in India
    arrays: dict[str, object] = {
        "open": [1, 2, 3],
        "high": [2, 3, 4.5],
        "low": [1, 1, 1],
        "close": [2, 2, 2],
        "volume": [10, 20, 30],
        stamp: [first, first + 60.0, first + 120],
    }
    document = {"status": "success", "data": arrays} if wrapped else arrays
    report = shop.deliver(shop.file("INFY.json", json.dumps(document)))
    assert (report.calendar, report.bar_label) == ("XNSE", "start")
    assert shop.rows("minute", "bar_ts, open, high, volume") == [
        (datetime(2024, 1, 2, 9, 15), 1.0, 2.0, 10.0),
        (datetime(2024, 1, 2, 9, 16), 2.0, 3.0, 20.0),
        (datetime(2024, 1, 2, 9, 17), 3.0, 4.5, 30.0),
    ]


def test_dhan_daily_epochs_are_midnight_in_india(shop: Shop) -> None:
    arrays = {
        **{key: [1, 1] for key in ("open", "high", "low", "close", "volume")},
        "timestamp": [1704133800, 1704220200],
    }
    shop.deliver(shop.file("INFY.json", json.dumps(arrays)))
    days = [day for (day,) in shop.rows("daily", "session_date")]
    assert days == [date(2024, 1, 2), date(2024, 1, 3)]


def test_json_records(shop: Shop) -> None:
    names = HEADER.split(",")
    records = [dict(zip(names, row.split(","), strict=True)) for row in ROWS]
    records[1]["extra"] = "x"
    shop.deliver(
        shop.file("T.json.gz", gzip.compress(json.dumps(records).encode())), calendar="XNYS"
    )
    assert shop.rows("daily", BAR) == BARS


def test_parquet_with_each_timestamp_type(shop: Shop, tmp_path: Path) -> None:
    types = {
        "date": "date '2024-01-02' + i::integer",
        "timestamp": "timestamp '2024-01-02' + to_days(i::integer)",
        "timestamp_ns": "(timestamp '2024-01-02' + to_days(i::integer))::timestamp_ns",
        "text": "(date '2024-01-02' + i::integer)::varchar",
        "zoned": "(timestamp '2024-01-02' + to_days(i::integer))::timestamptz",
        "epoch": "1704153600 + i * 86400",
    }
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        for name, sql in types.items():
            con.execute(
                f"copy (select {sql} as date, 10.5 as open, 11 as high, 10::decimal(9, 2) as low,"
                f" 10.75 as close, 1000::bigint as volume from range(3) as t (i))"
                f" to '{tmp_path}/{name}.parquet'"
            )
    for name in types:
        shop.deliver(tmp_path / f"{name}.parquet", calendar="XNYS")
    for name in types:
        found = [row[1:] for row in shop.rows("daily", f"symbol, {BAR}") if row[0] == name]
        assert found == BARS, name


def test_feather(shop: Shop, tmp_path: Path) -> None:
    frame = polars.DataFrame(
        {
            "date": polars.Series([datetime(2024, 1, day) for day in (2, 3, 4)]),
            **{name: [value] * 3 for name, value in zip("ohlc", BARS[0][1:5], strict=True)},
            "volume": [1000] * 3,
        }
    )
    for compression in ("uncompressed", "lz4", "zstd"):
        path = tmp_path / f"{compression}.feather"
        frame.write_ipc(path, compression=compression)
        shop.deliver(path, calendar="XNYS")
    assert [row[1:] for row in shop.rows("daily", f"symbol, {BAR}")] == BARS * 3


def archive(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as opened:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            opened.addfile(entry, io.BytesIO(data))
    return content.getvalue()


def test_an_archive_delivers_its_bars_and_skips_the_rest(shop: Shop) -> None:
    prices = "\n".join([f"symbol,{HEADER}", *(f"{name},{ROWS[0]}" for name in "AB")]).encode()
    drop = shop.file(
        "20240102.tar.gz",
        archive(
            {
                "symbols.txt": b"A\tAlpha\nB\tBeta\n",
                # numbers without names, no four of which can be a bar
                "reports.csv": b"A,2016-06-30,9.5,8.5,7.5,3.5\nB,2016-06-30,1.5,2.5,1.5,3.5\n",
                "prices.csv": prices,
                "deep/one.csv": prices.replace(b"A,", b"C,"),
                "../evil.csv": prices.replace(b"A,", b"D,"),
            }
        ),
    )
    reports = shop.run(drop, source="feed", calendar="XNYS")
    outcomes = {report.file: report.outcome for report in reports}
    assert outcomes == {
        "20240102.tar.gz/symbols.txt": Outcome.SKIPPED,
        "20240102.tar.gz/reports.csv": Outcome.SKIPPED,
        "20240102.tar.gz/prices.csv": Outcome.DELIVERED,
        "20240102.tar.gz/one.csv": Outcome.DELIVERED,
        "20240102.tar.gz/evil.csv": Outcome.DELIVERED,
    }
    assert shop.rows("daily", "count(*), count(distinct delivery)") == [(6, 3)]
    assert not list(shop.folder.rglob("evil.csv"))


def test_prices_without_a_header_are_not_skipped_in_an_archive(shop: Shop) -> None:
    rows = b"A,2024-01-02,10,12,9,11,500\nB,2024-01-02,20,22,,21,500\nC,2024-01-02,7,8,6,6.5,500\n"
    drop = shop.file("20240102.tar.gz", archive({"prices.csv": rows}))
    report, *_ = shop.run(drop, calendar="XNYS")
    assert report.outcome is Outcome.FAILED
    assert "does not name its columns" in report.notes[0]


@pytest.mark.parametrize("empty", [b"", b"symbol,date,open,high,low,close,volume,adj_close\n"])
def test_an_archive_whose_prices_are_empty_is_reported(shop: Shop, empty: bytes) -> None:
    drop = shop.file("20170323.tar.gz", archive({"symbols.txt": b"A\tB\n", "prices.csv": empty}))
    *skipped, last = shop.run(drop, calendar="XNYS")
    assert [report.outcome for report in skipped] == [Outcome.SKIPPED] * 2
    assert last.outcome is Outcome.FAILED
    assert last.notes == ("20170323.tar.gz holds no file with bars",)


@pytest.mark.parametrize("name", ["T [2024].csv", "T*.csv", "what?.csv", "{a}.csv", "it's.csv"])
def test_names_that_look_like_patterns(shop: Shop, name: str) -> None:
    shop.csv("T2.csv", ROWS)
    assert shop.deliver(shop.csv(name, ROWS), calendar="XNYS").rows_kept == 3


def test_folders_are_walked_for_names_of_market_data(shop: Shop) -> None:
    for name in ("a/A.csv", "a/b/B.csv", ".hidden/C.csv", "a/.D.csv"):
        shop.csv(name, ROWS)
    shop.file("README.md", "no bars")
    reports = shop.run(shop.folder / "vendor", calendar="XNYS")
    assert [report.file for report in reports] == ["README.md", "A.csv", "B.csv"]


START = datetime(2024, 1, 2, 10, tzinfo=UTC)
MINUTES = [START + timedelta(minutes=n) for n in range(3)]
MILLIS = [int(at.timestamp()) * 1000 for at in MINUTES]
HEADERLESS = {
    "Binance": (
        [f"{at},2,4,1,3,5.5,{at + 59_999},11,31,2.5,5,0" for at in MILLIS],
        {"calendar": "ALWAYS"},
    ),
    "Binance since 2025": (
        [f"{at}000,2,4,1,3,5.5,{at + 59_999}999,11,31,2.5,5,0" for at in MILLIS],
        {"calendar": "ALWAYS"},
    ),
    "MetaTrader 4": ([f"{at:%Y.%m.%d,%H:%M},2,4,1,3,5.5" for at in MINUTES], {}),
    "HistData": ([f"{at:%Y%m%d %H%M%S};2;4;1;3;5.5" for at in MINUTES], {}),
    "a symbol first": ([f"ACME,{at:%Y%m%d,%H%M},2,4,1,3,5.5,7,x" for at in MINUTES], {}),
    "another order": ([f"{at:%Y-%m-%d %H:%M:%S},4,1,2,3,5.5" for at in MINUTES], {}),
}


@pytest.mark.parametrize("name", HEADERLESS)
def test_suggested_names_fit_a_file_without_a_header(shop: Shop, name: str) -> None:
    rows, stated = HEADERLESS[name]
    file = shop.file("ACME.csv", "\n".join(rows) + "\n")
    stated = {"calendar": "ALWAYS", "bar_label": "start", "timezone": "UTC", **stated}
    remedy = shop.refuse(file, **stated).remedy
    names = remedy.split("in a mapping: ")[1]
    assert len(tomllib.loads(names)["names"]) == len(next(csv.reader([rows[0].replace(";", ",")])))
    shop.deliver(file, mapping=shop.file("m.toml", names), **stated)
    assert shop.rows("minute", "symbol, bar_ts, open, high, low, close, volume") == [
        ("ACME", at.replace(tzinfo=None), 2, 4, 1, 3, 5.5) for at in MINUTES
    ]


FAR = {
    "timestamp": ("timestamp '12024-01-02'", "timestamp '2024-01-{:02d}'"),
    "date": ("date '12024-01-02'", "date '2024-01-{:02d}'"),
    "date of no timestamp": ("date '300000-01-02'", "date '2024-01-{:02d}'"),
    "before Christ": ("date '2024-01-02 (BC)'", "date '2024-01-{:02d}'"),
    "infinite": ("timestamptz 'infinity'", "timestamptz '2024-01-{:02d}'"),
    "infinite date": ("date '-infinity'", "date '2024-01-{:02d}'"),
    "seconds": ("timestamp_s '12024-01-02'", "timestamp_s '2024-01-{:02d}'"),
}


@pytest.mark.parametrize(("far", "near"), FAR.values(), ids=FAR)
def test_a_typed_date_out_of_range_costs_only_its_row(
    shop: Shop, tmp_path: Path, far: str, near: str
) -> None:
    path = tmp_path / "T.parquet"
    dates = [near.format(day) for day in range(2, 8)]
    dates.insert(3, far)
    with duckdb.connect() as con:
        con.execute(
            "copy (select date, 1 as open, 2 as high, 1 as low, 2 as close"
            f" from (select unnest([{', '.join(dates)}]) as date)) to '{path}' (format parquet)"
        )
    report = shop.deliver(path, calendar="XNYS")
    assert (report.rows_read, report.rows_kept) == (7, 6)
    assert shop.rows("unreadable", "source_row, rule") == [(4, "unreadable_timestamp")]


@pytest.mark.parametrize("kind", ["double", "float", "decimal(18, 1)", "varchar"])
def test_dates_and_codes_that_a_gap_turned_into_floats(
    shop: Shop, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "T.parquet"
    number = kind if kind != "varchar" else "double"
    with duckdb.connect() as con:
        con.execute(
            f"copy (select 500000.0::{kind} as symbol,"
            f" (20240102.0 + i * 2)::{number}::{kind} as date,"
            " 1 as open, 2 as high, 1 as low, 2 as close from range(5) as t (i)"
            f" union all select null, null, 1, 2, 1, 2) to '{path}' (format parquet)"
        )
    report = shop.deliver(path, calendar="XNYS")
    assert (report.rows_kept, report.rows_unreadable) == (5, 1)
    days = [day for (day,) in shop.rows("daily", "session_date")]
    assert days == [date(2024, 1, day) for day in (2, 4, 6, 8, 10)]
    if kind != "varchar":
        assert shop.rows("daily", "distinct symbol") == [("500000",)]
