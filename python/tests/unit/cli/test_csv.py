"""The rows on stdout of --csv and in the file of --to are the same bytes, whatever is in them."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from duckbourse.cli.export import export, print_csv_of
from duckbourse.cli.output import print_csv

VALUES = """
    select
        true as yes,
        1e-5::double as small,
        0.1::float as single,
        430::double as whole,
        1.50::decimal(9, 2) as money,
        'nan'::double as not_a_number,
        'a,b' as comma,
        'x#y' as hash,
        e'a "quote"\\ntwo lines' as lines,
        ' blank ' as blank,
        '' as empty,
        null as nothing,
        date '2010-05-06' as day,
        timestamp '2010-05-06 09:30:00' as at,
        timestamp '2010-05-06 09:30:00.25' as exactly_at,
        timestamptz '2010-05-06 09:30:00+00' as instant,
        time '09:50' as time_of_day,
        time '24:00' as midnight,
        interval '90 minutes' as length,
        ['a', 'b c', null] as list,
        map {'rsi': '1'} as evidence,
        {'a': 1} as parts,
        '\\xFF'::blob as bytes,
        '{"a": 1}'::json as document,
        1 as twin,
        2 as twin,
"""


@pytest.mark.parametrize("rows", ["", "limit 0"])
def test_csv_is_the_file_byte_for_byte(
    rows: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = f"{VALUES} {rows}"
    with duckdb.connect() as connection:
        export(connection, sql, tmp_path / "rows.csv")
        capsys.readouterr()
        print_csv_of(connection, sql)
    assert capsys.readouterr().out == (tmp_path / "rows.csv").read_text()


def test_records_are_written_like_rows(capsys: pytest.CaptureFixture[str]) -> None:
    instant = datetime(2010, 5, 6, 9, 30, 0, 250_000, UTC)
    at = instant.replace(tzinfo=None)
    values = [
        *(True, None, "", 1.5, Decimal("1.50"), 'a "b", c', "x#y"),
        *(instant, at, at.replace(microsecond=0), at.replace(microsecond=10), at.date()),
        *(time(9, 50), time(9, 50, 0, 100_000), at.replace(microsecond=123_456)),
    ]
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        marks = ", ".join("?" * len(values))
        written = connection.execute(f"select columns(*)::varchar from (select {marks})", values)
        [texts] = written.fetchall()
    names = [f"column {number}" for number in range(len(values))]
    print_csv(names, [values])
    print_csv(names, [texts])
    header, one, also_header, other = capsys.readouterr().out.splitlines()
    assert (header, one) == (also_header, other)
