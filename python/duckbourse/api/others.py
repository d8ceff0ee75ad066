"""
SQL of others, each query in a process that may use so much memory and time.

DuckDB's own limits do not hold: one long text or list is outside of its memory, and it looks at an
interrupt neither within a call of a function nor while it plans. A process that was ended, or whose
query needed too much, is replaced; the queries in other processes go on.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock

import duckdb
import msgspec
import structlog

from duckbourse.api.bounds import Bounds
from duckbourse.api.formats import Encoded, encode
from duckbourse.api.problems import AGAIN, Refused, problem_of, where
from duckbourse.api.reader import Reader, is_ours, too_long
from duckbourse.errors import BadQuery
from duckbourse.market import Market
from duckbourse.settings import bytes_of
from duckbourse.warehouse import GRACE_SECONDS, Limits, one_line, process_within

log = structlog.get_logger()
# processes at once: each has its part of the memory
PROCESSES = 2
# until one has opened the publication
START_SECONDS = 60.0
LISTER = "GET /api/v1/tables lists the tables"
BEGIN = "from duckbourse.api.others import main; main()"


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One query that returns rows, and the values that it names."""

    query: str
    values: dict[str, str | int | float | bool | None] = {}
    limit: int = 1_000


class Reply(msgspec.Struct, frozen=True):
    """The answer to a query; `fault` is where the code failed, if it did."""

    status: int
    content: bytes
    headers: dict[str, str]
    fault: dict[str, str | list[str]] = {}


class Others:
    """The processes that answer. At most PROCESSES threads may ask at once."""

    def __init__(self, published: Path, bounds: Bounds) -> None:
        memory = f"{max(1, bytes_of(bounds.memory) // PROCESSES // 10**6)}MB"
        self.bounds = replace(bounds, memory=memory, queries=PROCESSES)
        self._published = published
        self._lock = Lock()
        self._is_closed = False
        self._idle = [_Process(published, self.bounds)]
        self._busy: set[_Process] = set()

    def ask(self, asked: Query, kind: str) -> Reply:
        """Return the reply to a query in a format; raise Refused if its process was ended."""
        process = self._take()
        is_well = False
        try:
            reply = process.ask(asked, kind)
            # a process that has needed too much may still hold it
            is_well = reply.status < 500
        finally:
            self._give_back(process, is_well=is_well)
        if reply.fault:
            log.error("a query of others failed", **reply.fault)
        return reply

    def close(self) -> None:
        """End the processes, whatever they are at."""
        with self._lock:
            self._is_closed = True
            ended = [*self._idle, *self._busy]
            self._idle = []
        for process in ended:
            process.end()

    def _take(self) -> _Process:
        with self._lock:
            while self._idle:
                process = self._idle.pop()
                if process.is_running:
                    break
                process.end()
            else:
                process = _Process(self._published, self.bounds)
            self._busy.add(process)
            return process

    def _give_back(self, process: _Process, *, is_well: bool) -> None:
        if not is_well:
            process.end()
        with self._lock:
            self._busy.discard(process)
            if not self._is_closed:
                # so that nobody waits for its start
                well = process if is_well else _Process(self._published, self.bounds)
                self._idle.append(well)


class _Process:
    def __init__(self, published: Path, bounds: Bounds) -> None:
        self._seconds = bounds.seconds
        self._connection, its = multiprocessing.Pipe()
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-c", BEGIN, str(its.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[its.fileno()],
                # without secrets
                env={
                    **{n: value for n, value in os.environ.items() if not n.startswith("BOURSE_")},
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                },
                # Ctrl-C is for the server, which ends them
                start_new_session=True,
            )
        self._connection.send((published, bounds))

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def ask(self, asked: Query, kind: str) -> Reply:
        try:
            self._connection.send((asked, kind))
            return msgspec.msgpack.decode(self._connection.recv_bytes(), type=Reply)
        except (EOFError, OSError) as error:
            if self._process.wait() == -signal.SIGALRM:
                raise too_long(self._seconds) from error
            detail = "it needs more memory than there is, or nests too deeply"
            raise Refused(503, detail, "ask for less", AGAIN) from error

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._connection.close()


def main() -> None:
    """Answer queries until the server has gone."""
    signal.setitimer(signal.ITIMER_REAL, START_SECONDS)
    connection = Connection(int(sys.argv[1]))
    published, bounds = connection.recv()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # it writes no file, whatever a query asks
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    reader: Reader | None = None
    with ExitStack() as limits:
        while True:
            try:
                if reader is None:
                    reader = Reader(published, Limits(bounds.memory, bounds.threads))
                    limits.enter_context(process_within(bounds.memory))
                signal.setitimer(signal.ITIMER_REAL, 0)
                asked, kind = connection.recv()
                signal.setitimer(signal.ITIMER_REAL, bounds.seconds + GRACE_SECONDS)
                reply = _answered(reader, bounds, asked, kind)
            except (EOFError, ConnectionError):
                return
            except Exception as error:
                reply = _failed(error)
            connection.send_bytes(msgspec.msgpack.encode(reply))


def _answered(reader: Reader, bounds: Bounds, asked: Query, kind: str) -> Reply:
    def work(market: Market) -> Encoded:
        try:
            found = market.sql(asked.query, asked.values or None)
            return encode(found, kind, limit=min(asked.limit, bounds.rows))
        except BadQuery as error:
            if isinstance(error.__cause__, duckdb.Error) and is_ours(error.__cause__):
                raise error.__cause__ from error
            remedy = error.remedy.replace("market.tables()", "GET /api/v1/tables")
            raise Refused(400, str(error), remedy) from error
        except duckdb.Error as error:
            if is_ours(error):
                raise
            raise Refused(400, one_line(error), LISTER) from error

    found = reader.read(work, bounds.seconds)
    headers = {
        "x-row-count": str(found.row_count),
        # whether the limit left rows out
        "x-has-more": str(found.next_key is not None).lower(),
    }
    return Reply(200, found.content, {**headers, "content-type": kind})


def _failed(error: Exception) -> Reply:
    response = problem_of(error)
    fault = where(error) if response.status_code == 500 else {}
    return Reply(response.status_code, bytes(response.body), dict(response.headers), fault)
