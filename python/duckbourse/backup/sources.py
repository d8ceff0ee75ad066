"""
What is backed up, and how each file is copied as it was at one instant, also while it is in use.

Deliveries and publications are replaced, never edited, so a file that stays the same while it is
read is whole. A log only grows, so its first part is whole. A journal in use is copied by SQLite,
and the paper broker's book at a moment at which the journal does not grow.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote

from duckbourse import state
from duckbourse.backup.folder import PARTS, BackupFolder, File, Step, digest
from duckbourse.brokers.paper import FILE as PAPER
from duckbourse.disk import is_text, shown, special
from duckbourse.errors import BackupBusy, BadInput
from duckbourse.orders.journal import FILE as JOURNAL
from duckbourse.orders.journal import HEAD

# of the data folder; manifests of deliveries first, since all that they refer to is in place
MANIFESTS = "raw/deliveries"
DATA = (MANIFESTS, *(part for part in PARTS if part != "project"))
# of the project: what makes numbers, apart from the data
PROJECT_PARTS = ("seeds", "models", "macros", "functions", "dbt_project.yml")
# of commands at work; SQLite makes -shm again
PASSING = (".draft", ".half", ".new", "-shm")
GROWING = (".log", ".jsonl")
# of an account, copied together; the head first, since it is never before the journal
PAIR = (HEAD, JOURNAL, f"{JOURNAL}-wal", PAPER)
TRIES = 10
PAUSE_SECONDS = 0.05
# for which one try waits for a lock of SQLite
LOCKED_SECONDS = 1
LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@dataclass(frozen=True)
class Source:
    """A file to back up: its path in a snapshot, where it is, and its size and last change."""

    path: str
    place: Path
    bytes: int
    mtime_ns: int


class Changed(Exception):
    """A file changed, or disappeared, while it was copied."""


def files_of(data: Path, project: Path, left_out: dict[Path, str]) -> dict[str, Source]:
    """
    Return the files that are there now, by their paths in a snapshot.

    `left_out` receives what is no file, such as pipes, and what each is.
    """
    found: dict[str, Source] = {}
    for part in DATA:
        found |= {
            each.path: each
            for each in below(data / part, part, left_out)
            # not those that came since
            if part == MANIFESTS or not each.path.startswith(f"{MANIFESTS}/")
        }
    for part in PROJECT_PARTS:
        found |= {each.path: each for each in below(project / part, f"project/{part}", left_out)}
    return found


def below(
    top: Path, path: str, left_out: dict[Path, str] | None = None, *, everything: bool = False
) -> Iterator[Source]:
    """
    Yield a file, or the files of a folder and those below it; `path` is its path.

    Unless `everything` is asked, files of commands at work are left out, and so is what is no file,
    such as a pipe, which goes into `left_out`; a link is an error, and a name that is not UTF-8.
    """
    if not everything and (what := special(top)):
        if left_out is not None:
            left_out[top] = what
        return
    if top.is_file():
        yield _source(path, top)
        return
    try:
        # the top may be a link to a larger disk
        entries = sorted(os.scandir(top), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        inside = f"{path}/{entry.name}"
        if not everything and (entry.name.startswith(".") or entry.name.endswith(PASSING)):
            continue
        if not everything and entry.is_symlink():
            raise BadInput(
                f"{entry.path} is a link, and a backup follows no links",
                "move what it points to into its place; only raw, trading and publications of the"
                " data folder may be links themselves",
            )
        if not everything and not is_text(entry.name):
            raise BadInput(
                f"{shown(entry.path)} has a name that is not UTF-8, which no backup can hold",
                "rename it",
            )
        if entry.is_dir(follow_symlinks=False) or (not everything and special(Path(entry.path))):
            yield from below(Path(entry.path), inside, left_out, everything=everything)
        else:
            with suppress(FileNotFoundError):  # removed in the meantime
                yield _source(inside, Path(entry.path))


def _source(path: str, place: Path) -> Source:
    status = place.stat(follow_symlinks=False)
    return Source(path, place, status.st_size, status.st_mtime_ns)


@dataclass
class Copier:
    """Copies files into a folder of backups; each result says whether the content is new there."""

    folder: BackupFolder
    step: Step

    def __post_init__(self) -> None:
        self._numbers = count()
        self.notes: list[str] = []

    def one(self, source: Source) -> tuple[File, bool]:
        """Copy a file that nobody changes meanwhile; raise Changed if somebody always does."""
        for _ in range(TRIES):
            try:
                copy, file = self._copied(source)
            except Changed:
                time.sleep(PAUSE_SECONDS)
                if not source.place.exists():
                    raise
                continue
            return file, self.folder.keep(copy, file)
        raise _busy(source.place)

    def account(self, home: Path, path: str) -> list[tuple[File, bool]]:
        """Copy the journal of an account and its broker's book, so that both agree."""
        copies: list[tuple[Path, File]] = []
        for _ in range(TRIES):
            with suppress(Changed):
                found, agree = self._copied_pair(home, path)
                for copy, _ in copies:
                    copy.unlink()
                copies = found
                if agree:
                    break
            time.sleep(PAUSE_SECONDS)
        else:
            if not copies:
                raise _busy(home / JOURNAL)
            self.notes.append(
                f"{home} was trading too actively to capture the journal and the broker's book at"
                " the same instant: after a restoration, `./bourse reconcile` lists how they differ"
            )
        return [(file, self.folder.keep(copy, file)) for copy, file in copies]

    def _copied_pair(self, home: Path, path: str) -> tuple[list[tuple[Path, File]], bool]:
        """Return copies of the files of `PAIR`, and whether all are of one moment."""
        sources = {name: each for name in PAIR for each in below(home / name, f"{path}/{name}")}
        if JOURNAL in sources and state.holder(home) is not None:
            try:
                return self._while_trading(sources)
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode & 0xFF in LOCKED:
                    raise Changed from error
                self.notes.append(f"{home / JOURNAL} is damaged, and was copied unchanged: {error}")
                return [self._copied(each) for each in sources.values()], True
        # unchanged: SQLite would drop what is damaged in a write-ahead log
        copies = [self._copied(each) for each in sources.values()]
        return copies, state.holder(home) is None

    def _while_trading(self, sources: dict[str, Source]) -> tuple[list[tuple[Path, File]], bool]:
        journal = sources[JOURNAL]
        before = _last_row(journal.place)
        # the head of a running loop changes in place: read at once, it is of one moment
        copies = [self._copied(sources[name]) for name in (HEAD, PAPER) if name in sources]
        copy = self._next()
        with (
            closing(_opened(journal.place)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
            # alone, without a write-ahead log beside it
            target.execute("pragma journal_mode = delete")
        size = copy.stat().st_size
        with copy.open("rb") as content:
            sha256 = digest(content, None, size, journal.path, self.step)
        assert sha256
        copies.append((copy, File(journal.path, size, sha256, journal.mtime_ns)))
        return copies, _last_row(copy) == before

    def _copied(self, source: Source) -> tuple[Path, File]:
        copy = self._next()
        grows = source.place.name.endswith(GROWING)
        try:
            with source.place.open("rb") as content, copy.open("xb") as written:
                before = os.fstat(content.fileno())
                sha256 = digest(content, written, before.st_size, source.path, self.step)
                after = os.fstat(content.fileno())
        except FileNotFoundError as error:
            raise Changed from error
        is_same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
        if sha256 is None or not (is_same or grows):
            copy.unlink()
            raise Changed
        return copy, File(source.path, before.st_size, sha256, before.st_mtime_ns)

    def _next(self) -> Path:
        return self.folder.incoming / str(next(self._numbers))


def _opened(journal: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(journal))}?mode=ro", timeout=LOCKED_SECONDS, uri=True)


def _busy(file: Path) -> BackupBusy:
    return BackupBusy(
        f"{file} keeps changing, or is locked, while it is read",
        "wait until what writes it has ended, and run this again",
    )


def _last_row(journal: Path) -> int:
    with closing(_opened(journal)) as connection:
        try:
            [(row,)] = connection.execute("select max(row) from events").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in LOCKED:
                raise
            return 0  # it has no table yet
    return row or 0
