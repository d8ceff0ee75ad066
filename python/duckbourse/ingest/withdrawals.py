"""
Withdrawals of deliveries: later builds leave them out, and nothing is deleted.

Withdrawals and reinstatements are appended records, of which a delivery's last one counts. The
records of one command are one file, so that a kill leaves all of them or none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb

from duckbourse.disk import flush
from duckbourse.ingest.bars import constant, write
from duckbourse.ingest.schema import TABLES
from duckbourse.ingest.store import RawStore
from duckbourse.warehouse import files_in, quoted

TABLE = "withdrawals"
STEP = timedelta(microseconds=1)


@dataclass(frozen=True)
class Withdrawn:
    """A withdrawal: since when (UTC, without a zone), and why."""

    at: datetime
    reason: str | None


def withdrawn(con: duckdb.DuckDBPyConnection, store: RawStore) -> dict[str, Withdrawn]:
    """Return the withdrawn deliveries, as in staging.stg_raw__withdrawals."""
    if not any((store.root / TABLE).glob("*.parquet")):
        return {}
    files = files_in(store.root / TABLE, "*.parquet")
    rows = con.execute(
        "select delivery, max(withdrawn_at), arg_max_null(reason, withdrawn_at)"
        f" from read_parquet({files}) group by delivery"
        " having max(withdrawn_at) > coalesce(max(restored_at), '-infinity')"
    ).fetchall()
    return {delivery: Withdrawn(at, reason) for delivery, at, reason in rows}


def again(delivery: str) -> str:
    """Return the name under which a withdrawn delivery is delivered again."""
    return hashlib.sha256(f"{delivery} again".encode()).hexdigest()[:16]


def withdraw(
    con: duckdb.DuckDBPyConnection,
    store: RawStore,
    deliveries: Iterable[str],
    now: datetime,
    reason: str | None,
) -> datetime:
    """Leave deliveries out of later builds, and return the instant from which that holds."""
    return append(con, store, deliveries, "withdrawn_at", now, reason)


def reinstate(
    con: duckdb.DuckDBPyConnection,
    store: RawStore,
    deliveries: Iterable[str],
    now: datetime,
    reason: str | None,
) -> datetime:
    """Reinstate withdrawn deliveries, and return the instant from which builds read them."""
    return append(con, store, deliveries, "restored_at", now, reason)


def append(
    con: duckdb.DuckDBPyConnection,
    store: RawStore,
    deliveries: Iterable[str],
    what: str,
    now: datetime,
    reason: str | None,
) -> datetime:
    """Write one record per delivery as one file; the caller has locked the store (`writing`)."""
    columns = TABLES[TABLE]
    [(last,)] = con.execute(
        "select max(greatest(withdrawn_at, restored_at))"
        f" from read_parquet({files_in(store.root / TABLE, '*.parquet')})"
    ).fetchall()
    at = now.astimezone(UTC).replace(tzinfo=None)
    # a clock can stand still or be set back, but the last record must be the latest
    if last is not None and at <= last:
        at = last + STEP
    values = {
        "withdrawn_at": at if what == "withdrawn_at" else None,
        "restored_at": at if what == "restored_at" else None,
        "reason": reason,
    }
    constants = ", ".join(
        f"{constant(value, columns[name])} as {name}" for name, value in values.items()
    )
    names = ", ".join(quoted(delivery) for delivery in deliveries)
    records = f"select unnest([{names}]) as delivery, {constants}"
    passing = store.incoming / "scratch" / f"{TABLE}.parquet"
    write(con, records, passing)
    flush(passing)
    passing.replace(store.root / TABLE / f"{at:%Y%m%dT%H%M%S%f}.parquet")
    flush(store.root / TABLE)
    return at
