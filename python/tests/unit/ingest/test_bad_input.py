"""A file that is refused gets one line and a remedy, and leaves nothing behind."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import duckdb
import polars
import pytest

from duckbourse.errors import BadInput, ConfigurationError
from duckbourse.ingest import Outcome, read_mapping
from tests.support.stores import HEADER, Shop, minutes
from tests.unit.ingest.test_formats import archive

ROWS = "\n".join([HEADER, *minutes("2024-01-02", "09:15", 375)])
NOISE = "\n".join(
    [HEADER, *(f"2024-01-02,1,1,1,{random.Random(i).random()},1" for i in range(5_000))]
)
SPOILT = gzip.compress(json.dumps(NOISE.splitlines()).encode())
SPOILT = SPOILT[:-9] + bytes([SPOILT[-9] ^ 255]) + SPOILT[-8:]

FILES: dict[str, tuple[str, str | bytes, str]] = {
    "empty": ("T.csv", "", "is empty: 0 bytes"),
    "blank": ("T.csv", "\n\n \n", "holds no lines"),
    "empty gzip": ("T.csv.gz", gzip.compress(b""), "is empty: 0 bytes"),
    "only a header": ("T.csv", HEADER, "has no row with a date"),
    "no close": ("T.csv", "date,open,high,low\n2024-01-02,1,2,1\n", "has no close"),
    "no open": ("T.csv", "date,high,low,close\n2024-01-02,1,2,1\n", "has no open"),
    "no date": ("T.csv", "open,high,low,close\n1,2,1,1\n", "has no date or timestamp"),
    "a letter": ("T.txt", "Dear Sir,\n\nI am writing about bars.\n", "is not a table of bars"),
    "an image": ("T.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary data"),
    "no header": ("T.csv", "2024-01-02,1,2,1,2,5\n", "does not name its columns"),
    "fewer names than columns": (
        "T.csv",
        "date,open,high,low,close\n2024-01-02,09:15:00,1,2,1,2\n",
        "names 5 columns, but its rows have 6",
    ),
    "UTF-16": ("T.csv", ROWS.encode("utf-16"), "UTF-16"),
    "gzip cut at once": ("T.csv.gz", gzip.compress(ROWS.encode())[:900], "damaged gzip"),
    "gzip cut far down": ("T.csv.gz", gzip.compress(NOISE.encode())[:-2000], "damaged gzip"),
    "gzip with a wrong byte": ("T.json.gz", SPOILT, "damaged gzip"),
    "JSON cut short": ("T.json", '{"status": "success", "data": {"candles": [[', "is not JSON"),
    "JSON of an error": (
        "T.json",
        json.dumps({"status": "error", "message": "Token is invalid", "data": None}),
        "a vendor's error: Token is invalid",
    ),
    "JSON of something else": ("T.json", '{"data": {"orders": []}}', "JSON of an unknown shape"),
    "JSON without candles": (
        "T.json",
        '{"status": "success", "data": {"candles": []}}',
        "has no row with a date",
    ),
    "arrays of two lengths": (
        "T.json",
        json.dumps({**{key: [1] for key in ("open", "high", "low", "close")}, "timestamp": [1, 2]}),
        "different lengths",
    ),
    "Parquet that is none": ("T.parquet", "date,close\n", "is not parquet"),
    "Feather that is none": ("T.feather", "date,close\n", "is not feather"),
    "old Feather": ("T.feather", b"FEA1" + b"\0" * 50, "Feather version 1"),
    "Feather cut short": ("T.feather", b"ARROW1\0\0" + b"\xff" * 90, "cannot be read"),
    "a tar that is none": ("T.tar.gz", b"\x1f\x8b" + b"\0" * 40, "is a damaged archive"),
    "a tar cut short": (
        "T.tar.gz",
        archive({"prices.csv": bytes(range(256)) * 500})[:300],
        "is a damaged archive",
    ),
    "weeks": (
        "T.csv",
        "\n".join([HEADER, *(f"2024-01-{day:02d},1,1,1,1,1" for day in (1, 8, 15, 22, 29))]),
        "holds 7-day bars",
    ),
    "five minutes": (
        "T.csv",
        "\n".join([HEADER, *minutes("2024-01-02", "09:15", 375)[::5]]),
        "holds 5-minute bars",
    ),
    "day or month": (
        "T.csv",
        "\n".join([HEADER, *(f"0{day}/01/2024,1,1,1,1,1" for day in (2, 3, 4))]),
        "may be %d/%m/%Y or %m/%d/%Y",
    ),
    "dates of no format": (
        "T.csv",
        "\n".join([HEADER, "the second,1,1,1,1,1", "the third,1,1,1,1,1"]),
        "are in no known format",
    ),
    "no number anywhere": (
        "T.csv",
        "\n".join([HEADER, "2024-01-02,1;5,1,1,1,1", "2024-01-03,1;5,1,1,1,1"]),
        "none of its 2 rows can be read; row 1 is unreadable_open",
    ),
    "closes only": (
        "T.csv",
        "\n".join([HEADER, "2024-01-02,,,,1,", "2024-01-03,,,,1,"]),
        "has no open, high or low in any row",
    ),
}


@pytest.mark.parametrize(("name", "content", "expected"), FILES.values(), ids=FILES)
def test_a_bad_file(shop: Shop, name: str, content: str | bytes, expected: str) -> None:
    good = shop.csv("good.csv", ["2024-01-02,1,2,1,2,5"])
    bad, after = shop.run(shop.file(name, content), good, calendar="XNSE")
    if name.endswith(".tar.gz"):
        assert bad.file == name
    assert bad.outcome is Outcome.FAILED
    [note] = bad.notes
    assert expected in note
    assert note.startswith(name)
    assert "\n" not in note
    assert bad.remedy
    assert after.outcome is Outcome.DELIVERED
    assert shop.rows("deliveries", "count(*)") == [(1,)]


@pytest.mark.parametrize("keep", [5, 0.5, 0.99])
def test_parquet_cut_short(shop: Shop, tmp_path: Path, keep: float) -> None:
    path = tmp_path / "T.parquet"
    with duckdb.connect() as con:
        con.execute(
            "copy (select date '2024-01-01' + i::integer as date, i * 1.5 as open, i as high,"
            f" i as low, i as close from range(9000) as t (i)) to '{path}'"
        )
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep if keep > 1 else keep * len(whole))])
    assert "cannot be read" in shop.refuse(path, calendar="XNYS").notes[0]


def test_parquet_with_a_hole(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "T.parquet"
    polars.DataFrame(
        {name: [f"{i}" for i in range(5000)] for name in HEADER.split(",")}
    ).write_parquet(path, compression="zstd")
    whole = bytearray(path.read_bytes())
    whole[100:4000] = bytes(3900)
    path.write_bytes(whole)
    assert "cannot be read" in shop.refuse(path, calendar="XNYS").notes[0]


def test_missing_and_empty_paths(shop: Shop) -> None:
    assert "does not exist" in shop.refuse(shop.folder / "nothing.csv").notes[0]
    empty = shop.folder / "empty"
    empty.mkdir()
    [report] = shop.run(empty)
    assert (report.file, report.outcome, report.error) == (str(empty), Outcome.SKIPPED, None)
    assert report.notes == ("nothing to ingest: the folder is empty",)
    (empty / "prices.xlsx").write_text("x")
    [_, report] = shop.run(empty)
    assert report.notes == (f"{empty} holds no market data",)
    assert "neither a file nor a folder" in shop.refuse(Path("/dev/null")).notes[0]


MAPPINGS = {
    "not TOML": ("source = ", "is not TOML"),
    "a key that is none": ("sauce = 'x'", "there is no key 'sauce' of the mapping"),
    "a calendar that is none": ("calendar = 'XLON'", "no calendar is called 'XLON'"),
    "a slip in a calendar": (
        "calendar = 'XNSY'",
        "no calendar is called 'XNSY' (there are XNYS, XNSE, ALWAYS); did you mean 'XNYS'?",
    ),
    "a calendar by its exchange": (
        "calendar = 'nyse'",
        "no calendar is called 'nyse' (there are XNYS, XNSE, ALWAYS); did you mean 'XNYS'?",
    ),
    "a zone that is none": ("timezone = 'Bombay'", "no time zone is called 'Bombay'"),
    "a label that is none": ("bar_label = 'middle'", "bar_label = 'middle' of the mapping"),
    "a column that is none": ("[columns]\nprice = 'x'", "of the mapping"),
    "a scale of nothing": ("volume_scale = 0", "greater than 0"),
    "a format that is none": ("date_format = 'dd-mm'", "date_format"),
}


@pytest.mark.parametrize(("text", "expected"), MAPPINGS.values(), ids=MAPPINGS)
def test_a_bad_mapping(shop: Shop, text: str, expected: str) -> None:
    with pytest.raises(BadInput) as raised:
        read_mapping(shop.file("m.toml", text))
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)
    assert raised.value.remedy


def test_a_bad_option_is_named_as_on_the_command_line() -> None:
    with pytest.raises(ConfigurationError, match="--calendar = 'XLON' is not usable"):
        read_mapping(None, calendar="XLON")
    with pytest.raises(ConfigurationError, match="--bar-label = 'middle'"):
        read_mapping(None, bar_label="middle")


def test_a_mapped_column_that_the_file_lacks(shop: Shop) -> None:
    mapping = shop.file("m.toml", "[columns]\nclose = 'Settle'")
    report = shop.refuse(shop.file("T.csv", ROWS), mapping=mapping)
    assert "has no column 'Settle'; its columns are date, open" in report.notes[0]
