"""
The raw store: what was delivered, as Parquet that is written once and never edited.

    .incoming/<delivery>/…   written here first
    daily/month=…            then renamed into place, file by file
    deliveries/              and the manifest last: a delivery without it does not exist

A kill at any moment leaves either a delivery, or a folder under `.incoming` that the next run
clears together with whatever of it was already in place.
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

from duckbourse.errors import ConfigurationError, StoreBusy
from duckbourse.ingest.schema import TABLES, Kind
from duckbourse.warehouse import files_in, quoted

SYMBOLS_KEY = "symbols"
# A delivery of more symbols than this does not list them in its manifest: it may hold any.
MAX_LISTED_SYMBOLS = 20_000
# What a catalog takes from a manifest.
MANIFEST = (
    *("delivery", "kind", "source", "source_file", "calendar", "first_session", "last_session"),
    *("delivered_at", "rows_kept", "rows_unreadable", "rows_duplicate"),
    "rows_revised",
)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Delivered:
    """What a manifest says of a delivery. Its symbols are asked for: see `symbols_of`."""

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
        """What another delivery of the same bars has in common with it."""
        return (
            *(self.kind, self.calendar, self.first_session, self.last_session),
            *(self.rows_kept, self.rows_unreadable, self.rows_duplicate),
        )

    def files(self, kind: Kind, folders: Iterable[Path]) -> list[Path]:
        """Return its files in these folders of its store, and in the one of a flat store."""
        within = dict.fromkeys((*folders, Path(kind)))
        places = (self.root / folder / f"{self.delivery}.parquet" for folder in within)
        return [place for place in places if place.exists()]

    def overlaps(self, first: date, last: date) -> bool:
        """Tell whether it may have bars of these days."""
        return self.first_session <= last and first <= self.last_session

    @property
    def manifest(self) -> Path:
        """The file that says what it is, with its symbols among the file's metadata."""
        return self.root / "deliveries" / f"{self.delivery}.parquet"


@dataclass(frozen=True)
class RawStore:
    """A raw store in a folder. A `flat` one has no folder for each month and session."""

    root: Path
    flat: bool = False

    @property
    def incoming(self) -> Path:
        """Where deliveries are until they are whole."""
        return self.root / ".incoming"

    def partition(self, kind: Kind, day: date) -> Path:
        """Return the folder of a day's bars, below the root."""
        folder = Path(kind.value)
        if self.flat or kind is Kind.ADJUSTED_CLOSE:
            return folder
        if kind is Kind.DAILY:
            return folder / f"month={day:%Y-%m}"
        return folder / f"session={day:%Y-%m-%d}"

    def manifest(self, delivery: str) -> Path:
        """Return the file whose presence makes a delivery exist."""
        return self.root / "deliveries" / f"{delivery}.parquet"

    def holds(self, delivery: str) -> bool:
        """Tell whether a delivery is there, whole."""
        return self.manifest(delivery).exists()

    @contextmanager
    def writing(self, con: duckdb.DuckDBPyConnection) -> Iterator[Path]:
        """
        Yield a folder for passing files, in a store that is whole and that nobody else writes to.

        Raise StoreBusy where another process does.
        """
        with wrap_unwritable(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.root, os.O_RDONLY)
        try:
            try:
                # the system lets go of it when the process ends, however that is
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise StoreBusy(
                    f"another command is writing to {self.root}", "wait for it and run this again"
                ) from error
            with wrap_unwritable(self.root):
                # not before: another one that ends removes it
                self.incoming.mkdir(exist_ok=True)
            self.clear_leftovers()
            scratch = self.incoming / "scratch"
            scratch.mkdir(parents=True)
            try:
                self.prepare(con)
                yield scratch
            finally:
                self.clear_leftovers()
        finally:
            os.close(lock)

    @contextmanager
    def reading(self) -> Iterator[Path]:
        """Yield a folder for passing files outside the store, which stays untouched."""
        with tempfile.TemporaryDirectory(prefix="bourse-ingest-") as scratch:
            yield Path(scratch)

    def clear_leftovers(self) -> None:
        """Remove what an ingest that was killed has left, in `.incoming` and in place."""
        for leftover in self.incoming.iterdir():
            if leftover.name != "scratch" and not self.holds(leftover.name):
                for table in TABLES:
                    for orphan in (self.root / table).rglob(f"{leftover.name}.parquet"):
                        orphan.unlink()
            shutil.rmtree(leftover)
        self.incoming.rmdir()

    def prepare(self, con: duckdb.DuckDBPyConnection) -> None:
        """Make each folder with its file of no rows, so that whoever reads a glob finds one."""
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
        # after a power cut, too, no manifest may point at data that never reached the disk
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
        """Return every delivery there is, the last at the end."""
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
def wrap_unwritable(root: Path) -> Iterator[None]:
    """Raise ConfigurationError where the system does not let us write to a store."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        raise ConfigurationError(
            f"the raw store {root} cannot be written: {error.strerror}",
            "set BOURSE_DATA_DIR to a folder of yours",
        ) from error


def symbols_of(
    con: duckdb.DuckDBPyConnection, deliveries: Iterable[Delivered]
) -> dict[str, frozenset[str] | None]:
    """Return the symbols of deliveries by their names; None is of one that does not list them."""
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
    """Return every symbol of these deliveries, with one of them that has it."""
    by_name = {one.delivery: one for one in deliveries}
    if not by_name:
        return {}
    listed = listed_in(one.manifest for one in by_name.values())
    found = con.execute(
        # a feed's symbols are the same day after day: each list is unfolded once
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
    """Return the `from` and `where` of the lists of symbols in some manifests."""
    files = ", ".join(map(quoted, manifests))
    return f"from parquet_kv_metadata([{files}]) where key::blob::varchar = '{SYMBOLS_KEY}'"


def flush(path: Path) -> None:
    """Wait until a file's content, or a folder's names, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
