"""An account over its sessions: what it holds, owes and may lose goes on from one to the next."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import itertools
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import duckdb
import hypothesis
import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from msgspec.structs import replace

from duckbourse import clock, disk
from duckbourse.brokers._template.broker import TemplateBroker
from duckbourse.brokers._template.client import Transport
from duckbourse.brokers.opening import BrokerSetup, open_paper
from duckbourse.brokers.paper import FillRules, PaperBroker
from duckbourse.cli.account import _amount, _figures, show
from duckbourse.cli.doctor import _accounts
from duckbourse.cli.session import (
    PORTFOLIOS,
    What,
    _missing_portfolio,
    _opened,
    journal,
    pnl,
    positions,
)
from duckbourse.cli.status import report
from duckbourse.disk import flush
from duckbourse.errors import ConfigurationError, JournalBusy, JournalCorrupt
from duckbourse.orders import events
from duckbourse.orders.book import Book, rebuild_book
from duckbourse.orders.broker import Broker
from duckbourse.orders.events import CashKind, PriceSilent, TradingState
from duckbourse.orders.journal import (
    HEAD,
    Journal,
    lock_folder,
    open_journal,
    read_archive,
    read_journal,
)
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import (
    Exits,
    Order,
    Product,
    Reason,
    Request,
    Side,
    fill_key_of,
    order_id_of,
)
from duckbourse.orders.positions import CorporateAction
from duckbourse.settings import PROJECT, settings
from duckbourse.state import holder
from duckbourse.telemetry.notify import Notifier
from duckbourse.trading import last_prices, session_folder
from duckbourse.trading.cash import free_cash_amount, in_words, move_cash
from duckbourse.trading.commands import listed
from duckbourse.trading.export import export_fills
from duckbourse.trading.publication import Publication
from duckbourse.trading.requests import lifted_by, no_loop, outcome, send_request
from duckbourse.trading.session import SessionConfig, TradingSession, refuse
from duckbourse.trading.session_folder import (
    SessionFolder,
    create,
    folder_of,
    interruption,
    is_traded,
    latest,
    read,
    traded_until,
    trading_now,
    unwatched,
    what_is_open,
)
from tests.support.dbt_server import cpu_seconds
from tests.support.factories import LIMITS, NOW, fill
from tests.support.market import Market, instrument

# of a session; a busy one has about 2,000, which `--long` is not needed to believe
YEAR_EVENTS = 20
FIRST = date(2026, 11, 2)
pytestmark = pytest.mark.some_day


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("BOURSE_DATA_DIR", str(tmp_path))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def publication(day: int, *actions: CorporateAction, close: str | None = "100") -> Publication:
    """Return the publication of a day, counted from 0, in which A closed before at `close`."""
    on = FIRST + timedelta(day)
    opens = datetime(on.year, on.month, on.day, 14, 30, tzinfo=UTC)
    market = Market(
        Path(),
        limits=replace(LIMITS, product=Product.CNC),
        instruments={"A": instrument(prior_close=Decimal(close) if close else None)},
        signals=[],
        opens=opens,
        closes=opens + timedelta(hours=6),
    )
    return replace(market.publication(), session_date=on, actions=actions)


class Charging(PaperBroker):
    """Charges the same for every fill."""

    owed = Decimal(0)

    def _charges_of(self, *known: Any) -> Decimal:
        return self.owed


def traded(
    day: int,
    side: Side,
    quantity: int,
    price: str,
    charges: str = "0",
    strategy: str = "",
) -> SessionFolder:
    """Fill an order in the session that the account is in, here and at the paper broker."""
    folder = latest("test", None)
    at = datetime.combine(folder.session_date, datetime.min.time(), UTC) + timedelta(hours=15)
    journal, recorded = open_journal(folder.path)
    book = rebuild_book(folder.capital_amount, recorded, lambda _: None)
    broker = Charging(folder.path, {"A": Decimal("0.01")}, folder.capital_amount, FillRules())
    broker.owed = Decimal(charges)
    asked = Request(
        order_id=order_id_of("test", folder.session_date, side, str(len(book.orders)), str(day)),
        symbol="A",
        side=side,
        quantity=quantity,
        product=Product.CNC,
        strategy=strategy,
        exits=Exits(stop_price=Decimal(90), target_price=Decimal(130)),
    )
    with clock.driven_by(lambda: at):
        broker_order_id = asyncio.run(broker.place(asked))
        broker._fill(broker._orders[broker_order_id], quantity, Decimal(price), at)
        broker.close()
    key = fill_key_of(
        "paper", at.date(), "paper", broker_order_id, broker._trades[-1].fill.fill_key
    )
    for event in (
        events.OrderIntended(at=at, request=asked),
        events.OrderSent(at=at, order_id=asked.order_id),
        events.FillBooked(
            at=at,
            fill=fill(
                quantity,
                price,
                side,
                fill_key=key,
                order_id=asked.order_id,
                product=Product.CNC,
                filled_at=at,
                charges_amount=Decimal(charges),
            ),
        ),
    ):
        journal.append(event)
    journal.close()
    return folder


def begin(
    day: int, *actions: CorporateAction, close: str | None = "100", fresh: bool = False
) -> Book:
    create(publication(day, *actions, close=close), "paper", "", fresh=fresh)
    return read(latest("test", None))[0]


def at_the_broker() -> tuple[dict[str, int], Decimal]:
    folder = latest("test", None)
    broker = PaperBroker(folder.path, {}, folder.capital_amount, FillRules())
    held = {each.symbol: each.quantity for each in asyncio.run(broker.positions())}
    cash = asyncio.run(broker.funds()).cash_amount
    broker.close()
    return held, cash


def split(day: int, old: int, new: int) -> CorporateAction:
    return CorporateAction(
        symbol="A",
        ex_date=FIRST + timedelta(day),
        action="split",
        old_shares=Decimal(old),
        new_shares=Decimal(new),
    )


def entry_id() -> str:
    return entry(read(latest("test", None))[0]).request.order_id


def entry(book: Book) -> Order:
    (found,) = book.held_entries()
    return found


def test_what_is_held_is_there_next_morning() -> None:
    begin(0)
    traded(0, Side.BUY, 10, "100", charges="3.50")
    book = begin(1, close="104")
    assert book.quantity("A", Product.CNC) == 10
    assert book.cash_amount == Decimal("98996.50")
    assert book.session_start_amount == book.equity_amount({}) == Decimal("100036.50")
    assert book.peak_amount == Decimal("100036.50")
    assert book.held_quantity(entry(book).request.order_id) == 10
    assert at_the_broker() == ({"A": 10}, book.cash_amount)
    # and what closes it closes the entry of the day before
    traded(1, Side.SELL, 10, "104")
    book = begin(2, close="104")
    assert (book.held_entries(), book.open_positions()) == ([], [])
    assert at_the_broker() == ({}, book.cash_amount)


def test_a_session_is_read_out_of_the_archive() -> None:
    begin(0)
    traded(0, Side.BUY, 10, "100")
    before, recorded = read(latest("test", FIRST))
    begin(1)
    traded(1, Side.SELL, 4, "104")
    begin(2)
    book, again = read(latest("test", FIRST))
    assert again == recorded
    assert (book.orders, book.cash_amount) == (before.orders, before.cash_amount)
    book, _ = read(latest("test", FIRST + timedelta(1)))
    assert book.quantity("A", Product.CNC) == 6
    assert session_folder.sessions_of(latest("test", None)) == [
        FIRST + timedelta(day) for day in range(3)
    ]


@pytest.mark.parametrize(
    "wrong", [{"filled_at": datetime(2026, 11, 2, 15)}, {"price": Decimal("snan")}], ids=str
)
def test_an_event_that_cannot_be_applied_bricks_no_command(wrong: dict[str, Any]) -> None:
    """A broker's trade without a zone was journaled: no command could read any account again."""
    begin(0)
    traded(0, Side.BUY, 10, "100")
    bad = replace(fill(5, "100", product=Product.CNC), order_id=entry_id(), **wrong)
    record(events.FillBooked(at=NOW, fill=bad))
    folder = latest("test", None)
    with pytest.raises(JournalCorrupt):
        read(folder)
    found = report()
    assert len(found["unreadable_accounts"]) == 1
    assert "test" in found["unreadable_accounts"][0]
    for name in ("halt", "square-off", "resume"):
        send_request(folder, name, "news")
    assert [each.name for each in listed(folder.path)] == ["halt", "square-off", "resume"]
    assert listed(folder.path)[-1].lifts == ()
    with pytest.raises(JournalCorrupt) as raised:
        begin(1)
    assert "reconcile" in raised.value.remedy
    # and what the remedy says works
    journal, recorded, book = _opened(folder)
    journal.close()
    assert isinstance(recorded[-1], events.JournalSalvaged)
    assert book.quantity("A", Product.CNC) == 10
    assert list(folder.path.glob("damaged-*.sqlite"))
    assert read(folder)[0].quantity("A", Product.CNC) == 10


def test_a_split_and_a_dividend_are_applied_once() -> None:
    begin(0)
    traded(0, Side.BUY, 15, "100")
    dividend = CorporateAction(
        symbol="A",
        ex_date=FIRST + timedelta(1),
        action="dividend",
        dividend_amount=Decimal("1.25"),
    )
    actions = (dividend, split(1, 2, 1))
    book = begin(1, *actions, close="200")
    # seven shares and a half: the half is paid out, and the dividend is per new share
    assert book.quantity("A", Product.CNC) == 7
    assert book.cash_amount == 100_000 - 1_500 + 100 + Decimal("1.25") * 7
    # the dividend is earned in the session whose prices fall by it
    assert book.dividend_amount == book.equity_amount({}) - book.session_start_amount == 8.75
    held = entry(book)
    assert held.request.exits == Exits(stop_price=Decimal(180), target_price=Decimal(260))
    assert held.average_price == 200
    assert book.positions["A", Product.CNC].average_price == 200
    assert at_the_broker() == ({"A": 7}, book.cash_amount)
    for day in (1, 2):
        again = begin(day, *actions, close="200")
        assert again.cash_amount == book.cash_amount
        assert again.quantity("A", Product.CNC) == 7
        assert at_the_broker() == ({"A": 7}, book.cash_amount)


def test_a_split_that_is_delivered_late_is_applied_once() -> None:
    begin(0)
    traded(0, Side.BUY, 10, "100")
    begin(1)
    record(
        events.SessionEnded(
            at=datetime(2026, 11, 3, 21, tzinfo=UTC),
            session_date=FIRST + timedelta(1),
            equity_amount=Decimal(99_500),
            marks={"A": Decimal(50)},
        )
    )
    for day in (2, 3):
        book = begin(day, split(1, 1, 2), close=None)
        assert book.quantity("A", Product.CNC) == 20
        assert entry(book).request.exits == Exits(stop_price=Decimal(45), target_price=Decimal(65))
        assert book.equity_amount({}) == 100_000
        assert at_the_broker() == ({"A": 20}, book.cash_amount)
        said = session_folder.late_actions(latest("test", None), read(latest("test", None))[1])
        assert [line.partition(": ")[0] for line in said] == (
            ["the split of A on 2026-11-03 arrived late and was applied"] * (day == 2)
        )


def test_a_late_split_leaves_what_was_bought_after_it() -> None:
    begin(0)
    begin(1)
    traded(1, Side.BUY, 10, "50")
    book = begin(2, split(1, 1, 2), close="50")
    assert (book.quantity("A", Product.CNC), book.action_ids) == (10, {})


@pytest.mark.parametrize("sold_on", [1, 2])
@pytest.mark.parametrize("bought", [0, 4])
def test_a_late_split_of_what_was_sold_since_is_missed(sold_on: int, bought: int) -> None:
    """Ten were sold at half the price and nobody knew why: the loss was no loss."""
    begin(0)
    traded(0, Side.BUY, 10, "100")
    for day in (1, 2):
        begin(day)
        if day == sold_on:
            traded(day, Side.SELL, 10, "50")
            if bought:
                traded(day, Side.BUY, bought, "50")
    for day in (3, 4):
        book = begin(day, split(1, 1, 2), split(5, 1, 2), close="50")
        # what was bought is in new shares
        assert book.quantity("A", Product.CNC) == bought
        assert list(book.action_ids) == [split(1, 1, 2).action_id]
        assert (book.state, book.state_by) == (TradingState.HALTED, "session")
    assert "arrived after A was traded in new shares, and is not applied" in book.state_reason


def test_a_split_of_what_was_sold_before_it_is_nothing_to_the_account() -> None:
    begin(0)
    traded(0, Side.BUY, 10, "100")
    traded(0, Side.SELL, 10, "100")
    begin(1)
    begin(2)
    book = begin(3, split(1, 1, 2), close="50")
    assert (book.action_ids, book.state_by) == ({}, "")


def test_a_start_reads_no_archive_that_no_late_action_needs() -> None:
    """Each start read the archives of all actions ever: a damaged one ended the account."""

    def damage(day: int) -> Path:
        file = folder_of("test") / "archive" / f"{FIRST + timedelta(day)}.jsonl.gz"
        file.write_bytes(b"damaged")
        return file

    begin(0)
    traded(0, Side.BUY, 10, "100")
    traded(0, Side.SELL, 10, "100")
    begin(1)
    traded(1, Side.BUY, 10, "100")
    begin(2)
    traded(2, Side.SELL, 10, "100")
    for day in (3, 4, 5):
        begin(day)
    for day in range(5):
        damage(day)
    # held at the start of the third session alone, and so over the ex-date of that day
    for day in (0, 1, 3, 4, 5):
        assert begin(6 + day, split(day, 1, 2), close="50").action_ids == {}
    damaged = damage(2)
    with pytest.raises(JournalCorrupt, match=f"{damaged} is damaged.*") as raised:
        begin(12, split(2, 1, 2), close="50")
    assert "restore it from a backup" in raised.value.remedy


def archive_of(day: int) -> Path:
    return folder_of("test") / "archive" / f"{FIRST + timedelta(day)}.jsonl.gz"


def test_no_late_action_is_decided_on_a_history_with_a_gap() -> None:
    """Ten shares were bought after the split, in a session whose file was lost: they doubled."""
    for day in range(3):
        begin(day)
        if day < 2:
            traded(day, Side.BUY, 10, "100" if day == 0 else "50")
    archive_of(1).unlink()
    with pytest.raises(
        JournalCorrupt, match=f"session {FIRST + timedelta(1)} .*is missing"
    ) as raised:
        begin(3, split(1, 1, 2), close="50")
    assert "restore it from a backup" in raised.value.remedy
    assert at_the_broker()[0] == {"A": 20}
    # an action that needs nothing of it, or of another symbol, is no reason to stand still
    assert begin(3, split(3, 1, 2), close="50").quantity("A", Product.CNC) == 40


def test_a_session_is_not_traded_again_from_a_state_that_is_not_known() -> None:
    """--fresh of a lost session began with what that session had bought."""
    for day in range(3):
        begin(day)
        traded(day, Side.BUY, 10, "100")
    archive_of(1).unlink()
    with pytest.raises(JournalCorrupt, match="is missing"):
        begin(1, fresh=True)
    assert begin(2, fresh=True).quantity("A", Product.CNC) == 20


@pytest.mark.parametrize("how", ["missing", "damaged", "another"])
def test_what_the_archive_lacks_is_named(
    how: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`account show` said "after 2 sessions" of three, and nobody that one was lost."""
    for day in range(3):
        begin(day)
    folder = latest("test", None)
    assert session_folder.faults_of_history(folder) == []
    move_cash(folder, CashKind.DEPOSIT, Decimal(100), "one")
    begin(3)
    file = archive_of(1)
    if how == "missing":
        file.unlink()
    elif how == "damaged":
        file.write_bytes(b"damaged")
    else:
        file.write_bytes(archive_of(0).read_bytes())
    [fault] = session_folder.faults_of_history(folder)
    assert str(FIRST + timedelta(1)) in fault
    assert "restore it from a backup" in fault
    for command in (show, pnl):
        command(account="test")
        assert "restore it" in "".join(capsys.readouterr())
    # what was booked before is not booked again, whatever of the past can be read
    archive_of(2).write_bytes(b"damaged")
    assert move_cash(folder, CashKind.DEPOSIT, Decimal(100), "one")[1] is False


def test_what_was_discarded_is_no_gap() -> None:
    for day in range(3):
        begin(day)
    begin(1, fresh=True)
    begin(2)
    assert session_folder.faults_of_history(latest("test", None)) == []


def test_the_sessions_that_a_symbol_was_held_over_are_kept_in_runs() -> None:
    held = (1, 2, 4)
    for day in range(6):
        book = begin(day)
        if (day + 1 in held) != (day in held):
            traded(day, Side.BUY if day + 1 in held else Side.SELL, 10, "100")
    runs = [(FIRST + timedelta(first), FIRST + timedelta(last)) for first, last in ((1, 2), (4, 4))]
    assert book.overnight == {"A": tuple(runs)}
    sessions = [FIRST + timedelta(day) for day in range(6)]
    assert [book.was_held("A", day) for day in sessions] == [day in held for day in range(6)]


@pytest.mark.parametrize(
    ("action", "broker", "said"),
    [
        (
            split(1, 1, 2),
            "paper",
            "the split of A on 2026-11-03 arrived after A was traded in new shares, and is not"
            " applied: `./bourse trade --account test --fresh --date 2026-11-03` trades from there"
            " again",
        ),
        (
            split(1, 1, 2),
            "zerodha",
            "the split of A on 2026-11-03 arrived after A was traded in new shares, and is not"
            " applied: compare the holdings with the broker's by `./bourse account show --account"
            " test`, then `./bourse resume --account test`",
        ),
        (
            CorporateAction(
                symbol="A",
                ex_date=FIRST + timedelta(1),
                action="dividend",
                dividend_amount=Decimal(1),
            ),
            "zerodha",
            "the dividend of A on 2026-11-03 arrived after A was traded ex dividend, and is not"
            " booked: compare the cash with the broker's by `./bourse account show --account"
            " test`, then `./bourse resume --account test`",
        ),
    ],
)
def test_the_remedy_of_a_missed_action_is_that_of_its_account_and_broker(
    action: CorporateAction, broker: str, said: str
) -> None:
    begin(0)
    traded(0, Side.BUY, 10, "100")
    begin(1)
    traded(1, Side.SELL, 4, "50")
    begin(2, action, close="50")
    folder, recorded = latest("test", None), read(latest("test", None))[1]
    assert session_folder.late_actions(replace(folder, broker=broker), recorded) == [said]


def test_a_late_split_of_what_was_traded_since_halts_the_account() -> None:
    begin(0)
    traded(0, Side.BUY, 10, "100")
    begin(1)
    traded(1, Side.SELL, 4, "50")
    at = datetime(2026, 11, 4, 14, tzinfo=UTC)
    for day in (2, 3):
        book = begin(day, split(1, 1, 2), close="50")
        assert book.quantity("A", Product.CNC) == 6
        assert (book.state is TradingState.HALTED) == (day == 2)
        if day == 2:
            assert "`./bourse trade --account test --fresh --date 2026-11-03`" in book.state_reason
            record(events.TradingStateChanged(at=at, state=TradingState.ACTIVE, reason="", by="me"))
    # and from there again, it is applied in its order
    assert begin(1, split(1, 1, 2), close="50", fresh=True).quantity("A", Product.CNC) == 20


@pytest.mark.parametrize("before", [None, *TradingState])
def test_a_missed_action_halts_beside_what_halted_before_and_people_are_notified(
    before: TradingState | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its halt took the place of the reason before, and no message was sent."""
    begin(0)
    traded(0, Side.BUY, 10, "100")
    begin(1)
    traded(1, Side.SELL, 4, "50")
    if before is not None:
        at = datetime(2026, 11, 3, 16, tzinfo=UTC)
        record(events.TradingStateChanged(at=at, state=before, reason="first", by="me"))
    book = begin(2, split(1, 1, 2), close="50")
    missed = "the split of A on 2026-11-03 arrived after A was traded in new shares"
    assert book.state is TradingState.HALTED
    stands = before not in (None, TradingState.ACTIVE)
    assert book.state_reason.startswith(f"first; {missed}" if stands else missed)
    sent: list[str] = []
    monkeypatch.setattr(Notifier, "send", lambda _, text, *__, **___: sent.append(text))
    market = Market(latest("test", None).path)
    for _ in range(2):  # and once, however often it is started
        config = SessionConfig(
            publication=publication(2, split(1, 1, 2), close="50"),
            folder=market.folder,
            feed=market.feed([]),
        )
        with TradingSession.open(config) as session:
            asyncio.run(session.trader.start())
    assert [text for text in sent if missed in text] == [
        f"halted: {book.state_reason} (by session)"
    ]


def test_a_split_restates_both_sides_of_what_the_account_does_not_hold() -> None:
    begin(0)
    traded(0, Side.BUY, 10, "100", strategy="long")
    traded(0, Side.SELL, 10, "100", strategy="short")
    book = begin(1, split(1, 1, 2), close="50")
    restated = Exits(stop_price=Decimal(45), target_price=Decimal(65))
    assert [held.request.exits for held in book.held_entries()] == [restated, restated]
    assert [book.held_quantity(held.request.order_id) for held in book.held_entries()] == [20, 20]
    traded(1, Side.BUY, 6, "50", strategy="long")
    book = begin(2, split(2, 2, 1), close="100")
    held = {name: shares.quantity for name, shares in book.strategy_positions()}
    assert held == {"long": 13, "short": -10}
    assert book.quantity("A", Product.CNC) == 3


def test_a_drawdown_and_losses_go_on_and_the_day_begins_again() -> None:
    begin(0)
    traded(0, Side.BUY, 100, "100")
    traded(0, Side.SELL, 100, "90")
    book = begin(1)
    assert [book.peak_amount, book.session_start_amount] == [100_000, 99_000]
    assert (book.consecutive_losses, book.entry_count) == (1, 0)
    traded(1, Side.BUY, 100, "100")
    traded(1, Side.SELL, 100, "90")
    book = begin(2)
    assert [book.peak_amount, book.session_start_amount] == [100_000, 98_000]
    assert book.consecutive_losses == 2


def record(*recorded: events.Event) -> None:
    journal, _ = open_journal(latest("test", None).path)
    for event in recorded:
        journal.append(event)
    journal.close()


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.REDUCING])
def test_a_halt_stands_until_a_person_lifts_it(state: TradingState) -> None:
    begin(0)
    at = datetime(2026, 11, 2, 15, tzinfo=UTC)
    record(events.TradingStateChanged(at=at, state=state, reason="news", by="me"))
    for day in (1, 2):
        book = begin(day)
        assert (book.state, book.state_reason) == (state, "news")


def test_a_square_off_ends_with_its_session() -> None:
    begin(0)
    at = datetime(2026, 11, 2, 15, tzinfo=UTC)
    record(
        events.TradingStateChanged(at=at, state=TradingState.REDUCING, reason="out", by="me"),
        events.FlattenRequested(at=at, reason=Reason.BY_HAND),
    )
    assert begin(0).state is TradingState.REDUCING
    book = begin(1)
    assert (book.state, book.flatten_reason) == (TradingState.ACTIVE, None)
    assert book.state_reason == "the square-off of 2026-11-02 ended with its session"


def test_what_a_strategy_holds_overnight_is_among_its_positions() -> None:
    begin(0)
    traded(0, Side.BUY, 10, "100", charges="3")
    (_, held), *others = begin(1, split(1, 1, 2), close="50").strategy_positions()
    assert not others
    assert (held.quantity, held.average_price, held.charges_amount) == (20, Decimal(50), Decimal(0))
    traded(1, Side.SELL, 20, "55")
    book = read(latest("test", None))[0]
    (_, held), *others = book.strategy_positions()
    assert not others
    assert (held.quantity, held.realized_amount) == (0, Decimal(100))
    assert [each.realized_amount for each in book.positions.values()] == [100]
    assert begin(2, close="55").strategy_positions() == []


def test_a_session_that_only_began_was_not_traded() -> None:
    begin(0)
    at = datetime(2026, 11, 2, 15, tzinfo=UTC)
    record(
        events.TradingStateChanged(at=at, state=TradingState.REDUCING, reason="out", by="me"),
        events.FlattenRequested(at=at, reason=Reason.BY_HAND),
    )
    create(publication(1), "paper", "--scanner crp")
    assert traded_until(read(latest("test", None))[1]) is None
    create(publication(1), "paper", "")  # other options are no other session


def test_cash_is_not_booked_while_a_loop_trades() -> None:
    begin(0)
    folder = latest("test", None)
    with (
        lock_folder(folder.path),
        pytest.raises(JournalBusy, match="no cash is booked meanwhile"),
    ):
        move_cash(folder, CashKind.DEPOSIT, Decimal(1), "one")


@pytest.mark.parametrize(
    ("product", "ends", "is_named"),
    [
        (Product.MIS, True, True),
        (Product.MIS, False, True),
        (Product.CNC, True, False),
        (Product.CNC, False, True),
    ],
)
def test_what_is_open_without_a_loop_is_named(product: Product, ends: bool, is_named: bool) -> None:
    """Nothing named the accounts whose loop had died, with positions open."""
    begin(0)
    folder = latest("test", None)
    journal, _ = open_journal(folder.path)
    journal.append(events.FillBooked(at=clock.now(), fill=fill(1, "100", product=product)))
    if ends:
        journal.append(
            events.SessionEnded(
                at=clock.now(), session_date=folder.session_date, equity_amount=Decimal(1)
            )
        )
    assert unwatched() == ([], [])  # a loop trades it
    journal.close()
    assert left() == ([("test", "positions open: A +1")] if is_named else [])


def left() -> list[tuple[str, str]]:
    return [(each.account, what_is_open(book)) for each, book in unwatched()[0]]


def at_work(journal: Journal, side: Side, strategy: str, quantity: int = 0) -> None:
    """Record an entry for 10 shares at the broker, of which some are filled."""
    request = Request(
        order_id=strategy,
        symbol="A",
        side=side,
        quantity=10,
        product=Product.MIS,
        correlation_id=strategy,
        strategy=strategy,
        limit_price=Decimal(100),
    )
    journal.append(events.OrderIntended(at=clock.now(), request=request))
    journal.append(events.OrderSent(at=clock.now(), order_id=strategy))
    acked = events.OrderUpdated(
        at=clock.now(), order_id=strategy, state=State.ACKED, broker_order_id=strategy
    )
    journal.append(acked)
    if quantity:
        filled = fill(quantity, "100", product=Product.MIS)
        filled = replace(filled, order_id=strategy, fill_key=strategy, side=side)
        journal.append(events.FillBooked(at=clock.now(), fill=filled))


def test_orders_at_work_without_a_loop_are_named() -> None:
    """They may fill at any moment, and doctor said that nothing was held."""
    begin(0)
    journal, _ = open_journal(latest("test", None).path)
    at_work(journal, Side.BUY, "one")
    journal.close()
    assert left() == [("test", "orders at work: A +10")]


def test_strategies_that_offset_each_other_without_a_loop_are_named() -> None:
    """The account held nothing, and each of them had something to close."""
    begin(0)
    journal, _ = open_journal(latest("test", None).path)
    at_work(journal, Side.BUY, "one", 10)
    at_work(journal, Side.SELL, "two", 10)
    journal.close()
    held = "held by strategies that offset each other: A +10 of one, A -10 of two"
    assert left() == [("test", held)]


def test_what_an_interrupted_session_left_is_named_with_the_command_that_goes_on(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`order` named a command that began another session, with these positions carried over."""
    begin(0)
    folder = latest("test", None)
    described = replace(folder, options="--scanner crp --seed 2")
    (folder.path / "session.json").write_bytes(msgspec.json.encode(described))
    journal, _ = open_journal(folder.path)
    at_work(journal, Side.BUY, "one", 10)
    journal.close()
    command = f"`./bourse trade --account test --date {folder.session_date} --scanner crp --seed 2`"
    said = f"no loop watches what is left, positions open: A +10: {command} continues it"
    assert said in report()["unwatched"][0]["interruption"]
    positions("test")
    assert said in " ".join(capsys.readouterr().err.split())
    path = send_request(folder, "halt", "news")
    assert said in outcome("halt", described, path, None, 0)["message"]
    assert no_loop("test").remedy == f"{command} goes on with {folder.session_date}"
    journal, _ = open_journal(folder.path)
    assert interruption(described, *read(described)) == ""  # a loop trades it
    journal.append(
        events.SessionEnded(
            at=clock.now(), session_date=folder.session_date, equity_amount=Decimal(1)
        )
    )
    journal.close()
    assert interruption(described, *read(described)) == ""
    assert no_loop("test").remedy == "`./bourse trade --account test` starts one"


@pytest.mark.parametrize("is_journal", [False, True])
def test_an_account_that_cannot_be_read_hides_no_other(is_journal: bool) -> None:
    """One damaged journal stopped `status`, and doctor named no other account."""
    begin(0)
    folder = latest("test", None)
    journal, _ = open_journal(folder.path)
    at_work(journal, Side.BUY, "one")
    journal.close()
    damaged = folder_of("another")
    shutil.copytree(folder.path, damaged)
    described = msgspec.json.encode(replace(folder, account="another"))
    (damaged / "session.json").write_bytes(described if is_journal else b"{")
    with contextlib.closing(sqlite3.connect(damaged / "journal.sqlite")) as connection, connection:
        connection.execute("update events set body='{' where row=1")
    found = report()
    assert [each["account"] for each in found["unwatched"]] == ["test"]
    [problem] = found["unreadable_accounts"]
    assert "another" in problem
    finding = _accounts()
    assert (finding.level, problem in finding.found) == ("fail", True)
    assert "test on " in finding.found and "orders at work: A +10" in finding.found


def test_no_deletion_of_a_file_lets_a_second_process_trade() -> None:
    """The lock was a file in the folder, and `rm journal.lock` opened it."""
    path = folder_of("test")
    with lock_folder(path):
        assert holder(path) == str(os.getpid())
        for file in path.iterdir():
            file.unlink()
        with pytest.raises(JournalBusy):
            lock_folder(path)
    assert holder(path) is None
    lock_folder(path).close()


def test_nobody_begins_another_session_between_a_beginning_and_its_trading() -> None:
    """Two loops began sessions of two days at once; the first traded its day in the other's."""
    known = publication(0)
    with lock_folder(folder_of("test")) as lock:
        folder, _ = create(known, "paper", "", lock=lock)
        with pytest.raises(JournalBusy):
            create(publication(1), "paper", "")
        feed = Market(folder.path).feed([])
        config = SessionConfig(publication=known, folder=folder.path, feed=feed, lock=lock)
        with TradingSession.open(config), pytest.raises(JournalBusy):
            create(publication(1), "paper", "")
    create(publication(1), "paper", "")


def test_a_fresh_session_knows_no_prices_of_the_one_that_it_discards() -> None:
    begin(0)
    folder = latest("test", None)
    last_prices.write(folder.path, folder.session_date, ["A"], {"A": (Decimal(104), clock.now())})
    assert last_prices.read(folder.path, folder.session_date)
    begin(0, fresh=True)
    assert last_prices.read(folder.path, folder.session_date) == {}


def test_a_fresh_session_goes_back_to_the_account_before_it() -> None:
    begin(0)
    traded(0, Side.BUY, 10, "100")
    begin(1)
    traded(1, Side.SELL, 4, "104")
    begin(2)
    with pytest.raises(ConfigurationError, match="has traded 2026-11-04, which is after"):
        begin(1)
    book = begin(1, fresh=True)
    assert book.quantity("A", Product.CNC) == 10
    assert at_the_broker() == ({"A": 10}, book.cash_amount)
    path = latest("test", None).path
    kept = sorted(file.name for file in path.glob("archive/discarded-*/2026-11-??.jsonl.gz"))
    assert kept == ["2026-11-03.jsonl.gz", "2026-11-04.jsonl.gz"]
    assert session_folder.sessions_of(latest("test", None)) == [FIRST, FIRST + timedelta(1)]


@pytest.mark.parametrize("day", [1, 3])
def test_sessions_of_an_account_follow_each_other_wherever_fresh_was_killed(
    day: int, tmp_path: Path
) -> None:
    for writes in range(16):
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("BOURSE_DATA_DIR", str(tmp_path / str(writes)))
            settings.cache_clear()
            for before in range(4):
                begin(before)
                at = datetime(2026, 11, 2 + before, 15, tzinfo=UTC)
                record(PriceSilent(at=at, symbol=str(before), seconds=60))
            killed_while_beginning(day, [], writes, fresh=True)
            begin(5)
            folder = latest("test", None)
            *_, last = sessions = session_folder.sessions_of(folder)
            assert last == FIRST + timedelta(5)
            assert FIRST + timedelta(day) in sessions
            begun_after = []
            for on in sessions:
                opening = read(latest("test", on))[1][0]
                assert isinstance(opening, events.AccountCarried)
                begun_after.append(opening.carried.session_date)
            assert begun_after == [None, *sessions[:-1]]
            archives = folder.path.glob("archive/**/????-??-??.jsonl.gz")
            kept = [read_archive(path) for path in archives]
            recorded = {each.symbol for of in kept for each in of if isinstance(each, PriceSilent)}
            assert recorded == set("0123")
    settings.cache_clear()


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("again", [3, 5])
def test_the_broker_holds_what_the_account_does_wherever_a_start_was_killed(
    fresh: bool, again: int, tmp_path: Path
) -> None:
    """The paper broker began first, and a later session took it as it was then."""
    actions = [split(4, 1, 2)]
    ends = set()
    for writes in range(16):
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("BOURSE_DATA_DIR", str(tmp_path / str(writes)))
            settings.cache_clear()
            for day, quantity in enumerate((10, 7, 5, 3)):
                begin(day)
                traded(day, Side.BUY, quantity, "100")
                moved(CashKind.DEPOSIT, "500", str(day))
            killed_while_beginning(2 if fresh else 4, actions, writes, fresh=fresh)
            with contextlib.suppress(ConfigurationError):  # the later session began
                begin(again, *actions)
            path = latest("test", None).path
            book = rebuild_book(Decimal(100_000), read_journal(path), lambda _: None)
            assert at_the_broker() == ({"A": book.quantity("A", Product.CNC)}, book.cash_amount)
            ends.add(book.quantity("A", Product.CNC))
    settings.cache_clear()
    doubled = 1 if again == 3 else 2
    # as it was before, or from where it began again; and what began on day 4 is not begun on day 3
    assert ends == ({25 * doubled, 17 * doubled} if fresh else {25 * doubled, 50})


def test_what_fresh_discards_is_no_longer_exported(data: Path) -> None:
    def export() -> None:
        session = latest("test", None)
        export_fills(session, read(session)[1])

    for day in range(3):
        begin(day)
        traded(day, Side.BUY, 10, "100")
        moved(CashKind.DEPOSIT, "500", str(day))
        export()
    other = data / "raw/fills/test-b-2026-11-04.parquet"
    other.touch()
    begin(1, fresh=True)
    left = sorted(path.name for path in data.glob("raw/*/*.parquet"))
    assert left == ["test-2026-11-02.parquet", "test-2026-11-02.parquet", other.name]
    export()
    with duckdb.connect() as connection:
        query = f"select sum(amount) from '{data}/raw/cash/*.parquet'"
        assert connection.execute(query).fetchall() == [(Decimal(1500),)]


def test_an_account_with_a_history_never_begins_from_nothing() -> None:
    begin(0)
    traded(0, Side.BUY, 10, "100")
    path = latest("test", None).path
    for file in path.glob("journal.sqlite*"):
        file.unlink()
    with pytest.raises(JournalCorrupt, match="written and are missing"):
        begin(1)
    (path / HEAD).unlink()
    for fresh in (False, True):
        with pytest.raises(JournalCorrupt, match="has traded before, and its journal"):
            begin(1, fresh=fresh)


def test_only_the_owner_may_read_an_account() -> None:
    begin(0)
    traded(0, Side.BUY, 10, "100")
    begin(1)
    journal, _ = open_journal(latest("test", None).path)
    path = latest("test", None).path
    try:
        for each in (path, *path.rglob("*")):
            assert each.stat().st_mode & 0o077 == 0, each
    finally:
        journal.close()


@pytest.mark.parametrize("name", ["*", "", "../x", "a/b", "..", "."])
def test_a_name_is_a_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match="is not the name of an account"):
        latest(name, None)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"account":"../../x"}'])
def test_a_bad_description_of_a_session_is_one_line(content: bytes) -> None:
    begin(0)
    (latest("test", None).path / "session.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match="does not describe a session"):
        latest("test", None)


def moved(kind: CashKind, amount: str, cash_id: str) -> bool:
    return move_cash(latest("test", None), kind, Decimal(amount), cash_id)[1]


def test_cash_is_moved_once_and_the_drawdown_stays() -> None:
    begin(0)
    traded(0, Side.BUY, 100, "100")
    traded(0, Side.SELL, 100, "90")
    begin(1)
    for is_new in (True, False):
        assert moved(CashKind.DEPOSIT, "101000", "one") is is_new
    book, _ = read(latest("test", None))
    assert [book.capital_amount, book.cash_amount] == [201_000, 200_000]
    assert round(1 - book.equity_amount({}) / book.peak_amount, 20) == Decimal("0.01")
    # what was deposited is no gain of the day
    assert book.session_start_amount == book.equity_amount({})
    assert moved(CashKind.INTEREST, "12.50", "two")
    with pytest.raises(ConfigurationError, match=r"200,012\.51 cannot be withdrawn: 200,012\.50"):
        moved(CashKind.WITHDRAWAL, "-200012.51", "three")
    with pytest.raises(ConfigurationError, match=r"the id one is that of a deposit of 101,000\.00"):
        moved(CashKind.DEPOSIT, "5", "one")
    assert moved(CashKind.WITHDRAWAL, "-50000", "three")
    for day, again in ((1, False), (2, False), (2, True)):
        book = begin(day, fresh=again)
        assert [book.capital_amount, book.cash_amount] == [151_000, Decimal("150012.50")]
        assert at_the_broker() == ({}, book.cash_amount)
        assert not moved(CashKind.DEPOSIT, "101000", "one")
        with pytest.raises(ConfigurationError, match="the id three is that of a withdrawal of"):
            moved(CashKind.DEPOSIT, "50000", "three")


def test_a_deposit_keeps_the_drawdown_of_a_session_that_was_interrupted() -> None:
    begin(0)
    folder = traded(0, Side.BUY, 100, "100")
    prices = {"A": (Decimal(90), clock.now())}
    last_prices.write(folder.path, folder.session_date, ["A"], prices)
    moved(CashKind.DEPOSIT, "5000", "one")
    book, _ = read(folder)
    assert round(1 - book.equity_amount(prices) / book.peak_amount, 20) == Decimal("0.01")


@pytest.mark.parametrize(
    ("kind", "amount", "said"),
    [
        (CashKind.INTEREST, "-3.21", "interest of -3.21"),
        (CashKind.INTEREST, "3.21", "interest of 3.21"),
        (CashKind.WITHDRAWAL, "-2500", "withdrawal of 2,500.00"),
    ],
)
def test_interest_that_is_owed_has_its_sign(kind: CashKind, amount: str, said: str) -> None:
    begin(0)
    assert in_words(move_cash(latest("test", None), kind, Decimal(amount), "one")[0]) == said


def test_profits_dividends_and_interest_add_up_to_cash(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever was held overnight, and also where a session was interrupted."""
    begin(0)
    traded(0, Side.BUY, 10, "100", charges="0.35")
    moved(CashKind.INTEREST, "-3.21", "one")
    actions = [
        CorporateAction(
            symbol="A",
            ex_date=FIRST + timedelta(1),
            action="dividend",
            dividend_amount=Decimal("1.25"),
        )
    ]
    begin(1, *actions)
    traded(1, Side.SELL, 4, "104", charges="0.20")
    moved(CashKind.DIVIDEND, "7", "two")
    moved(CashKind.DEPOSIT, "500", "three")
    begin(2, *actions)
    traded(2, Side.SELL, 6, "99", charges="0.15")
    total, dividends = Decimal(0), []
    for day in range(3):
        capsys.readouterr()
        pnl("test", datetime.combine(FIRST + timedelta(day), datetime.min.time()), json=True)
        (row,) = json.loads(capsys.readouterr().out)
        names = ("net_realized_amount", "dividend_amount", "interest_amount")
        total += sum(Decimal(str(row[name])) for name in names)
        amounts = ("cash_amount", "held_at_cost_amount", "capital_amount")
        cash, cost, capital = (Decimal(str(row[name])) for name in amounts)
        assert cash + cost == capital + total
        dividends.append(row["dividend_amount"])
    assert dividends == [0, 19.5, 0]


def what_it_has(book: Book) -> tuple[object, ...]:
    held = [(each.symbol, each.quantity, each.cost_amount) for each in book.open_positions()]
    entries = [(each.request.order_id, each.request.exits) for each in book.held_entries()]
    return (book.cash_amount, held, entries, book.session_start_amount, book.session_date)


@pytest.mark.parametrize(
    ("day", "fresh", "is_locked", "said"),
    [
        # the next session, with what is held overnight, after a split
        (2, False, False, ""),
        (2, False, True, "test is trading 2026-11-03: this begins with what the account has now"),
        # the last one, which was interrupted
        (1, False, False, "test was interrupted on 2026-11-03: this goes on from there"),
        (1, True, False, "test has traded 2026-11-03: this begins with what the account had before"
         " 2026-11-03"),
        (1, False, True, "test is trading 2026-11-03: this begins with what the account had before"
         " 2026-11-03"),
        (0, False, False, "test has traded 2026-11-03: this begins with what the account had before"
         " 2026-11-02"),
    ],
)  # fmt: skip
def test_a_dry_run_begins_with_the_account(
    data: Path, day: int, fresh: bool, is_locked: bool, said: str
) -> None:
    """It began with the capital and nothing held, and bought what was held overnight again."""
    begin(0)
    traded(0, Side.BUY, 10, "100")
    begin(1)
    moved(CashKind.DEPOSIT, "500", "one")
    folder = traded(1, Side.BUY, 4, "104")
    of_day = publication(day, split(2, 1, 2), close="52")
    files = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    with lock_folder(folder.path) if is_locked else contextlib.nullcontext():
        book, until, note = session_folder.preview(of_day, "paper", fresh=fresh)
    assert note == said
    assert (until is not None) == (day == 1 and not fresh and not is_locked)
    assert files == {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    is_again = day < 2 and until is None
    create(of_day, "paper", "", fresh=is_again)
    assert what_it_has(book) == what_it_has(read(latest("test", None))[0])


def test_a_dry_run_of_an_account_that_never_traded_writes_nothing(data: Path) -> None:
    book, until, note = session_folder.preview(publication(0), "paper")
    assert book.cash_amount == 100_000
    assert (book.session_date, until, note) == (FIRST, None, "")
    assert not list(data.iterdir())


@pytest.mark.parametrize(("product", "is_said"), [(Product.MIS, True), (Product.CNC, False)])
def test_what_an_interrupted_session_left_intraday_is_said(product: Product, is_said: bool) -> None:
    """It was closed at the next morning's prices, without a word."""
    begin(0)
    at = datetime(2026, 11, 2, 15, tzinfo=UTC)
    booked = fill(10, "100", Side.BUY, order_id="X", product=product, filled_at=at)
    record(events.FillBooked(at=at, fill=booked))
    for day in (0, 1):
        folder, before = create(publication(day), "paper", "")
        said = session_folder.left_open(folder, before)
        assert said == (
            "2026-11-02 was not traded to the close of what is intraday, and test still has A +10:"
            " the exits and the square-off of 2026-11-03 close it; `./bourse trade --account test"
            " --date 2026-11-02 --fresh` trades 2026-11-02 again instead"
        ) * (is_said and day == 1)


@pytest.mark.parametrize(
    ("broker", "port", "token", "said"),
    [
        (open_paper, None, "", ""),
        (open_paper, 0, "", "metrics need a bearer token"),
        (open_paper, 0, "token", ""),
        (lambda _: TemplateBroker(cast("Transport", None)), None, "", "is not simulated"),
    ],
)
def test_what_a_session_refuses_is_refused_before_it_begins(
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    broker: Any,
    port: int | None,
    token: str,
    said: str,
) -> None:
    """It was begun, and its account was in a session that nobody traded."""
    monkeypatch.setenv("BOURSE_METRICS_TOKEN", token)
    settings.cache_clear()
    setup = BrokerSetup("test", data, Decimal(100_000))
    feed = Market(data).feed([])
    raised = pytest.raises(ConfigurationError, match=said) if said else contextlib.nullcontext()
    with raised:
        refuse(broker, setup, feed, port)
    config = SessionConfig(
        publication=publication(0), folder=data, feed=feed, broker=broker, metrics_port=port
    )
    raised = pytest.raises(ConfigurationError, match=said) if said else contextlib.nullcontext()
    with raised, TradingSession.open(config):
        pass


def test_equity_at_cost_is_said_and_so_is_each_file_of_an_export(
    capsys: pytest.CaptureFixture[str],
) -> None:
    begin(0, close=None)
    traded(0, Side.BUY, 10, "100")
    pnl("test")
    assert "without a last price, and so valued at cost: A" in capsys.readouterr().err
    for cash_id in ("", "one"):
        if cash_id:
            moved(CashKind.DEPOSIT, "500", cash_id)
        journal(What.export, "test")
        said = capsys.readouterr().out.replace("\n", "")
        assert ("cash movements of test on 2026-11-02: " in said) is bool(cash_id)


@pytest.mark.parametrize("how", ["fresh", "restored"])
def test_a_resume_lifts_no_halt_of_another_history(how: str, data: Path) -> None:
    """Halts were numbered: one that nobody saw had the number of one that was discarded."""

    def open_session() -> contextlib.AbstractContextManager[TradingSession]:
        folder = latest("test", None).path
        config = SessionConfig(
            publication=publication(0), folder=folder, feed=Market(folder).feed([])
        )
        return TradingSession.open(config)

    begin(0)
    with open_session() as session:
        session.trader.manager.set_state(TradingState.HALTED, "seen before", "test")
    shutil.copytree(folder_of("test"), data / "backup")
    with open_session() as session:
        for number in range(3):
            session.trader.manager.set_state(TradingState.HALTED, f"halt {number}", "test")
    send_request(latest("test", None), "resume", "all is well")
    [resume] = listed(folder_of("test"))
    if how == "fresh":
        begin(0, fresh=True)
    else:
        shutil.rmtree(folder_of("test"))
        (data / "backup").rename(folder_of("test"))
    with open_session() as session:
        trader = session.trader
        if how == "restored":  # what its sender saw is the same halt
            assert trader._handle_command(resume).is_obeyed
        trader.manager.set_state(TradingState.HALTED, "halt 0", "test")
        answer = trader._handle_command(resume)
    assert not answer.is_obeyed
    assert (
        answer.message == "halted: halt 0 (by test) came after it was sent; ask again to lift that"
    )


def test_the_peak_is_never_below_equity(capsys: pytest.CaptureFixture[str]) -> None:
    begin(0)
    folder = traded(0, Side.BUY, 10, "100")
    last_prices.write(folder.path, folder.session_date, ["A"], {"A": (Decimal(104), clock.now())})
    show("test", json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["equity_amount"], shown["peak_amount"], shown["drawdown"]) == (100040, 100040, 0)


def open_costly(setup: BrokerSetup) -> Broker:
    return open_paper(setup, FillRules(slippage_bps=Decimal(9)))


def open_elsewhere(setup: BrokerSetup) -> Broker:
    return TemplateBroker(cast("Transport", None))


@pytest.mark.parametrize("name", ["open_costly", "open_elsewhere"])
def test_paper_is_kept_for_whom_it_trades(name: str) -> None:
    for day in range(2):
        create(publication(day), f"{__name__}:{name}", "")
        moved(CashKind.DEPOSIT, "500", str(day))
    folder = latest("test", None)
    assert read(folder)[0].cash_amount == 101_000
    assert (folder.path / "paper.jsonl").exists() == (name == "open_costly")
    if name == "open_costly":
        assert at_the_broker()[1] == 101_000


def test_a_fresh_session_keeps_the_cash_that_was_moved_in_it() -> None:
    begin(0)
    traded(0, Side.BUY, 10, "100")
    moved(CashKind.DEPOSIT, "500", "one")
    begin(1)
    moved(CashKind.DEPOSIT, "700", "two")
    book = begin(0, fresh=True)
    assert [book.capital_amount, book.cash_amount] == [101_200, 101_200]
    assert at_the_broker() == ({}, book.cash_amount)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("buy"), st.integers(1, 40), st.integers(80, 120)),
        st.tuples(st.just("sell"), st.integers(1, 40), st.integers(80, 120)),
        st.tuples(st.just("deposit"), st.integers(1, 9_000), st.just(0)),
        st.tuples(st.just("withdraw"), st.integers(1, 9_000), st.just(0)),
        st.tuples(st.just("split"), st.integers(1, 3), st.integers(1, 3)),
        st.tuples(st.just("dividend"), st.integers(1, 300), st.just(0)),
        st.tuples(st.just("next"), st.just(0), st.just(0)),
        # the process is killed after so many writes of the next session's start
        st.tuples(st.just("killed"), st.integers(0, 12), st.just(0)),
    ),
    max_size=12,
)


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.some_day
@hypothesis.settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_any_sequence_of_sessions_equals_a_ledger(steps: list[tuple[str, int, int]]) -> None:
    """Cash and shares are those of a simple ledger and of the broker, whatever is killed where."""
    name = tempfile.mkdtemp()
    os.environ["BOURSE_DATA_DIR"] = name
    settings.cache_clear()
    try:
        play_sessions(steps)
    finally:
        shutil.rmtree(name)


def play_sessions(steps: list[tuple[str, int, int]]) -> None:
    cash, shares, day = Decimal(100_000), 0, 0
    actions: list[CorporateAction] = []
    begin(0)
    for number, (what, one, other) in enumerate([*steps, ("next", 0, 0)]):
        if what == "buy":
            traded(number, Side.BUY, one, str(other), charges="1.01")
            cash, shares = cash - one * other - Decimal("1.01"), shares + one
        elif what == "sell" and shares:
            sold = min(one, shares)
            traded(number, Side.SELL, sold, str(other), charges="0.37")
            cash, shares = cash + sold * other - Decimal("0.37"), shares - sold
        elif what == "deposit":
            moved(CashKind.DEPOSIT, str(one), str(number))
            cash += one
        elif what == "withdraw" and one <= cash:
            moved(CashKind.WITHDRAWAL, str(-one), str(number))
            cash -= one
        elif what in ("split", "dividend", "next", "killed"):
            day += 1
            if what == "split":
                actions.append(split(day, one, other))
                exact = Fraction(shares * other, one)
                shares = int(exact)
                part = exact - shares
                price = Fraction(100)
                cash += (Decimal((part * price).numerator) / (part * price).denominator).quantize(
                    Decimal("0.01")
                )
            elif what == "dividend":
                paid = Decimal(one) / 100
                on = FIRST + timedelta(day)
                actions.append(
                    CorporateAction(symbol="A", ex_date=on, action="dividend", dividend_amount=paid)
                )
                cash += shares * paid
            if what == "killed":
                killed_while_beginning(day, actions, one)
            begin(day, *actions)
            begin(day, *actions)
        book, _ = read(latest("test", None))
        assert (book.cash_amount, book.quantity("A", Product.CNC)) == (cash, shares)
        assert sum(book.held_quantity(held.request.order_id) for held in book.held_entries()) == (
            shares
        )
    held, funds = at_the_broker()
    assert (held.get("A", 0), funds) == (shares, cash)


def killed_while_beginning(
    day: int, actions: list[CorporateAction], writes: int, *, fresh: bool = False
) -> None:
    count = itertools.count()

    def killable(write: Callable[..., Any]) -> Callable[..., Any]:
        def written(*asked: Any) -> Any:
            if next(count) == writes:
                raise Killed
            return write(*asked)

        return written

    with pytest.MonkeyPatch.context() as patched, contextlib.suppress(Killed):
        patched.setattr(disk, "flush", killable(flush))
        patched.setattr(Path, "rename", killable(Path.rename))
        begin(day, *actions, fresh=fresh)


def test_a_year_is_read_in_seconds() -> None:
    """Each session is read alone, and so is the start, whatever was traded before."""
    begin(0)
    for day in range(1, 251):
        journal, _ = open_journal(latest("test", None).path)
        at = datetime.combine(FIRST + timedelta(day - 1), datetime.min.time(), UTC)
        for _ in range(YEAR_EVENTS):
            journal.append(PriceSilent(at=at, symbol="A", seconds=60))
        journal.close()
        begin(day)
    folder = latest("test", None)
    assert len(session_folder.sessions_of(folder)) == 251
    before = cpu_seconds()
    journal, recorded = open_journal(folder.path)
    journal.close()
    _, of_first = read(latest("test", FIRST))
    assert cpu_seconds() - before < 5
    assert len(recorded) < 10
    assert len(of_first) == YEAR_EVENTS + 2


def test_the_exported_files_hold_to_the_cent_over_weeks(data: Path) -> None:
    """Fills, fractions and cash movements, with dividends, give the cash of the account."""
    begin(0)
    paid = Decimal("0.55")
    dividend = CorporateAction(
        symbol="A", ex_date=FIRST + timedelta(9), action="dividend", dividend_amount=paid
    )
    actions = (split(5, 2, 1), dividend)
    for day in range(15):
        begin(day, *actions)
        traded(day, Side.BUY, 15 + day, f"{100 + day}.07", charges="1.13")
        traded(day, Side.SELL, 7, f"{101 + day}.03", charges="0.91")
        if day % 4 == 0:
            moved(CashKind.DEPOSIT, "1000.01", f"deposit {day}")
    book, _ = read(latest("test", None))
    for _ in range(2):
        for on in session_folder.sessions_of(latest("test", None)):
            session = latest("test", on)
            export_fills(session, read(session)[1])
        with duckdb.connect() as connection:
            ((count, cash, shares),) = connection.execute(
                f"""
                select count(*), sum(-signed * price - charges_amount), sum(signed * ratio)
                from (
                    select *, if(side = 'buy', quantity, -quantity) as signed,
                        if(filled_at < '2026-11-07' and order_id not like '%split', 0.5, 1) as ratio
                    from '{data}/raw/fills/*.parquet'
                )
                """
            ).fetchall()
            ((deposited,),) = connection.execute(
                f"select sum(amount) from '{data}/raw/cash/*.parquet'"
            ).fetchall()
        held = sum(8 + day for day in range(5)) / 2
        earned = paid * int(held + sum(8 + day for day in range(5, 9)))
        assert count == 2 * 15 + (held % 1 > 0)
        assert Decimal(str(cash)) + deposited + earned + 100_000 == book.cash_amount
        assert shares == book.quantity("A", Product.CNC)


def test_a_short_owes_its_price_and_what_waits_needs_its_cash() -> None:
    """More than the account was worth could be withdrawn beside a short that had lost."""
    begin(0)
    traded(0, Side.SELL, 100, "100")
    book, _ = read(latest("test", None))
    now = clock.now()
    free = free_cash_amount(book, {"A": (Decimal(100), now)})
    assert free_cash_amount(book, {"A": (Decimal(108), now)}) == free - 800
    assert free_cash_amount(book, {"A": (Decimal(92), now)}) == free
    waiting = Request(
        order_id="w",
        symbol="B",
        side=Side.BUY,
        quantity=5,
        product=Product.MIS,
        limit_price=Decimal(10),
    )
    book.apply(events.OrderWaiting(at=now, request=waiting, until=now))
    assert free_cash_amount(book, {"A": (Decimal(100), now)}) == free - 50


def test_cash_is_booked_for_no_day_to_come_or_before_the_first_session() -> None:
    begin(1)
    folder = latest("test", None)
    one = timedelta(days=1)
    # a replay may be years behind, and what is booked can be traded with at once
    for day in (folder.session_date - one, folder.session_date + one, clock.now().date() + one):
        with pytest.raises(ConfigurationError, match=f"no cash can be booked for {day}"):
            move_cash(folder, events.CashKind.DEPOSIT, Decimal(5), "one", value_date=day)
    assert move_cash(
        folder, events.CashKind.DEPOSIT, Decimal(5), "one", value_date=folder.session_date
    )[1]


def test_the_day_of_cash_is_that_of_the_exchange() -> None:
    """After midnight in India it is still the day before in London."""
    begin(0)
    folder = replace(latest("test", None), options="--feed zerodha")
    next_day = FIRST + timedelta(days=1)
    after_midnight = datetime.combine(next_day, time(1), ZoneInfo(folder.zone_name))
    with clock.driven_by(lambda: after_midnight):
        assert move_cash(folder, events.CashKind.DEPOSIT, Decimal(5), "one", value_date=next_day)[1]
    with (
        clock.driven_by(lambda: after_midnight - timedelta(hours=2)),
        pytest.raises(ConfigurationError, match="no cash can be booked"),
    ):
        move_cash(folder, events.CashKind.DEPOSIT, Decimal(5), "two", value_date=next_day)


def test_a_session_that_another_one_followed_is_not_gone_on_with() -> None:
    begin(0)
    traded(0, Side.BUY, 10, "100")
    before = latest("test", None)
    assert "continues it" in interruption(before, *read(before))
    begin(1)
    past = latest("test", before.session_date)
    assert interruption(past, *read(past)) == ""


@pytest.mark.parametrize("text", ["1e30", "1e999999", "9" * 40, "sNaN", "-1", "0", "0.001"])
def test_what_is_no_amount_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigurationError):
        _amount(text, may_be_negative=False)


def test_an_account_counts_its_sessions_to_the_date_that_is_asked() -> None:
    begin(0)
    traded(0, Side.BUY, 10, "100")
    begin(1)
    first = latest("test", FIRST)
    assert _figures(first, read(first)[0])["sessions"] == 1
    last = latest("test", None)
    assert _figures(last, read(last)[0])["sessions"] == 2


def test_an_export_shows_the_row_that_the_seed_lacks() -> None:
    begin(0)
    row = _missing_portfolio(latest("test", None))
    [header] = csv.reader([(PROJECT / PORTFOLIOS).read_text().splitlines()[0]])
    [values] = csv.reader([row])
    found = dict(zip(header, values, strict=True))
    assert (found["portfolio"], found["source"], found["currency"]) == ("test", "fills", "USD")
    known = csv.DictReader((PROJECT / PORTFOLIOS).read_text().splitlines())
    session = replace(latest("test", None), account=next(known)["portfolio"])
    assert _missing_portfolio(session) == ""


@pytest.mark.parametrize("ends", [False, True])
def test_an_earlier_session_is_refused_with_what_can_be_done(ends: bool) -> None:
    """The remedy of a session that was over resumed nothing, and that of `orders` traded none."""
    begin(1)
    folder = latest("test", None)
    if ends:
        day = folder.session_date
        at, equity = clock.now(), Decimal(1)
        record(events.SessionEnded(at=at, session_date=day, equity_amount=equity))
    with pytest.raises(ConfigurationError, match="which is after") as refused:
        create(publication(0), "paper", "")
    goes_on = "a later date goes on" if ends else f"`--date {folder.session_date}` resumes that"
    assert refused.value.remedy.startswith(f"{goes_on}; --fresh discards")
    with pytest.raises(ConfigurationError, match="nothing has been traded") as absent:
        latest(None, FIRST)
    assert absent.value.remedy.startswith("the account is past it, and sessions go forward; ")


@pytest.mark.parametrize("what", ["session.json", "folder"])
def test_a_loop_is_found_by_its_lock(what: str) -> None:
    """`halt` said that nothing had been traded, of an account that was being traded."""
    begin(0)
    folder = latest("test", None)
    with lock_folder(folder.path):
        assert [each.account for each in trading_now()[0]] == ["test"]
        if what == "folder":
            folder.path.rename(folder.path.parent.with_name("elsewhere"))
        else:
            (folder.path / "session.json").unlink()
        assert is_traded(folder)
        [error] = trading_now()[1].values()
        assert f"the loop of test, process {os.getpid()}, cannot be reached" in str(error)
        assert f"kill -INT {os.getpid()}" in error.remedy
        assert str(error) in report()["unreadable_accounts"]
        with pytest.raises(JournalBusy):
            begin(1)


def test_a_session_that_is_over_was_not_interrupted() -> None:
    """A dry run said that it goes on from there, and then that it orders nothing."""
    begin(0)
    at = datetime(2026, 11, 2, 21, tzinfo=UTC)
    record(
        events.SessionEnded(at=at, session_date=FIRST, equity_amount=Decimal(100_000)),
        events.Reconciled(at=at),  # it was opened once more
    )
    found = session_folder.preview(publication(0), "paper")
    assert (found.until, "interrupted" in found.note) == (None, False)
    assert "has traded 2026-11-02" in found.note


def test_a_session_of_simulated_prices_is_not_exported(capsys: pytest.CaptureFixture[str]) -> None:
    """A portfolio valued what it held overnight at the real closes, without a word."""
    begin(0)
    traded(0, Side.BUY, 10, "100")
    create(publication(1), "paper", "--feed simulated")
    traded(1, Side.BUY, 5, "250")
    with pytest.raises(ConfigurationError, match="traded on simulated prices"):
        journal(What.export, account="test")
    journal(What.export, account="test", everything=True)
    said = "".join(capsys.readouterr())
    assert "not exported, since dbt has no simulated prices: test on 2026-11-03" in said
    folder = settings().raw / "fills"
    assert [each.name for each in folder.glob("*.parquet")] == ["test-2026-11-02.parquet"]


def test_a_resume_that_waits_is_not_asked_for_again(capsys: pytest.CaptureFixture[str]) -> None:
    """A session that was over said `resume` lifts the halt, of which a resume waited already."""
    begin(0)
    record(events.TradingStateChanged(at=NOW, state=TradingState.HALTED, reason="news", by="me"))
    assert lifted_by("test") == "`./bourse resume --account test` lifts it"
    send_request(latest("test", None), "resume", "over")
    assert "a resume waits" in lifted_by("test")
    show(account="test")
    assert "halted, news; a resume waits" in capsys.readouterr().out
    send_request(latest("test", None), "halt", "again")
    assert "`./bourse resume" in lifted_by("test")
