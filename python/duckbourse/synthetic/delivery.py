"""Write the minute bars of a plan into a raw store, as a delivery like any other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from duckbourse import clock
from duckbourse.ingest.bars import constant, write, write_manifest
from duckbourse.ingest.calendars import calendars
from duckbourse.ingest.run import wrap_full_disk
from duckbourse.ingest.schema import TABLES, Kind
from duckbourse.ingest.store import RawStore
from duckbourse.ingest.withdrawals import withdrawn
from duckbourse.synthetic.days import PARTS, SOURCE, Plan
from duckbourse.synthetic.minutes import Bars, Session, minute_bars
from duckbourse.warehouse import quoted

# Prices rarely repeat, so the writer should not search long for repetitions.
FAST = ", compression_level 1, dictionary_size_limit 1000"
SMALL = ", compression_level 15, row_group_size 40960, parquet_version v2"

# Receives the number of sessions done.
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Outcome:
    """The outcome; `is_new` is false if the delivery already existed."""

    delivery: str
    is_new: bool
    byte_count: int
    seconds: float


def deliver(
    con: duckdb.DuckDBPyConnection,
    made: Plan,
    store: RawStore,
    *,
    delivered_at: datetime | None = None,
    progress: Progress = lambda done: None,
) -> Outcome:
    """
    Generate the bars of a plan into a store, session by session, the manifest last.

    The same plan again changes nothing. Raise StorageFull if the disk is full.
    """
    started = clock.elapsed_seconds()
    gone = withdrawn(con, store)
    while made.delivery in gone:
        made = replace(made, withdrawn_count=made.withdrawn_count + 1)
    if store.holds(made.delivery):
        return Outcome(made.delivery, False, 0, clock.elapsed_seconds() - started)
    instant = (delivered_at or clock.now()).astimezone(UTC)
    folder = store.incoming / made.delivery
    with wrap_full_disk(store.root), store.writing(con):
        write_bars(con, made, store, instant, progress)
        write_manifest(con, folder, manifest_row(made, instant), frozenset(made.symbols))
        byte_count = sum(file.stat().st_size for file in folder.rglob("*.parquet"))
        store.commit(made.delivery)
    return Outcome(made.delivery, True, byte_count, clock.elapsed_seconds() - started)


def write_bars(
    con: duckdb.DuckDBPyConnection,
    made: Plan,
    store: RawStore,
    delivered_at: datetime,
    progress: Progress,
) -> None:
    """Write the bars of a plan, in a file per session, or in one file if the store is flat."""
    row_count = 0
    for place, session in enumerate(made.sessions):
        day = made.days.session(place)
        bars = minute_bars(day, made.seed, made.symbols, session, made.ticks_per_unit)
        con.register("minutes", rows(made.symbols, session, bars, row_count))
        row_count += bars.open.size
        if store.flat and place == 0:
            con.execute("create or replace temp table collected as from minutes")
        elif store.flat:
            con.execute("insert into collected from minutes")
        else:
            copy_bars(con, "minutes", made, store, session, delivered_at, FAST)
        con.unregister("minutes")
        progress(place + 1)
    if store.flat:
        ordered = "(from collected order by symbol, bar_ts)"
        copy_bars(con, ordered, made, store, made.sessions[0], delivered_at, SMALL)
        con.execute("drop table collected")


def rows(
    symbols: Sequence[str], session: Session, bars: Bars, rows_before: int
) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of a session's bars, by symbol and minute, after `rows_before` rows."""
    count = len(session.bar_starts)
    prices = zip(PARTS, bars.columns(), strict=True)
    return {
        "symbol": np.repeat(np.array(symbols, dtype=object), count),
        "bar_ts": np.tile(session.bar_starts, len(symbols)),
        "session_date": np.repeat(np.datetime64(session.session_date, "us"), bars.open.size),
        **{name: values.ravel() for name, values in prices},
        "source_row": rows_before + np.arange(1, bars.open.size + 1),
    }


def copy_bars(
    con: duckdb.DuckDBPyConnection,
    minutes: str,
    made: Plan,
    store: RawStore,
    session: Session,
    delivered_at: datetime,
    options: str,
) -> None:
    """Write a session's bars to its file in `.incoming`."""
    same = {
        "calendar": made.calendar,
        "source": SOURCE,
        "source_file": made.source_file,
        "delivery": made.delivery,
    }
    # an enum of one value is written without scanning the rows, and read as text
    fields = {name: f"{name}::{kind} as {name}" for name, kind in TABLES[Kind.MINUTE].items()}
    fields |= {
        name: f"{quoted(text)}::enum({quoted(text)}) as {name}" for name, text in same.items()
    }
    fields["delivered_at"] = f"{constant(delivered_at, 'timestamp')} as delivered_at"
    folder = store.incoming / made.delivery / store.partition(Kind.MINUTE, session.session_date)
    write(
        con,
        f"select {', '.join(fields.values())} from {minutes}",
        folder / f"{made.delivery}.parquet",
        options,
    )


def manifest_row(made: Plan, delivered_at: datetime) -> dict[str, object]:
    """Return the row of the manifest."""
    return {
        "delivery": made.delivery,
        "kind": Kind.MINUTE.value,
        "source": SOURCE,
        "source_file": made.source_file,
        "calendar": made.calendar,
        "timezone": calendars()[made.calendar].timezone,
        "bar_label": "start",
        "delivered_at": delivered_at,
        "rows_read": made.bar_count,
        "rows_kept": made.bar_count,
        "rows_unreadable": 0,
        "rows_duplicate": 0,
        "rows_revised": 0,
        "symbol_count": len(made.symbols),
        "first_session": made.sessions[0].session_date,
        "last_session": made.sessions[-1].session_date,
    }
