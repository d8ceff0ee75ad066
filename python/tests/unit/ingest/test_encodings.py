"""Text that is not UTF-8 is read in its encoding, and that is reported."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest

from tests.support.stores import Shop

GERMAN = "\n".join(
    [
        "Datum;Eröffnung;Hoch;Tief;Schluß;Stück",
        *(f"2024-01-0{day};16.843,50;16.959,60;16.550,10;16.707,60;500" for day in (2, 3)),
    ]
)
MAPPING = """
calendar = 'ALWAYS'
[columns]
timestamp = 'Datum'
open = 'Eröffnung'
high = 'Hoch'
low = 'Tief'
close = 'Schluß'
volume = 'Stück'
"""
HEADER = "symbol,name,date,open,high,low,close,volume"


def note(encoding: str) -> str:
    return f"it is not UTF-8 and was read as {encoding}: set encoding = '…' if that is wrong"


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_western_header_is_named_in_a_mapping(shop: Shop, pack: Callable[[bytes], bytes]) -> None:
    mapping = shop.file("m.toml", MAPPING)
    file = shop.file(
        "DAX.csv.gz" if pack is gzip.compress else "DAX.csv", pack(GERMAN.encode("cp1252"))
    )
    report = shop.deliver(file, mapping=mapping)
    assert note("cp1252") in report.notes
    assert shop.rows("daily", "open, close, volume") == [(16843.5, 16707.6, 500)] * 2
    # the same text in UTF-8 gives the same bars, without a note
    utf8 = Shop(shop.folder / "utf8")
    assert not [
        n for n in utf8.deliver(utf8.file("DAX.csv", GERMAN), mapping=mapping).notes if "UTF" in n
    ]
    assert utf8.rows("daily", "open, close, volume") == shop.rows("daily", "open, close, volume")


def test_a_stated_encoding_is_used(shop: Shop) -> None:
    mapping = shop.file("m.toml", MAPPING.replace("calendar", "encoding = 'utf-16'\ncalendar", 1))
    report = shop.deliver(shop.file("DAX.csv", GERMAN.encode("utf-16")), mapping=mapping)
    assert not [n for n in report.notes if "UTF" in n]
    assert shop.rows("daily", "count(*)") == [(2,)]
    wrong = shop.file("w.toml", MAPPING.replace("calendar", "encoding = 'utf-8'\ncalendar", 1))
    refused = shop.refuse(shop.file("D.csv", GERMAN.encode("cp1252")), mapping=wrong)
    assert "D.csv is not utf-8" in refused.notes[0]
    right = shop.file("r.toml", MAPPING)
    shop.deliver(shop.folder / "vendor" / "D.csv", mapping=right)


def test_a_western_name_far_down_and_a_broken_row_of_utf8(shop: Shop) -> None:
    rows = [f"A,Abc,2024-01-02,1,2,1,2,{n}" for n in range(60_000)]
    rows = [row.replace("A,", f"A{n},", 1) for n, row in enumerate(rows)]
    far = "\n".join([HEADER, *rows, "N,Nestlé,2024-01-02,1,2,1,2,5"]).encode("cp1252")
    report = shop.deliver(shop.file("far.csv", far), calendar="XNYS")
    assert (report.rows_unreadable, note("cp1252") in report.notes) == (0, True)
    # in a UTF-8 file, rows in other encodings are rejected
    mixed = (
        "\n".join([HEADER, "N,Nestlé,2024-01-03,1,2,1,2,5"]).encode()
        + b"\nM\xe9,M,2024-01-03,1,2,1,2,5"
    )
    other = shop.deliver(shop.file("mixed.csv", mixed), calendar="XNYS")
    assert (other.rows_unreadable, other.unreadable[0].rule) == (1, "not_utf8")
