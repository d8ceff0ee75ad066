"""
Where an account's session lives on disk, and what can be read of it by anybody.

`trading/<account>/<session>/` has the journal, the paper broker's book, commands, the log, and
`desk.json`, which says whose it is.
"""

from __future__ import annotations

import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec

from duckbourse.errors import ConfigurationError
from duckbourse.orders.book import Book, rebuild_book
from duckbourse.orders.events import Event
from duckbourse.orders.journal import LOCK, lock_folder, read_journal
from duckbourse.settings import settings
from duckbourse.trading.publication import Publication

FILE = "desk.json"


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """One account in one session."""

    account: str
    session_date: date
    calendar: str
    zone_name: str
    capital_amount: Decimal

    @property
    def folder(self) -> Path:
        return settings().data / "trading" / self.account / self.session_date.isoformat()


def opened(publication: Publication) -> Desk:
    """Return the desk of a publication's account and session, with its folder made."""
    desk = Desk(
        account=publication.limits.account,
        session_date=publication.session_date,
        calendar=publication.limits.calendar,
        zone_name=publication.zone.key,
        capital_amount=publication.limits.capital_amount,
    )
    desk.folder.mkdir(parents=True, exist_ok=True)
    (desk.folder / FILE).write_bytes(msgspec.json.encode(desk))
    return desk


def forget(desk: Desk) -> None:
    """Remove all that was traded at a desk; raise JournalBusy if somebody trades there now."""
    lock = lock_folder(desk.folder)
    try:
        for path in desk.folder.iterdir():
            if path.name in (FILE, LOCK):
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    finally:
        lock.close()


def found(account: str | None, session_date: date | None) -> Desk:
    """Return the desk that traded last, of an account and a session if they are named."""
    pattern = f"{account or '*'}/{session_date or '*'}/{FILE}"
    files = list((settings().data / "trading").glob(pattern))
    if not files:
        raise ConfigurationError(
            f"nothing was traded yet{f' by {account}' if account else ''}"
            f"{f' on {session_date}' if session_date else ''}",
            "run `./bourse trade`",
        )
    latest = max(files, key=lambda path: (path.parent / "journal.lock").stat().st_mtime_ns)
    return msgspec.json.decode(latest.read_bytes(), type=Desk)


def read(desk: Desk) -> tuple[Book, list[Event]]:
    """Return the book and the events of a desk, whether somebody trades there now or not."""
    told = read_journal(desk.folder)
    return rebuild_book(desk.capital_amount, told, lambda _: None), told
