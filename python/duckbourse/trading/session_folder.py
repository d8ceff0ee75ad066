"""
Where an account lives on disk, and how any process reads one of its sessions.

`trading/<account>/` holds the journal, the paper broker's book, commands, the log, and
`session.json`, which describes the session traded last. Its `archive/` has the events of each
session before, and `archive/discarded-…/` what --fresh discarded. Cash, positions, limits on the
drawdown and a halt go on from session to session: a session begins with the account as the one
before it left it. Nobody but the owner may read an account.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from duckbourse import clock, disk, state
from duckbourse.brokers.opening import BrokerSetup, broker_of
from duckbourse.brokers.paper import FILE as PAPER
from duckbourse.brokers.paper import PaperBroker
from duckbourse.errors import BourseError, ConfigurationError, JournalCorrupt, NotApplicable
from duckbourse.names import did_you_mean
from duckbourse.orders import events
from duckbourse.orders.book import NOT_STARTED, Book, rebuild_book
from duckbourse.orders.events import Carried, Event, TradingState, new_halt_id
from duckbourse.orders.journal import (
    ARCHIVE,
    FolderLock,
    archive_rows,
    begin_again,
    holder,
    lock_folder,
    read_archive,
    read_journal,
    read_link,
    read_opening,
)
from duckbourse.orders.order import Product, Reason
from duckbourse.orders.positions import CorporateAction
from duckbourse.settings import PROJECT, settings, shown
from duckbourse.trading import commands, last_prices
from duckbourse.trading.publication import Publication
from duckbourse.words import shares

SESSION_FILE = "session.json"
LOG = "trade.log"
FEED_OF_TODAY = "--feed zerodha"
SIMULATED = "--feed simulated"
NOT_WHOLE_REMEDY = "restore it from a backup, which `./bourse restore --help` explains"
# an account is a folder, and never a path or a pattern
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
# what says nothing of how much of a session was traded
BETWEEN = (
    events.AccountCarried,
    events.SessionStarted,
    events.CorporateActionApplied,
    events.CorporateActionMissed,
    events.CashMoved,
    events.Reconciled,
    events.JournalSalvaged,
)


class SessionFolder(msgspec.Struct, frozen=True, kw_only=True):
    """
    One account in one session; `path` is the folder of the account.

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
        return folder_of(self.account)

    @property
    def log(self) -> Path:
        """The account's log, as a person types its path."""
        return shown(self.path / LOG)


def folder_of(account: str) -> Path:
    """Return the folder of an account; raise ConfigurationError for what is no name of one."""
    if not NAME.fullmatch(account):
        raise ConfigurationError(
            f"{account!r} is not the name of an account",
            "`./bourse list accounts` has them",
        )
    return settings().data / "trading" / account


def exports_of(session: SessionFolder) -> tuple[Path, Path]:
    """Return the files in which dbt reads the fills of a session, and its cash movements."""
    name = f"{session.account}-{session.session_date}.parquet"
    return settings().raw / "fills" / name, settings().raw / "cash" / name


def create(
    publication: Publication,
    broker: str,
    options: str,
    *,
    fresh: bool = False,
    lock: FolderLock | None = None,
) -> tuple[SessionFolder, Book]:
    """
    Begin or resume a session of a publication's account; return it and the book found there.

    If `fresh`, what was traded in this session and later ones is moved aside, and it begins again
    from the account as it stood before. Otherwise raise ConfigurationError if other options traded
    it, or if a later session was traded. Raise JournalBusy while a process trades it. A caller that
    goes on to trade it holds the account's `lock`, so that no other process begins another session
    in between.
    """
    folder = _session_of(publication, broker, options)
    state.refuse_unfinished(settings().data)
    with nullcontext() if lock else lock_folder(folder.path):
        recorded = read_journal(folder.path)
        before = _book(folder, recorded)
        last = before.session_date
        if last is not None:
            _undo_beginning(folder, last, recorded)
            _finish_discarding(folder, last, recorded)
        if last is None:
            _refuse_lost_history(folder)
            _begin(publication, folder, Book(folder.capital_amount).carried())
        elif fresh and folder.session_date <= last:
            _discard(publication, folder, recorded)
            _finish_discarding(folder, folder.session_date, read_journal(folder.path))
        elif folder.session_date < last:
            is_over = has_ended(replace(folder, session_date=last), recorded)
            goes_on = "a later date goes on" if is_over else f"`--date {last}` resumes that"
            raise ConfigurationError(
                f"{folder.account} has traded {last}, which is after {folder.session_date}",
                f"{goes_on}; --fresh discards what was traded from"
                f" {folder.session_date} on, and another --account leaves it alone",
            )
        elif folder.session_date == last:
            _refuse_other_broker(folder)
            _refuse_other_options(folder, recorded)
        else:
            _begin(
                publication,
                folder,
                before.carried(),
                before,
                ended=last,
                archive=folder.path / ARCHIVE,
            )
        disk.write_private(folder.path / SESSION_FILE, msgspec.json.encode(folder))
        commands.prepare(folder.path)
    return folder, before


def _session_of(publication: Publication, broker: str, options: str) -> SessionFolder:
    return SessionFolder(
        account=publication.limits.account,
        session_date=publication.session_date,
        calendar=publication.limits.calendar,
        zone_name=publication.zone.key,
        capital_amount=publication.limits.capital_amount,
        broker=broker,
        options=options,
    )


def _refuse_other_broker(folder: SessionFolder) -> None:
    file = folder.path / SESSION_FILE
    if file.exists() and (before := _folder_of(file)).broker != folder.broker:
        raise ConfigurationError(
            f"{before.account} traded {before.session_date} with the broker {before.broker}",
            f"`--broker {before.broker}` resumes that; --fresh discards it, and another --account"
            " leaves it alone",
        )


def _begin(
    publication: Publication,
    folder: SessionFolder,
    carried: Carried,
    before: Book | None = None,
    *,
    ended: date | None = None,
    archive: Path | None = None,
    moved: Sequence[events.CashMoved] = (),
) -> None:
    """
    Begin a session with what is carried; what the journal has of the session `ended` is archived.

    `before` is the book of that session, unless the account begins again from an earlier state. The
    paper broker begins first; if the journal does not follow, the next start puts the broker's book
    back. Any other broker keeps its own account, and is compared with at the start.
    """
    opening, applied = _opening(publication, folder, carried, moved)
    if archive is not None:
        disk.private_folder(archive)
        archive_rows(folder.path, archive / f"{ended}.jsonl.gz")
    if (broker := paper_of(folder)) is not None:
        of_paper = archive / f"{ended}.{PAPER}.gz" if archive else None
        asyncio.run(_begin_at_paper(broker, folder, carried, before, applied, moved, of_paper))
    if archive is not None and (log := folder.path / LOG).exists():
        log.rename(archive / f"{ended}.log")
    begin_again(folder.path, opening)
    (folder.path / last_prices.FILE).unlink(missing_ok=True)


def _opening(
    publication: Publication,
    folder: SessionFolder,
    carried: Carried,
    moved: Sequence[events.CashMoved] = (),
) -> tuple[list[Event], list[events.CorporateActionApplied]]:
    """Return the first events of a session, and the corporate actions among them; write nothing."""
    # a replay is of the past, and its session begins with its first tick
    at = min(clock.now(), publication.opens_at)
    opening: list[Event] = [events.AccountCarried(at=at, checksum=0, carried=carried)]
    book = Book(carried.capital_amount)
    book.apply(opening[0])

    def add(event: Event) -> None:
        book.apply(event)
        opening.append(event)

    if book.state is TradingState.REDUCING and book.flatten_reason is Reason.BY_HAND:
        reason = f"the square-off of {carried.session_date} ended with its session"
        add(
            events.TradingStateChanged(
                at=at, state=TradingState.ACTIVE, reason=reason, by="session"
            )
        )
    due = _actions_due(publication, folder, book, at)
    for event in (*due, *moved):
        add(event)
    reasons = [
        _missed(folder, event.action)
        for event in due
        if isinstance(event, events.CorporateActionMissed)
    ]
    if reasons:
        if book.state is not TradingState.ACTIVE and book.state_reason != NOT_STARTED:
            reasons.insert(0, book.state_reason)  # it stands beside them
        add(
            events.TradingStateChanged(
                at=at,
                state=TradingState.HALTED,
                reason="; ".join(reasons),
                by="session",
                halt_id=new_halt_id(),
            )
        )
    applied = [event for event in due if isinstance(event, events.CorporateActionApplied)]
    closes = {
        position.symbol: known.prior_close
        for position in book.open_positions()
        if (known := publication.instruments.get(position.symbol)) and known.prior_close
    }
    book.marks |= closes
    add(
        events.SessionStarted(
            at=at,
            session_date=folder.session_date,
            # a dividend is earned in this session, whose prices fall by it; so is interest
            equity_amount=book.equity_amount({}) - book.dividend_amount - book.interest_amount,
            options=folder.options,
            marks=book.marks,
        )
    )
    return opening, applied


def paper_of(folder: SessionFolder) -> PaperBroker | None:
    """Open the broker of an account if it keeps its book in the folder; None if another does."""
    setup = BrokerSetup(folder.account, folder.path, folder.capital_amount)
    broker = broker_of(folder.broker)(setup)
    if isinstance(broker, PaperBroker):
        return broker
    broker.close()
    return None


async def _begin_at_paper(
    broker: PaperBroker,
    folder: SessionFolder,
    carried: Carried,
    before: Book | None,
    applied: Sequence[events.CorporateActionApplied],
    moved: Sequence[events.CashMoved],
    archive: Path | None,
) -> None:
    live = (order for order in carried.orders if order.state.is_live)
    try:
        await broker.begin_session(
            folder.session_date,
            applied,
            keep=frozenset(order.request.order_id for order in live),
            instead=None if before else carried,
            archive=archive,
        )
        for event in moved:
            broker.move_cash(event)
    finally:
        broker.close()


def _actions_due(
    publication: Publication, folder: SessionFolder, book: Book, at: datetime
) -> list[events.CorporateActionApplied | events.CorporateActionMissed]:
    """
    Return what happened to what is held, since it was opened, and is not in the book yet.

    What was held on the ex-date of an action and traded before the action was known has missed it,
    whatever is held of it now.
    """
    averages = {entered.request.symbol: entered.average_price for entered in book.held_entries()}
    averages |= {held.symbol: held.average_price for held in book.open_positions()}
    found: list[events.CorporateActionApplied | events.CorporateActionMissed] = []
    since = _Since(folder, book)
    for action in sorted(publication.actions, key=lambda each: each.order):
        symbol = action.symbol
        if (
            book.session_date is None
            or action.action_id in book.action_ids
            or action.ex_date > publication.session_date
        ):
            continue
        if action.ex_date <= book.session_date:
            if not since.was_held(symbol, action.ex_date):
                continue  # all that is held was opened without it
            if since.is_traded(symbol, action.ex_date):
                found.append(events.CorporateActionMissed(at=at, action=action))
                continue
        if symbol not in averages:
            continue
        known = publication.instruments.get(symbol)
        price = known.prior_close if known else None
        average = averages[symbol]
        if price is None and average is not None:
            price = action.price_after(average)
        found.append(events.CorporateActionApplied(at=at, action=action, price=price))
    return found


class _Since:
    """What the sessions of an account traded from a day on, to its last session."""

    def __init__(self, folder: SessionFolder, book: Book) -> None:
        self._path = folder.path
        self._last = book.session_date
        self._book = book
        self._archived = _archived(folder.path)

    def _sessions(self, day: date) -> list[date]:
        assert self._last is not None, "something was traded"
        found = {each for each in self._archived if day <= each <= self._last}
        return sorted(found | {self._last})

    def _read(self, session: date) -> Sequence[Event]:
        path = self._archived.get(session)
        return read_archive(path) if path else read_journal(self._path)

    def was_held(self, symbol: str, day: date) -> bool:
        """
        Return whether a symbol was held when the first session from this day on began.

        Raise JournalCorrupt if that depends on a session that is missing in the archive.
        """
        if not any(last >= day for _, last in self._book.overnight.get(symbol, ())):
            return False
        for gap in missing_sessions(self._path, since=day):
            raise JournalCorrupt(
                f"the archived session {gap} of {self._path.name} is missing, and so nobody knows"
                f" whether {symbol} was traded after its corporate action on {day}",
                NOT_WHOLE_REMEDY,
            )
        return self._book.was_held(symbol, self._sessions(day)[0])

    def is_traded(self, symbol: str, day: date) -> bool:
        """Return whether a symbol was traded in a session from this day on."""
        return any(
            isinstance(event, events.FillBooked) and event.fill.symbol == symbol
            for session in self._sessions(day)
            for event in self._read(session)
        )


def missing_sessions(path: Path, *, since: date | None = None) -> list[date]:
    """
    Return the sessions that the archive of an account lacks, newest first, from a day on.

    Each session names the one before it, so they are one chain. Of one that is damaged, that is
    the one before it in the archive.
    """
    archived, found = _archived(path), []
    wanted = _before(read_journal(path)[:1])
    while wanted is not None and (since is None or wanted >= since):
        earlier = max((day for day in archived if day < wanted), default=None)
        if wanted not in archived:
            found.append(wanted)
            wanted = earlier
            continue
        with suppress(JournalCorrupt):
            earlier = _before([read_opening(archived[wanted])])
        wanted = earlier
    return found


def _before(opening: Sequence[Event]) -> date | None:
    """Return the session before the one that begins with these events."""
    first = opening[0] if opening else None
    return first.carried.session_date if isinstance(first, events.AccountCarried) else None


def faults_of_history(folder: SessionFolder) -> list[str]:
    """Return what is missing or damaged of the sessions of an account before the last one."""
    path = folder.path
    found = [f"the archived session {day} is missing" for day in missing_sessions(path)]
    end, checksum = 1, 0
    for day, file in sorted(_archived(path).items()):
        try:
            link = read_link(file)
        except JournalCorrupt as error:
            found.append(str(error))
            continue
        # what --fresh discarded is a gap in the numbers, and none in the history
        is_next = link.first_row == end and link.checksum_before == checksum
        if not (is_next or link.first_row > end):
            found.append(f"the archived session {day} does not follow the one before it")
            continue
        end, checksum = link.first_row + link.rows, link.checksum
    return [f"{each}: {NOT_WHOLE_REMEDY}" for each in found]


def left_open(folder: SessionFolder, before: Book) -> str:
    """Return what the session before left open that is intraday, in words; empty if nothing."""
    day, name = before.session_date, folder.account
    if day is None or day >= folder.session_date or Product.MIS not in _products_open(before):
        return ""
    held = [
        shares(each.symbol, each.quantity)
        for each in before.open_positions()
        if each.product is Product.MIS
    ]
    return (
        f"{day} was not traded to the close of what is intraday, and {name} still has"
        f" {', '.join(held) or what_is_open(before)}: the exits and the square-off of"
        f" {folder.session_date} close it; `./bourse trade --account {name} --date {day} --fresh`"
        f" trades {day} again instead"
    )


def late_actions(folder: SessionFolder, recorded: Sequence[Event]) -> list[str]:
    """Return what a session's start made of actions that arrived after their ex-date."""
    before = _before(recorded)
    return [
        _missed(folder, event.action)
        if isinstance(event, events.CorporateActionMissed)
        else f"{_named(event.action)} arrived late and was applied: see its stops and targets"
        for event in recorded
        if isinstance(event, events.CorporateActionApplied | events.CorporateActionMissed)
        and before is not None
        and event.action.ex_date <= before
    ]


def _missed(folder: SessionFolder, action: CorporateAction) -> str:
    """Say what was missed; only paper trades the past again."""
    is_dividend = action.dividend_amount is not None
    name = folder.account
    remedy = (
        f"`./bourse trade --account {name} --fresh --date {action.ex_date}` trades from there again"
        if folder.broker == PaperBroker.name
        else f"compare the {'cash' if is_dividend else 'holdings'} with the broker's by"
        f" `./bourse account show --account {name}`, then `./bourse resume --account {name}`"
    )
    traded = "was traded ex dividend" if is_dividend else "was traded in new shares"
    return (
        f"{_named(action)} arrived after {action.symbol} {traded}, and is not"
        f" {'booked' if is_dividend else 'applied'}: {remedy}"
    )


def _named(action: CorporateAction) -> str:
    return f"the {action.action} of {action.symbol} on {action.ex_date}"


def _discard(publication: Publication, folder: SessionFolder, recorded: Sequence[Event]) -> None:
    """Begin a session again from the account as it stood before; keep what was traded since."""
    carried, moved = _before_session(folder, recorded)
    _remove_exports(folder)
    _begin(
        publication,
        folder,
        carried,
        ended=_book(folder, recorded).session_date,
        archive=_aside(folder),
        moved=moved,
    )


def _before_session(
    folder: SessionFolder, recorded: Sequence[Event]
) -> tuple[Carried, tuple[events.CashMoved, ...]]:
    """Return the account as it stood before a session, and the cash that was moved since."""
    for gap in missing_sessions(folder.path, since=folder.session_date):
        raise JournalCorrupt(
            f"the archived session {gap} of {folder.account} is missing, and so nobody knows how"
            f" the account stood before {folder.session_date}",
            NOT_WHOLE_REMEDY,
        )
    sessions = {
        day: path for day, path in _archived(folder.path).items() if day >= folder.session_date
    }
    earliest = read_archive(sessions[min(sessions)]) if sessions else list(recorded)
    later = [event for path in sessions.values() for event in read_archive(path)]
    opening = earliest[0]
    carried = (
        opening.carried
        if isinstance(opening, events.AccountCarried)
        else Book(folder.capital_amount).carried()
    )
    # cash belongs to the account and not to a session
    moved = {
        event.cash_id: event
        for event in (*later, *recorded)
        if isinstance(event, events.CashMoved) and event.cash_id not in carried.cash_ids
    }
    return carried, tuple(moved.values())


class Preview(NamedTuple):
    """
    The book with which a session would begin, or go on after `until` if it was interrupted.

    `note` is what to know of it, empty if it is the account as it is.
    """

    book: Book
    until: datetime | None
    note: str


def preview(publication: Publication, broker: str, *, fresh: bool = False) -> Preview:
    """
    Return what `create` would begin or resume; write nothing.

    Of a session that is over, is being traded or is before the last one, it is the account as it
    stood before, as `fresh` begins it.
    """
    folder = _session_of(publication, broker, "")
    account, day = folder.account, folder.session_date
    recorded, is_held = read_journal(folder.path), is_traded(folder)
    before = _book(folder, recorded)
    last, carried, moved = before.session_date, before.carried(), tuple[events.CashMoved, ...]()
    note = ""
    if last is not None and day <= last:
        if day == last and not (fresh or is_held or has_ended(folder, recorded)):
            until = traded_until(recorded)
            note = f"{account} was interrupted on {day}: this goes on from there" if until else ""
            return Preview(before, until, note)
        carried, moved = _before_session(folder, recorded)
        what = f"is trading {last}" if is_held else f"has traded {last}"
        note = f"{account} {what}: this begins with what the account had before {day}"
    elif is_held:
        note = f"{account} is trading {last}: this begins with what the account has now"
    return Preview(_book(folder, _opening(publication, folder, carried, moved)[0]), None, note)


def _finish_discarding(folder: SessionFolder, last: date, recorded: Sequence[Event]) -> None:
    """
    Move aside what the archive has of sessions that --fresh discarded, also if that was stopped.

    The journal has the session `last`, so nothing later was traded. What the archive has of `last`
    was discarded too, unless it is a copy of the journal: then the next session was about to begin.
    """
    archived = _archived(folder.path)
    later = [day for day in archived if day > last]
    if last in archived and not _is_copy(archived[last], recorded):
        later.append(last)
    if not later:
        return
    aside = _aside(folder)
    for day in later:
        # the journal's is last: it says that there is something to move
        of_day = (folder.path / ARCHIVE).glob(f"{day}.*")
        for path in sorted(of_day, key=lambda each: each == archived[day]):
            path.rename(aside / path.name)
    disk.flush(aside.parent)


def _is_copy(archive: Path, recorded: Sequence[Event]) -> bool:
    return read_archive(archive)[:1] == list(recorded[:1])


def _undo_beginning(folder: SessionFolder, last: date, recorded: Sequence[Event]) -> None:
    """
    Put the paper broker's book back where a session was about to begin, if that was stopped.

    The broker begins before the journal does, which still has the session `last`. What begins now
    may be another session.
    """
    for kept in (folder.path / ARCHIVE).glob(f"**/{last}.{PAPER}.gz"):
        journal = kept.with_name(f"{last}.jsonl.gz")  # it is there before the broker's
        if journal.exists() and _is_copy(journal, recorded):
            disk.write_private(folder.path / PAPER, gzip.decompress(kept.read_bytes()))
            kept.unlink()


def _remove_exports(folder: SessionFolder) -> None:
    """
    Remove what was exported of this session and later ones, which the next build would read.

    It goes before the sessions do: whoever is stopped between exports too little, and never what
    was discarded.
    """
    for files in exports_of(folder):
        for file in files.parent.glob(f"{folder.account}-*{files.suffix}"):
            with suppress(ValueError):  # another account's, whose name begins like this one's
                day = date.fromisoformat(file.stem.removeprefix(f"{folder.account}-"))
                if day >= folder.session_date:
                    file.unlink()
        if files.parent.exists():
            disk.flush(files.parent)


def _aside(folder: SessionFolder) -> Path:
    path = folder.path / ARCHIVE / f"discarded-{clock.now():%Y%m%dT%H%M%S%f}"
    disk.private_folder(path)
    return path


def _refuse_lost_history(folder: SessionFolder) -> None:
    """Refuse to begin an account again whose journal is gone."""
    paper = folder.path / PAPER
    if _archived(folder.path) or (paper.exists() and b'"trade":{' in paper.read_bytes()):
        raise JournalCorrupt(
            f"{folder.account} has traded before, and its journal in {folder.path} is missing",
            "restore it from a backup, which `./bourse restore --help` explains",
        )


def _refuse_other_options(folder: SessionFolder, recorded: Iterable[Event]) -> None:
    options = _options_of(recorded)
    if options is None or options == folder.options or traded_until(recorded) is None:
        return
    again = resumption(replace(folder, options=options))
    raise ConfigurationError(
        f"{folder.account} traded {folder.session_date} with"
        f" {options or 'no options'} before, not with {folder.options or 'none'}",
        f"`{again}` resumes that; --fresh discards it, and another --account leaves it alone",
    )


def _options_of(recorded: Iterable[Event]) -> str | None:
    started = [event for event in recorded if isinstance(event, events.SessionStarted)]
    return started[-1].options if started else None


def options_of(folder: SessionFolder, recorded: Iterable[Event]) -> str:
    """Return the options of `./bourse trade` that traded a session, as far as they are known."""
    options = _options_of(recorded)
    return (folder.options if options is None else options) or ""


def resumption(folder: SessionFolder) -> str:
    """Return the command that goes on with a session, with the options that it began with."""
    options = folder.options or ""
    # Kite's ticks are always those of today
    day = "" if FEED_OF_TODAY in options else f" --date {folder.session_date}"
    return f"./bourse trade --account {folder.account}{day} {options}".rstrip()


def interruption(folder: SessionFolder, book: Book, recorded: Sequence[Event]) -> str:
    """
    Say that a session was interrupted with something open, and which command goes on with it.

    Return an empty text if a loop trades it, if it has ended, if another one followed, or if
    nothing is open.
    """
    left = what_is_open(book)
    if not left or has_ended(folder, recorded) or is_traded(folder):
        return ""
    if folder.session_date != latest(folder.account, None).session_date:
        return ""
    until = traded_until(recorded)
    at = f" at {until.astimezone(ZoneInfo(folder.zone_name)):%H:%M:%S}" if until else ""
    return (
        f"interrupted{at}, and no loop watches what is left, {left}: `{resumption(folder)}`"
        " continues it"
    )


def trading_now() -> tuple[list[SessionFolder], dict[str, ConfigurationError]]:
    """
    Return the sessions that a process is trading.

    The second value has what is wrong with others that are traded, by account.
    """
    found, damaged = [], {}
    root = settings().data / "trading"
    # by what is locked: a file may be gone, and the whole folder too
    names = {path.name for path in root.glob("*/")}
    names |= {path.name[1 : -len(".lock")] for path in root.glob(".*.lock")}
    for name in sorted(names):
        process, file = holder(root / name), root / name / SESSION_FILE
        if process is None:
            continue
        try:
            found.append(_folder_of(file))
        except ConfigurationError as error:
            account = file.parent.name
            damaged[account] = ConfigurationError(
                f"the loop of {account}, process {process}, cannot be reached: {error}",
                f"stop it by `kill -INT {process}`, remove {file}, and trade {account} again; a"
                " folder that was moved has to be moved back before",
            )
    return found, damaged


def readable_sessions() -> tuple[list[SessionFolder], list[ConfigurationError]]:
    """Return the last session of each account that can be read, and what is wrong with others."""
    found, damaged = [], []
    for file in _files():
        try:
            found.append(_folder_of(file))
        except ConfigurationError as error:
            damaged.append(error)
    return found, damaged


def has_session(account: str) -> bool:
    """Return whether an account has a session, whether or not it can be read."""
    return any(file.parent.name == account for file in _files())


def is_traded(session: SessionFolder) -> bool:
    """Return whether a process is trading the account of a session."""
    return holder(session.path) is not None


def what_is_held(
    book: Book, products: Collection[Product] = tuple(Product)
) -> dict[str, list[str]]:
    """Return what is held of some products, in words, by what it is; nothing under what is none."""
    positions = [each for each in book.open_positions() if each.product in products]
    netted = {(each.symbol, each.product) for each in positions}
    found = {
        "positions open": [shares(each.symbol, each.quantity) for each in positions],
        # the account holds nothing then, and each of the strategies has something to close
        "held by strategies that offset each other": [
            f"{shares(request.symbol, request.side.sign * held)} of {request.strategy}"
            for request, held in (
                (entry.request, book.held_quantity(entry.request.order_id))
                for entry in book.held_entries()
            )
            if request.product in products and (request.symbol, request.product) not in netted
        ],
    }
    return {what: names for what, names in found.items() if names}


def what_is_open(book: Book) -> str:
    """Return the positions and orders that are open, in words; empty if there are none."""
    working = [
        shares(each.request.symbol, each.request.side.sign * each.open_quantity)
        for each in book.opening_orders()
    ]
    found = what_is_held(book) | ({"orders at work": working} if working else {})
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in found.items())


def _products_open(book: Book) -> set[Product]:
    orders = (*book.held_entries(), *book.opening_orders())
    held = {position.product for position in book.open_positions()}
    return held | {order.request.product for order in orders}


def unwatched() -> tuple[list[tuple[SessionFolder, Book]], list[BourseError]]:
    """
    Return the accounts that no loop trades and that have open what should not be left alone.

    That is what is intraday, or anything where a session stopped before its end. The second value
    has the errors of the accounts that cannot be read; they hide no other account.
    """
    known, unreadable = readable_sessions()
    found, damaged = [], list[BourseError](unreadable)
    for session in known:
        if is_traded(session):
            continue
        try:
            book, recorded = read(session)
        except BourseError as error:
            damaged.append(error)
            continue
        products = _products_open(book)
        if Product.MIS in products or (products and not has_ended(session, recorded)):
            found.append((session, book))
    return found, damaged


def latest(account: str | None, session_date: date | None) -> SessionFolder:
    """Return the session traded last, of this account and this date if they are given."""
    files = _files() if account is None else [folder_of(account) / SESSION_FILE]
    # `create` writes the file whenever a session starts or resumes
    files = sorted((file for file in files if file.exists()), key=lambda each: each.stat().st_mtime)
    for file in reversed(files):
        last = _folder_of(file)
        if session_date in (None, last.session_date):
            return last
        if session_date in _archived(file.parent):
            return replace(last, session_date=session_date, options=None)
    of = f" --account {account}" if account else ""
    on = f" --date {session_date}" if session_date else ""
    remedies = [f"`./bourse trade{of}{on}` trades it"]
    asked = ""
    with (PROJECT / "seeds" / "reference" / "trading_accounts.csv").open() as seed:
        accounts = [row["account"] for row in csv.DictReader(seed)]
    if account and account not in accounts:
        asked = did_you_mean(account, accounts)
        remedies = [f"the accounts are {', '.join(accounts)}"]
    elif session_date and session_date > clock.now().date():
        remedies = ["the date is in the future"]
    elif session_date and any(session_date < _folder_of(each).session_date for each in files):
        remedies = ["the account is past it, and sessions go forward"]
    if others := sorted(_files(), key=lambda each: each.stat().st_mtime):
        last = _folder_of(others[-1])
        remedies.append(f"the last one traded is {last.account} on {last.session_date}")
    raise ConfigurationError(
        f"nothing has been traded{f' by {account}' if account else ''}"
        f"{f' on {session_date}' if session_date else ''}{asked}",
        "; ".join(remedies),
    )


def read(folder: SessionFolder) -> tuple[Book, list[Event]]:
    """Return the book and the events of a session, even while a process trades it."""
    recorded = read_journal(folder.path)
    book = _book(folder, recorded)
    path = _archived(folder.path).get(folder.session_date)
    if book.session_date == folder.session_date or path is None:
        return book, recorded
    recorded = read_archive(path)
    return _book(folder, recorded), recorded


def all_recorded(folder: SessionFolder, recorded: Sequence[Event]) -> Iterator[Event]:
    """
    Return the events of the journal, and then those of the sessions before, newest first.

    Those of an archive that is damaged are left out.
    """
    yield from recorded
    for _, path in sorted(_archived(folder.path).items(), reverse=True):
        with suppress(JournalCorrupt):  # `faults_of_history` names it
            yield from read_archive(path)


def sessions_of(folder: SessionFolder) -> list[date]:
    """Return the sessions that an account has traded, oldest first."""
    return sorted({*_archived(folder.path), folder.session_date})


def has_ended(folder: SessionFolder, recorded: Iterable[Event]) -> bool:
    """Return whether a session was traded to its end before."""
    return any(
        isinstance(event, events.SessionEnded) and event.session_date == folder.session_date
        for event in recorded
    )


def traded_until(recorded: Iterable[Event]) -> datetime | None:
    """Return the instant up to which a session was traded, or None if it only began."""
    return max((event.at for event in recorded if not _is_between(event)), default=None)


def session_clock(folder: SessionFolder, recorded: Sequence[Event]) -> AbstractContextManager[None]:
    """
    Set the clock of a command beside the loop to the time of the account's session.

    Of a session that was replayed, it is where that was left: the loop resumes after the last
    event, whoever recorded it. A session of today goes by the machine's clock.
    """
    at = traded_until(recorded) or max((event.at for event in recorded[-1:]), default=None)
    if at is None or FEED_OF_TODAY in (folder.options or ""):
        return nullcontext()
    return clock.replayed_by(lambda: at)


def _is_between(event: Event) -> bool:
    by_session = isinstance(event, events.TradingStateChanged) and event.by == "session"
    return by_session or isinstance(event, BETWEEN)


def _book(folder: SessionFolder, recorded: Iterable[Event]) -> Book:
    try:
        return rebuild_book(folder.capital_amount, recorded, lambda _: None)
    except NotApplicable as error:
        raise error.of(folder.account) from error


def _archived(path: Path) -> dict[date, Path]:
    found = {}
    for file in sorted((path / ARCHIVE).glob("*.jsonl.gz")):
        with suppress(ValueError):  # the paper broker's have another name
            found[date.fromisoformat(file.name.removesuffix(".jsonl.gz"))] = file
    return found


def _files() -> list[Path]:
    return sorted((settings().data / "trading").glob(f"*/{SESSION_FILE}"))


def _folder_of(file: Path) -> SessionFolder:
    try:
        folder = msgspec.json.decode(file.read_bytes(), type=SessionFolder)
        problem = "" if folder.account == file.parent.name else f"it is of {folder.account!r}"
    except (OSError, msgspec.MsgspecError) as error:
        problem = str(error)
    if problem:
        raise ConfigurationError(
            f"{file} does not describe a session: {problem}",
            f"remove it; `./bourse trade --account {file.parent.name}` writes it again",
        )
    return folder
