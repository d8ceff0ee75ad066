"""`./bourse login zerodha` and `./bourse trade --broker zerodha`, against a fake exchange."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from duckbourse.brokers.paper import FillRules, PaperBroker
from duckbourse.orders.book import Book, rebuild_book
from duckbourse.orders.journal import read_journal
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Reason
from duckbourse.settings import PROJECT
from duckbourse.trading.publication import load
from duckbourse.trading.session import tick_sizes_of
from duckbourse.venue.faults import Fault
from duckbourse.venue.kite import Access
from duckbourse.warehouse import open_published
from tests.support.kite import (
    ACCESS_TOKEN,
    API_KEY,
    API_SECRET,
    REQUEST_TOKEN,
    ScriptedVenue,
    Served,
    serving,
)
from tests.support.waiting import HANG_SECONDS
from tests.support.warehouse import Warehouse

DAY = date(2010, 5, 28)
SECRETS = (API_KEY, API_SECRET, ACCESS_TOKEN)


@dataclass
class Rehearsal:
    """Commands against an exchange, with a data folder of their own."""

    data: Path
    rules: FillRules = field(default_factory=lambda: FillRules(latency_ms=0))
    served: Served = field(init=False)
    printed: str = ""

    @property
    def exchange(self) -> ScriptedVenue:
        return self.served.exchange

    def run(self, *words: str, typed: str = "", code: int = 0) -> str:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("BOURSE_")}
        done = subprocess.run(
            [sys.executable, "-m", "duckbourse.cli", *words],
            env=kept
            | {
                "BOURSE_DATA_DIR": str(self.data),
                "BOURSE_KITE_API_KEY": API_KEY,
                "BOURSE_KITE_API_SECRET": API_SECRET,
                "BOURSE_VENUE_ROOT": self.served.root,
                "BOURSE_KITE_URL": self.served.stream,
                "PYTHONPATH": str(PROJECT / "python"),
                "COLUMNS": "200",
            },
            input=typed,
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )
        printed = done.stdout + done.stderr
        # the address of the login page has the key
        self.printed += printed if words[0] != "login" else done.stderr
        assert done.returncode == code, printed
        return done.stdout if code == 0 else printed

    def log_in(self) -> None:
        address = f"https://127.0.0.1/?action=login&request_token={REQUEST_TOKEN}&status=success"
        self.run("login", "zerodha", "--venue", typed=f"{address}\n")

    def trade(self, *words: str) -> dict[str, Any]:
        words = ("trade", "--date", str(DAY), "--broker", "zerodha", "--venue", *words, "--json")
        found: dict[str, Any] = json.loads(self.run(*words))
        return found

    def book(self) -> Book:
        (path,) = (self.data / "trading").glob("**/paper_us")
        return rebuild_book(Decimal(100_000), read_journal(path), lambda _: None)


@pytest.fixture
def rehearsal(sample: Warehouse, tmp_path: Path) -> Iterator[Rehearsal]:
    data = tmp_path / "data"
    data.mkdir()
    (data / "duckbourse.duckdb").symlink_to(sample.data / "duckbourse.duckdb")
    connection = open_published(sample.file)
    publication = load(connection, "paper_us", DAY, frozenset())
    connection.close()
    found = Rehearsal(data)

    def open_book() -> PaperBroker:
        return PaperBroker(
            tmp_path / "exchange",
            tick_sizes_of(publication),
            publication.limits.capital_amount,
            found.rules,
            publication.charges,
        )

    exchange = ScriptedVenue(open_book, tick_sizes_of(publication))
    try:
        with serving(exchange) as found.served:
            yield found
    finally:
        exchange.paper.close()


def compare(rehearsal: Rehearsal) -> Book:
    """Compare the ledger with the exchange's book, to the paisa; nothing is placed twice."""
    book, paper = rehearsal.book(), rehearsal.exchange.paper
    trades = rehearsal.served.ask(paper.trades())
    orders = rehearsal.served.ask(paper.orders())
    assert set(Counter(each.order_id for each in orders).values()) == {1}
    assert {each.order_id for each in orders} <= set(book.orders)
    traded = Counter[tuple[str, str, int, Decimal]]()
    for trade in trades:
        fill = trade.fill
        traded[fill.order_id, fill.symbol, fill.signed_quantity, fill.price] += 1
    booked = Counter[tuple[str, str, int, Decimal]]()
    for fill in book.fills.values():
        assert not fill.is_provisional
        booked[fill.order_id, fill.symbol, fill.signed_quantity, fill.price] += 1
    assert booked == traded
    funds = rehearsal.served.ask(paper.funds())
    assert book.cash_amount == funds.cash_amount
    assert book.open_positions() == []
    assert rehearsal.served.ask(paper.positions()) == []
    return book


def test_a_session_is_traded_and_no_secret_is_written(rehearsal: Rehearsal) -> None:
    rehearsal.log_in()
    end = rehearsal.trade()
    assert end["positions"] == []
    book = compare(rehearsal)
    filled = [order for order in book.orders.values() if order.filled_quantity]
    assert sum(order.request.reason is Reason.ENTRY for order in filled) >= 8
    look_for_secrets(rehearsal)
    # an error of the broker has none either, whatever it repeats
    rehearsal.exchange.access = Access(API_KEY, "another")
    rehearsal.exchange.refusals += [(403, "TokenException"), (503, "NetworkException")]
    refused = rehearsal.run("reconcile", "--account", "paper_us", code=7)
    assert "TokenException" in refused
    look_for_secrets(rehearsal)


def look_for_secrets(rehearsal: Rehearsal) -> None:
    """Look for the planted secrets in whatever the commands printed and wrote."""
    folders = (rehearsal.data, PROJECT / "logs")
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    (token,) = (path for path in paths if path.parent.name == "tokens")
    assert token.stat().st_mode & 0o777 == 0o600
    assert len(paths) > 5
    for secret in SECRETS:
        assert secret not in rehearsal.printed
        found = {path for path in paths if secret.encode() in path.read_bytes()}
        assert found <= {token}


FAULTS: dict[str, dict[Fault, int]] = {
    "lost answers": {Fault.LOST_ANSWER: 3},
    "late and failed answers": {Fault.LATE_ANSWER: 3, Fault.FAILED_ANSWER: 4},
    "rejections": {Fault.REJECTED: 5, Fault.TOO_MANY: 7},
    "restarts": {Fault.RESTART: 4},
    "lost updates": {Fault.LOST_UPDATE: 2, Fault.DOUBLED_UPDATE: 3},
    "no stream": {Fault.REFUSED_SOCKET: 1},
    "an unknown status": {Fault.UNKNOWN_STATUS: 5},
    "all of them": {
        **{Fault.LOST_ANSWER: 4, Fault.FAILED_ANSWER: 9, Fault.RESTART: 11, Fault.REJECTED: 13},
        **{Fault.LOST_UPDATE: 3, Fault.DOUBLED_UPDATE: 5, Fault.UNKNOWN_STATUS: 7},
        Fault.DROPPED_SOCKETS: 9,
    },
}


@pytest.mark.long
@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("participation", [1, 100])
def test_a_session_with_faults_keeps_its_ledger(
    rehearsal: Rehearsal, faults: dict[Fault, int], participation: int
) -> None:
    """Answers, updates and sockets are lost, words are unknown, and orders are filled in parts."""
    exchange = rehearsal.exchange
    exchange.faults.each.update(faults)
    # also of the book that is opened when it restarts
    rehearsal.rules = FillRules(latency_ms=0, max_participation_pct=Decimal(participation))
    exchange.paper._rules = rehearsal.rules
    rehearsal.log_in()
    # at a speed at which the account waits for answers as it would in a session
    rehearsal.trade("--speed", "300")
    assert exchange.faults.counts.total() >= 3
    book = compare(rehearsal)
    assert sum(order.filled_quantity > 0 for order in book.orders.values()) >= 8
    assert {order.state for order in book.orders.values()} & {State.UNKNOWN, State.SENT} == set()
    look_for_secrets(rehearsal)
