"""`./bourse reconcile`: hold the book against the broker."""

from __future__ import annotations

import asyncio
from typing import Any

from duckbourse.brokers.paper import PaperBroker, Rules
from duckbourse.cli.output import print_json, results
from duckbourse.cli.session_options import Account, Day, Json, chosen_session
from duckbourse.errors import TradingError
from duckbourse.orders.book import rebuild_book
from duckbourse.orders.events import JournalSalvaged
from duckbourse.orders.journal import open_journal
from duckbourse.orders.manager import Manager


def reconcile(account: Account = None, day: Day = None, json: Json = False) -> None:
    """
    Read the journal again, ask the broker for everything, and say where they differ.

    A journal that is damaged is kept under another name, and what could be read of it goes on.

    Examples:

    - `./bourse reconcile`
    - `./bourse reconcile --account paper_us --json`
    """
    session = chosen_session(account, day)
    journal, told = open_journal(session.path)
    broker = PaperBroker(session.path, {}, session.capital_amount, Rules())
    try:
        book = rebuild_book(session.capital_amount, told, lambda _: None)
        manager = Manager(book, journal, broker, check=lambda *_: None, grace_seconds=0)
        differences = asyncio.run(manager.recover())
    finally:
        broker.close()
        journal.close()
    salvaged = [event for event in told if isinstance(event, JournalSalvaged)]
    report: dict[str, Any] = {
        "account": session.account,
        "session_date": session.session_date,
        "events": book.event_count,
        "orders": len(book.orders),
        "fills": len(book.fills),
        "differences": list(differences),
        "salvaged": [f"row {event.first_lost_row} on: {event.kept_as}" for event in salvaged],
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
            f"{session.account} and its broker differ in {len(differences)}",
            "see which is right; while they differ nothing is traded",
        )
