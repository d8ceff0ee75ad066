"""The journal: events are read as written, damage is reported, and a failing disk halts."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Awaitable
from concurrent.futures import wait
from contextlib import closing, suppress
from pathlib import Path

import msgspec
import pytest

from duckbourse import disk, state
from duckbourse.errors import JournalBusy, JournalCorrupt, JournalError
from duckbourse.orders import events, journal
from duckbourse.orders.book import Book, rebuild_book
from duckbourse.orders.events import Event, JournalSalvaged
from duckbourse.orders.journal import (
    FILE,
    Journal,
    Written,
    lock_folder,
    open_journal,
    read_journal,
)
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Reason
from duckbourse.settings import PROJECT
from tests.support.dbt_server import cpu_seconds
from tests.support.factories import CAPITAL, NOW, request
from tests.support.waiting import HANG_SECONDS


def intents(count: int) -> list[Event]:
    return [events.OrderIntended(at=NOW, request=request()) for _ in range(count)]


def write(folder: Path, batch: list[Event]) -> None:
    opened, _ = open_journal(folder)
    wait([opened.append(event) for event in batch])
    opened.close()


def test_events_are_read_in_the_order_written(tmp_path: Path) -> None:
    written_events = intents(2_500)
    write(tmp_path, written_events[:1_000])
    write(tmp_path, written_events[1_000:])
    assert read_journal(tmp_path) == written_events
    opened, read = open_journal(tmp_path)
    opened.close()
    assert read == written_events


def test_a_daily_loss_is_read_by_its_former_name() -> None:
    """A journal of version 0.1 calls it `kill`; anything else unknown is damage."""
    assert msgspec.json.decode(b'"kill"', type=Reason) is Reason.DAILY_LOSS
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'"whim"', type=Reason)


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    """Killing a process cannot show this; only a power loss could."""
    with closing(journal._connect(tmp_path / FILE)) as connection:
        assert connection.execute("pragma synchronous").fetchone() == (2,)
        assert connection.execute("pragma journal_mode").fetchone() == ("wal",)


def test_one_process_trades_an_account(tmp_path: Path) -> None:
    opened, _ = open_journal(tmp_path)
    with pytest.raises(JournalBusy, match="another process is trading"):
        open_journal(tmp_path)
    opened.close()
    open_journal(tmp_path)[0].close()


@pytest.mark.parametrize("is_moved", [True, False])
def test_a_folder_that_is_moved_or_removed_lets_no_second_process_in(
    tmp_path: Path, is_moved: bool
) -> None:
    """Two loops of one account sent orders to one broker."""
    folder = tmp_path / "account"
    lock = lock_folder(folder)
    if is_moved:
        folder.rename(tmp_path / "elsewhere")
    else:
        shutil.rmtree(folder)
    with pytest.raises(JournalBusy, match=f"another process is trading .*process {os.getpid()}"):
        lock_folder(folder)
    assert not folder.exists(), "its place is empty, so that it can be moved back"
    assert journal.holder(folder) == str(os.getpid())
    lock.close()
    assert journal.holder(folder) is None
    lock_folder(folder).close()


def test_what_keeps_a_lock_back_is_said_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk without locks was "another process is trading"."""

    def refused(_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(state, "lock", refused)
    with pytest.raises(JournalError, match="cannot be locked: No locks available") as raised:
        lock_folder(tmp_path)
    assert not isinstance(raised.value, JournalBusy)


def test_an_error_of_sqlite_on_a_full_disk_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
    assert "full" not in str(journal._refusal(error, tmp_path / FILE))
    monkeypatch.setattr(disk, "LEAST_BYTES", 2**63)
    found = journal._refusal(error, tmp_path / FILE)
    assert "the disk is full (disk I/O error)" in str(found)
    assert "free some disk space" in found.remedy


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_journal_that_is_removed_ends_the_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_replaced: bool
) -> None:
    """SQLite went on in the file without a name, and all of it was lost with the process."""
    monkeypatch.setattr(journal, "HEAD_SYNC_SECONDS", 0.0)
    log, _ = open_journal(tmp_path)
    first, second = intents(2)
    log.append(first).result()
    if is_replaced:
        (tmp_path / "copy").write_bytes((tmp_path / FILE).read_bytes())
        (tmp_path / "copy").replace(tmp_path / FILE)
    else:
        (tmp_path / FILE).unlink()
    with pytest.raises(JournalError, match="cannot be written"):
        log.append(second).result()
    assert log.failure is not None
    log.close()


def test_waiting_callers_share_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, _ = open_journal(tmp_path)
    sizes = []
    commit = opened._commit

    def counted(connection: sqlite3.Connection, bodies: list[bytes]) -> None:
        sizes.append(len(bodies))
        commit(connection, bodies)

    monkeypatch.setattr(opened, "_commit", counted)

    for written in [opened.append(event) for event in intents(500)]:
        written.result()
    opened.close()
    assert sum(sizes) == 500
    assert len(sizes) < 100


async def gathered(*waiting: Awaitable[None]) -> list[BaseException | None]:
    async with asyncio.timeout(HANG_SECONDS):
        return await asyncio.gather(*waiting, return_exceptions=True)


async def await_one(written: Written) -> None:
    await written


def test_the_tasks_that_await_a_commit_are_woken_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is cancelled meanwhile, and does not disturb the others."""
    opened, _ = open_journal(tmp_path)
    disk_answers = threading.Event()
    commit = opened._commit

    def slow(connection: sqlite3.Connection, bodies: list[bytes]) -> None:
        assert disk_answers.wait(HANG_SECONDS)
        commit(connection, bodies)

    monkeypatch.setattr(opened, "_commit", slow)
    woken = []

    async def play() -> list[BaseException | None]:
        loop = asyncio.get_running_loop()
        wake = loop.call_soon_threadsafe
        monkeypatch.setattr(loop, "call_soon_threadsafe", lambda *of: woken.append(wake(*of)))
        first = opened.append(intents(1)[0])  # taken at once, so the others share the next commit
        tasks = [asyncio.create_task(await_one(each)) for each in (first, *appended(opened, 50))]
        await asyncio.sleep(0)
        tasks[7].cancel()
        disk_answers.set()
        return await gathered(*tasks)

    ended = asyncio.run(play())
    opened.close()
    assert [type(each) for each in ended if each is not None] == [asyncio.CancelledError]
    assert len(woken) <= 2
    assert len(read_journal(tmp_path)) == 51


def appended(opened: Journal, count: int) -> list[Written]:
    return [opened.append(event) for event in intents(count)]


def test_a_task_receives_the_error_of_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, _ = open_journal(tmp_path)

    def full(connection: sqlite3.Connection, bodies: list[bytes]) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(opened, "_commit", full)

    async def play() -> list[BaseException | None]:
        return await gathered(*map(await_one, appended(opened, 3)))

    ended = asyncio.run(play())
    opened.close()
    assert [type(each) for each in ended] == [JournalError] * 3


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0b100
    path.write_bytes(data)


@pytest.mark.any_day
def test_a_changed_row_is_detected_and_kept(tmp_path: Path) -> None:
    written_events = intents(50)
    write(tmp_path, written_events)
    path = tmp_path / FILE
    flip(path, path.read_bytes().rindex(written_events[40].request.order_id.encode()))  # type: ignore[attr-defined]
    with pytest.raises(JournalCorrupt, match=r"row 41 of .* is damaged"):
        read_journal(tmp_path)
    damaged = path.read_bytes()
    opened, read = open_journal(tmp_path)
    opened.close()
    assert read[:-1] == written_events[:40]
    assert isinstance(read[-1], JournalSalvaged)
    assert read[-1].first_lost_row == 41
    assert (tmp_path / read[-1].kept_as).read_bytes()[:4096] == damaged[:4096]
    assert read_journal(tmp_path) == read
    assert "damaged" in rebuild_book(CAPITAL, [read[-1]], lambda _: None).state_reason


def test_a_missing_row_is_detected(tmp_path: Path) -> None:
    write(tmp_path, intents(20))
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("delete from events where row = 7")
    with pytest.raises(JournalCorrupt, match=r"row 7 .* the next row is 8"):
        read_journal(tmp_path)


@pytest.mark.any_day
def test_deleted_last_rows_are_found(tmp_path: Path) -> None:
    written_events = intents(20)
    write(tmp_path, written_events)
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("delete from events where row > 17")
    with pytest.raises(JournalCorrupt, match=r"row 18 .*: rows up to 20 were written"):
        read_journal(tmp_path)
    opened, read = open_journal(tmp_path)
    opened.close()
    assert read[:-1] == written_events[:17]
    assert isinstance(read[-1], JournalSalvaged)
    # a person was notified, and from here it goes on
    assert read_journal(tmp_path) == read


def test_deleted_rows_of_a_killed_loop_are_found(tmp_path: Path) -> None:
    """Whatever was acknowledged is in the head, without a sync of its own."""
    killed_after(tmp_path, 40)
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("delete from events where row = 40")
    with pytest.raises(JournalCorrupt, match="rows up to 40 were written and are missing"):
        read_journal(tmp_path)


@pytest.mark.parametrize("more", [0, 5, 10, 15])
def test_another_journal_in_its_place_is_found(tmp_path: Path, more: int) -> None:
    """An old copy, also if it went on elsewhere: it is shorter, or its rows are others."""
    write(tmp_path / "one", intents(10))
    write(tmp_path / "two", intents(10 + more))
    (tmp_path / "one" / FILE).write_bytes((tmp_path / "two" / FILE).read_bytes())
    with pytest.raises(JournalCorrupt, match="row 10 is not the one that was written"):
        read_journal(tmp_path / "one")


@pytest.mark.parametrize("head", [b"", b"10", bytes(576), b"10 5 7"])
def test_a_damaged_head_is_found(tmp_path: Path, head: bytes) -> None:
    write(tmp_path, intents(10))
    (tmp_path / journal.HEAD).write_bytes(head)
    with pytest.raises(JournalCorrupt, match=r"journal\.head is damaged"):
        read_journal(tmp_path)


def test_a_head_behind_the_journal_is_a_crash(tmp_path: Path) -> None:
    write(tmp_path, intents(10))
    head = (tmp_path / journal.HEAD).read_bytes()
    written = read_journal(tmp_path)
    write(tmp_path, intents(5))
    (tmp_path / journal.HEAD).write_bytes(head)
    assert read_journal(tmp_path)[:10] == written
    assert len(read_journal(tmp_path)) == 15


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_locked_journal_is_refused_and_nothing_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written_events = intents(9)
    write(tmp_path, written_events)
    before = names(tmp_path)
    monkeypatch.setattr(journal, "LOCKED_SECONDS", 0.0)
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
        other.execute("pragma locking_mode = exclusive")
        other.execute("begin exclusive")
        for read in (open_journal, read_journal):
            with pytest.raises(JournalError, match="database is locked") as caught:
                read(tmp_path)
            assert "close the program that has it open" in caught.value.remedy
    assert before <= names(tmp_path)
    assert not list(tmp_path.glob("damaged*"))
    assert read_journal(tmp_path) == written_events


@pytest.mark.parametrize(
    ("code", "text", "remedy"),
    [
        (sqlite3.SQLITE_FULL, "database or disk is full", "free some disk space"),
        (sqlite3.SQLITE_BUSY, "database is locked", "close the program"),
        (sqlite3.SQLITE_IOERR, "disk I/O error", "check that the disk works"),
        (sqlite3.SQLITE_CANTOPEN, "unable to open database file", "check that the disk works"),
    ],
)
def test_trouble_is_not_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, text: str, remedy: str
) -> None:
    written_events = intents(9)
    write(tmp_path, written_events)
    before = names(tmp_path)

    def refused(path: Path) -> sqlite3.Connection:
        error = sqlite3.OperationalError(text)
        error.sqlite_errorcode = code
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(journal, "_connect", refused)
        with pytest.raises(JournalError, match=text) as caught:
            open_journal(tmp_path)
    assert caught.value.remedy.startswith(remedy)
    assert names(tmp_path) == before
    assert read_journal(tmp_path) == written_events


@pytest.mark.any_day
@pytest.mark.parametrize("step", range(5))
def test_a_salvage_that_is_stopped_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    written_events = intents(20)
    write(tmp_path, written_events)
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("delete from events where row = 12")
    renamed: list[Path] = []
    rename = Path.rename

    def stopped(self: Path, target: Path) -> Path:
        if len(renamed) == step:
            raise KeyboardInterrupt
        renamed.append(self)
        return rename(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", stopped)
        with suppress(KeyboardInterrupt):
            open_journal(tmp_path)[0].close()
    opened, read = open_journal(tmp_path)
    opened.close()
    assert read[:11] == written_events[:11]
    assert {type(event) for event in read[11:]} == {JournalSalvaged}
    assert read_journal(tmp_path) == read


WRITE_AND_DIE = """
import os, signal, sys
from concurrent.futures import wait
from pathlib import Path
from tests.unit.orders.test_journal import intents, open_journal
opened, _ = open_journal(Path(sys.argv[1]))
for event in intents(int(sys.argv[2])):
    opened.append(event).result()
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_after(folder: Path, count: int) -> None:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "python")}
    done = subprocess.run(
        [sys.executable, "-c", WRITE_AND_DIE, str(folder), str(count)], env=environment, check=False
    )
    assert done.returncode == -9


@pytest.mark.any_day
@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_a_damaged_log_is_not_mistaken_for_a_crash(tmp_path: Path, share: float) -> None:
    """SQLite silently drops everything after a damaged frame of its log, even if committed."""
    killed_after(tmp_path, 40)
    log = tmp_path / (FILE + "-wal")
    flip(log, int(log.stat().st_size * share))
    opened, read = open_journal(tmp_path)
    opened.close()
    assert isinstance(read[-1], JournalSalvaged)
    assert len(read) - 1 == read[-1].first_lost_row - 1 < 40


def test_a_kill_is_not_mistaken_for_damage(tmp_path: Path) -> None:
    killed_after(tmp_path, 40)
    opened, read = open_journal(tmp_path)
    opened.close()
    assert len(read) == 40
    assert not any(isinstance(event, JournalSalvaged) for event in read)


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        sqlite3.OperationalError("disk I/O error"),
        # not a disk fault, but no caller may wait forever because of it
        MemoryError("out of memory"),
        ValueError("not an event"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_write_error_reaches_every_caller_and_halts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    opened, _ = open_journal(tmp_path)
    opened.append(intents(1)[0]).result()

    def full(connection: sqlite3.Connection, bodies: list[bytes]) -> None:
        raise error

    monkeypatch.setattr(opened, "_commit", full)
    waiting = [opened.append(event) for event in intents(1)]
    for written in waiting:
        with pytest.raises(JournalError, match=re.escape(str(error))):
            written.result(HANG_SECONDS)
    monkeypatch.undo()
    with pytest.raises(JournalError, match="cannot be written"):
        opened.append(intents(1)[0]).result(HANG_SECONDS)
    opened.close()
    assert len(read_journal(tmp_path)) == 1


FILL_THE_DISK = """
import resource, signal, sys
from pathlib import Path
from duckbourse.errors import JournalError
from tests.unit.orders.test_journal import intents, open_journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
opened, _ = open_journal(Path(sys.argv[1]))
written = 0
try:
    for event in intents(10_000):
        opened.append(event).result()
        written += 1
except JournalError as error:
    print(written, error)
"""


def test_a_full_disk_loses_no_acknowledged_event(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILL_THE_DISK, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(PROJECT / "python")},
        capture_output=True,
        text=True,
        check=True,
    )
    written, _, error = done.stdout.partition(" ")
    assert "cannot be written" in error
    opened, read = open_journal(tmp_path)
    opened.close()
    assert len(read) == int(written) > 0


def test_a_full_queue_ends_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "QUEUE_ROWS", 10)
    opened, _ = open_journal(tmp_path)
    disk_answers = threading.Event()
    monkeypatch.setattr(opened, "_commit", lambda *_: disk_answers.wait(HANG_SECONDS))
    with pytest.raises(JournalError, match="10 events are waiting for the disk"):
        for event in intents(100):
            opened.append(event)
    with pytest.raises(JournalError, match="10 events are waiting"):
        opened.append(intents(1)[0])
    disk_answers.set()
    opened.close()


def test_600_000_events_are_read_in_seconds(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """A tenth of the events unless `--long`."""
    count = 600_000 if pytestconfig.getoption("--long") else 60_000
    opened, _ = open_journal(tmp_path)
    book = Book(CAPITAL)
    waiting = []
    for number in range(count // 3):
        asked = request(str(number))
        for event in (
            events.OrderIntended(at=NOW, request=asked),
            events.OrderSent(at=NOW, order_id=asked.order_id),
            events.OrderUpdated(
                at=NOW, order_id=asked.order_id, state=journal_state(number), message="no margin"
            ),
        ):
            waiting.append(opened.append(event))
            book.apply(event)
        if number % 10_000 == 0:
            wait(waiting)
            waiting.clear()
    opened.close()
    used = cpu_seconds()
    opened, read = open_journal(tmp_path)
    again = rebuild_book(CAPITAL, read, lambda _: None)
    used = cpu_seconds() - used
    opened.close()
    assert again.orders == book.orders
    assert again.event_count == len(read) == count
    assert used < count / 10_000  # a minute for all of them


def journal_state(number: int) -> State:
    return State.REJECTED if number % 2 else State.ACKED
