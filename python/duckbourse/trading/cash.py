"""Deposits, withdrawals, dividends and interest of an account, each booked once by its id."""

from __future__ import annotations

import getpass
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from duckbourse import clock
from duckbourse.errors import ConfigurationError, JournalBusy
from duckbourse.orders.book import Book, rebuild_book
from duckbourse.orders.events import CashKind, CashMoved
from duckbourse.orders.journal import open_journal
from duckbourse.orders.order import Side
from duckbourse.streaming.prices import Prices
from duckbourse.trading import last_prices
from duckbourse.trading.session_folder import (
    FEED_OF_TODAY,
    SessionFolder,
    all_recorded,
    paper_of,
    sessions_of,
)


def move_cash(
    folder: SessionFolder,
    kind: CashKind,
    amount: Decimal,
    cash_id: str,
    *,
    note: str = "",
    value_date: date | None = None,
) -> tuple[CashMoved, bool]:
    """
    Book an amount, negative if it goes out; return it and whether it is new.

    An id that was booked before is not booked again; raise ConfigurationError if it was another
    amount or kind, if more than the free cash is withdrawn, or if its value date is to come or is
    before the first session. Raise JournalBusy while a process trades the account.
    """
    _refuse_date(folder, value_date)
    if not cash_id.strip():
        raise ConfigurationError("the id is empty", "give one, such as the bank's reference")
    try:
        journal, recorded = open_journal(folder.path)
    except JournalBusy as error:
        raise JournalBusy(
            f"another process has the account {folder.account}: a loop that trades it, or a"
            " reconciliation; no cash is booked meanwhile",
            "run this again once that has ended; Ctrl-C stops a loop",
        ) from error
    broker = None
    try:
        broker = paper_of(folder)
        book = rebuild_book(folder.capital_amount, recorded, lambda _: None)
        prices = last_prices.read(folder.path, book.session_date or folder.session_date)
        moved = CashMoved(
            at=clock.now(),
            cash_id=cash_id,
            kind=kind,
            amount=amount,
            value_date=value_date or book.session_date or folder.session_date,
            # of a session that was interrupted too
            equity_amount=book.equity_amount(prices),
            by=getpass.getuser(),
            note=note,
        )
        if cash_id in book.cash_ids:
            booked = [
                event
                for event in all_recorded(folder, recorded)
                if isinstance(event, CashMoved) and event.cash_id == cash_id
            ]
            for event in booked:
                _refuse_another(event, moved)
                if broker is not None:
                    broker.move_cash(event)
            return (booked or [moved])[0], False
        free = free_cash_amount(book, prices)
        if kind is CashKind.WITHDRAWAL and -amount > free:
            raise ConfigurationError(
                f"{-amount:,.2f} cannot be withdrawn: {free:,.2f} is free",
                "withdraw less, or close positions first",
            )
        journal.append(moved).result()
        if broker is not None:
            broker.move_cash(moved)
        return moved, True
    finally:
        if broker is not None:
            broker.close()
        journal.close()


def _refuse_date(folder: SessionFolder, value_date: date | None) -> None:
    if value_date is None:
        return
    first, last = sessions_of(folder)[0], folder.session_date
    if FEED_OF_TODAY in (folder.options or ""):
        last = max(last, clock.now().astimezone(ZoneInfo(folder.zone_name)).date())
    if not first <= value_date <= last:
        raise ConfigurationError(
            f"no cash can be booked for {value_date}: {folder.account} was traded from {first} to"
            f" {last}, and what is booked can be traded with at once",
            "give a day of these, or leave --date out; what comes later is booked once that day"
            " was traded",
        )


def free_cash_amount(book: Book, prices: Prices) -> Decimal:
    """
    Return the cash that no entry to buy, open or waiting, needs and no short position owes.

    A short owes what it brought or what it costs at the last price, whichever is more.
    """
    entries = [(order.request, order.open_quantity) for order in book.open_entries]
    entries += [(each.request, each.request.quantity) for each in book.waiting.values()]
    ordered = sum(
        (
            quantity * price
            for request, quantity in entries
            if request.side is Side.BUY
            for price in [request.limit_price or request.trigger_price]
            if price is not None
        ),
        Decimal(0),
    )
    owed = sum(
        (
            max(-held.cost_amount, -held.quantity * (book.last_price(held.symbol, prices) or 0))
            for held in book.open_positions()
            if held.quantity < 0
        ),
        Decimal(0),
    )
    return max(book.cash_amount - ordered - owed, Decimal(0))


def in_words(moved: CashMoved) -> str:
    """Return the kind and the amount, with the sign of interest, which may be owed."""
    is_interest = moved.kind is CashKind.INTEREST
    return f"{moved.kind} of {moved.amount if is_interest else abs(moved.amount):,.2f}"


def _refuse_another(booked: CashMoved, asked: CashMoved) -> None:
    if (booked.kind, booked.amount) != (asked.kind, asked.amount):
        raise ConfigurationError(
            f"the id {asked.cash_id} is that of a {in_words(booked)}",
            "use another id",
        )
