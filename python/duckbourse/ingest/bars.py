"""Turn typed rows into canonical bars: local time, start of the minute, sorted, written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb

from duckbourse.errors import BadInput
from duckbourse.ingest.inference.layout import Layout, day_sql, local_sql
from duckbourse.ingest.inference.timestamps import Meaning
from duckbourse.ingest.rows import Rows, unreadable_sql
from duckbourse.ingest.schema import KEY_TIME, MEASURES, TABLES, Kind
from duckbourse.ingest.store import MAX_LISTED_SYMBOLS, SYMBOLS_KEY, Delivered, RawStore
from duckbourse.warehouse import quoted
from duckbourse.words import counted

# The time of a clock that was never set, in every zone. Such rows do not describe one bar, and the
# build rejects them.
EPOCH = "between timestamp '1969-12-31 12:00' and timestamp '1970-01-01 14:00'"
# Up to this many rows times folders, each folder's rows are found by scanning all rows.
MAX_LOOKS = 100_000_000


@dataclass(frozen=True)
class Conflict:
    """
    The first two rows that give different values for one bar, those values, and how many more bars
    have two values.
    """

    symbol: str
    time: date | datetime
    rows: tuple[int, int]
    values: dict[str, tuple[float | None, float | None]]
    others: int


@dataclass(frozen=True)
class Bars:
    """The bars in `relation`, and the folders of the store that they belong to, with their days."""

    kind: Kind
    relation: str
    folders: dict[Path, tuple[date, date]]
    symbols: frozenset[str]
    first_session: date
    last_session: date
    duplicate: int
    conflict: Conflict | None


def make_bars(con: duckdb.DuckDBPyConnection, store: RawStore, rows: Rows, layout: Layout) -> Bars:
    """
    Make bars of the readable rows, sorted by symbol and time within each folder; rows with the same
    key keep the order of the file.
    """
    relation = f"({bars_sql(rows, layout)})"
    if rows.timestamp.format.meaning is not Meaning.LOCAL:
        # converting zones costs more than storing the result
        con.execute(f"create or replace temp table local_bars as {relation}")
        relation = "local_bars"
    facts = neighbors(con, relation, layout.kind)
    folders: dict[Path, tuple[date, date]] = {}
    for day in sorted(facts.days):
        folder = store.partition(layout.kind, day)
        folders[folder] = (folders[folder][0] if folder in folders else day, day)
    if facts.disorder or rows.kept * len(folders) > MAX_LOOKS:
        # by folder first, so that the rows of each folder are adjacent
        lead = ""
        if len(folders) > 1:
            month = layout.kind is Kind.DAILY
            lead = "date_trunc('month', session_date), " if month else "session_date, "
        con.execute(
            "create or replace temp table sorted_bars as select * from"
            f" {relation} order by {lead}symbol, {KEY_TIME[layout.kind]}, source_row"
        )
        relation = "sorted_bars"
        facts = neighbors(con, relation, layout.kind)
    return Bars(
        kind=layout.kind,
        relation=relation,
        folders=folders,
        symbols=frozenset(facts.symbols),
        first_session=min(facts.days),
        last_session=max(facts.days),
        duplicate=facts.duplicate,
        conflict=first_conflict(con, relation, layout.kind) if facts.duplicate else None,
    )


def bars_sql(rows: Rows, layout: Layout) -> str:
    """Return the query for the values of the canonical columns."""
    local = local_sql("stamp", rows, layout.calendar, layout.timezone)
    if layout.kind is Kind.MINUTE:
        start = local
        if layout.bar_label == "end" and rows.off_minute:
            # 09:16:00 and 09:15:59 both belong to the minute that starts at 09:15
            start = f"date_trunc('minute', {local} - interval 1 microsecond)"
        elif layout.bar_label == "end":
            start = f"{local} - interval 1 minute"
        elif rows.off_minute:
            start = f"date_trunc('minute', {local})"
        times = [f"{start} as bar_ts", f"({start})::date as session_date"]
    else:
        times = [f"{day_sql(rows, layout.calendar, layout.timezone)} as session_date"]
    measures = [
        name if name in rows.columns.numbers else f"null::double as {name}"
        for name in MEASURES[layout.kind]
    ]
    fields = ", ".join(["symbol", *times, *measures, "source_row"])
    return f"select {fields} from {rows.relation} where rule is null"


@dataclass(frozen=True)
class Neighbors:
    """
    What one pass over the bars in their order finds.

    `disorder` counts rows that belong before their predecessor, `duplicate` those with its key.
    """

    disorder: int
    duplicate: int
    symbols: list[str]
    days: list[date]


def neighbors(con: duckdb.DuckDBPyConnection, relation: str, kind: Kind) -> Neighbors:
    """Compare each bar with its predecessor, in one pass."""
    time = KEY_TIME[kind]
    [facts] = con.execute(f"""
        select
            count(*) filter (where symbol < symbol_before
                or (symbol = symbol_before and {time} < time_before)),
            count(*) filter (where symbol = symbol_before and {time} = time_before),
            -- symbols and days come in runs, so only the beginning of each run is listed
            list(distinct symbol) filter (where symbol is distinct from symbol_before),
            list(distinct session_date) filter (where session_date is distinct from day_before)
        from (
            select
                symbol, {time}, session_date,
                lag(symbol) over () as symbol_before,
                lag({time}) over () as time_before,
                lag(session_date) over () as day_before
            from {relation}
        )
    """).fetchall()
    return Neighbors(*facts)


def first_conflict(con: duckdb.DuckDBPyConnection, relation: str, kind: Kind) -> Conflict | None:
    """Return the first bar that sorted rows repeat with different values."""
    time, measures = KEY_TIME[kind], MEASURES[kind]
    before = ", ".join(f"lag({name}) over () as {name}_before" for name in measures)
    differ = " or ".join(f"{name} is distinct from {name}_before" for name in measures)
    pairs = ", ".join(f"{name}_before, {name}" for name in measures)
    found = con.execute(f"""
        select symbol, {time}, row_before, source_row, count(*) over () - 1, {pairs}
        from (
            select
                symbol, {time}, source_row, {", ".join(measures)}, {before},
                lag(symbol) over () as symbol_before,
                lag({time}) over () as time_before,
                lag(source_row) over () as row_before
            from {relation}
        )
        where symbol = symbol_before and {time} = time_before and ({differ})
            and {time} not {EPOCH}
        order by source_row
        limit 1
    """).fetchone()
    if found is None:
        return None
    symbol, at, first, second, others, *values = found
    both = zip(values[::2], values[1::2], strict=True)
    differences = {
        name: pair for name, pair in zip(measures, both, strict=True) if pair[0] != pair[1]
    }
    return Conflict(symbol, at, (first, second), differences, others)


def conflict_error(conflict: Conflict, rows: Rows) -> BadInput:
    """Return the error for a file with two values for one bar."""
    first, second = conflict.rows
    differences = ", ".join(
        f"{name} {one} and {two}" for name, (one, two) in conflict.values.items()
    )
    more = f" (and {conflict.others:,} more)" if conflict.others else ""
    unused = ", ".join(name for name in rows.columns.unused if name.strip())
    return BadInput(
        f"{rows.file}: rows {first:,} and {second:,} are both {conflict.symbol} of {conflict.time}"
        f" and differ: {differences}{more}",
        "name the column that distinguishes them in a mapping (columns.series = '…'; or exchange,"
        " currency, expiry, strike, option_type)"
        + (f"; the unused columns are {unused}" if unused else "")
        + "; or pass --last-row-wins if the later row corrects the earlier one",
    )


def revised(
    con: duckdb.DuckDBPyConnection, bars: Bars, earlier: Iterable[Delivered]
) -> tuple[int, str]:
    """
    Return how many bars these deliveries already hold, the latest with different values.

    The text says what changes in the first of them; without any it is empty.
    """
    files = [file for delivery in earlier for file in delivery.files(bars.kind, bars.folders)]
    if not files:
        return 0, ""
    time, measures = KEY_TIME[bars.kind], MEASURES[bars.kind]
    listed = ", ".join(quoted(file) for file in files)
    changed = " or ".join(f"now.{name} is distinct from before.{name}" for name in measures)
    kept = f"symbol, {time}, {', '.join(measures)}"
    pairs = ", ".join(f"before.{name}, now.{name}" for name in measures)
    found = con.execute(f"""
        with
        now as (
            select {kept} from {bars.relation}
            qualify row_number() over (partition by symbol, {time} order by source_row desc) = 1
        ),
        before as (
            select {kept} from read_parquet([{listed}], hive_partitioning = false) as delivered
            semi join now using (symbol, {time})
            qualify row_number() over (
                partition by symbol, {time}
                order by delivered_at desc, delivery desc, source_row desc
            ) = 1
        )
        select count(*) over (), symbol, {time}, {pairs}
        from now inner join before using (symbol, {time})
        where {changed}
        order by symbol, {time}
        limit 1
    """).fetchone()
    if found is None:
        return 0, ""
    count, symbol, at, *values = found
    both = zip(measures, values[::2], values[1::2], strict=True)
    changes = ", ".join(f"{name} {old} → {new}" for name, old, new in both if old != new)
    more = f", and {counted(count - 1, 'more bar')}" if count > 1 else ""
    return int(count), f"revises {symbol} of {at}: {changes}{more}"


def write_bars(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    bars: Bars,
    manifest: dict[str, object],
    step: Callable[[float], None],
) -> None:
    """Write the bars by month or session below a folder; `step` receives the fraction done."""
    constants = {
        name: constant(manifest[name], TABLES[bars.kind][name])
        for name in ("calendar", "source", "source_file", "delivery", "delivered_at")
    }
    for name in ("calendar", "source", "source_file", "delivery"):
        # an enum of one value is written as a dictionary of one, without scanning the rows; it is
        # read as VARCHAR
        constants[name] += f"::enum({quoted(manifest[name])})"
    fields = ", ".join(f"{constants.get(name, name)} as {name}" for name in TABLES[bars.kind])
    for done, (place, (first, last)) in enumerate(bars.folders.items()):
        days = ""
        if len(bars.folders) > 1:
            time = KEY_TIME[bars.kind]
            days = f"where {time} >= date '{first}' and {time} < date '{last}' + 1"
        write(
            con,
            f"select {fields} from {bars.relation} {days}",
            folder / place / f"{manifest['delivery']}.parquet",
        )
        step((done + 1) / len(bars.folders))


def write_unreadable(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    rows: Rows,
    manifest: dict[str, object],
) -> None:
    """Write the rows that could not be typed, as text."""
    columns = TABLES["unreadable"]
    own = ("source_row", "rule", "content")
    fields = ", ".join(
        f"{name if name in own else constant(manifest[name], columns[name])} as {name}"
        for name in columns
    )
    write(
        con,
        f"select {fields} from ({unreadable_sql(rows)}) order by source_row",
        folder / "unreadable" / f"{manifest['delivery']}.parquet",
    )


def write_manifest(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    manifest: dict[str, object],
    symbols: frozenset[str],
) -> None:
    """Write the one row that makes the delivery exist; its symbols are in the file's metadata."""
    columns = TABLES["deliveries"]
    fields = ", ".join(f"{constant(manifest[name], columns[name])} as {name}" for name in columns)
    listed = ""
    if len(symbols) <= MAX_LISTED_SYMBOLS:
        listed = f", kv_metadata {{{SYMBOLS_KEY}: {quoted(json.dumps(sorted(symbols)))}}}"
    write(
        con,
        f"select {fields}",
        folder / "deliveries" / f"{manifest['delivery']}.parquet",
        listed,
    )


def write(con: duckdb.DuckDBPyConnection, select: str, file: Path, more: str = "") -> None:
    """Write the rows of a query to a new Parquet file, in their order."""
    file.parent.mkdir(parents=True, exist_ok=True)
    con.execute(f"copy ({select}) to {quoted(file)} (format parquet, compression zstd{more})")


def constant(value: object, kind: str) -> str:
    """Return a value as an SQL literal of a type."""
    if value is None:
        return f"null::{kind}"
    if isinstance(value, datetime):
        # instants are stored in UTC, without a zone
        value = value.replace(tzinfo=None).isoformat(sep=" ")
    return f"{quoted(value)}::{kind}"
