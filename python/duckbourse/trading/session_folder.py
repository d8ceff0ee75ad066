"""
Where an account's session lives on disk, and how any process reads it.

`trading/<account>/<session>/` holds the journal, the paper broker's book, commands, the log and
`session.json`, which describes the session.
"""

from __future__ import annotations

import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec

from duckbourse import state
from duckbourse.errors import ConfigurationError
from duckbourse.orders.book import Book, rebuild_book
from duckbourse.orders.events import Event
from duckbourse.orders.journal import LOCK, lock_folder, read_journal
from duckbourse.settings import settings
from duckbourse.trading import commands
from duckbourse.trading.publication import Publication

SESSION_FILE = "session.json"
FEED_OF_TODAY = "--feed zerodha"


class SessionFolder(msgspec.Struct, frozen=True, kw_only=True):
    """
    The folder of one account in one session.

    `broker` is the name of the broker that has its orders. `options` are those of `./bourse trade`
    that choose what is traded, as typed; None if they were not recorded.
    """

    account: str
    session_date: date
    calendar: str
    zone_name: str
    capital_amount: Decimal
    broker: str = "paper"
    options: str | None = None

    @property
    def path(self) -> Path:
        return settings().data / "trading" / self.account / self.session_date.isoformat()


def create(
    publication: Publication, broker: str, options: str, *, fresh: bool = False
) -> tuple[SessionFolder, Book]:
    """
    Create the folder of a publication's account and session; return it and the book found there.

    That book is deleted if `fresh`; otherwise raise ConfigurationError if other options traded it.
    Raise JournalBusy while a process trades it.
    """
    folder = SessionFolder(
        account=publication.limits.account,
        session_date=publication.session_date,
        calendar=publication.limits.calendar,
        zone_name=publication.zone.key,
        capital_amount=publication.limits.capital_amount,
        broker=broker,
        options=options,
    )
    state.refuse_unfinished(settings().data)
    file = folder.path / SESSION_FILE
    folder.path.mkdir(parents=True, exist_ok=True)
    lock = lock_folder(folder.path)
    try:
        before, _ = read(folder)
        if file.exists() and fresh:
            _clear(folder)
        elif file.exists() and before.event_count:
            _refuse_other_broker(_folder_of(file), broker)
            _refuse_other_options(_folder_of(file), options)
        draft = file.with_suffix(".draft")
        draft.write_bytes(msgspec.json.encode(folder))
        draft.rename(file)
        commands.prepare(folder.path)
    finally:
        lock.close()
    return folder, before


def _refuse_other_broker(before: SessionFolder, broker: str) -> None:
    if before.broker != broker:
        raise ConfigurationError(
            f"{before.account} traded {before.session_date} with the broker {before.broker}",
            f"`--broker {before.broker}` resumes that; --fresh discards it, and another --account"
            " leaves it alone",
        )


def _refuse_other_options(before: SessionFolder, options: str) -> None:
    if before.options is None or before.options == options:
        return
    # Kite's ticks are always those of today
    day = "" if FEED_OF_TODAY in before.options else f" --date {before.session_date}"
    again = f"./bourse trade --account {before.account}{day} {before.options}".rstrip()
    raise ConfigurationError(
        f"{before.account} traded {before.session_date} with"
        f" {before.options or 'no options'} before, not with {options or 'none'}",
        f"`{again}` resumes that; --fresh discards it, and another --account leaves it alone",
    )


def _clear(folder: SessionFolder) -> None:
    """Delete everything traded in a session, but no request that waits for its loop."""
    for path in folder.path.iterdir():
        if path.name in (SESSION_FILE, LOCK, commands.FOLDER):
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def sessions() -> list[SessionFolder]:
    """Return all sessions, by account and date."""
    return [_folder_of(file) for file in _files()]


def trading_now() -> list[SessionFolder]:
    """Return the sessions that a process is trading."""
    return [_folder_of(file) for file in _files() if state.holder(file.parent / LOCK)]


def _files() -> list[Path]:
    return sorted((settings().data / "trading").glob(f"*/*/{SESSION_FILE}"))


def latest(account: str | None, session_date: date | None) -> SessionFolder:
    """Return the session traded last, of this account and this date if they are given."""
    root = settings().data / "trading"
    files = list(root.glob(f"{account or '*'}/{session_date or '*'}/{SESSION_FILE}"))
    if not files:
        of = f" --account {account}" if account else ""
        on = f" --date {session_date}" if session_date else ""
        remedy = f"`./bourse trade{of}{on}` trades it"
        if others := list(root.glob(f"*/*/{SESSION_FILE}")):
            last = _last(others)
            remedy += f"; the last one traded is {last.account} on {last.session_date}"
        raise ConfigurationError(
            f"nothing has been traded{f' by {account}' if account else ''}"
            f"{f' on {session_date}' if session_date else ''}",
            remedy,
        )
    return _last(files)


def _last(files: list[Path]) -> SessionFolder:
    # `create` writes the file whenever a session starts or resumes
    return _folder_of(max(files, key=lambda file: file.stat().st_mtime_ns))


def _folder_of(file: Path) -> SessionFolder:
    return msgspec.json.decode(file.read_bytes(), type=SessionFolder)


def read(folder: SessionFolder) -> tuple[Book, list[Event]]:
    """Return the book and the events of a session, even while a process trades it."""
    recorded = read_journal(folder.path)
    return rebuild_book(folder.capital_amount, recorded, lambda _: None), recorded
