"""
The journal of an account: every event, on disk before anyone acts on it.

SQLite in WAL mode with `synchronous=FULL`, written by one thread. The thread commits all waiting
events together, so one fsync serves them all. Rows are numbered without gaps, and each carries a
checksum of itself and all rows before it, so reading detects a row that was lost, changed or
truncated. If the queue is full or the disk fails, writing ends: every waiting and later caller
receives the error, no event is dropped, and no further event is accepted.

One process at a time writes an account's journal. It holds a lock on the folder until it ends, in
whatever way it ends.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import struct
import threading
import zlib
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO

import msgspec

from duckbourse import clock, state
from duckbourse.errors import JournalBusy, JournalCorrupt, JournalError
from duckbourse.orders.events import AnyEvent, Event, JournalSalvaged
from duckbourse.settings import settings

FILE = "journal.sqlite"
LOCK = "journal.lock"
QUEUE_ROWS = 100_000
# the most events in one commit, so that the first caller does not wait forever
COMMIT_ROWS = 2_000

ENCODER = msgspec.json.Encoder()
DECODER = msgspec.json.Decoder(AnyEvent)

Written = Future[None]


class Journal:
    """Writes events; `open_journal` creates one. Its methods may be called from any thread."""

    def __init__(self, folder: Path, lock: IO[str], last_row: int, checksum: int) -> None:
        self.folder = folder
        self.failure: JournalError | None = None
        self._lock = lock
        self._row = last_row
        self._checksum = checksum
        self._queue: queue.Queue[tuple[bytes, Written] | None] = queue.Queue(QUEUE_ROWS)
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()

    def append(self, event: Event) -> Written:
        """
        Queue an event; the future completes once it is on disk, or fails if it cannot be.

        Raise JournalError at once if the journal has already failed or its queue is full.
        """
        if self.failure is not None:
            raise self.failure
        written: Written = Future()
        try:
            self._queue.put_nowait((ENCODER.encode(event), written))
        except queue.Full:
            self._fail(
                JournalError(
                    f"{QUEUE_ROWS:,} events are waiting for the disk of {self.folder}",
                    "find out why the disk is slow, then restart: sent orders are recovered",
                )
            )
            raise self.failure or JournalError("unreachable") from None
        return written

    async def append_durably(self, event: Event) -> None:
        """Append an event and wait until it is on disk; raise JournalError if it is not."""
        await asyncio.wrap_future(self.append(event))

    def close(self) -> None:
        """Write all waiting events and release the folder; a second call does nothing."""
        if not self._thread.is_alive():
            return
        self._queue.put(None)
        self._thread.join()
        self._lock.close()

    def _fail(self, error: JournalError) -> None:
        if self.failure is None:
            self.failure = error

    def _write(self) -> None:
        connection: sqlite3.Connection | None = None
        while batch := self._next_batch():
            try:
                connection = connection or _connect(self.folder / FILE)
                if self.failure is not None:
                    raise self.failure
                self._commit(connection, [body for body, _ in batch])
            # whatever the error, waiting callers must receive it and nothing more may be sent
            except Exception as error:
                self._fail(
                    JournalError(
                        f"the journal {self.folder / FILE} cannot be written: {error}",
                        "free up or repair the disk, then restart: no further order was sent",
                    )
                )
                for _, written in batch:
                    written.set_exception(self.failure or error)
            else:
                for _, written in batch:
                    written.set_result(None)
        if connection is not None:
            connection.close()

    def _next_batch(self) -> list[tuple[bytes, Written]]:
        batch = []
        entry = self._queue.get()
        while entry is not None:
            batch.append(entry)
            if len(batch) == COMMIT_ROWS:
                return batch
            try:
                entry = self._queue.get_nowait()
            except queue.Empty:
                return batch
        if batch:
            self._queue.put(None)  # put the end marker back after this batch
        return batch

    def _commit(self, connection: sqlite3.Connection, bodies: Sequence[bytes]) -> None:
        rows = []
        row, checksum = self._row, self._checksum
        for body in bodies:
            row += 1
            checksum = zlib.crc32(body, checksum)
            rows.append((row, body, checksum))
        connection.execute("begin immediate")
        try:
            connection.executemany("insert into events values (?, ?, ?)", rows)
            connection.execute("commit")
        except BaseException:
            connection.rollback()
            raise
        self._row, self._checksum = row, checksum


def open_journal(folder: Path) -> tuple[Journal, list[Event]]:
    """
    Open a folder's journal for writing; return it and all its events, in order.

    Raise JournalBusy if another process holds it. A damaged journal is moved aside as a whole; the
    new one starts with the rows before the damage and a JournalSalvaged that says where they end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = lock_folder(folder)
    try:
        committed = _committed_frames(folder / (FILE + "-wal"))
        events, row, checksum, damage = _read(folder / FILE, committed)
        if damage is None:
            return Journal(folder, lock, row, checksum), events
        kept = _move_aside(folder)
        journal = Journal(folder, lock, 0, 0)
        salvaged = [
            *events,
            JournalSalvaged(at=clock.now(), first_lost_row=row + 1, kept_as=kept.name),
        ]
        for written in [journal.append(event) for event in salvaged]:
            written.result()
    except BaseException:
        lock.close()
        raise
    return journal, salvaged


def read_journal(folder: Path) -> list[Event]:
    """Read all events of a journal without writing it; raise JournalCorrupt if it is damaged."""
    if not (folder / FILE).exists():
        return []
    events, row, _, damage = _read(folder / FILE, 0)
    if damage is not None:
        raise JournalCorrupt(
            f"row {row + 1} of {folder / FILE} is damaged: {damage}",
            "`./bourse reconcile` keeps the file and continues with the rows before it",
        )
    return events


def lock_folder(folder: Path) -> IO[str]:
    """Lock a folder for this process until the file returned is closed, or raise JournalBusy."""
    state.refuse_unfinished(settings().data)
    lock = (folder / LOCK).open("a")
    try:
        state.lock(lock.fileno())
    except OSError as error:
        lock.close()
        raise JournalBusy(
            f"another process is trading in {folder}",
            "stop it first; two processes would send the same orders",
        ) from error
    return lock


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute(
        "create table if not exists events"
        " (row integer primary key, body blob not null, checksum integer not null)"
    )
    return connection


def _committed_frames(path: Path) -> int:
    """
    Return the number of frames in a write-ahead log up to its last commit, valid or not.

    SQLite reads a log up to the first damaged frame and treats the rest as left over from a crash,
    so committed rows would vanish silently. What a real crash leaves behind has no commit.
    """
    if not path.exists():
        return 0
    log = path.read_bytes()
    if len(log) < 32:
        return 0
    page_size, salts = struct.unpack(">I", log[8:12])[0], log[16:24]
    size = 24 + page_size
    last = 0
    for number, start in enumerate(range(32, len(log) - size + 1, size), 1):
        if log[start + 8 : start + 16] == salts and log[start + 4 : start + 8] != bytes(4):
            last = number
    return last


def _read(path: Path, committed_frames: int) -> tuple[list[Event], int, int, str | None]:
    """Return the events before any damage, their last row and checksum, and the damage or None."""
    events: list[Event] = []
    row, checksum, is_cut = 0, 0, False
    if not path.exists():
        return events, row, checksum, None
    try:
        connection = _connect(path)
        try:
            if committed_frames:
                _, read_frames, _ = connection.execute("pragma wal_checkpoint(passive)").fetchone()
                is_cut = read_frames < committed_frames
            for number, body, stored in connection.execute("select * from events order by row"):
                if number != row + 1:
                    return events, row, checksum, f"the next row is {number}"
                if zlib.crc32(body, checksum) != stored:
                    return events, row, checksum, "its checksum does not match"
                events.append(DECODER.decode(body))
                row, checksum = number, stored
            if is_cut:
                return events, row, checksum, "the end of the write-ahead log is damaged"
        finally:
            connection.close()
    except (sqlite3.DatabaseError, msgspec.MsgspecError, TypeError) as error:
        return events, row, checksum, str(error)
    return events, row, checksum, None


def _move_aside(folder: Path) -> Path:
    stamp = clock.now().strftime("%Y%m%dT%H%M%S%f")
    kept = folder / f"damaged-{stamp}.sqlite"
    for ending in ("", "-wal", "-shm"):
        part = folder / (FILE + ending)
        if part.exists():
            part.rename(kept.with_name(kept.name + ending))
    return kept
