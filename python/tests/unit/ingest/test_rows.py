"""No row is lost: each is typed, or kept as text with its number and reason, and counted."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duckbourse.ingest import Outcome, ingest, read_mapping
from tests.support.stores import DELIVERED_AT, HEADER, Shop

NAMES = f"symbol,{HEADER}"
GOOD = "2024-01-{day:02d},10,11,9,10,100"
# a defect of one row: its text, and the rule that it breaks (None: it is typed and kept)
DEFECTS: dict[str, tuple[str, str | None]] = {
    "a word for a price": ("A,2024-01-02,10,11,x,10,100", "unreadable_low"),
    "a word for a volume": ("A,2024-01-02,10,11,9,10,many", "unreadable_volume"),
    "an impossible date": ("A,2024-02-30,10,11,9,10,100", "unreadable_timestamp"),
    "an offset where others have none": (
        "A,2024-01-02 00:00:00+09:00,10,11,9,10,100",
        "unreadable_timestamp",
    ),
    "a year of five digits": ("A,12024-01-02,10,11,9,10,100", "unreadable_timestamp"),
    "a year before all": ("A,2024-01-02 (BC),10,11,9,10,100", "unreadable_timestamp"),
    "a date without end": ("A,infinity,10,11,9,10,100", "unreadable_timestamp"),
    "a date without beginning": ("A,-infinity,10,11,9,10,100", "unreadable_timestamp"),
    "the first day of all": ("A,0001-01-01,10,11,9,10,100", "unreadable_timestamp"),
    "no date": ("A,,10,11,9,10,100", "no_timestamp"),
    "no symbol": (",2024-01-02,10,11,9,10,100", "no_symbol"),
    "infinity": ("A,2024-01-02,inf,11,9,10,100", "unreadable_open"),
    "a comma for thousands": ('A,2024-01-02,10,11,9,"1,000",100', "unreadable_close"),
    "too few columns": ("A,2024-01-02,10,11", "too_few_columns"),
    "too many columns": ("A,2024-01-02,10,11,9,10,100,7", "too_many_columns"),
    "no price": ("A,2024-01-02,,,,,", None),
    "nan": ("A,2024-01-02,nan,NaN,N/A,null,-", None),
    "high below low": ("A,2024-01-02,10,9,11,10,100", None),
    "negative": ("A,2024-01-02,-10,-9,-11,-10,-100", None),
}


@pytest.mark.parametrize(("row", "rule"), DEFECTS.values(), ids=DEFECTS)
def test_a_defect_is_kept_with_its_row(shop: Shop, row: str, rule: str | None) -> None:
    rows = ["A," + GOOD.format(day=day) for day in range(3, 13)]
    path = shop.csv("T.csv", [*rows[:4], row, *rows[4:]], NAMES)
    report = shop.deliver(path, calendar="XNYS")
    assert (report.rows_read, report.rows_kept) == (11, 11 if rule is None else 10)
    assert report.rows_unreadable == (0 if rule is None else 1)
    # the rows around it have their numbers in the file
    numbers = [number for (number,) in shop.rows("daily", "source_row")]
    assert numbers == [number for number in range(1, 12) if rule is None or number != 5]
    if rule is None:
        assert not (shop.store.root / "unreadable" / f"{report.delivery}.parquet").exists()
        return
    [(source, file, number, found, content)] = shop.rows(
        "unreadable", "source, source_file, source_row, rule, content"
    )
    assert (source, file, number, found) == ("T", "T.csv", 5, rule)
    kept = json.loads(content)
    if "line" in kept:
        assert kept["line"] == row
    else:
        assert list(kept) == NAMES.split(",")
        assert kept["date"] == (row.split(",")[1] or None)


def test_a_missing_number_is_null(shop: Shop) -> None:
    path = shop.csv("T.csv", [GOOD.format(day=2), "2024-01-03,nan,N/A,null,-,"])
    shop.deliver(path, calendar="XNYS")
    assert shop.rows("daily", "open, high, low, close, volume")[-1] == (None,) * 5


def test_bytes_that_are_not_text_cost_only_their_row(shop: Shop) -> None:
    rows = [("A," + GOOD.format(day=day)).encode() for day in range(2, 8)]
    rows[2] = rows[2].replace(b"A,", b"A\xff,")
    path = shop.file("T.csv", b"\n".join([NAMES.encode(), *rows]))
    report = shop.deliver(path, calendar="XNYS")
    assert (report.rows_kept, report.rows_unreadable) == (5, 1)
    assert shop.rows("unreadable", "source_row, rule") == [(3, "not_utf8")]


WORDS = st.one_of(
    st.floats(-1e6, 1e6).map(lambda number: f"{number:.4f}"),
    st.sampled_from(["", "x", "nan", "1e3", "12,5", '"', "0", "-", "∞", " 7 ", "1 2", "\t"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=6),
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(WORDS, min_size=5, max_size=8), max_size=12))
def test_every_row_is_kept_or_rejected(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    shop = Shop(tmp_path_factory.mktemp("rows"))
    quoted = ['"' + word.replace('"', '""') + '"' for row in rows for word in row]
    lines, at = [], 0
    for row in rows:
        lines.append(",".join(quoted[at : at + len(row)]))
        at += len(row)
    good = ["A," + GOOD.format(day=day) for day in range(2, 8)]
    report = shop.deliver(shop.csv("T.csv", [*good[:3], *lines, *good[3:]], NAMES), calendar="XNYS")
    assert report.rows_read == 6 + len(rows)
    assert report.rows_kept + report.rows_unreadable == report.rows_read
    kept = [number for (number,) in shop.rows("daily", "source_row")]
    aside = [number for (number,) in shop.rows("unreadable", "source_row")]
    assert sorted(kept + aside) == list(range(1, report.rows_read + 1))


def test_row_numbers_and_order_hold_in_a_file_read_by_many_threads(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "big.csv"
    with duckdb.connect() as con:
        con.execute(
            f"copy (select 'S' || lpad((i // 375)::varchar, 4, '0') as symbol,"
            f" timestamp '2024-01-02 09:15' + to_minutes(i % 375) as ts,"
            f" i as open, i + 1 as high, i as low, if(i = 299999, 'x', i::varchar) as close,"
            f" 1 as volume from range(600000) as t (i)) to '{path}' (header)"
        )
    assert path.stat().st_size > 24_000_000  # more than one thread's share
    reported: list[float] = []

    class Progress:
        def begin(self, total: int) -> None:
            assert total == path.stat().st_size

        def at(self, file: str, done: float) -> None:
            reported.append(done / path.stat().st_size)

    monkeypatch.setattr("duckbourse.ingest.run.WATCH_SECONDS", 0.01)
    [report] = ingest([path], read_mapping(None), shop.store, DELIVERED_AT, progress=Progress())
    assert report.outcome is Outcome.DELIVERED
    assert reported == sorted(reported)
    assert any(0 < done < 0.5 for done in reported), "no progress was reported while it was read"
    assert reported[-1] == 1
    files = f"{shop.store.root}/minute/*/*.parquet"
    with duckdb.connect() as con:
        [found] = con.execute(
            f"select count(*), count(*) filter (where open + 1 <> source_row),"
            f" count(*) filter (where source_row < before)"
            f" from (select open, source_row, lag(source_row) over (order by file_row_number)"
            f" as before from read_parquet('{files}', file_row_number = true))"
        ).fetchall()
    assert found == (599_999, 0, 0)
    assert shop.rows("unreadable", "source_row, rule") == [(300_000, "unreadable_close")]


def test_bars_are_sorted_by_symbol_and_time_whatever_their_order(shop: Shop) -> None:
    rows = [f"{name},{GOOD.format(day=day)}" for day in (31, 2, 17) for name in "BCA"]
    rows += [row.replace("2024-01-", "2024-03-") for row in rows]
    path = shop.csv("T.csv", rows, NAMES)
    assert "--kind daily" in shop.refuse(path, calendar="XNYS").remedy
    report = shop.deliver(path, calendar="XNYS", kind="daily")
    for month in ("2024-01", "2024-03"):
        file = shop.store.root / "daily" / f"month={month}" / f"{report.delivery}.parquet"
        with duckdb.connect() as con:
            found = con.execute(
                f"select symbol, session_date from '{file}' order by file_row_number"
            ).fetchall()
        assert found == sorted(found)
        assert len(found) == 9


def test_duplicates_are_counted_and_kept(shop: Shop) -> None:
    rows = [GOOD.format(day=2), GOOD.format(day=3), GOOD.format(day=2), GOOD.format(day=2)]
    report = shop.deliver(shop.csv("T.csv", rows), calendar="XNYS")
    assert (report.rows_kept, report.rows_duplicate) == (4, 2)


def test_revisions_are_counted_against_the_latest_bars_of_the_source(shop: Shop) -> None:
    def drop(number: int, rows: list[str], source: str = "feed") -> int:
        path = shop.csv(f"{number}.csv", rows, NAMES)
        at = DELIVERED_AT + timedelta(days=number)
        return shop.deliver(path, source=source, calendar="XNYS", delivered_at=at).rows_revised

    assert drop(1, ["A,2024-01-02,1,1,1,1,1", "A,2024-01-03,1,1,1,1,1"]) == 0
    assert drop(2, ["A,2024-01-03,1,1,1,1,1", "A,2024-01-04,1,1,1,1,1"]) == 0
    assert drop(3, ["A,2024-01-03,1,1,1,2,1", "A,2024-01-04,1,1,1,1,1"]) == 1
    assert drop(4, ["A,2024-01-03,1,1,1,2,1", "A,2024-01-04,1,1,1,1,"]) == 1
    assert drop(5, ["B,2024-01-03,1,1,1,9,1"]) == 0
    assert drop(6, ["A,2024-01-03,1,1,1,9,1"], source="other") == 0


@pytest.mark.parametrize(("closes", "count"), [((2, 1), 0), ((1, 2), 1)])
def test_of_a_bar_given_twice_the_last_row_revises(
    shop: Shop, closes: tuple[int, int], count: int
) -> None:
    first = shop.csv("1.csv", ["A,2024-01-02,1,1,1,1,1", "A,2024-01-03,1,1,1,1,1"], NAMES)
    shop.deliver(first, source="feed", calendar="XNYS")
    again = [f"A,2024-01-03,1,1,1,{close},1" for close in closes]
    second = shop.csv("2.csv", ["A,2024-01-04,1,1,1,1,1", *again], NAMES)
    at = DELIVERED_AT + timedelta(days=1)
    report = shop.deliver(
        second, source="feed", calendar="XNYS", last_row_wins=True, delivered_at=at
    )
    assert (report.rows_duplicate, report.rows_revised) == (1, count)


INSIDE = (
    *("vendor", "texts", "wrong", "place", "rule", "content", "line", "source_row", "at_row"),
    *("rejected", "numbered", "typed", "finite", "found", "stamp", "stamp_text", "stamp_value"),
    *("close_text", "close_value", "written", "vendor_symbol", "rowid", "row_of_file", "nameless"),
)


def test_columns_may_have_our_names(shop: Shop) -> None:
    rows = [GOOD.format(day=day) + ",own" * len(INSIDE) for day in range(2, 12)]
    rows[3] = rows[3].replace("11", "x")
    path = shop.csv("T.csv", rows, f"{HEADER},{','.join(INSIDE)}")
    report = shop.deliver(
        path, calendar="XNYS", mapping=shop.file("m.toml", "columns.timestamp = 'date'")
    )
    assert (report.rows_kept, report.rows_unreadable) == (9, 1)
    [(content,)] = shop.rows("unreadable", "content")
    assert list(json.loads(content).values()) == rows[3].split(",")


@pytest.mark.parametrize("own", ["row_of_file", "symbol", "vendor"])
def test_wide_tables_may_have_our_names(shop: Shop, own: str) -> None:
    fields = ("Open", "High", "Low", "Close", "Volume")
    header = ",".join(["Date", own, *(f"{f}_{s}" for s in ("AAPL", "MSFT") for f in fields)])
    rows = [f"2024-01-{day:02d},v,1,2,1,2,9,3,4,3,4,9" for day in range(2, 12)]
    rows[3] = rows[3].replace("3,4,3", "3,x,3")
    report = shop.deliver(shop.csv("T.csv", rows, header), calendar="XNYS")
    assert (report.rows_kept, report.rows_unreadable) == (19, 1)
    [(content,)] = shop.rows("unreadable", "content")
    assert json.loads(content)["High"] == "x"


@pytest.mark.parametrize(
    "more", ["Volume,Volume,Volume_1", "Volume_1,volume,Volume,VOLUME_1", ",,nameless", "Volume,"]
)
def test_columns_with_the_same_name_are_distinguished(shop: Shop, more: str) -> None:
    names = f"date,open,high,low,close,{more}"
    rows = [f"2024-01-{day:02d},1,2,1,2" + ",7" * len(more.split(",")) for day in range(2, 8)]
    assert shop.deliver(shop.csv("T.csv", rows, names), calendar="XNYS").rows_kept == 6
    mapping = shop.file("m.toml", f"names = {names.split(',')!r}")
    path = shop.file("U.csv", "\n".join(rows))
    assert shop.deliver(path, mapping=mapping, calendar="XNYS").rows_kept == 6


def test_a_repeated_header_is_one_unreadable_row(shop: Shop) -> None:
    rows = [GOOD.format(day=day) for day in range(2, 12)]
    again = HEADER.upper().replace(",", " , ")
    report = shop.deliver(shop.csv("T.csv", [*rows[:5], again, *rows[5:]]), calendar="XNYS")
    assert (report.rows_kept, report.rows_unreadable) == (10, 1)


@pytest.mark.parametrize(
    "other",
    [
        "date,close,high,low,open,volume",
        "open,high,low,close,date,volume",
        "Date, Low , High,Open,Close,Vol",
        "date,open,high,low,adj close,volume",
        "volume,open,high,low,close,date",
    ],
)
def test_a_repeated_header_in_another_order_is_refused(shop: Shop, other: str) -> None:
    rows = [GOOD.format(day=day) for day in range(2, 12)]
    path = shop.csv("T.csv", [*rows, "", other, *rows])
    refused = shop.refuse(path, calendar="XNYS")
    expected = ", ".join(name.strip() for name in other.split(","))
    assert f"line 13 is another header, whose columns differ: {expected}" in refused.notes[0]


def test_the_remedy_for_another_order_works(shop: Shop) -> None:
    rows = [GOOD.format(day=day) for day in range(2, 7)]
    after = [f"2024-01-{day:02d},10.5,11,9,10,100" for day in range(8, 13)]
    other = "date,close,high,low,open,volume"
    refused = shop.refuse(shop.csv("T.csv", [*rows, other, *after]), calendar="XNYS")
    assert "a file of their own, in another folder under the same name" in refused.remedy
    for path in (shop.csv("a/T.csv", rows), shop.csv("b/T.csv", after, other)):
        shop.deliver(path, calendar="XNYS")
    assert shop.rows("daily", "distinct symbol, open, close", "open, close") == [
        ("T", 10.0, 10.0),
        ("T", 10.0, 10.5),
    ]


def test_adjusted_closes_are_a_kind_of_their_own(shop: Shop) -> None:
    only = shop.csv("T.csv", ["2024-01-02,9.5", "2024-01-03,9.75"], "Date,Adj Close")
    assert shop.deliver(only, calendar="XNYS").kind == "adjusted_close"
    assert shop.rows("adjusted_close", "symbol, session_date, adjusted_close") == [
        ("T", date(2024, 1, 2), 9.5),
        ("T", date(2024, 1, 3), 9.75),
    ]


def test_one_file_can_be_delivered_as_both_kinds(shop: Shop) -> None:
    rows = ["2024-01-02,10,11,9,10,9.5,100", "2024-01-03,10,11,9,10,9.75,100"]
    path = shop.csv("T.csv", rows, "Date,Open,High,Low,Close,Adj Close,Volume")
    bars = shop.deliver(path, calendar="XNYS")
    assert (bars.kind, bars.columns_left) == ("daily", ("Adj Close",))
    assert shop.deliver(path, calendar="XNYS", kind="adjusted_close").kind == "adjusted_close"
    assert shop.rows("adjusted_close", "adjusted_close") == [(9.5,), (9.75,)]


def test_mappings_state_what_the_file_does_not(shop: Shop) -> None:
    mapping = shop.file(
        "vendor.toml",
        """
        source = "boerse"
        symbol = "SAP"
        calendar = "XNYS"
        date_format = "%d.%m.%Y"
        decimal = ","
        thousands = "."
        delimiter = ";"
        skip_lines = 2
        volume_scale = 100

        [columns]
        timestamp = "Tag"
        open = "Eröffnung"
        high = "Hoch"
        low = "Tief"
        close = "Schluss"
        volume = "Stück"
        """,
    )
    text = (
        "Kurse der Woche\n\nTag;Eröffnung;Hoch;Tief;Schluss;Stück\n"
        "02.01.2024;1.000,5;1.010,25;990,0;1.005,0;1.234\n"
        "03.01.2024;1.000,5;1.010,25;990.5;1.005,0;1.234\n"
        "04.01.2024;12.34.567,5;1.010,25;990,5;1005;1.234\n"
    )
    report = shop.deliver(shop.file("kurse.csv", text), mapping=mapping)
    assert (report.source, report.rows_kept, report.rows_unreadable) == ("boerse", 2, 1)
    assert shop.rows("daily", "symbol, session_date, open, high, low, close, volume") == [
        ("SAP", date(2024, 1, 2), 1000.5, 1010.25, 990.0, 1005.0, 123_400.0),
        ("SAP", date(2024, 1, 4), 1234567.5, 1010.25, 990.5, 1005.0, 123_400.0),
    ]
    assert shop.rows("unreadable", "source_row, rule") == [(2, "unreadable_low")]


def test_a_mapping_names_the_columns_of_a_file_without_a_header(shop: Shop) -> None:
    mapping = shop.file("m.toml", "names = ['date', 'open', 'high', 'low', 'close', 'volume']")
    path = shop.file("T.csv", "2024-01-02,1,2,1,2,5\n2024-01-03,1,2,1,2,5\n")
    assert shop.deliver(path, mapping=mapping, calendar="XNYS").rows_kept == 2


def test_an_option_takes_precedence_over_the_mapping(shop: Shop) -> None:
    mapping = shop.file("m.toml", "source = 'a'\ncalendar = 'XNSE'")
    path = shop.csv("T.csv", [GOOD.format(day=2)])
    report = shop.deliver(path, mapping=mapping, calendar="XNYS")
    assert (report.source, report.calendar) == ("a", "XNYS")


def test_two_files_with_the_same_prices_are_two_symbols(shop: Shop) -> None:
    rows = [GOOD.format(day=day) for day in range(2, 8)]
    reports = shop.run(
        shop.csv("A.csv", rows), shop.csv("B.csv", rows), source="s", calendar="XNYS"
    )
    assert [report.outcome for report in reports] == [Outcome.DELIVERED] * 2
    assert shop.rows("daily", "distinct symbol") == [("A",), ("B",)]
