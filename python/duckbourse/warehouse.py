"""
The only door between Python and DuckDB's files.

Everyone reads the published file, through a connection of their own that has it attached
read-only: it holds one publication to its end, never blocks the next, and sees it when opened anew.
"""

from __future__ import annotations

import errno
import re
from pathlib import Path

import duckdb

from duckbourse.errors import (
    BourseError,
    BuildFailed,
    DatabaseLocked,
    PublicationError,
    StorageFull,
)
from duckbourse.settings import settings

# The oldest DuckDB that opens what we write; profiles.yml makes the build file with it.
STORAGE_VERSION = "v1.0.0"
# The published file's name as a catalog, whatever the file is called on the way.
CATALOG = "duckbourse"

LOCKED = re.compile(r"Conflicting lock is held in (?P<program>.*?) \(PID (?P<pid>\d+)\)")
NEWER = re.compile(r"version number \d+")
FULL = re.compile(
    r"No space left on device|File too large|Disk quota exceeded|could not write|"
    r"offload data block|failed to offload",
    re.IGNORECASE,
)


def open_published(path: Path | None = None) -> duckdb.DuckDBPyConnection:
    """
    Return a connection whose default database is the published file, read-only.

    It holds the publication of this moment until closed, through any number of later ones. Raise
    PublicationError where nothing was published yet.
    """
    path = path or settings().published_database
    if not path.exists():
        raise PublicationError(f"nothing is published at {path}", "run `./bourse build`")
    connection = duckdb.connect()
    try:
        attach(connection, path, read_only=True)
    except BourseError:
        connection.close()
        raise
    return connection


def relation(connection: duckdb.DuckDBPyConnection, name: str) -> duckdb.DuckDBPyRelation:
    """Return a relation such as `bars.ohlcv`, to filter, order and fetch."""
    try:
        return connection.table(name)
    except duckdb.CatalogException as error:
        raise PublicationError(
            f"the published file has no {name}", "run `./bourse build` to publish it"
        ) from error


def attach(connection: duckdb.DuckDBPyConnection, path: Path, *, read_only: bool) -> None:
    """Attach a file under our catalog's name and make it the default, with instants in UTC."""
    mode = "read_only" if read_only else f"storage_version '{STORAGE_VERSION}'"
    try:
        connection.execute(f"attach {quoted(path)} as {CATALOG} ({mode}); use {CATALOG}")
        connection.execute("set TimeZone = 'UTC'")
    except duckdb.Error as error:
        raise wrap_duckdb_error(error, path) from error


def quoted(text: object) -> str:
    """Return a text as a SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"


def files_in(folder: Path, pattern: str) -> str:
    """Return what DuckDB finds a folder's files by, whatever the folder is called, as a literal."""
    itself = re.sub(r"[*?[]", r"[\g<0>]", str(folder))
    return quoted(f"{itself}/{pattern}")


def is_full(message: str) -> bool:
    """Tell whether DuckDB's or the system's message says that the disk is full."""
    return bool(FULL.search(message))


def wrap_duckdb_error(error: duckdb.Error, path: Path) -> BourseError:
    """Return what DuckDB says of a file as an error of ours, with what to do about it."""
    message = str(error).strip().splitlines()[0]
    if held := LOCKED.search(str(error)):
        return DatabaseLocked(
            f"{path} is open in another program: {held['program']}, process {held['pid']}",
            f"close it there (or end it: kill {held['pid']}) and run this again; "
            f"to look at data, open the published file {settings().published_database}",
        )
    if is_full(message):
        return StorageFull(f"no room is left for {path}: {message}", "free some disk space")
    if NEWER.search(message):
        return BuildFailed(
            f"{path} was written by a newer DuckDB than {duckdb.__version__}: {message}",
            "delete it if it is the build file: `./bourse build` makes it again",
        )
    if "not a valid DuckDB database" in message or "Corrupt database file" in message:
        return BuildFailed(
            f"{path} is not a DuckDB database, or damaged",
            "move it away and run `./bourse build`: it is made again from data/raw",
        )
    return BuildFailed(f"{path}: {message}", "see whether the file can be read and written")


def wrap_os_error(error: OSError, path: Path) -> BourseError:
    """Return what the system says of a file or folder as an error of ours."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageFull(f"no room is left for {path}: {error.strerror}", "free some disk space")
    return BuildFailed(f"{path}: {error.strerror}", "see whether it can be read and written")
