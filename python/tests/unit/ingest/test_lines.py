"""Every line of a text file is accounted for, with any line end and any quotes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duckbourse.ingest import Report
from tests.support.stores import Shop

NAMES = "Date,Open,High,Low,Close,Volume,Note"
HEADER = NAMES.removesuffix(",Note")
DAYS = [f"2024-{month:02d}-{day:02d}" for month in range(1, 11) for day in range(1, 29)]


def bars(count: int, note: str = "n") -> list[str]:
    """Return this many rows with a note, each with its own price."""
    return [f"{DAYS[at]},{at + 1},{at + 1}.5,{at + 1},{at + 1}.25,9,{note}" for at in range(count)]


def accounted(shop: Shop, report: Report, rows: Sequence[str]) -> None:
    """Assert that each of these lines is a bar with its number, or is rejected whole."""
    assert report.rows_kept + report.rows_unreadable == report.rows_read == len(rows)
    kept = dict(shop.rows("daily", "source_row, open"))
    aside = {}
    if report.rows_unreadable:
        aside = dict(shop.rows("unreadable", "source_row, content"))
    assert sorted([*kept, *aside]) == list(range(1, len(rows) + 1))
    for row, content in aside.items():
        assert json.loads(content).get("line", rows[row - 1]) == rows[row - 1]
    for row, price in kept.items():
        assert price == float(rows[row - 1].split(",")[1])


ASTRAY = {
    "an opening quote": {20: ('n"', '"n')},
    "a quote at the end of two": {20: (",n", ',"n'), 30: (",n", ',n"')},
    "quotes that take whole fields": {20: (",n", ',"'), 30: (",n", ',"')},
    "an opening quote behind a mark of inches": {20: (",n", '5",'), 25: (",n", ',"n')},
    "one in the date": {20: ("2024", '"2024')},
    "two in two dates": {20: ("2024", '"2024'), 40: ("2024", '"2024')},
    "beside commas in quotes": {20: (",n", ',"a,b"'), 30: (",n", ',"a,b'), 50: (",n", ',"a, b"')},
    "escaped ones": {20: (",n", ',"a ""b""'), 40: (",n", ',""n')},
    "one in the last row": {199: (",n", ',"n')},
}


@pytest.mark.parametrize("astray", ASTRAY.values(), ids=ASTRAY)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_a_stray_quote_swallows_no_line(
    shop: Shop, astray: dict[int, tuple[str, str]], end: str
) -> None:
    rows = bars(200)
    for at, (old, new) in astray.items():
        rows[at] = rows[at].replace(old, new)
    report = shop.deliver(shop.file("T.csv", end.join([NAMES, *rows]) + end), calendar="XNYS")
    accounted(shop, report, rows)
    # lines that are not next to a quote are bars
    assert report.rows_unreadable <= len(astray)


def test_a_note_of_two_lines_is_one_row(shop: Shop) -> None:
    rows = bars(20)
    rows[4] = rows[4].replace(",n", ',"first\nsecond, with a comma\n\nfourth"')
    rows[9] = rows[9].replace(",1", ",x")
    rows[11] += ",too many"
    report = shop.deliver(shop.csv("T.csv", rows, NAMES), calendar="XNYS")
    assert (report.rows_read, report.rows_kept) == (20, 18)
    numbers = [number for (number,) in shop.rows("daily", "source_row")]
    assert numbers == [number for number in range(1, 21) if number not in (10, 12)]
    # three more lines than rows, and the header
    assert [(one.rule, one.rows[0].row, one.rows[0].line) for one in report.unreadable] == [
        ("unreadable_open", 10, 14),
        ("too_many_columns", 12, 16),
    ]


def test_each_broken_line_counts_toward_the_limit(shop: Shop) -> None:
    rows = bars(100)
    rows[50:53] = ['2024-09-01,1,2,"1', "some words", 'and "more"']
    report = shop.deliver(shop.csv("T.csv", rows, NAMES), calendar="XNYS")
    assert report.rows_unreadable == 3
    found = shop.rows("unreadable", "source_row, rule, content")
    assert [(row, rule) for row, rule, _ in found] == [
        (51, "open_quote"),
        (52, "too_few_columns"),
        (53, "too_few_columns"),
    ]
    assert [json.loads(content)["line"] for *_, content in found] == rows[50:53]
    refused = shop.refuse(shop.csv("U.csv", rows, NAMES), calendar="XNYS", max_unreadable_pct=1)
    assert "3 of its 100 rows cannot be read" in refused.notes[0]


def test_a_rejected_line_is_kept_whole_and_once(shop: Shop) -> None:
    rows = bars(20)
    rows[3] = rows[3].replace(",n", ",n,") + "x" * 30_000
    rows[5] = rows[5].replace(",n", ',"a,b,"c')  # DuckDB reports two errors
    report = shop.deliver(shop.csv("T.csv", rows, NAMES), calendar="XNYS")
    accounted(shop, report, rows)
    assert report.rows_unreadable == 2


def test_blank_lines_are_not_rows(shop: Shop) -> None:
    rows = bars(12)
    rows[7] = "2024-08-01,1,2"
    lines = [NAMES, *rows[:3], "", *rows[3:6], "", "", *rows[6:], ""]
    report = shop.deliver(shop.file("T.csv", "\r\n".join(lines)), calendar="XNYS")
    accounted(shop, report, rows)
    assert [(one.rows[0].row, one.rows[0].line) for one in report.unreadable] == [(8, 12)]


PIECES = st.sampled_from(['"', '""', ",", "n", ' "', '",', ',"', "5", "\u2028", "\x0c", " "])


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.dictionaries(st.integers(1, 38), st.lists(PIECES, max_size=6).map("".join), max_size=4),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_whatever_quotes_do_each_line_counts(
    tmp_path_factory: pytest.TempPathFactory, notes: dict[int, str], end: str
) -> None:
    shop = Shop(tmp_path_factory.mktemp("quotes"))
    rows = bars(40)
    for at, note in notes.items():
        rows[at] = rows[at].removesuffix("n") + note
    report = shop.deliver(shop.file("T.csv", end.join([NAMES, *rows]) + end), calendar="XNYS")
    accounted(shop, report, rows)


@pytest.mark.parametrize("mark", ["\x0c", "\x0b", "\x1c", "\x85", "\u2028", "\u2029"])
def test_only_line_ends_of_duckdb_count(shop: Shop, mark: str) -> None:
    rows = [row.removesuffix(",n") for row in bars(5)]
    path = shop.file("T.csv", "\n".join([f"Report {mark} page 1", HEADER, *rows]))
    report = shop.deliver(path, calendar="XNYS")
    accounted(shop, report, rows)
    assert "skipped the line above its header" in report.notes


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("ends", [("\r\n", "\n"), ("\n", "\r\n"), ("\r\r\n",), ("\n", "\r")])
def test_lines_may_end_in_several_ways(shop: Shop, ends: tuple[str, ...], packed: bool) -> None:
    rows = [row.removesuffix(",n") for row in bars(7)]
    rows[3] = "2024-08-01,1,2"
    text = "".join(
        line + ends[min(at, len(ends) - 1)] for at, line in enumerate(["Title", HEADER, *rows])
    ).encode()
    path = shop.file("T.csv", gzip.compress(text) if packed else text)
    report = shop.deliver(path, calendar="XNYS")
    accounted(shop, report, rows)
    assert report.rows_unreadable == 1


@pytest.mark.parametrize("above", [[], ["Report of NSE"], ['5" pipes', '"'], ['Of "all'], ["", ""]])
def test_quoted_names_may_span_two_lines(shop: Shop, above: list[str]) -> None:
    """As in NSE's download of a stock's history."""
    rows = [row.removesuffix(",n") for row in bars(6)]
    names = ",".join(f'"{name} \n"' for name in HEADER.split(","))
    report = shop.deliver(
        shop.csv("T.csv", [*above, names, *rows][1:], [*above, names][0]), calendar="XNYS"
    )
    accounted(shop, report, rows)
