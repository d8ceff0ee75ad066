"""The list of deliveries and recordings, each with a short unique id."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from duckbourse.errors import BadInput, ConfigurationError
from duckbourse.ingest.store import RawStore
from duckbourse.ingest.withdrawals import again, withdrawn
from duckbourse.names import did_you_mean
from duckbourse.warehouse import files_in
from duckbourse.words import counted

# Digits of a name that are shown; more if two names begin alike.
MIN_SHOWN = 8
MAX_NAMED = 5
LISTS_THEM = "`./bourse deliveries` lists them"


@dataclass(frozen=True)
class Listed:
    """
    A delivery, or a recording of a session's ticks; instants are in UTC, without a zone.

    `rows` counts the rows that were kept; the `kind` of a recording is `ticks`. `withdrawn_at` is
    None if builds read it. Of a withdrawn recording, builds read what was recorded later.
    """

    delivery: str
    id: str
    delivered_at: datetime
    source: str
    file: str
    kind: str
    calendar: str
    rows: int
    symbols: int
    first_session_date: date | None
    last_session_date: date | None
    is_shipped: bool
    withdrawn_at: datetime | None
    reason: str | None

    @property
    def is_withdrawn(self) -> bool:
        """Whether builds leave all of it out."""
        return self.withdrawn_at is not None and (
            self.kind != "ticks" or self.delivered_at <= self.withdrawn_at
        )

    @property
    def description(self) -> str:
        """A short description for messages."""
        return (
            f"{self.id} ({self.file} of {self.source}, {counted(self.rows, 'row')} of"
            f" {counted(self.symbols, 'symbol')},"
            f" {self.first_session_date} to {self.last_session_date})"
        )


FIELDS = (
    *("delivery", "delivered_at", "source", "file", "kind", "calendar", "rows", "symbols"),
    *("first_session_date", "last_session_date", "is_shipped"),
)


def listed(con: duckdb.DuckDBPyConnection, store: RawStore, *beside: RawStore) -> list[Listed]:
    """Return the deliveries and recordings of a store and of those beside it, newest first."""
    queries = []
    for each in (store, *beside):
        if any((each.root / "deliveries").glob("*.parquet")):
            queries.append(
                "select delivery, delivered_at, source, source_file, kind, calendar, rows_kept,"
                f" symbol_count, first_session, last_session, {each is not store}"
                f" from read_parquet({files_in(each.root / 'deliveries', '*.parquet')})"
            )
    if any((store.root / "ticks").glob("*/*.parquet")):
        queries.append(
            # named as staging.stg_journal__ticks names recordings
            "select recording || '@' || session_date, max(recorded_until), source,"
            " 'ticks of ' || recording, 'ticks', calendar, count(*), count(distinct symbol),"
            " session_date, session_date, false from read_parquet("
            f"{files_in(store.root / 'ticks', '*/*.parquet')}, hive_partitioning = false)"
            " group by recording, session_date, source, calendar"
        )
    if not queries:
        return []
    found = con.execute(
        f"select * from ({' union all '.join(queries)}) as found({', '.join(FIELDS)})"
        " order by delivered_at desc, source, file, delivery"
    ).fetchall()
    gone = withdrawn(con, store)
    rows = [dict(zip(FIELDS, row, strict=True)) for row in found]
    shown = short([row["delivery"] for row in rows])
    return [
        Listed(
            **row,
            id=shown[row["delivery"]],
            withdrawn_at=gone[row["delivery"]].at if row["delivery"] in gone else None,
            reason=gone[row["delivery"]].reason if row["delivery"] in gone else None,
        )
        for row in rows
    ]


def short(names: Iterable[str]) -> dict[str, str]:
    """Return the shortest unique beginning of each name; recordings keep their whole name."""
    ordered = sorted(set(names))
    shown = {}
    for before, name, after in zip(["", *ordered], ordered, [*ordered[1:], ""], strict=False):
        own = 1 + max(common(before, name), common(name, after))
        shown[name] = name if "@" in name else name[: max(own, MIN_SHOWN)]
    return shown


def common(one: str, other: str) -> int:
    """Return the length of the common beginning of two names."""
    for place, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine != theirs:
            return place
    return min(len(one), len(other))


def chosen(deliveries: Sequence[Listed], names: Sequence[str]) -> list[Listed]:
    """Return the named deliveries; raise ConfigurationError if a name has none."""
    return list({one.delivery: one for one in (named(deliveries, name) for name in names)}.values())


def named(deliveries: Sequence[Listed], name: str) -> Listed:
    """Return the delivery with a name or with a unique beginning of it."""
    whole = [one for one in deliveries if one.delivery == name]
    found = whole or [one for one in deliveries if name and one.delivery.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigurationError(
            f"{name!r} is the beginning of {counted(len(found), 'id')}: {some(found)}",
            "give more of its characters",
        )
    of_file = [one for one in deliveries if name in (one.file, one.file.rsplit("/", 1)[-1])]
    if of_file:
        raise ConfigurationError(
            f"{name!r} is the name of a file, not of a delivery",
            f"use {some(of_file)}",
        )
    ids = [one.id for one in deliveries]
    raise ConfigurationError(f"there is no delivery {name!r}{did_you_mean(name, ids)}", LISTS_THEM)


def some(found: Sequence[Listed]) -> str:
    """Return the ids of the first few."""
    more = f" and {len(found) - MAX_NAMED:,} more" if len(found) > MAX_NAMED else ""
    return ", ".join(one.id for one in found[:MAX_NAMED]) + more


def of_source(deliveries: Sequence[Listed], source: str) -> list[Listed]:
    """Return the deliveries of a source, or raise ConfigurationError if there are none."""
    found = [one for one in deliveries if one.source == source]
    if found or not deliveries:
        return found
    sources = sorted({one.source for one in deliveries})
    raise ConfigurationError(
        f"there are no deliveries of source {source!r}{did_you_mean(source, sources)}", LISTS_THEM
    )


def refuse_twice(deliveries: Sequence[Listed], asked: Sequence[Listed]) -> None:
    """Raise BadInput if reinstating these would make builds read the same file twice."""
    before = {again(one.delivery): one.delivery for one in deliveries}

    def first(name: str) -> str:
        while name in before:
            name = before[name]
        return name

    read = {first(one.delivery): one for one in deliveries if not one.is_withdrawn}
    for one in asked:
        other = read.setdefault(first(one.delivery), one)
        if other.delivery != one.delivery:
            raise BadInput(
                f"{one.id} cannot be reinstated: its file was also delivered as {other.id}",
                beside_others([other.id], [each.id for each in asked]),
            )


def beside_others(others: Sequence[str], asked: Container[str]) -> str:
    """Return the remedy if something cannot be reinstated beside others, requested or read."""
    standing = [name for name in others if name not in asked]
    if standing:
        return f"run {withdrawal_of(standing)} first, or leave it withdrawn"
    return f"reinstate only one of the two: the other is {', '.join(others[:MAX_NAMED])}"


def withdrawal_of(names: Sequence[str]) -> str:
    """Return the command that withdraws these deliveries."""
    more = f" and {len(names) - MAX_NAMED:,} more" if len(names) > MAX_NAMED else ""
    return f"`./bourse deliveries withdraw {' '.join(names[:MAX_NAMED])}`{more}"
