"""`./bourse reconcile`: compare the book with the broker."""

from __future__ import annotations

import asyncio
from typing import Any

from duckbourse.brokers.paper import FillRules, PaperBroker
from duckbourse.cli.output import print_json, results
from duckbourse.cli.session_options import Account, Day, Json, chosen_session
from duckbourse.errors import TradingError
from duckbourse.orders.book import rebuild_book
from duckbourse.orders.events import JournalSalvaged
from duckbourse.orders.journal import open_journal
from duckbourse.orders.manager import Manager


def reconcile(account: Account = None, day: Day = None, json: Json = False) -> None:
    """
    Rebuild the book from the journal, query the broker, and list the differences.

    A damaged journal is kept under another name; a new one continues with its readable events.

    Examples:

    - `./bourse reconcile`
    - `./bourse reconcile --account paper_us --json`
    """
    session = chosen_session(account, day)
    journal, recorded = open_journal(session.path)
    broker = PaperBroker(session.path, {}, session.capital_amount, FillRules())
    try:
        book = rebuild_book(session.capital_amount, recorded, lambda _: None)
        manager = Manager(book, journal, broker, check=lambda *_: None, grace_seconds=0)
        differences = asyncio.run(manager.recover())
    finally:
        broker.close()
        journal.close()
    salvaged = [event for event in recorded if isinstance(event, JournalSalvaged)]
    report: dict[str, Any] = {
        "account": session.account,
        "session_date": session.session_date,
        "events": book.event_count,
        "orders": len(book.orders),
        "fills": len(book.fills),
        "differences": list(differences),
        "salvaged": [
            f"unreadable from row {event.first_lost_row}, kept as {event.kept_as}"
            for event in salvaged
        ],
    }
    if json:
        print_json(report)
    else:
        results.print(
            f"{session.account} on {session.session_date}: {report['events']:,} events,"
            f" {report['orders']:,} orders, {report['fills']:,} fills,"
            f" {len(differences)} differences"
        )
        for line in [*report["salvaged"], *differences]:
            results.print(f"  {line}", markup=False)
    if differences:
        raise TradingError(
            f"{session.account} and its broker have {len(differences)} differences",
            "find out which is right; nothing is traded while they differ",
        )
