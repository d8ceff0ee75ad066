"""
The raw store of deliveries, as Parquet that is written once and never edited.

    .incoming/<delivery>/…   files are written here first
    daily/month=…            then renamed into place, one by one
    deliveries/              the manifest last: a delivery without it does not exist

A kill at any moment leaves either a delivery, or a folder under `.incoming` that the next run
removes, together with those of its files that were already in place.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb

from duckbourse import state
from duckbourse.disk import flush
from duckbourse.errors import ConfigurationError, StoreBusy
from duckbourse.ingest.schema import TABLES, Kind
from duckbourse.warehouse import files_in, quoted

SYMBOLS_KEY = "symbols"
# A delivery with more symbols does not list them in its manifest, and may hold any.
MAX_LISTED_SYMBOLS = 20_000
# The columns of a manifest that a catalog reads.
MANIFEST = (
    *("delivery", "kind", "source", "source_file", "calendar", "first_session", "last_session"),
    *("delivered_at", "rows_kept", "rows_unreadable", "rows_duplicate"),
    "rows_revised",
)
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Delivered:
    """A delivery as in its manifest; its symbols are read separately: see `symbols_of`."""

    delivery: str
    kind: str
    source: str
    calendar: str
    first_session: date
    last_session: date
    source_file: str
    delivered_at: datetime
    rows_kept: int
    rows_unreadable: int
    rows_duplicate: int
    rows_revised: int
    root: Path

    @property
    def facts(self) -> tuple[object, ...]:
        """What any delivery of the same bars has in common with it."""
        return (
            *(self.kind, self.calendar, self.first_session, self.last_session),
            *(self.rows_kept, self.rows_unreadable, self.rows_duplicate),
        )

    def files(self, kind: Kind, folders: Iterable[Path]) -> list[Path]:
        """Return its files in these folders of its store, or in the folder of a flat store."""
        within = dict.fromkeys((*folders, Path(kind)))
        places = (self.root / folder / f"{self.delivery}.parquet" for folder in within)
        return [place for place in places if place.exists()]

    def overlaps(self, first: date, last: date) -> bool:
        """Return whether it may have bars of these days."""
        return self.first_session <= last and first <= self.last_session

    @property
    def manifest(self) -> Path:
        """Its manifest, with its symbols in the file's metadata."""
        return self.root / "deliveries" / f"{self.delivery}.parquet"


@dataclass(frozen=True)
class RawStore:
    """A raw store in a folder. A `flat` one has no folders by month and session."""

    root: Path
    flat: bool = False

    @property
    def incoming(self) -> Path:
        """The folder of incomplete deliveries."""
        return self.root / ".incoming"

    def partition(self, kind: Kind, day: date) -> Path:
        """Return the folder of a day's bars, relative to the root."""
        folder = Path(kind.value)
        if self.flat or kind is Kind.ADJUSTED_CLOSE:
            return folder
        if kind is Kind.DAILY:
            return folder / f"month={day:%Y-%m}"
        return folder / f"session={day:%Y-%m-%d}"

    def manifest(self, delivery: str) -> Path:
        """Return the path of a manifest; a delivery exists if its manifest does."""
        return self.root / "deliveries" / f"{delivery}.parquet"

    def holds(self, delivery: str) -> bool:
        """Return whether a delivery exists."""
        return self.manifest(delivery).exists()

    @contextmanager
    def writing(self, con: duckdb.DuckDBPyConnection) -> Iterator[Path]:
        """
        Repair and lock the store, and yield a scratch folder.

        Raise StoreBusy if another process is writing to the store.
        """
        # before a folder is made where a restoration will move one
        state.refuse_unfinished(self.root.parent)
        with wrap_unwritable(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        with sole_writer(self.root):
            with wrap_unwritable(self.root):
                # only now: another process removes it when it ends
                self.incoming.mkdir(exist_ok=True)
            self.clear_leftovers()
            scratch = self.incoming / "scratch"
            scratch.mkdir(parents=True)
            try:
                self.prepare(con)
                yield scratch
            finally:
                self.clear_leftovers()

    @contextmanager
    def reading(self) -> Iterator[Path]:
        """Yield a scratch folder outside the store, which is not changed."""
        with tempfile.TemporaryDirectory(prefix="bourse-ingest-") as scratch:
            yield Path(scratch)

    def clear_leftovers(self) -> None:
        """Remove what a killed ingest has left, in `.incoming` and in place."""
        for leftover in self.incoming.iterdir():
            if leftover.name != "scratch" and not self.holds(leftover.name):
                for table in TABLES:
                    for orphan in (self.root / table).rglob(f"{leftover.name}.parquet"):
                        orphan.unlink()
            shutil.rmtree(leftover)
        self.incoming.rmdir()

    def prepare(self, con: duckdb.DuckDBPyConnection) -> None:
        """Create each folder with a file without rows, so that every glob has a match."""
        for table, columns in TABLES.items():
            empty = self.root / table / "zz_empty.parquet"
            if empty.exists():
                continue
            empty.parent.mkdir(parents=True, exist_ok=True)
            fields = ", ".join(f"null::{kind} as {name}" for name, kind in columns.items())
            passing = self.incoming / "scratch" / f"empty-{table}.parquet"
            con.execute(
                f"copy (select {fields} where false) to {quoted(passing)}"
                " (format parquet, compression zstd)"
            )
            passing.replace(empty)

    def commit(self, delivery: str) -> None:
        """Rename the files of `.incoming/<delivery>` into place, the manifest last."""
        folder = self.incoming / delivery
        manifest = self.manifest(delivery)
        files = sorted(file for file in folder.rglob("*.parquet"))
        # even after a power cut, no manifest may refer to data that never reached the disk
        for file in files:
            flush(file)
        last = folder / manifest.relative_to(self.root)
        folders: dict[Path, None] = {}
        for file in files:
            if file != last:
                within = file.relative_to(folder)
                place = self.root / within
                place.parent.mkdir(parents=True, exist_ok=True)
                file.replace(place)
                folders |= dict.fromkeys(self.root / above for above in within.parents)
        for changed in folders:
            flush(changed)
        last.replace(manifest)
        flush(manifest.parent)
        shutil.rmtree(folder)

    def catalog(self, con: duckdb.DuckDBPyConnection) -> list[Delivered]:
        """Return all deliveries, oldest first."""
        folder = self.root / "deliveries"
        if not any(folder.glob("*.parquet")):
            return []
        manifests = con.execute(
            f"select {', '.join(MANIFEST)} from read_parquet({files_in(folder, '*.parquet')})"
            " where first_session is not null order by delivered_at, delivery"
        ).fetchall()
        records = (dict(zip(MANIFEST, manifest, strict=True)) for manifest in manifests)
        return [Delivered(root=self.root, **one) for one in records]


@contextmanager
def sole_writer(root: Path) -> Iterator[None]:
    """Lock a raw store, or raise StoreBusy if another process is writing to it."""
    with wrap_unwritable(root):
        lock = os.open(root, os.O_RDONLY)
    try:
        try:
            # the system releases it when the process ends, however it ends
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreBusy(
                f"another command is writing to {root}", "wait for it and run this again"
            ) from error
        yield
    finally:
        os.close(lock)


@contextmanager
def wrap_unwritable(root: Path) -> Iterator[None]:
    """Raise ConfigurationError if the store is not writable."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise
        raise ConfigurationError(
            f"the raw store {root} cannot be written: {error.strerror}",
            "set BOURSE_DATA_DIR to a folder that you can write to",
        ) from error


def symbols_of(
    con: duckdb.DuckDBPyConnection, deliveries: Iterable[Delivered]
) -> dict[str, frozenset[str] | None]:
    """Return the symbols of each delivery; None for one that does not list them."""
    files = {one.delivery: one.manifest for one in deliveries}
    found: dict[str, frozenset[str] | None] = dict.fromkeys(files)
    if files:
        for file, symbols in con.execute(
            f"select file_name, decode(value) {listed_in(files.values())}"
        ).fetchall():
            found[Path(file).stem] = frozenset(json.loads(symbols))
    return found


def owners_of(
    con: duckdb.DuckDBPyConnection, deliveries: Iterable[Delivered]
) -> dict[str, Delivered]:
    """Return every symbol of these deliveries, with one delivery that has it."""
    by_name = {one.delivery: one for one in deliveries}
    if not by_name:
        return {}
    listed = listed_in(one.manifest for one in by_name.values())
    found = con.execute(
        # a feed has the same symbols every day, so each distinct list is expanded once
        "select symbol, min(file_name) from (select min(file_name) as file_name,"
        " unnest(from_json(decode(value), '[\"varchar\"]')) as symbol"
        f" {listed} group by value) group by symbol"
    ).fetchall()
    names = con.execute(f"select file_name {listed}").fetchall()
    unlisted = by_name.keys() - {Path(file).stem for (file,) in names}
    files = [
        file
        for folder in {by_name[name].root / by_name[name].kind for name in unlisted}
        for file in folder.rglob("*.parquet")
        if file.stem in unlisted
    ]
    if files:
        found += con.execute(
            "select symbol, min(filename) from read_parquet("
            f"[{', '.join(map(quoted, files))}], filename = true, hive_partitioning = false)"
            " group by symbol"
        ).fetchall()
    return {symbol: by_name[Path(file).stem] for symbol, file in found}


def listed_in(manifests: Iterable[Path]) -> str:
    """Return the `from` and `where` clauses for the symbol lists of some manifests."""
    files = ", ".join(map(quoted, manifests))
    return f"from parquet_kv_metadata([{files}]) where key::blob::varchar = '{SYMBOLS_KEY}'"
