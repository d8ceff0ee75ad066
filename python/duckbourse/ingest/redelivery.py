"""
Detect that the bars of a file were already delivered, under any file name or options.

Bars are compared, not files: source and calendar, and each bar's symbol, time and measures. Stating
a calendar that would be inferred, renaming or packing a file, or adding a line above the header
does not make another delivery; another scale or label does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import duckdb

from duckbourse.ingest.bars import Bars
from duckbourse.ingest.inference.layout import Layout
from duckbourse.ingest.rows import Rows, unreadable_sql
from duckbourse.ingest.schema import KEY_TIME, MEASURES, TABLES, Kind
from duckbourse.ingest.store import Delivered, RawStore
from duckbourse.warehouse import quoted


def delivered_before(
    con: duckdb.DuckDBPyConnection,
    rows: Rows,
    layout: Layout,
    bars: Bars,
    earlier: Iterable[Delivered],
) -> Delivered | None:
    """
    Return the first of these deliveries with the same rows. All are of the same source and, if they
    list their symbols, of the same symbols.
    """
    facts = (
        layout.kind,
        layout.calendar.name,
        bars.first_session,
        bars.last_session,
        rows.kept,
        rows.unreadable,
        bars.duplicate,
    )
    # usually there is none, and nothing more is read
    alike = [one for one in earlier if one.facts == facts]
    if not alike:
        return None
    has_duplicates = bars.duplicate > 0
    content = bars_content(con, bars.relation, bars.kind, has_duplicates=has_duplicates)
    unreadable = content_of(con, f"({unreadable_sql(rows)})", ["rule", "content"])
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


@dataclass(frozen=True)
class Overruled:
    """How many bars of a delivery later ones override, and those deliveries, newest first."""

    bars: int
    by: tuple[Delivered, ...]


def overruled(
    con: duckdb.DuckDBPyConnection, held: Delivered, known: Iterable[Delivered]
) -> Overruled | None:
    """Return which bars of a delivery differ in later deliveries of the same source."""

    def files(one: Delivered) -> list[Path]:
        days = (one.last_session - one.first_session).days + 1
        sessions = (one.first_session + timedelta(days=day) for day in range(days))
        store = RawStore(one.root)
        return one.files(kind, dict.fromkeys(store.partition(kind, day) for day in sessions))

    kind = Kind(held.kind)
    later = {
        one.delivery: one
        for one in known
        if (one.kind, one.source) == (held.kind, held.source)
        and (one.delivered_at, one.delivery) > (held.delivered_at, held.delivery)
        and one.overlaps(held.first_session, held.last_session)
        # `rows_revised` is counted within one store
        and (one.rows_revised or one.root != held.root)
    }
    own, others = files(held), [file for one in later.values() for file in files(one)]
    if not own or not others:
        return None
    key = f"symbol, {KEY_TIME[kind]}"
    measures = ", ".join(MEASURES[kind])
    differs = " or ".join(f"later.{name} is distinct from own.{name}" for name in MEASURES[kind])
    found = con.execute(f"""
        with
        own as (
            select {key}, {measures} from {delivered_rows(own)}
            qualify row_number() over (partition by {key} order by source_row desc) = 1
        ),
        later as (
            select {key}, {measures}, delivery, delivered_at from {delivered_rows(others)}
            qualify row_number() over (partition by delivery, {key} order by source_row desc) = 1
        ),
        both_of as (
            select {key}, delivery, delivered_at, {differs} as differs,
                last_value({differs}) over (
                    partition by {key} order by delivered_at, delivery
                    rows between unbounded preceding and unbounded following
                ) as is_overruled
            from own inner join later using ({key})
        )
        select count(distinct ({key})), array_agg(distinct delivery)
        from both_of where differs and is_overruled
    """).fetchone()
    if not found or not found[0]:
        return None
    count, names = found
    by = sorted((later[name] for name in names), key=lambda one: (one.delivered_at, one.delivery))
    return Overruled(int(count), tuple(reversed(by)))


def delivered_rows(files: Iterable[Path]) -> str:
    """Return the table function that reads some files of a store."""
    return f"read_parquet([{', '.join(map(quoted, files))}], hive_partitioning = false)"


def bars_content(
    con: duckdb.DuckDBPyConnection, relation: str, kind: Kind, *, has_duplicates: bool
) -> tuple[int, int]:
    """Return the count and hash of bars, independent of their order."""
    key = ["symbol", KEY_TIME[kind]]
    fields = [f"{name}::{TABLES[kind][name]}" for name in (*key, *MEASURES[kind])]
    if has_duplicates:
        # of two rows with one key the last counts, so their order matters
        fields.append(f"row_number() over (partition by {', '.join(key)} order by source_row)")
    return content_of(con, relation, fields)


def content_of(con: duckdb.DuckDBPyConnection, relation: str, fields: list[str]) -> tuple[int, int]:
    """Return the number of rows of a relation and the sum of their hashes."""
    [(count, total)] = con.execute(
        "select count(*), coalesce(sum(row_hash), 0)"
        f" from (select hash({', '.join(fields)}) as row_hash from {relation} as found)"
    ).fetchall()
    return count, total
