"""
Files from the field that went wrong, and others of the same kinds, with what they hold.

Those that were sent in are read in place, through the command as a user gives it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from duckbourse.errors import BadInput
from duckbourse.ingest import read_mapping
from tests.support.commands import Ended, bourse
from tests.support.stores import SHARED, Shop

SENT = SHARED.parent / "review" / "inputs"
needs_sent = pytest.mark.skipif(not SENT.exists(), reason=f"the files sent in are not at {SENT}")


@dataclass
class DataFolder:
    """A data folder, and the command that ingests into it."""

    folder: Path

    def ingest(self, *words: object) -> Ended:
        stated = ("--delivered-at", "2026-11-01T18:30:00Z")
        return bourse(self.folder / "data", "ingest", *map(str, words), *stated)

    def report(self, *words: object) -> dict[str, Any]:
        """Return the JSON report for one file."""
        [report] = json.loads(self.ingest(*words, "--json").stdout)["files"]
        return dict(report)

    def rows(self, kind: str, select: str) -> list[tuple[Any, ...]]:
        files = f"{self.folder}/data/raw/{kind}/**/*.parquet"
        with duckdb.connect() as con:
            return con.execute(f"select {select} from '{files}' order by all").fetchall()

    def empty(self) -> bool:
        """Return whether nothing was delivered."""
        kinds = ("daily", "minute", "unreadable", "deliveries")
        return not any(self.rows(kind, "1") for kind in kinds)


@pytest.fixture
def project(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path)


def sent(folder: str, name: str) -> Path:
    return next(SENT.glob(f"{folder}-*")) / name


# ---- 07: unused columns are reported


@needs_sent
def test_07_the_volume_of_a_bhavcopy_is_used(project: DataFolder) -> None:
    path = sent("07", "sec_bhavdata_full_02012024.csv")
    stated = ("--calendar", "XNSE", "--source", "nse", "-m", sent("07", "m.toml"))
    done = project.ingest(path, *stated)
    assert done.returncode == 0
    assert [volume for (volume,) in project.rows("daily", "volume")] == [*range(100_000, 100_005)]


LOOKS = {
    "TradedQnty": True,
    "Tot Vol": True,
    "QUANTITY": True,
    "Volume USDT": True,
    "volatility": False,
    "turnover": False,
    "trades": False,
}


@pytest.mark.parametrize(("name", "is_reported"), LOOKS.items())
def test_an_unused_column_that_looks_like_volume_is_reported(
    shop: Shop, name: str, is_reported: bool
) -> None:
    header = f"date,open,high,low,close,{name}"
    report = shop.deliver(shop.csv("T.csv", ["2024-01-02,1,2,1,2,5"], header), calendar="XNYS")
    assert report.columns_missed == ({"volume": (name,)} if is_reported else {})
    assert any("no volume column was used" in note for note in report.notes) == is_reported
    for stated, expected in ((name, 5.0), ("", None)):
        mapping = shop.file("m.toml", f"columns.volume = '{stated}'")
        source = {"calendar": "XNYS", "source": f"as {stated}", "mapping": mapping}
        assert not shop.deliver(shop.folder / "vendor" / "T.csv", **source).columns_missed
        found = dict(shop.rows("daily", "source, volume"))
        assert found[f"as {stated}"] == expected


def test_other_unused_columns_that_may_be_missing_roles_are_reported(shop: Shop) -> None:
    rows = [f"2024-01-02,{clock},A,1,2,1,2,5" for clock in ("0915", "0916")]
    header = "date,Trade Clock,ISIN,open,high,low,close,volume"
    report = shop.deliver(shop.csv("T.csv", rows, header), calendar="XNSE", kind="daily")
    assert report.columns_missed == {"symbol": ("ISIN",), "time": ("Trade Clock",)}
    rows = [f"2024-01-02 09:{minute}:00,start,1,2,1,2,5" for minute in range(15, 60)]
    header = "ts,which label,open,high,low,close,volume"
    report = shop.deliver(shop.csv("M.csv", rows, header), calendar="XNSE")
    assert report.columns_missed == {"bar_label": ("which label",)}


COIN_HEADERS = {
    "unix,date,symbol,open,high,low,close,Volume ETH,Volume USDT,tradecount": ("ETH/USDT", 12.5),
    "unix,date,symbol,open,high,low,close,Volume USDT,Volume ETH,tradecount": ("ETHUSDT", 1250.0),
    "unix,date,symbol,open,high,low,close,Volume ETH,Volume BTC,tradecount": ("ETHBTC", 12.5),
    "unix,date,symbol,open,high,low,close,Volume BTC,Volume ETH,tradecount": ("ETHBTC", 1250.0),
    "unix,date,symbol,open,high,low,close,Volume USDT,Volume TRY,tradecount": ("USDTTRY", 12.5),
    "unix,date,x,open,high,low,close,Volume_(BTC),Volume_(Currency),price": ("0", 12.5),
    "unix,date,symbol,open,high,low,close,Volume ETH,Volume BTC,n": ("AAA", None),
    "unix,date,symbol,open,high,low,close,Volume USD,n,m": ("BTCUSD", None),
}


@pytest.mark.parametrize(("header", "expected"), COIN_HEADERS.items())
def test_07_the_volume_in_the_traded_asset(
    project: DataFolder, header: str, expected: tuple[str, float | None]
) -> None:
    symbol, volume = expected
    path = project.folder / "gemini_minute.csv"
    rows = [
        f"17041536{60 * minute:05d},2024-01-02 00:{minute:02d}:00,{symbol},1,2,1,2,12.5,1250.0,7"
        for minute in (2, 1, 0)
    ]
    path.write_text("\n".join(["https://www.CryptoDataDownload.com", header, *rows]))
    report = project.report(path, "--calendar", "ALWAYS", "--bar-label", "start")
    assert report["rows_kept"] == 3
    assert report["columns_missed"].keys() == (set() if volume else {"volume"})
    assert project.rows("minute", "bar_ts, volume") == [
        (datetime(2024, 1, 2, 0, minute), volume) for minute in (0, 1, 2)
    ]
    assert "skipped the line above its header" in report["notes"]


# ---- 10: unreadable rows


@needs_sent
def test_10_each_timestamp_has_its_own_unit(project: DataFolder) -> None:
    words = ("-m", sent("10", "m.toml"), "--source", "mix", "--symbol", "MIX")
    report = project.report(sent("10", "mix.csv"), *words)
    assert (report["rows_read"], report["rows_kept"], report["rows_unreadable"]) == (240, 240, 0)
    start = datetime(2024, 12, 31, 22)
    assert [at for (at,) in project.rows("minute", "bar_ts")] == [
        start + timedelta(minutes=minute) for minute in range(240)
    ]


def test_formats_that_change_midway_are_read_where_each_row_has_one_reading(shop: Shop) -> None:
    days = [date(2024, 1, 2) + timedelta(days=n) for n in range(90)]
    forms = ["%d-%m-%Y", "%d-%b-%Y", "%Y-%m-%d", "%d-%b-%y", "%Y%m%d", "%d-%m-%Y %H:%M"]
    rows = [f"{day.strftime(forms[n // 15])},1,2,1,2,5" for n, day in enumerate(days)]
    report = shop.deliver(shop.csv("T.csv", rows), calendar="ALWAYS", max_unreadable_pct=0)
    assert [day for (day,) in shop.rows("daily", "session_date")] == days
    [note] = [note for note in report.notes if note.startswith("timestamps are written as")]
    assert all(form in note for form in forms if form != "%Y-%m-%d")


def test_a_day_that_two_formats_of_the_file_read_differently_is_not_read(shop: Shop) -> None:
    days = [date(2024, 3, 1) + timedelta(days=n) for n in range(31)]
    both = [day.strftime("%d/%m/%Y") for day in days] + [day.strftime("%m/%d/%Y") for day in days]
    path = shop.csv("T.csv", [f"{text},1,2,1,2,5" for text in both])
    shop.deliver(path, calendar="ALWAYS")
    # 3 March is the same in both; days after the 12th have one reading
    assert [day for (day,) in shop.rows("daily", "distinct session_date")] == [days[2], *days[12:]]
    assert shop.rows("unreadable", "distinct rule") == [("unreadable_timestamp",)]


def test_one_typing_error_does_not_make_a_file_ambiguous(shop: Shop) -> None:
    days = [date(2023, 1, 2) + timedelta(days=n) for n in range(300)]
    rows = [f"{day:%d/%m/%Y},1,2,1,2,5" for day in days]
    rows[150] = "01/13/2023,1,2,1,2,5"
    report = shop.deliver(shop.csv("T.csv", rows), calendar="ALWAYS", max_unreadable_pct=1)
    assert (report.rows_kept, report.rows_unreadable) == (299, 1)


def some_bad(count: int, bad: int) -> str:
    rows = [f"{date(2023, 1, 1) + timedelta(n)},1,2,1,2,{n}" for n in range(count)]
    for n in range(bad):
        rows[7 * n] = rows[7 * n].replace(",1,2,1,", ",1,?,1,") if n % 2 else "2024-01-99,1,2,1,2,5"
    return "\n".join(["date,open,high,low,close,volume", "", *rows])


def test_10_more_than_one_row_in_a_hundred_is_an_error_and_nothing_is_delivered(
    project: DataFolder,
) -> None:
    path = project.folder / "T.csv"
    path.write_text(some_bad(300, 4))
    done = project.ingest(path, "--calendar", "XNYS")
    assert done.returncode == BadInput.exit_code
    assert project.empty()
    assert "T.csv: 4 of its 300 rows cannot be read, more than 1%; row 1 is" in done.stderr
    # line 1 names the columns and line 2 is blank
    assert (
        "2 rows are unreadable_timestamp, no date or time as the file writes them:"
        " line 3: date '2024-01-99'; line 17: date '2024-01-99'\n"
    ) in done.stderr
    assert (
        "2 rows are unreadable_high, not a number: line 10: high '?'; line 24: high '?'\n"
    ) in done.stderr
    assert "--max-unreadable-pct 2 delivers the rest" in done.stderr
    report = project.report(path, "--calendar", "XNYS")
    assert [
        (one["rule"], one["count"], one["rows"][0]["row"], one["rows"][0]["line"])
        for one in report["unreadable"]
    ] == [
        ("unreadable_timestamp", 2, 1, 3),
        ("unreadable_high", 2, 8, 10),
    ]
    assert json.loads(report["unreadable"][1]["rows"][0]["content"])["high"] == "?"
    allowed = project.report(path, "--calendar", "XNYS", "--max-unreadable-pct", 2)
    assert (allowed["outcome"], allowed["rows_kept"]) == ("delivered", 296)
    assert allowed["unreadable"] == report["unreadable"]
    # the allowed percentage is not part of the delivery's name
    assert project.report(path, "--calendar", "XNYS")["outcome"] == "already there"


def test_one_row_in_a_hundred_is_reported_and_the_rest_delivered(project: DataFolder) -> None:
    path = project.folder / "T.csv"
    path.write_text(some_bad(300, 3))
    done = project.ingest(path, "--calendar", "XNYS")
    assert done.returncode == 0
    assert "2 rows are unreadable_timestamp, " in done.stderr
    mapping = project.folder / "m.toml"
    mapping.write_text("max_unreadable_pct = 0.5\nsource = 'strict'")
    assert (
        project.ingest(path, "--calendar", "XNYS", "-m", mapping).returncode == BadInput.exit_code
    )


# ---- 11 and 10: numbers

HEADER = "Date;Open;High;Low;Close;Volume"


@needs_sent
def test_11_three_thousand_or_three_is_asked_for(project: DataFolder) -> None:
    path = sent("11", "GERMI.csv")
    done = project.ingest(path, "--calendar", "XNYS")
    assert done.returncode == BadInput.exit_code
    assert project.empty()
    assert "may be 2910 or 2.91" in done.stderr
    for remedy, least, most in (
        ("decimal = ','", 2910, 3019),
        ("thousands = '.'", 2910, 3019),
        ("decimal = '.'", 2.91, 3.019),
    ):
        mapping = project.folder / "m.toml"
        source = remedy.replace("'", "")
        mapping.write_text(f"{remedy}\nsource = '{source}'")
        assert project.ingest(path, "--calendar", "XNYS", "-m", mapping).returncode == 0
        own = f"filter (where source = '{source}')"
        select = f"min(low) {own}, max(high) {own}, max(volume)"
        assert project.rows("daily", select) == [(least, most, 100_019)]


@pytest.mark.parametrize("decimal", [".", ","])
def test_decided_numbers_are_not_asked_for(shop: Shop, decimal: str) -> None:
    numbers = {
        # one price with a single reading decides all others
        "a decimal": ("3.000;3.018;2.962;2.978,5;100", 2978.5, ","),
        "a point that is decimal": ("3.000;3.018;2.962;2.97;100", 2.97, "."),
        "a zero": ("0.998;3.018;0.962;0.978;100", 0.978, "."),
        "several points": ("1.003.000;1.003.018;1.002.962;1.002.978;100", 1_002_978, ","),
        "a comma": ("3,000;3,018;2,962;2,97;100", 2.97, ","),
        "a comma and a point": ("3,000.0;3,018.0;2,962.0;2,978.0;100", 2978, "."),
        "spaces": ("3 000,0;3 018,0;2 962,0;2 978,0;100", 2978, ","),
        "apostrophes": ("3'000.0;3'018.0;2'962.0;2'978.0;100", 2978, "."),
        "a volume": ("3.000;3.018;2.962;2.978;1.234.567", 2978, ","),
        "a volume with a decimal": ("3.000;3.018;2.962;2.978;12.5", 2.978, "."),
    }
    for name, (row, close, mark) in numbers.items():
        if mark != decimal:
            continue
        path = shop.csv(f"{name}.csv", [f"02.01.2024;{row}", f"03.01.2024;{row}"], HEADER)
        shop.deliver(path, calendar="XNYS", source="x", max_unreadable_pct=0)
        assert dict(shop.rows("daily", "distinct symbol, close"))[name] == close, name


def test_other_columns_decide_how_numbers_are_written(shop: Shop) -> None:
    header = '"Datum","Zuletzt","Eröffn.","Hoch","Tief","Vol.","+/- %"'
    rows = [
        f'"{day:02d}.01.2024","132.697","134.185","134.195","132.095","8,07M","-1,11%"'
        for day in (2, 3)
    ]
    mapping = shop.file(
        "m.toml",
        "[columns]\ntimestamp='Datum'\nclose='Zuletzt'\nopen='Eröffn.'\nhigh='Hoch'\nlow='Tief'",
    )
    shop.deliver(shop.csv("T.csv", rows, header), calendar="XNYS", mapping=mapping)
    assert shop.rows("daily", "distinct open, high, low, close, volume") == [
        (134_185, 134_195, 132_095, 132_697, 8_070_000)
    ]


def test_prices_that_exceed_a_thousand_midway(shop: Shop) -> None:
    rows = [f"2024-01-{day:02d},990.5,999.5,980.25,991.0,900" for day in range(2, 12)]
    rows.append('2024-01-12,999.5,"1,001.00",998,"1,000.25","1,234"')
    shop.deliver(shop.csv("THSOM.csv", rows), calendar="XNYS", max_unreadable_pct=0)
    assert shop.rows("daily", "session_date, open, high, low, close, volume")[-1] == (
        *(date(2024, 1, 12), 999.5, 1001.0, 998.0, 1000.25, 1234.0),
    )


@pytest.mark.parametrize("mark", [".", ","])
@pytest.mark.parametrize("first", [2, 80])
def test_whole_prices_that_exceed_a_thousand_midway(shop: Shop, mark: str, first: int) -> None:
    """Beside 999, 1.003 is a thousand and three, even if the first rows do not show it."""
    days = [date(2024, 1, 2) + timedelta(days=n) for n in range(first + 10)]
    closes = ["999"] * first + [f"1{mark}003"] * 10
    rows = [f"{day:%d.%m.%Y};{c};{c};{c};{c};50" for day, c in zip(days, closes, strict=True)]
    shop.deliver(shop.csv("T.csv", rows, HEADER), calendar="ALWAYS", max_unreadable_pct=0)
    assert shop.rows("daily", "distinct close") == [(999.0,), (1003.0,)]


def test_a_comma_before_three_digits_is_asked_for(shop: Shop) -> None:
    rows = [f'2024-01-{day:02d},"1,234","1,240","1,230","1,239",500' for day in range(2, 9)]
    path = shop.csv("T.csv", rows)
    report = shop.refuse(path, calendar="XNYS", max_unreadable_pct=1)
    assert "none of its 7 rows can be read; row 1 is unreadable_open" in report.notes[0]
    for remedy, close in (("thousands = ','", 1239.0), ("decimal = ','", 1.239)):
        assert remedy in report.remedy
        source = remedy.split()[0]
        mapping = shop.file("m.toml", remedy)
        shop.deliver(path, calendar="XNYS", mapping=mapping, source=source)
        assert (close, source) in shop.rows("daily", "distinct close, source")


ORDINARY = {
    "yen by the day": (
        "date,open,high,low,close,volume",
        "2024-01-{d:02d},151.234,151.901,150.877,151.002,0",
    ),
    "HistData": (
        "date;time;open;high;low;close;volume",
        "202401{d:02d};170000;141.234;141.250;141.111;141.222;0",
    ),
    "HistData, in one": (
        "stamp;open;high;low;close;volume",
        "202401{d:02d} 170000;141.234;141.250;141.111;141.222;0",
    ),
    "MetaTrader": (
        "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>",
        "2024.01.{d:02d}\t141.234\t141.250\t141.111\t141.222\t100",
    ),
    "Dukascopy": (
        "Gmt time,Open,High,Low,Close,Volume",
        "{d:02d}.01.2024 00:00:00.000,141.234,141.250,141.111,141.222,1234",
    ),
    "US dates": ("date,open,high,low,close", "01/{d:02d}/2024,1.234,1.250,1.111,1.222"),
    "quoted": (
        '"date","open","high","low","close"',
        '"2024-01-{d:02d}","1.234","1.250","1.111","1.222"',
    ),
    "a volume in lots": (HEADER, "{d:02d}.01.2024;141.234;141.250;141.111;141.222;12.5"),
}


@pytest.mark.parametrize(("header", "row"), ORDINARY.values(), ids=ORDINARY)
def test_three_decimals_in_an_ordinary_file_are_three_decimals(
    shop: Shop, header: str, row: str
) -> None:
    names = "" if "stamp" not in header else "columns.timestamp = 'stamp'"
    names = "columns.timestamp = 'Gmt time'" if "Gmt" in header else names
    rows = [row.format(d=day) for day in (2, 3, 4, 16)]
    mapping = shop.file("m.toml", names)
    shop.deliver(shop.csv("T.csv", rows, header), calendar="XNYS", kind="daily", mapping=mapping)
    [(close,)] = shop.rows("daily", "distinct close")
    assert 1 < close < 152


@pytest.mark.parametrize(
    "row", ["{d}.01.2024\t3.000\t3.018\t2.962\t2.978\t5", "2024-01-{d};3.000;3.018;2.962;2.978;5"]
)
def test_either_sign_of_continental_notation_is_enough_to_ask(shop: Shop, row: str) -> None:
    header = HEADER.replace(";", "\t") if "\t" in row else HEADER
    report = shop.refuse(
        shop.csv("T.csv", [row.format(d=day) for day in range(12, 18)], header), calendar="XNYS"
    )
    assert "may be 2962 or 2.962" in report.notes[0]


def test_decimal_and_thousands_marks_must_differ(shop: Shop) -> None:
    with pytest.raises(BadInput, match="decimal and thousands are both ','"):
        read_mapping(shop.file("m.toml", "decimal = ','\nthousands = ','"))


# ---- 12: two epochs


@needs_sent
def test_12_weekdays_decide_from_which_year_seconds_count(project: DataFolder) -> None:
    path = sent("12", "DHOLD.json")
    report = project.report(path, "--source", "dhan")
    days = [day for (day,) in project.rows("daily", "session_date")]
    assert (days[0], days[-1], len(days)) == (date(2024, 1, 2), date(2024, 1, 31), 20)
    assert (
        "start_Time counts from 1980: from 1970, 7 of its 20 days would have had no session"
        in report["notes"]
    )
    stated = project.report(path, "--source", "stated", "--epoch", "1970")
    assert stated["first_session_date"] == "2014-01-02"


def dhan(days: list[date], first_year: int) -> str:
    epoch = datetime(first_year, 1, 1)
    seconds = [
        int(
            (
                datetime(d.year, d.month, d.day) - timedelta(hours=5, minutes=30) - epoch
            ).total_seconds()
        )
        for d in days
    ]
    bars = {name: [1.0] * len(days) for name in ("open", "high", "low", "close")}
    return json.dumps(
        {"status": "success", "data": {**bars, "volume": [1] * len(days), "start_Time": seconds}}
    )


# sessions of two weeks
MARCH = [date(2023, 3, day) for day in (13, 14, 15, 16, 17, 20, 21, 22, 23, 24)]


@pytest.mark.parametrize("year", [1970, 1980])
def test_both_epochs_give_the_same_days(shop: Shop, year: int) -> None:
    shop.deliver(shop.file("T.json", dhan(MARCH, year)))
    assert [day for (day,) in shop.rows("daily", "session_date")] == MARCH


def test_12_days_that_are_sessions_in_both_years_are_asked_about(shop: Shop) -> None:
    # 3,652 days after a Friday is a Wednesday
    path = shop.file("T.json", dhan([date(2013, 3, 8), date(2013, 3, 15)], 1970))
    report = shop.refuse(path)
    assert (
        "start_Time may count from 1970 (its bars are then from 2013-03-08 to 2013-03-15)"
        in report.notes[0]
    )
    assert "from 1980 (from 2023-03-08 to 2023-03-15)" in report.notes[0]
    for year, first in (("1970", date(2013, 3, 8)), ("1980", date(2023, 3, 8))):
        shop.deliver(path, epoch=year, source=year)
        assert (first, year) in shop.rows("daily", "session_date, source")


# ---- 13


@needs_sent
@pytest.mark.parametrize("mapped", [True, False])
def test_13_investing(project: DataFolder, mapped: bool) -> None:
    mapping = ("-m", sent("13", "m.toml")) if mapped else ()
    assert project.ingest(sent("13", "INVST.csv"), "--calendar", "XNYS", *mapping).returncode == 0
    rows = project.rows("daily", "session_date, open, high, low, close, volume")
    assert len(rows) == 20
    assert rows[0] == (date(2024, 1, 2), 98.8, 99.2, 98.08, 98.29, 100_000.0)
