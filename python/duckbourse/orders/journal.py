"""
The journal of an account: every event, on disk before anyone acts on it.

SQLite in WAL mode with `synchronous=FULL`, written by one thread. The thread commits all waiting
events together, so one fsync serves them all, and so does the notice that they are on disk. Rows
are numbered without gaps, and each carries a checksum of itself and all rows before it, so reading
detects a row that was lost, changed or truncated. If the queue is full or the disk fails, writing
ends: every waiting and later caller receives the error, no event is dropped, and no further event
is accepted.

The head, a file beside it, has the number and the checksum of the last row. It is written after
each commit and before anyone is notified of it, and synced every second and at the end. A crash can
leave the head behind the journal, never before it, so a reader that finds fewer rows than the head
has, or others, knows that rows were deleted or an old copy was put in place.

The journal holds one session and begins with the account as it stood before, an AccountCarried.
`archive_rows` copies the rows of a session to the archive, where `read_archive` finds them, and
`begin_again` begins the next one in a single commit. Rows are numbered on, so the archive and the
journal are one chain.

A full disk, a lock or missing permissions are not damage: they are refused, and nothing is moved.

One process at a time writes an account's journal. It holds two locks until it ends, in whatever way
it ends: on the folder itself, which no deletion of a file opens, and on a file beside it that has
its name, which keeps a second process out if the folder is moved or removed meanwhile.
"""

from __future__ import annotations

import asyncio
import errno
import gzip
import os
import queue
import sqlite3
import struct
import threading
import zlib
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgspec

from duckbourse import clock, disk, state
from duckbourse.errors import JournalBusy, JournalCorrupt, JournalError
from duckbourse.orders.events import AccountCarried, AnyEvent, Event, JournalSalvaged
from duckbourse.settings import settings

FILE = "journal.sqlite"
HEAD = "journal.head"
ARCHIVE = "archive"
QUEUE_ROWS = 100_000
# the most events in one commit, so that the first caller does not wait forever
COMMIT_ROWS = 2_000
HEAD_SYNC_SECONDS = 1.0
# how long to wait for another program that has the journal open
LOCKED_SECONDS = 5.0
# of the system's errors, those of a full disk
FULL = (errno.ENOSPC, errno.EDQUOT)
# the head has two of these, each in a sector of its own: while one is written, the other is whole
SLOT_BYTES = 512
# of SQLite's errors, those that are about the content
DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
REMEDIES = {
    sqlite3.SQLITE_FULL: "free some disk space, and run this again",
    sqlite3.SQLITE_BUSY: "close the program that has it open, and run this again",
    sqlite3.SQLITE_LOCKED: "close the program that has it open, and run this again",
}

ENCODER = msgspec.json.Encoder()
DECODER = msgspec.json.Decoder(AnyEvent)


class Written(Future[None]):
    """
    The events of one commit: completes once they are on disk, or fails if they cannot be.

    A thread waits for its `result`. The tasks of an event loop await it, and are woken together.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[bytes] = []
        self._waiting: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}

    def __await__(self) -> Generator[None, None, None]:
        if not self.done():
            loop = asyncio.get_running_loop()
            woken = loop.create_future()
            if loop in self._waiting:
                self._waiting[loop].append(woken)
            else:
                self._waiting[loop] = [woken]
                self.add_done_callback(lambda _: self._wake(loop))
            yield from woken
        self.result()

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        def wake() -> None:
            for woken in self._waiting.pop(loop):
                if not woken.done():  # its task may have been cancelled
                    woken.set_result(None)

        if not loop.is_closed():
            loop.call_soon_threadsafe(wake)


class Journal:
    """Writes events; `open_journal` creates one. Its methods may be called from any thread."""

    def __init__(self, folder: Path, lock: FolderLock, last_row: int, checksum: int) -> None:
        self.folder = folder
        self.failure: JournalError | None = None
        self._lock = lock
        self._head = Head(folder / HEAD)
        self._head.write(last_row, checksum)
        self._row = last_row
        self._checksum = checksum
        # the batches to be committed, and the end, which is None
        self._queue: queue.SimpleQueue[Written | None] = queue.SimpleQueue()
        self._queued_rows = 0
        # the file that is open, and when it was last seen in its place
        self._inode = 0
        self._seen_at = -HEAD_SYNC_SECONDS
        # the batch that takes more events, if one does
        self._open: Written | None = None
        # of the two above, which the writing thread changes too
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()

    def append(self, event: Event) -> Written:
        """
        Queue an event for the next commit, which is returned.

        Raise JournalError at once if the journal has already failed or its queue is full.
        """
        if self.failure is not None:
            raise self.failure
        body = ENCODER.encode(event)
        with self._guard:
            if self._queued_rows >= QUEUE_ROWS:
                raise self._fail(
                    JournalError(
                        f"{QUEUE_ROWS:,} events are waiting for the disk of {self.folder}",
                        "find out why the disk is slow, then restart: sent orders are recovered",
                    )
                )
            batch = self._open
            if batch is None or len(batch.bodies) >= COMMIT_ROWS:
                batch = self._open = Written()
                self._queue.put(batch)
            batch.bodies.append(body)
            self._queued_rows += 1
        return batch

    def close(self) -> None:
        """Write all waiting events and release the folder; a second call does nothing."""
        if not self._thread.is_alive():
            return
        self._queue.put(None)
        self._thread.join()
        self._head.close()
        self._lock.close()

    def _fail(self, error: JournalError) -> JournalError:
        """Accept no more events; return the first error."""
        self.failure = self.failure or error
        return self.failure

    def _write(self) -> None:
        connection: sqlite3.Connection | None = None
        while batch := self._next_batch():
            try:
                connection = connection or self._connected()
                if self.failure is not None:
                    raise self.failure
                self._check_place()
                self._commit(connection, batch.bodies)
            # whatever the error, waiting callers must receive it and nothing more may be sent
            except Exception as error:
                failure = self._fail(
                    JournalError(
                        f"the journal {self.folder / FILE} cannot be written: {error}",
                        "free up or repair the disk, then restart: no further order was sent",
                    )
                )
                batch.set_exception(failure)
            else:
                batch.set_result(None)
                self._head.sync_now_and_then()
        if connection is not None:
            connection.close()

    def _connected(self) -> sqlite3.Connection:
        connection = _connect(self.folder / FILE)
        self._inode = (self.folder / FILE).stat().st_ino
        return connection

    def _check_place(self) -> None:
        # SQLite goes on in a file that was removed, which nobody would ever read
        if (now := clock.elapsed_seconds()) - self._seen_at < HEAD_SYNC_SECONDS:
            return
        if (self.folder / FILE).stat().st_ino != self._inode:
            raise FileNotFoundError("another file is in its place")
        self._seen_at = now

    def _next_batch(self) -> Written | None:
        batch = self._queue.get()
        with self._guard:
            if batch is not None:
                self._queued_rows -= len(batch.bodies)
            if batch is self._open:
                self._open = None
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
        self._head.write(row, checksum)


class Head:
    """The file with the last row's number and checksum; see the module."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._count = 0
        self._synced_at = clock.elapsed_seconds()

    def write(self, row: int, checksum: int) -> None:
        """Write the last row; a write of some bytes does not wait for the disk."""
        text = b"%d %d" % (row, checksum)
        slot = b"%b %d\n" % (text, zlib.crc32(text))
        os.pwrite(self._descriptor, slot.ljust(64), SLOT_BYTES * (self._count % 2))
        self._count += 1

    def sync_now_and_then(self) -> None:
        """Sync it to disk if that is due."""
        now = clock.elapsed_seconds()
        if now - self._synced_at >= HEAD_SYNC_SECONDS:
            self._synced_at = now
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Sync it to disk and close it."""
        os.fdatasync(self._descriptor)
        os.close(self._descriptor)


def read_head(path: Path) -> tuple[int, int] | None:
    """Return the last row's number and checksum; None without a head, (-1, 0) if it is damaged."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    found = [(-1, 0)]
    for start in (0, SLOT_BYTES):
        text, _, checksum = content[start : start + 64].strip().rpartition(b" ")
        if checksum.isdigit() and zlib.crc32(text) == int(checksum):
            row, _, of_row = text.partition(b" ")
            found.append((int(row), int(of_row)))
    return max(found)


def open_journal(
    folder: Path, lock: FolderLock | None = None, most_rows: int | None = None
) -> tuple[Journal, list[Event]]:
    """
    Open a folder's journal for writing; return it and all its events, in order.

    Rows after the first `most_rows` count as damaged, if given.

    `lock` is that of `lock_folder`, if the caller has locked the folder already; closing the
    journal releases it. Raise JournalBusy if another process holds it. A damaged journal is moved
    aside as a whole; the new one starts with the rows before the damage and a JournalSalvaged that
    says where they end. Raise JournalCorrupt if there are no such rows, and JournalError if it
    cannot be read now.
    """
    lock = lock or lock_folder(folder)
    try:
        found = _salvaged(folder, most_rows)
        return Journal(folder, lock, found.row, found.checksum), found.events
    except BaseException:
        lock.close()
        raise


def read_journal(folder: Path) -> list[Event]:
    """Read all events of a journal without writing it; raise JournalCorrupt if it is damaged."""
    found = _read(folder, 0)
    if found.damage is not None:
        raise JournalCorrupt(
            f"row {found.row + 1} of {folder / FILE} is damaged: {found.damage}",
            "`./bourse reconcile` keeps the file and continues with the rows before it",
        )
    return found.events


def archive_rows(folder: Path, archive: Path) -> None:
    """Copy the rows of a journal to an archive; the caller holds the lock of the folder."""
    found = _salvaged(folder)
    if found.events:
        _write_archive(archive, found)


def begin_again(folder: Path, opening: Sequence[Event]) -> None:
    """
    Begin a journal again with other events, in one commit, after its rows were archived.

    The first of them is an AccountCarried; its checksum is filled in. The caller holds the lock of
    the folder. Stopped at any point, it can be called again.
    """
    found = _salvaged(folder)
    row, checksum, rows = found.row, found.checksum, []
    for event in opening:
        if isinstance(event, AccountCarried):
            event = msgspec.structs.replace(event, checksum=checksum)
        body = ENCODER.encode(event)
        row, checksum = row + 1, zlib.crc32(body, checksum)
        rows.append((row, body, checksum))
    head = Head(folder / HEAD)
    try:
        # the archive is whole, and the head is not before the journal, whenever the power fails
        head.write(found.row, found.checksum)
        with closing(_connect(folder / FILE)) as connection:
            connection.execute("begin immediate")
            connection.execute("delete from events")
            connection.executemany("insert into events values (?, ?, ?)", rows)
            connection.execute("commit")
        head.write(row, checksum)
    except sqlite3.Error as error:
        raise _refusal(error, folder / FILE) from error
    finally:
        head.close()


def read_archive(path: Path) -> list[Event]:
    """Return the events of an archived session; raise JournalCorrupt if damaged."""
    with _archive_errors(path):
        return [DECODER.decode(body) for body in _archived_rows(path)[1]]


def read_link(path: Path) -> ArchiveHeader:
    """Return the place of an archived session in the chain of rows; raise as `read_archive`."""
    with _archive_errors(path):
        return _archived_rows(path)[0]


def read_opening(path: Path) -> Event:
    """Return the first event of an archived session, and read no other; raise likewise."""
    with _archive_errors(path), gzip.open(path) as file:
        file.readline()
        opening: Event = DECODER.decode(file.readline())
        return opening


def _archived_rows(path: Path) -> tuple[ArchiveHeader, list[bytes]]:
    header, *bodies = gzip.decompress(path.read_bytes()).splitlines()
    known = msgspec.json.decode(header, type=ArchiveHeader)
    checksum = known.checksum_before
    for body in bodies:
        checksum = zlib.crc32(body, checksum)
    if checksum != known.checksum or len(bodies) != known.rows:
        raise ValueError("its checksum does not match")
    return known, bodies


@contextmanager
def _archive_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, EOFError, zlib.error, ValueError, TypeError) as error:
        raise JournalCorrupt(
            f"the archived session {path} is damaged: {error}",
            "restore it from a backup: `./bourse restore --help`",
        ) from error


class ArchiveHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of an archive: its place in the chain of rows. The others are the events."""

    first_row: int
    rows: int
    checksum_before: int
    checksum: int


def _write_archive(path: Path, found: Found) -> None:
    header = ArchiveHeader(
        first_row=found.first_row,
        rows=len(found.bodies),
        checksum_before=found.checksum_before,
        checksum=found.checksum,
    )
    lines = b"\n".join([ENCODER.encode(header), *found.bodies])
    disk.write_private(path, gzip.compress(lines, 6, mtime=0))


class FolderLock:
    """A folder that this process has made, if need be, and locked, with its name, until closed."""

    def __init__(self, folder: Path) -> None:
        self._descriptors: list[int] = []
        try:
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock(lock_file(folder), os.O_RDWR | os.O_CREAT)
            # not before: one that was moved under its loop has to find its place empty again
            disk.private_folder(folder)
            self._lock(folder, os.O_RDONLY | os.O_DIRECTORY)
            with suppress(OSError):  # the locks hold without the process id
                os.pwrite(self._descriptors[0], str(os.getpid()).encode().ljust(10), 0)
        except BaseException:
            self.close()
            raise

    def _lock(self, path: Path, flags: int) -> None:
        self._descriptors.append(disk.private(path, flags))
        state.lock(self._descriptors[-1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the folder; a second call does nothing."""
        while self._descriptors:
            os.close(self._descriptors.pop())


def lock_file(folder: Path) -> Path:
    """Return the file beside a folder that is locked with it."""
    return folder.with_name(f".{folder.name}.lock")


def holder(folder: Path) -> str | None:
    """Return the id of the process that has locked a folder, wherever it is now; None if none."""
    found = state.holder(lock_file(folder)) or state.holder(folder)
    return found and found.strip()


def lock_folder(folder: Path) -> FolderLock:
    """Lock a folder for this process until what is returned is closed, or raise JournalBusy."""
    state.refuse_unfinished(settings().data)
    try:
        return FolderLock(folder)
    except BlockingIOError as error:
        raise JournalBusy(
            f"another process is trading in {folder}: process {holder(folder) or '?'}",
            "stop it first; two processes would send the same orders",
        ) from error
    except OSError as error:
        if error.errno in FULL:
            raise disk.wrap_os_error(error, folder) from error
        raise JournalError(
            f"{folder} cannot be locked: {error.strerror or error}",
            "check that it is a folder of yours, on a disk of this machine",
        ) from error


def _connect(path: Path) -> sqlite3.Connection:
    if not path.exists():
        os.close(disk.private(str(path), os.O_RDWR | os.O_CREAT))
    connection = sqlite3.connect(
        path, timeout=LOCKED_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.execute(
            "create table if not exists events"
            " (row integer primary key, body blob not null, checksum integer not null)"
        )
    except BaseException:
        connection.close()
        raise
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


@dataclass
class Found:
    """The rows before any damage, the number and checksum of the last one, and the damage."""

    events: list[Event] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    row: int = 0
    checksum: int = 0
    checksum_before: int = 0
    damage: str | None = None

    @property
    def first_row(self) -> int:
        return self.row - len(self.bodies) + 1

    def cut(self, most_rows: int) -> Found:
        """Return the first rows alone; the others are damaged."""
        bodies, checksum = self.bodies[:most_rows], self.checksum_before
        for body in bodies:
            checksum = zlib.crc32(body, checksum)
        return Found(
            self.events[:most_rows],
            bodies,
            self.first_row - 1 + most_rows,
            checksum,
            self.checksum_before,
            "it cannot be applied",
        )


def _read(folder: Path, committed_frames: int) -> Found:
    """Read a journal; raise JournalError if that is not possible now, whatever it contains."""
    # before the journal: what is committed meanwhile is not in it
    head = read_head(folder / HEAD)
    path = folder / FILE
    found = Found()
    if path.exists():
        try:
            with closing(_connect(path)) as connection:
                is_cut = False
                if committed_frames:
                    query = "pragma wal_checkpoint(passive)"
                    _, read_frames, _ = connection.execute(query).fetchone()
                    is_cut = read_frames < committed_frames
                rows = connection.execute("select * from events order by row")
                at_head = _take(found, rows, head)
                if is_cut:
                    found.damage = found.damage or "the end of the write-ahead log is damaged"
        except sqlite3.DatabaseError as error:
            if _code(error) not in DAMAGE:
                raise _refusal(error, path) from error
            found.damage, at_head = str(error), None
        except (msgspec.MsgspecError, TypeError) as error:
            found.damage, at_head = str(error), None
    else:
        at_head = 0
    if found.damage is None:
        found.damage = _beyond(found, head, at_head)
    return found


def _take(found: Found, rows: sqlite3.Cursor, head: tuple[int, int] | None) -> int | None:
    """Add rows up to the first damaged one; return the checksum of the head's row, if found."""
    at_head: int | None = 0 if head is None or head[0] == 0 else None
    for number, body, stored in rows:
        if not found.bodies and number != 1:
            event = DECODER.decode(body)
            if not isinstance(event, AccountCarried):
                found.damage = f"the first row is {number}"
                break
            found.row, found.checksum = number - 1, event.checksum
            found.checksum_before = event.checksum
            if head is not None and head[0] == number - 1:
                at_head = event.checksum
        if number != found.row + 1:
            found.damage = f"the next row is {number}"
            break
        if zlib.crc32(body, found.checksum) != stored:
            found.damage = "its checksum does not match"
            break
        found.events.append(DECODER.decode(body))
        found.bodies.append(body)
        found.row, found.checksum = number, stored
        if head is not None and head[0] == number:
            at_head = stored
    return at_head


def _beyond(found: Found, head: tuple[int, int] | None, at_head: int | None) -> str | None:
    """Return how a journal without damage of its own differs from its head, or None."""
    if head is None:
        # journals of version 0.1 have none
        is_account = bool(found.events) and isinstance(found.events[0], AccountCarried)
        return f"{HEAD} is missing" if is_account else None
    row, checksum = head
    if row < 0:
        return f"{HEAD} is damaged"
    if row > found.row:
        return f"rows up to {row} were written and are missing"
    if at_head != checksum:
        return f"row {row} is not the one that was written"
    return None


def _salvaged(folder: Path, most_rows: int | None = None) -> Found:
    """Read a journal of a locked folder; replace a damaged one by the rows before the damage."""
    _finish_salvage(folder)
    found = _read(folder, _committed_frames(folder / (FILE + "-wal")))
    if most_rows is not None and most_rows < len(found.events):
        found = found.cut(most_rows)
    if found.damage is None:
        return found
    if not found.events:
        raise JournalCorrupt(
            f"nothing of {folder / FILE} can be read: {found.damage}",
            "restore it from a backup, which `./bourse restore --help` explains: without it, nobody"
            " knows what the account holds",
        )
    stamp = clock.now().strftime("%Y%m%dT%H%M%S%f")
    salvage = JournalSalvaged(
        at=clock.now(), first_lost_row=found.row + 1, kept_as=f"damaged-{stamp}.sqlite"
    )
    first, checksum, rows = found.first_row, found.checksum_before, []
    found.events.append(salvage)
    found.bodies.append(ENCODER.encode(salvage))
    for row, body in enumerate(found.bodies, first):
        checksum = zlib.crc32(body, checksum)
        rows.append((row, body, checksum))
    found.row, found.checksum, found.damage = row, checksum, None
    draft = folder / f"salvaged-{stamp}.draft"
    try:
        with closing(_connect(draft)) as connection:
            connection.execute("pragma journal_mode = delete")
            connection.execute("begin immediate")
            connection.executemany("insert into events values (?, ?, ?)", rows)
            connection.execute("commit")
    except sqlite3.Error as error:
        draft.unlink(missing_ok=True)
        raise _refusal(error, draft) from error
    draft.rename(draft.with_suffix(".ready"))
    disk.flush(folder)
    _finish_salvage(folder)
    head = Head(folder / HEAD)
    # both, since the larger one counts
    for _ in range(2):
        head.write(found.row, found.checksum)
    head.close()
    return found


def _finish_salvage(folder: Path) -> None:
    """Put a salvaged journal in place of the damaged one, also if that was begun and stopped."""
    for ready in sorted(folder.glob("salvaged-*.ready")):
        kept = folder / ready.name.replace("salvaged", "damaged").replace(".ready", ".sqlite")
        for ending in ("-wal", "-shm", ""):
            part = folder / (FILE + ending)
            # the journal itself may be in place already
            if part.exists() and not kept.with_name(kept.name + ending).exists():
                part.rename(kept.with_name(kept.name + ending))
        ready.rename(folder / FILE)
        disk.flush(folder)


def _code(error: sqlite3.Error) -> int:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def _refusal(error: sqlite3.Error, path: Path) -> JournalError:
    code = _code(error)
    # of a file that it maps into memory, SQLite does not say that the disk is full
    is_full = code == sqlite3.SQLITE_FULL or (
        code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and disk.is_full(path.parent)
    )
    said = f"the disk is full ({error})" if is_full else str(error)
    return JournalError(
        f"the journal {path} cannot be read or written now: {said}",
        REMEDIES.get(
            sqlite3.SQLITE_FULL if is_full else code,
            f"check that the disk works, and that {path.parent} is yours",
        ),
    )
