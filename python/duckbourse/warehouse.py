"""
The only gateway between Python and DuckDB's files.

Each reader attaches the published file read-only to a connection of its own. A connection keeps one
publication until it is closed and never blocks the next one; a new connection sees the newest.
"""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import duckdb

from duckbourse import state
from duckbourse.disk import is_text, shown, special
from duckbourse.errors import (
    BadQuery,
    BourseError,
    BuildFailed,
    DatabaseLocked,
    PublicationError,
    StorageFull,
)
from duckbourse.names import nearest
from duckbourse.settings import bytes_of, settings
from duckbourse.words import counted

# The oldest DuckDB that can open our files; profiles.yml creates the build file with it.
STORAGE_VERSION = "v1.0.0"
# The published file's catalog name, whatever the file is called.
CATALOG = "duckbourse"
# The scanners of a publication: each has its presets.
SCANNERS = """
    select table_name[:-9] from duckdb_tables()
    where
        database_name = current_database()
        and schema_name = 'seeds'
        and ends_with(table_name, '_presets')
    order by all
"""

# of a page whose rows DuckDB finds first; its own default is 50
MOST_LATE_ROWS = 10_000
# between two interrupts of what runs too long
INTERRUPT_SECONDS = 0.02
# in which a query ends that is interrupted, or it is one that looks at no interrupt
GRACE_SECONDS = 1.0
# of a process besides DuckDB's memory: Python, its rows, the stacks of threads
OUTSIDE_BYTES = 256 * 2**20

LOCKED = re.compile(r"Conflicting lock is held in (?P<program>.*?) \(PID (?P<pid>\d+)\)")
NEWER = re.compile(r"version number \d+")
NO_COLUMN = re.compile(r'Referenced column "([^"]+)" not found')
WRONG_ARGUMENTS = re.compile(
    r"Macro (?P<macro>\w+)\(\) does not support the supplied arguments.*?"
    r"Candidate macros: \w+\((?P<parameters>.*)\)"
)
PARAMETER = re.compile(r"(?:^|, )(\w+)")
NAMED_ARGUMENT = re.compile(r"(\w+)\s*:=")
FULL = re.compile(
    r"No space left on device|File too large|Disk quota exceeded|could not write|"
    r"offload data block|failed to offload",
    re.IGNORECASE,
)


def unpublished(path: Path) -> PublicationError:
    """Return the error for a file that is not published yet; a first build may be about to."""
    if path != settings().published_database:
        return PublicationError(
            f"nothing has been published at {path}",
            "run `./bourse build` in the project, or name its file: "
            "duckbourse.open('data/duckbourse.duckdb')",
        )
    process = state.holder(state.owner_file(settings().build_database))
    if process is None:
        return PublicationError(f"nothing has been published at {path}", "run `./bourse build`")
    return PublicationError(
        f"nothing has been published at {path} yet: process {process} is building it",
        "wait until `./bourse status` says that no build is running; then run this again",
    )


def open_published(path: Path | None = None) -> duckdb.DuckDBPyConnection:
    """
    Return a connection whose default database is the published file, read-only.

    It keeps the current publication until it is closed, however many follow. Raise
    PublicationError if nothing has been published yet.
    """
    path = path or settings().published_database
    if not path.exists():
        raise unpublished(path)
    connection = duckdb.connect()
    try:
        attach(connection, path, read_only=True)
    except BourseError:
        connection.close()
        raise
    return connection


@dataclass(frozen=True)
class Limits:
    """What all queries of a connection may use: memory as in BOURSE_MEMORY_LIMIT, and threads."""

    memory: str
    threads: int
    # a query that needs more than its memory may write to disk
    may_spill: bool = False


def confine(connection: duckdb.DuckDBPyConnection, limits: Limits | None = None) -> None:
    """
    Let queries of a connection read what it has attached, and nothing else, from now on.

    Its cursors are confined too. Without limits, DuckDB's own apply.
    """
    if limits is not None:
        connection.execute(f"set memory_limit = {quoted(limits.memory)}")
        connection.execute(f"set threads = {limits.threads}")
        # a page of a long series: its rows are found by their key before the other columns are read
        connection.execute(f"set late_materialization_max_rows = {MOST_LATE_ROWS}")
        if not limits.may_spill:
            connection.execute("set temp_directory = ''")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


@contextmanager
def process_within(memory: str) -> Iterator[None]:
    """
    Let this process take `memory`, OUTSIDE_BYTES, and what it has, and nothing more, in a block.

    What DuckDB counts is not enough: one long text or list is outside of it, and so is a plan.
    Without Linux, there is no such limit.
    """
    if sys.platform != "linux":
        yield
        return
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
    most = pages * resource.getpagesize() + bytes_of(memory) + OUTSIDE_BYTES
    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bounds = [bound for bound in (most, before, hard) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(bounds), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, hard))


@contextmanager
def interrupted_after(
    connection: duckdb.DuckDBPyConnection,
    seconds: float,
    give_up: Callable[[], None] | None = None,
) -> Iterator[None]:
    """
    Interrupt what a block asks after so many seconds: `duckdb.InterruptException` is raised.

    It interrupts until the block has ended, since the moment may fall between two queries. If it
    has not after GRACE_SECONDS, `give_up` is called, which ends the process.
    """
    guard, is_over = Lock(), Event()

    def interrupt() -> None:
        wait, left = seconds, GRACE_SECONDS
        while not is_over.wait(wait):
            with guard:
                if not is_over.is_set():
                    connection.interrupt()
                    if give_up and left < 0:
                        give_up()
            wait = INTERRUPT_SECONDS
            left -= wait

    Thread(target=interrupt, daemon=True).start()
    try:
        yield
    finally:
        with guard:
            is_over.set()


def one_statement(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """
    Return the only statement of a text, without the semicolons and comments at its end.

    Raise BadQuery if there are several, or none.
    """
    statements = connection.extract_statements(query)
    if not statements:
        raise BadQuery("the query is empty", '`./bourse sql "from serving.publication"` is one')
    if len(statements) > 1:
        raise BadQuery(
            f"the query has {counted(len(statements), 'statement')}, and only one can be answered",
            "run `./bourse sql` once for each",
        )
    # the tokens begin at bytes
    text = statements[0].query.encode()
    end = len(text)
    for begin, kind in reversed(duckdb.tokenize(text.decode())):
        if kind != duckdb.token_type.comment and text[begin:end].strip() != b";":
            break
        end = begin
    return text[:end].decode()


def wrap_query_error(error: duckdb.Error | MemoryError, query: str) -> BadQuery:
    """Return DuckDB's error about somebody's query as a BadQuery with a remedy."""
    if isinstance(error, duckdb.InterruptException):
        return BadQuery(
            "the query took longer than it may", "ask for less, or allow more seconds: --timeout"
        )
    if isinstance(error, duckdb.OutOfMemoryException | MemoryError):
        said = one_line(error).partition(" Possible solutions:")[0]
        return BadQuery(
            f"the query needs more memory than it may use: {said}".removesuffix(": "),
            "ask for less, or allow more: --memory",
        )
    unknown = isinstance(error, duckdb.CatalogException | duckdb.BinderException)
    remedy = slip_in(query, error) or (
        "`./bourse tables` lists all tables, and of one of them its columns"
        if unknown
        else "correct the query; `./bourse sql --help` has examples"
    )
    return BadQuery(one_line(error), remedy)


def relation(connection: duckdb.DuckDBPyConnection, name: str) -> duckdb.DuckDBPyRelation:
    """Return a relation such as `bars.ohlcv`, to filter, order and fetch."""
    try:
        return connection.table(name)
    except duckdb.CatalogException as error:
        raise PublicationError(
            f"the published file has no {name}", "run `./bourse build` to publish it"
        ) from error


def fetch_rows(
    connection: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of a query, each with its values by name."""
    cursor = connection.execute(query, values)
    names = [str(column[0]) for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def attach(connection: duckdb.DuckDBPyConnection, path: Path, *, read_only: bool) -> None:
    """Attach a file as the default catalog `duckbourse`, with the session's time zone in UTC."""
    if not is_text(path):
        raise BuildFailed(f"the name of {shown(path)} is not UTF-8", "rename it")
    if what := special(path) or ("a folder" if path.is_dir() else None):
        raise BuildFailed(f"{path} is {what}, not a DuckDB database", "move it away")
    mode = "read_only" if read_only else f"storage_version '{STORAGE_VERSION}'"
    try:
        connection.execute(f"attach {quoted(path)} as {CATALOG} ({mode}); use {CATALOG}")
        # global, so that cursors of the connection have it too
        connection.execute("set global TimeZone = 'UTC'")
    except duckdb.Error as error:
        raise wrap_duckdb_error(error, path) from error


def quoted(text: object) -> str:
    """Return a text as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def files_in(folder: Path, pattern: str) -> str:
    """Return a glob for a folder's files as an SQL literal, with the folder's name escaped."""
    itself = re.sub(r"[*?[]", r"[\g<0>]", str(folder))
    return quoted(f"{itself}/{pattern}")


def one_line(error: Exception) -> str:
    """Return DuckDB's error about a query as one line, without the excerpt of the query."""
    return " ".join(str(error).split("\n\nLINE")[0].split())


def slip_in(query: str, error: duckdb.Error) -> str:
    """Return what to write instead in a query that DuckDB refused, empty if that is not known."""
    message = one_line(error)
    missing = NO_COLUMN.search(message)
    if missing and (missing[1].isupper() or f'"{missing[1]}"' in query):
        return f"write text in single quotes: '{missing[1]}'"
    if called := WRONG_ARGUMENTS.search(message):
        known = PARAMETER.findall(called["parameters"])
        for name in NAMED_ARGUMENT.findall(query):
            if name not in known and (meant := nearest(name, known)):
                return f"write {meant} := instead of {name} :="
        return f"call it as {called['macro']}({', '.join(f'{name} := …' for name in known)})"
    return ""


def is_full(message: str) -> bool:
    """Return whether a message of DuckDB or the system means that the disk is full."""
    return bool(FULL.search(message))


def wrap_duckdb_error(error: duckdb.Error, path: Path) -> BourseError:
    """Return DuckDB's error about a file as a BourseError with a remedy."""
    message = str(error).strip().splitlines()[0]
    if held := LOCKED.search(str(error)):
        return DatabaseLocked(
            f"{path} is open in another program: {held['program']}, process {held['pid']}",
            f"close it there (or end it: kill {held['pid']}) and run this again; "
            f"to look at data, open the published file {settings().published_database}",
        )
    if is_full(message):
        return StorageFull(f"the disk is full, writing {path}: {message}", "free some disk space")
    if NEWER.search(message):
        return BuildFailed(
            f"{path} was written by a newer DuckDB than {duckdb.__version__}: {message}",
            "if it is the build file, delete it: `./bourse build` creates it again",
        )
    if "not a valid DuckDB database" in message or "Corrupt database file" in message:
        return BuildFailed(
            f"{path} is damaged, or is not a DuckDB database",
            "move it away and run `./bourse build`, which creates it again from data/raw",
        )
    return BuildFailed(f"{path}: {message}", "check that the file can be read and written")
