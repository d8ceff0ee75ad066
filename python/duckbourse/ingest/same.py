"""
Whether the very bars of a file were delivered before, however the file and its options were.

Rows are compared, not what a vendor or a user wrote: the source and calendar, and of each bar its
symbol, time and measures. So a calendar that is stated or told from the stamps, a file renamed or
packed, and a line more before the header make no other delivery; another scale or label does.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb

from duckbourse.ingest.bars import Bars
from duckbourse.ingest.rows import Rows, unreadable_sql
from duckbourse.ingest.schema import KEY_TIME, MEASURES, TABLES, Kind
from duckbourse.ingest.settle import Settled
from duckbourse.ingest.store import Delivered
from duckbourse.ingest.tables import VendorTable
from duckbourse.warehouse import quoted


def delivered_before(
    con: duckdb.DuckDBPyConnection,
    table: VendorTable,
    rows: Rows,
    settled: Settled,
    bars: Bars,
    earlier: Iterable[Delivered],
) -> Delivered | None:
    """
    Return the first of these deliveries that brought the very same rows; they are of one source
    and have, where they list them, the same symbols.
    """
    facts = (
        settled.kind,
        settled.calendar.name,
        bars.first_session,
        bars.last_session,
        rows.kept,
        rows.unreadable,
        bars.duplicate,
    )
    # nearly always there is none, and nothing more is read
    alike = [one for one in earlier if one.facts == facts]
    if not alike:
        return None
    has_duplicates = bars.duplicate > 0
    content = bars_content(con, bars.relation, bars.kind, has_duplicates=has_duplicates)
    unreadable = content_of(con, f"({unreadable_sql(table, rows)})", ["rule", "content"])
    for one in alike:
        files = one.files(bars.kind, bars.folders)
        if not files or content != bars_content(
            con, delivered_rows(files), bars.kind, has_duplicates=has_duplicates
        ):
            continue
        file = one.root / "unreadable" / f"{one.delivery}.parquet"
        if not rows.unreadable or unreadable == content_of(
            con, delivered_rows([file]), ["rule", "content"]
        ):
            return one
    return None


def delivered_rows(files: Iterable[Path]) -> str:
    """Return what a query reads to see the rows of some files of a store."""
    return f"read_parquet([{', '.join(map(quoted, files))}], hive_partitioning = false)"


def bars_content(
    con: duckdb.DuckDBPyConnection, relation: str, kind: Kind, *, has_duplicates: bool
) -> tuple[int, int]:
    """Return a number for what bars are: the same for the same bars, in whatever order."""
    key = ["symbol", KEY_TIME[kind]]
    fields = [f"{name}::{TABLES[kind][name]}" for name in (*key, *MEASURES[kind])]
    if has_duplicates:
        # of two rows of one key the last one counts, so their order is part of what they are
        fields.append(f"row_number() over (partition by {', '.join(key)} order by source_row)")
    return content_of(con, relation, fields)


def content_of(con: duckdb.DuckDBPyConnection, relation: str, fields: list[str]) -> tuple[int, int]:
    """Return how many rows a relation has and the sum of their hashes."""
    [(count, total)] = con.execute(
        "select count(*), coalesce(sum(row_hash), 0)"
        f" from (select hash({', '.join(fields)}) as row_hash from {relation} as found)"
    ).fetchall()
    return count, total
