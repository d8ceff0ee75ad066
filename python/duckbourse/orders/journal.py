"""
The journal of an account: every event, on disk before anybody acts on it.

SQLite in WAL mode with `synchronous=FULL`, written by one thread: what waits is committed together,
so that one fsync serves all. Rows are numbered without gaps, and each carries a checksum of itself
and all before it: a row that was lost, changed or cut is found when the journal is read again. A
queue that is full or a disk that fails is the end of writing: the journal says so to everyone who
waits and to all who come later, drops nothing and takes nothing more.

One process writes an account's journal at a time: it holds a lock on the folder until it ends,
however it ends.
"""

from __future__ import annotations

import asyncio
import fcntl
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

from duckbourse import clock
from duckbourse.errors import JournalBusy, JournalCorrupt, JournalError
from duckbourse.orders.events import AnyEvent, Event, JournalSalvaged

FILE = "journal.sqlite"
LOCK = "journal.lock"
QUEUE_ROWS = 100_000
# what is committed together at most, so that who came first does not wait for ever
COMMIT_ROWS = 2_000

ENCODER = msgspec.json.Encoder()
DECODER = msgspec.json.Decoder(AnyEvent)

Written = Future[None]


class Journal:
    """Write events; `open_journal` makes one. Every method may be called from any thread."""

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
        Take an event, and return what is done when it is on disk, or fails if it will not be.

        Raise JournalError at once if the journal has failed already or its queue is full.
        """
        if self.failure is not None:
            raise self.failure
        written: Written = Future()
        try:
            self._queue.put_nowait((ENCODER.encode(event), written))
        except queue.Full:
            self._fail(
                JournalError(
                    f"{QUEUE_ROWS:,} events wait for the disk of {self.folder}",
                    "see why the disk is slow; then start again: what was sent is found again",
                )
            )
            raise self.failure or JournalError("unreachable") from None
        return written

    async def append_durably(self, event: Event) -> None:
        """Append an event and wait until it is on disk; raise JournalError if it is not."""
        await asyncio.wrap_future(self.append(event))

    def close(self) -> None:
        """Write what waits, and let go of the folder; once more is nothing."""
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
            # whatever it is: whoever waits must hear of it, and nothing more may be sent
            except Exception as error:
                self._fail(
                    JournalError(
                        f"the journal {self.folder / FILE} cannot be written: {error}",
                        "free or mend the disk, then start again: nothing more was sent",
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
            self._queue.put(None)  # the end, once more, after what came before it
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
    Return the journal of a folder, to be written, and all events in it, in order.

    Raise JournalBusy if another process has it. A journal that is damaged is moved aside whole, and
    a new one begins with the rows before the damage and a JournalSalvaged that says where they end.
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
        told = [*events, JournalSalvaged(at=clock.now(), first_lost_row=row + 1, kept_as=kept.name)]
        for written in [journal.append(event) for event in told]:
            written.result()
    except BaseException:
        lock.close()
        raise
    return journal, told


def read_journal(folder: Path) -> list[Event]:
    """Return all events of a journal, without writing it; raise JournalCorrupt if it is damaged."""
    if not (folder / FILE).exists():
        return []
    events, row, _, damage = _read(folder / FILE, 0)
    if damage is not None:
        raise JournalCorrupt(
            f"row {row + 1} of {folder / FILE} is not what was written: {damage}",
            "`./bourse reconcile` keeps the file and goes on with what is before it",
        )
    return events


def lock_folder(folder: Path) -> IO[str]:
    """
    Return what keeps a folder for this process until closed; raise JournalBusy if another has it.
    """
    lock = (folder / LOCK).open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise JournalBusy(
            f"another process trades with {folder}",
            "stop it first; two would send the same orders",
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
    Return how many frames a write-ahead log holds up to its last commit, whatever their checksums.

    SQLite reads a log up to the first frame that is damaged and takes what follows for the traces
    of a crash: rows that were committed would be gone without a word. What a crash leaves has no
    commit.
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
    """Return the events up to the first that is damaged, their last row and checksum, and how."""
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
            for number, body, told in connection.execute("select * from events order by row"):
                if number != row + 1:
                    return events, row, checksum, f"the next row is {number}"
                if zlib.crc32(body, checksum) != told:
                    return events, row, checksum, "its checksum is another"
                events.append(DECODER.decode(body))
                row, checksum = number, told
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
