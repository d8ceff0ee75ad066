"""Real files of vendors."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest

from duckbourse.ingest import Outcome, RawStore
from duckbourse.settings import PROJECT
from tests.support.stores import MARKET, SHARED, Shop, needs_market

pytestmark = needs_market
RAW = MARKET / "raw"
SAMPLE = PROJECT / "data" / "sample"
FEED = sorted((MARKET / "feed_pystock").glob("*.tar.gz"))


def without(columns: str, source: Path, copy: Path) -> Path:
    """Return a copy of a Parquet file without some columns."""
    with duckdb.connect() as con:
        con.execute(f"copy (select * exclude ({columns}) from '{source}') to '{copy}'")
    return copy


def test_kite(shop: Shop) -> None:
    report = shop.deliver(RAW / "kite_mocks" / "historical_minute.json", symbol="NIFTY17DECFUT")
    assert (report.calendar, report.bar_label) == ("XNSE", "start")
    first = shop.rows("minute", "symbol, bar_ts, session_date, open, high, low, close, volume")[0]
    assert first == (
        *("NIFTY17DECFUT", datetime(2017, 12, 15, 9, 15), date(2017, 12, 15)),
        *(1704.5, 1705.0, 1699.25, 1702.8, 2499.0),
    )


def test_other_answers_of_kite_are_not_bars(shop: Shop) -> None:
    names = ("quote", "ohlc", "ltp", "ticker_full")
    reports = shop.run(*(RAW / "kite_mocks" / f"{name}.json" for name in names))
    assert {report.outcome for report in reports} == {Outcome.FAILED}


def test_a_feed_of_daily_drops(shop: Shop) -> None:
    reports = shop.run(*FEED[:3], source="pystock", calendar="XNYS")
    delivered = [report for report in reports if report.outcome is Outcome.DELIVERED]
    skipped = {report.file.split("/")[1] for report in reports if report not in delivered}
    assert skipped == {"symbols.txt", "reports.csv"}
    assert [report.rows_duplicate for report in delivered] == [2, 2, 2]
    with duckdb.connect() as con:
        bar = "symbol, session_date, open, high, low, close, volume"
        known = f"'{MARKET}/feed_pystock_daily_drops.parquet'"
        stored = f"read_parquet('{shop.store.root}/daily/**/*.parquet', hive_partitioning = false)"
        for report, drop in zip(delivered, FEED, strict=False):
            day = datetime.strptime(drop.name[:8], "%Y%m%d").date()
            expected = (
                f"select symbol, date as session_date, open, high, low, close, volume from {known}"
                f" where drop_date = date '{day}'"
            )
            found = f"select {bar} from {stored} where delivery = '{report.delivery}'"
            # the reference table has only some of the symbols
            missing = con.execute(f"from ({expected}) except from ({found})").fetchall()
            assert missing == []
        # of the keys that the second archive repeats, how many differ
        [(changed,)] = con.execute(
            f"select count(distinct (old.symbol, old.session_date)) from {stored} as old"
            f" inner join {stored} as new using (symbol, session_date)"
            f" where old.delivery = '{delivered[0].delivery}'"
            f" and new.delivery = '{delivered[1].delivery}'"
            " and (old.open, old.high, old.low, old.close, old.volume) is distinct from"
            " (new.open, new.high, new.low, new.close, new.volume)"
        ).fetchall()
    assert delivered[1].rows_revised == changed > 100


def test_backtrader(shop: Shop) -> None:
    shop.deliver(RAW / "backtrader_nvda-1999-2014.txt.gz", symbol="NVDA", calendar="XNYS")
    assert shop.rows("daily", "count(*), min(session_date), max(session_date)") == [
        (4_012, date(1999, 1, 22), date(2014, 12, 31))
    ]
    for name, expected in {
        "2006-min-005": "5-minute",
        "2006-week-001": "7-day",
        "2006-month-001": "30-day",
        "2006-01-02-volume-min-001": "names 7 columns, but its rows have 8",
    }.items():
        report = shop.refuse(RAW / f"backtrader_{name}.txt.gz", calendar="XNYS")
        assert expected in report.notes[0]


def test_a_mapping_fixes_a_header_with_one_name_too_few(shop: Shop) -> None:
    names = ["date", "time", "open", "high", "low", "close", "volume", "open_interest"]
    mapping = shop.file("m.toml", f"names = {names}\nskip_lines = 1\ncalendar = 'XNYS'")
    path = RAW / "backtrader_2006-01-02-volume-min-001.txt.gz"
    report = shop.deliver(path, mapping=mapping, bar_label="end", symbol="FESX")
    assert report.columns_left == ("open_interest",)
    assert shop.rows("minute", "bar_ts, open, volume")[0] == (
        datetime(2006, 1, 2, 9, 0),
        3602.0,
        5699.0,
    )


def test_freqtrade(shop: Shop) -> None:
    path = RAW / "freqtrade_UNITTEST_BTC-1m.feather"
    assert "--bar-label" in shop.refuse(path, calendar="ALWAYS").remedy
    report = shop.deliver(path, symbol="BTC", calendar="ALWAYS", bar_label="start")
    assert report.rows_kept == 13_681
    assert shop.rows("minute", "bar_ts, volume")[0] == (
        datetime(2017, 11, 4, 23, 2),
        108.14853839,
    )
    trades = shop.refuse(RAW / "freqtrade_XRP_ETH-trades.feather", calendar="ALWAYS")
    assert "has no close" in trades.notes[0]


def test_yahoo(shop: Shop) -> None:
    reports = shop.run(MARKET / "yfinance_repair_fixtures", calendar="XNYS")
    refused = {report.file: report.notes[0] for report in reports if report.error}
    assert len(reports) == 40
    assert {name: note.split(" holds ")[1][:9].strip() for name, note in refused.items()} == {
        "AV-L-1wk-bad-stock-split-fixed.csv": "7-day bar",
        "AV-L-1wk-bad-stock-split.csv": "7-day bar",
        "EA-15m-no-bad-divs.csv": "15-minute",
    }
    # a date is the one as written, in Tokyo, Johannesburg or London
    bars = set(shop.rows("daily", "symbol, session_date, close"))
    assert ("4063-T-1d-bad-div", date(2022, 1, 4), 4131.0) in bars
    assert ("SSW-JO-1d-100x-error", date(2023, 6, 9), 33.619999) in bars
    assert ("PSH-L-1d-bad-div", date(2022, 1, 4), 29.85) in bars


@pytest.mark.parametrize("inferred", ["by its column", "by the hours"])
def test_minutes_labeled_by_end(shop: Shop, tmp_path: Path, inferred: str) -> None:
    path = MARKET / "minute_nifty_banknifty_2021_2023.parquet"
    if inferred == "by the hours":
        path = without("ts_label", path, tmp_path / "nifty.parquet")
    report = shop.deliver(path)
    assert (report.calendar, report.bar_label) == ("XNSE", "end")
    assert report.rows_kept == 388_816
    files = f"{shop.store.root}/minute/*/*.parquet"
    with duckdb.connect() as con:
        days = con.execute(
            "select session_date, min(bar_ts)::time::varchar, max(bar_ts)::time::varchar"
            f" from '{files}' where symbol = 'NIFTY' and (hour(bar_ts), minute(bar_ts)) > (9, 9)"
            " group by all"
        ).fetchall()
        [(before,)] = con.execute(
            f"select count(*) from '{files}' where (hour(bar_ts), minute(bar_ts)) < (9, 10)"
        ).fetchall()
    ends = {day: (first, last) for day, first, last in days}
    evenings = {day for day, (first, _) in ends.items() if first == "18:07:00"}
    assert evenings == {date(2021, 11, 4), date(2022, 10, 24)}  # Muhurat
    assert ends.pop(date(2021, 2, 24)) == ("09:15:00", "17:01:00")  # the outage
    # the index is still printed after the close
    others = {end for day, end in ends.items() if day not in evenings}
    assert others == {("09:15:00", f"15:3{minute}:00") for minute in (0, 1, 2)}
    assert before > 0  # prints of the pre-open are kept


@pytest.mark.parametrize("inferred", ["by its column", "by the hours"])
def test_minutes_of_new_york(shop: Shop, tmp_path: Path, inferred: str) -> None:
    path = MARKET / "minute_us_2019_02.parquet"
    if inferred == "by the hours":
        path = without("ts_label", path, tmp_path / "us.parquet")
    report = shop.deliver(path)
    assert (report.calendar, report.bar_label) == ("XNYS", "end")
    assert shop.rows("minute", "min(bar_ts), max(bar_ts), count(volume) < count(*)") == [
        (datetime(2019, 2, 11, 9, 30), datetime(2019, 2, 15, 15, 59), False)
    ]


@pytest.mark.parametrize("inferred", ["by its column", "by the hours"])
def test_minutes_labeled_by_start(shop: Shop, tmp_path: Path, inferred: str) -> None:
    path = MARKET / "minute_nse_2021.parquet"
    if inferred == "by the hours":
        path = without("ts_label", path, tmp_path / "nse.parquet")
    report = shop.deliver(path)
    assert (report.calendar, report.bar_label) == ("XNSE", "start")
    assert report.symbol_count == 18


def test_the_hours_of_2009(shop: Shop, tmp_path: Path) -> None:
    path = MARKET / "minute_index_nifty_2009.parquet"
    report = shop.deliver(path)
    assert (report.calendar, report.bar_label) == ("XNSE", "start")
    assert shop.rows("minute", "min(bar_ts)") == [(datetime(2009, 1, 1, 9, 55),)]
    # it has bars at the open and at the close, so its hours do not decide the label
    report = shop.refuse(without("ts_label", path, tmp_path / "nifty.parquet"))
    assert "--bar-label" in report.remedy


@pytest.mark.parametrize(
    ("name", "stated", "asked"),
    [
        ("daily_nse_nifty50_2000_2021", {}, "--calendar"),
        ("minute_btcperp_2022_01", {"calendar": "ALWAYS"}, "--bar-label"),
        ("bars15m_us_2019", {"calendar": "XNYS"}, "ask the vendor"),
        ("minute_fx_gbpusd_close_2018_06", {}, "columns.close"),
    ],
)
def test_undecidable_layouts_are_asked_for(
    shop: Shop, name: str, stated: dict[str, str], asked: str
) -> None:
    assert asked in shop.refuse(MARKET / f"{name}.parquet", **stated).remedy


def test_extended_hours_hide_the_label(shop: Shop, tmp_path: Path) -> None:
    copy = tmp_path / "lean.parquet"
    with duckdb.connect() as con:
        con.execute(
            f"copy (select symbol, ts, open, high, low, close, volume"
            f" from '{MARKET}/minute_equity_lean.parquet' where market = 'usa') to '{copy}'"
        )
    assert "--bar-label" in shop.refuse(copy, calendar="XNYS").remedy
    assert shop.deliver(copy, calendar="XNYS", bar_label="start").rows_kept > 10_000


@pytest.mark.parametrize(
    ("file", "mapping"),
    [
        ("daily_us_wiki5_2000_2013", "wiki5"),
        ("daily_us_sp500_2009_2010", "bytetheory"),
        ("daily_index_1999_2018", "arch"),
        ("daily_index_spx_1950_2015", "spx"),
        ("daily_us_adjclose20_1990_2022", "skfolio20"),
    ],
)
def test_the_shipped_sample_can_be_made_again(shop: Shop, file: str, mapping: str) -> None:
    shop.store = RawStore(shop.folder / "sample", flat=True)
    report = shop.deliver(
        SHARED / "sample" / f"{file}.parquet",
        mapping=SAMPLE / "mappings" / f"{mapping}.toml",
        delivered_at=datetime.fromisoformat("2026-11-01T00:00:00Z"),
    )
    assert report.rows_unreadable == 0
    for name in shop.files():
        assert (shop.store.root / name).read_bytes() == (SAMPLE / name).read_bytes()
