"""Opens the venue of an account for a session: its book, and who is logged in, are in files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from duckbourse import clock
from duckbourse.brokers.paper import FILE, FillRules, PaperBroker
from duckbourse.brokers.zerodha.session import token_path
from duckbourse.disk import write_private
from duckbourse.errors import JournalBusy
from duckbourse.orders.journal import FolderLock
from duckbourse.settings import settings
from duckbourse.trading.publication import Publication
from duckbourse.trading.session import tick_sizes_of
from duckbourse.venue.faults import Fault, Faults
from duckbourse.venue.kite import Access, Keys, KiteVenue

NAME = "venue"


def folder_of(account: str) -> Path:
    """Return the folder of an account's book at the venue."""
    return settings().data / NAME / account


@contextmanager
def opened(
    publication: Publication,
    rules: FillRules,
    *,
    faults: Mapping[Fault, int],
    late_seconds: float,
    is_playing: bool,
    fresh: bool,
) -> Iterator[KiteVenue]:
    """
    Open the venue for the session of a publication, with the clock at its market's time.

    What was ordered in the session before, in this process or another, is in its book unless it is
    `fresh`. Raise JournalBusy if another venue has the account.
    """
    limits = publication.limits
    folder, tick_sizes = folder_of(limits.account), tick_sizes_of(publication)
    try:
        lock = FolderLock(folder)
    except OSError as error:
        raise JournalBusy(
            f"another venue has the account {limits.account}", "stop it first, by Ctrl-C"
        ) from error

    def open_book() -> PaperBroker:
        return PaperBroker(folder, tick_sizes, limits.capital_amount, rules, publication.charges)

    try:
        if fresh:
            (folder / FILE).unlink(missing_ok=True)
        found = settings()
        begins_at = asyncio.run(_begun(open_book(), publication))
        venue = KiteVenue(
            open_book,
            tick_sizes,
            begins_at,
            closes={
                symbol: known.prior_close
                for symbol, known in publication.instruments.items()
                if known.prior_close is not None
            },
            keys=Keys(found.kite_api_key, found.kite_api_secret),
            access=_kept(),
            keep=lambda access: write_private(token_path(NAME), msgspec.json.encode(access)),
            faults=Faults(faults),
            late_seconds=late_seconds,
            is_playing=is_playing,
        )
        try:
            with clock.replayed_by(lambda: venue.at):
                yield venue
        finally:
            venue.paper.close()
    finally:
        lock.close()


async def _begun(paper: PaperBroker, publication: Publication) -> datetime:
    """Begin the session, unless it has begun; return the time at which the market is."""
    try:
        await paper.begin_session(publication.session_date, ())
        traded = [trade.fill.filled_at for trade in await paper.trades()]
        ordered = [report.at for report in await paper.orders() if report.at is not None]
    finally:
        paper.close()
    return max((publication.opens_at, *traded, *ordered))


def _kept() -> Access | None:
    try:
        return msgspec.json.decode(token_path(NAME).read_bytes(), type=Access)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None  # whoever was logged in logs in again
