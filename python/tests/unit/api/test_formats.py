"""What becomes of each type in each format, and pages by key."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duckbourse.api.formats import (
    ARROW,
    CSV,
    FORMATS,
    JSON,
    PARQUET,
    _json,
    chosen_format,
    encode,
)
from duckbourse.api.keyset import after, key_in, opaque
from duckbourse.api.problems import Refused

TYPES = """
    select
        1.10::decimal(18, 4) as money, 9007199254740993 as large, 9007199254740991 as exact,
        170141183460469231731687303715884105727::hugeint as huge, 'nan'::double as n,
        'infinity'::double as i, -0.5::double as f, null::varchar as nothing, '' as empty,
        '24:00'::time as midnight, '09:30:00'::time as t, date '2010-05-28' as d,
        timestamp '2010-05-28 09:30:00' as ts, true as b, [1, 2] as numbers,
        map {'a': [1]} as m, {'x': 1.5::decimal(4, 2)} as s, interval 1 day as span,
        'a"b,c' as quoted, 'blob'::blob as bytes
"""


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as found:
        yield found


def test_json_loses_no_digit_and_has_no_nan(connection: duckdb.DuckDBPyConnection) -> None:
    [row] = json.loads(encode(connection.sql(TYPES), JSON, limit=1).content)["rows"]
    assert row == {
        "money": "1.1000",
        "large": "9007199254740993",
        "exact": 9007199254740991,
        "huge": "170141183460469231731687303715884105727",
        "n": None,
        "i": None,
        "f": -0.5,
        "nothing": None,
        "empty": "",
        "midnight": "24:00:00",
        "t": "09:30:00",
        "d": "2010-05-28",
        "ts": "2010-05-28T09:30:00",
        "b": True,
        "numbers": [1, 2],
        "m": {"a": [1]},
        "s": {"x": "1.50"},
        "span": "1 day",
        "quoted": 'a"b,c',
        "bytes": "blob",
    }


def test_json_has_what_python_cannot_hold(connection: duckdb.DuckDBPyConnection) -> None:
    """Infinite days came as of the year 9999, months as days, and nanoseconds were cut."""
    query = """
        select
            'infinity'::date as d, '-infinity'::timestamp as ts, '-infinity'::timestamptz as tz,
            'infinity'::timestamp_ns as ns_infinite, date '9999-12-31' as last,
            timestamp_ns '2010-05-28 09:30:00.123456789' as ns, interval 1 month as month,
            interval '178956970 years' as ages, '101'::bit as bits
    """
    [row] = json.loads(encode(connection.sql(query), JSON, limit=1).content)["rows"]
    assert row == {
        **dict.fromkeys(("d", "ts", "tz", "ns_infinite")),
        "last": "9999-12-31",
        "ns": "2010-05-28T09:30:00.123456789",
        "month": "1 month",
        "ages": "178956970 years",
        "bits": "101",
    }


def test_a_value_that_nests_too_deeply_is_refused() -> None:
    value: object = 1
    for _ in range(sys.getrecursionlimit()):
        value = {"a": value}
    with pytest.raises(Refused, match="nests too deeply") as refused:
        _json(["a"], ["a"], [(value,)], {})
    assert refused.value.status == 400


def test_csv_has_null_and_an_empty_text_apart(connection: duckdb.DuckDBPyConnection) -> None:
    query = "select nothing, empty, quoted, money, n, midnight, ts from (" + TYPES + ")"
    text = encode(connection.sql(query), CSV, limit=1).content.decode()
    assert text == (
        "nothing,empty,quoted,money,n,midnight,ts\r\n"
        ',"","a""b,c",1.1000,nan,24:00:00,2010-05-28 09:30:00\r\n'
    )


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_line_end_in_a_field_of_csv_ends_no_row(
    connection: duckdb.DuckDBPyConnection, end: str
) -> None:
    text = encode(connection.sql("select $end as a", params={"end": f"x{end}y"}), CSV, limit=1)
    assert text.content.decode() == f'a\r\n"x{end}y"\r\n'


@pytest.mark.parametrize("kind", [ARROW, PARQUET])
def test_arrow_and_parquet_keep_types(connection: duckdb.DuckDBPyConnection, kind: str) -> None:
    content = encode(connection.sql(TYPES), kind, limit=1).content
    read = polars.read_ipc_stream if kind == ARROW else polars.read_parquet
    found: polars.DataFrame = read(io.BytesIO(content))
    kinds = dict(found.schema)
    assert kinds["money"] == polars.Decimal(18, 4)
    assert kinds["large"] == polars.Int64
    assert kinds["ts"] == polars.Datetime("us")
    assert kinds["numbers"] == polars.List(polars.Int32)
    row = found.row(0, named=True)
    assert (row["midnight"], row["t"], row["span"]) == ("24:00:00", "09:30:00", "1 day")
    assert (row["m"], row["s"]) == ("{a=[1]}", "{'x': 1.50}")
    assert row["huge"] == "170141183460469231731687303715884105727"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("text/csv", CSV),
        ("text/*", CSV),
        (f"{ARROW}, */*;q=0.1", ARROW),
        (f"application/*;q=0.5, {PARQUET}", PARQUET),
        ("application/json;q=0, */*", CSV),
        ("TEXT/CSV; q=1.000", CSV),
    ],
)
def test_the_format_is_the_one_that_is_preferred(accept: str, kind: str) -> None:
    assert chosen_format(accept) == kind


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "text/csv;q=9", "x", ";,"])
def test_a_format_that_is_none_of_ours_is_refused(accept: str) -> None:
    with pytest.raises(Refused) as refused:
        chosen_format(accept)
    assert refused.value.status == 406


@given(st.text(max_size=200))
def test_any_accept_header_is_understood_or_refused(accept: str) -> None:
    try:
        assert chosen_format(accept) in FORMATS
    except Refused as refused:
        assert refused.status == 406


ROWS = """
    select a, date '2010-01-01' + b::int as b, c
    from (values (1, 2, 0.5), (1, 1, 0.1), (2, 1, 1e-9), (2, 1, 1e300), (0, 9, -1)) as t (a, b, c)
"""


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("size", [1, 2, 5, 6])
@pytest.mark.parametrize("descends", [False, True])
def test_pages_have_every_row_once_in_order(
    connection: duckdb.DuckDBPyConnection, kind: str, size: int, descends: bool
) -> None:
    key = ["a", "b", "c"]
    rows: list[Any] = []
    cursor: str | None = None
    while True:
        values = key_in(cursor, "here") if cursor else None
        found = after(connection.sql(ROWS), key, values, descends=descends)
        page = encode(found, kind, limit=size, key=key)
        rows += found.limit(page.row_count).fetchall()
        if page.next_key is None:
            break
        cursor = opaque("here", page.next_key)
    assert rows == sorted(connection.sql(ROWS).fetchall(), reverse=descends)


NULLS = """
    select if(a = 0, null, a) as a, if(b = 0, null, 'x' || b) as b, c
    from range(3) as one (a), range(3) as two (b), range(2) as three (c)
"""


@pytest.mark.parametrize("size", [1, 4, 7])
@pytest.mark.parametrize("descends", [False, True])
def test_null_in_a_key_is_one_of_its_values(
    connection: duckdb.DuckDBPyConnection, size: int, descends: bool
) -> None:
    key = ["a", "b", "c"]
    rows: list[Any] = []
    cursor: str | None = None
    while True:
        values = key_in(cursor, "here") if cursor else None
        found = after(connection.sql(NULLS), key, values, descends=descends, nullable=["a", "b"])
        page = encode(found, JSON, limit=size, key=key)
        rows += found.limit(page.row_count).fetchall()
        if page.next_key is None:
            break
        cursor = opaque("here", page.next_key)
    wanted = connection.sql(NULLS).fetchall()
    assert rows == sorted(
        wanted, key=lambda row: (row[0] or 0, row[1] or "", row[2]), reverse=descends
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_a_wide_page_has_fewer_rows(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("duckbourse.api.formats.MOST_VALUES", 6)
    found = connection.sql("select range as a, range as b from range(10)")
    page = encode(found, kind, limit=10, key=["a"])
    assert (page.row_count, page.next_key) == (3, ("2",))
    assert encode(found, kind, limit=2, key=["a"]).row_count == 2
    monkeypatch.setattr("duckbourse.api.formats.MOST_VALUES", 1)
    assert encode(found, kind, limit=10, key=["a"]).row_count == 1


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    "value", ["repeat('x', 40)", "['x', repeat('x', 39)]", "map([repeat('x', 20)], ['y'])"]
)
def test_a_page_of_too_many_bytes_is_refused(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, kind: str, value: str
) -> None:
    found = connection.sql(f"select {value} as a from range(1_000)")
    assert encode(found, kind, limit=1_000).row_count == 1_000
    monkeypatch.setattr("duckbourse.api.formats.MOST_BYTES", 2_000)
    assert encode(found, kind, limit=5).row_count == 5
    with pytest.raises(Refused, match="more than 2,000 bytes") as refused:
        encode(found, kind, limit=1_000)
    assert refused.value.status == 422


@given(st.text(max_size=60))
def test_text_that_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Refused) as refused:
        key_in(cursor, "here")
    assert refused.value.status == 400


def test_a_cursor_of_another_resource_is_refused(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(Refused, match="of another resource"):
        key_in(opaque("there", ["1"]), "here")
    for values in (["1"], ["1", "2010-01-01", "x", "y"]):
        with pytest.raises(Refused, match="of another resource"):
            after(connection.sql(ROWS), ["a", "b", "c"], values, descends=False)


def test_no_value_of_a_cursor_becomes_sql(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    names = connection.sql("select 'x' as name union all select 'y'")
    found = after(names, ["name"], ["' or 1=1 --"], descends=False)
    assert found.fetchall() == [("x",), ("y",)]
