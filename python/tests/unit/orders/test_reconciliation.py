"""Reconciliation: what differs is named, what is explained is not, and what is ours is known."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.errors import BrokerUnclear
from duckbourse.orders import events, reconciliation
from duckbourse.orders.book import Book
from duckbourse.orders.broker import Funds, Holding, OrderReport, TradeReport
from duckbourse.orders.downgrade import BROKER_DIFFERS
from duckbourse.orders.events import TradingState
from duckbourse.orders.journal import read_journal
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Product, Side
from duckbourse.orders.reconciliation import Statement, differences
from tests.support.factories import CAPITAL, NOW, fill, request
from tests.support.fake_exchange import CAPABILITIES, FakeExchange
from tests.unit.orders.test_manager import ManagerHarness


def played(
    folder: Path, exchange: FakeExchange, play: Callable[[ManagerHarness], Awaitable[None]]
) -> ManagerHarness:
    async def whole(harness: ManagerHarness) -> None:
        await play(harness)

    with clock.driven_by(lambda: NOW):
        harness = ManagerHarness(folder, exchange)
        asyncio.run(whole(harness))
        harness.journal.close()
    return harness


async def lost_money(harness: ManagerHarness) -> None:
    """Buy ten at 100 and sell them at 90."""
    harness.manager.set_state(TradingState.ACTIVE, "started", "test")
    await harness.manager.place(request("entry"))
    harness.exchange.fill("V1", 10)
    await harness.manager.place(request("exit", side=Side.SELL))
    harness.exchange.fill("V2", 10, Decimal(90))
    harness.deliver()
    assert harness.book.cash_amount == CAPITAL - 100


def test_an_order_of_ours_is_known_by_its_tag_whatever_the_journal_says(tmp_path: Path) -> None:
    """With the journal gone, the same id was sent twice and the losses were forgotten."""
    exchange = FakeExchange()
    played(tmp_path / "full disk", exchange, lost_money)

    async def begin_again(harness: ManagerHarness) -> None:
        assert harness.book.event_count == 0
        assert await harness.reconciliation.recover() == ()
        order = await harness.manager.place(request("entry"))
        assert (order.state, order.filled_quantity) == (State.FILLED, 10)

    again = played(tmp_path / "freed disk", exchange, begin_again)
    assert set(exchange.tags.values()) == {1}
    assert again.book.cash_amount == CAPITAL - 100
    assert again.book.consecutive_losses >= 1
    assert again.book.state is TradingState.HALTED
    assert "which is at the broker with a tag of ours" in again.book.state_reason


def test_trades_of_an_earlier_session_are_not_booked_again(tmp_path: Path) -> None:
    """A broker that reports more than the day had its profits and losses counted twice."""
    exchange = FakeExchange()
    played(tmp_path / "yesterday", exchange, lost_money)

    async def next_day(harness: ManagerHarness) -> None:
        tomorrow = NOW.date() + timedelta(days=1)
        harness.manager.record(
            events.SessionStarted(at=NOW, session_date=tomorrow, equity_amount=CAPITAL)
        )
        await harness.reconciliation.recover()

    again = played(tmp_path / "today", exchange, next_day)
    assert not again.book.fills and again.book.cash_amount == CAPITAL
    assert not again.book.orders


def test_a_start_compares_again_what_was_on_its_way(tmp_path: Path) -> None:
    exchange = FakeExchange()

    async def start(harness: ManagerHarness) -> None:
        early = [[Holding(symbol="A", product=Product.MIS, quantity=7)]] * 2

        async def positions() -> Sequence[Holding]:
            return early.pop() if early else exchange.holdings()

        harness.broker.positions = positions  # type: ignore[method-assign]
        assert await harness.reconciliation.recover() == ()

    played(tmp_path, exchange, start)


def test_an_order_of_ours_that_still_works_is_looked_after(tmp_path: Path) -> None:
    exchange = FakeExchange()

    async def leave_open(harness: ManagerHarness) -> None:
        await harness.manager.place(request("entry"))
        exchange.fill("V1", 4)

    played(tmp_path / "before", exchange, leave_open)

    async def begin_again(harness: ManagerHarness) -> None:
        assert await harness.reconciliation.recover() == ()
        (order,) = harness.book.open_orders()
        assert (order.state, order.filled_quantity) == (State.PARTIAL, 4)
        assert harness.book.held_quantity(order.request.order_id) == 4
        await harness.manager.cancel(order.request.order_id)
        assert not exchange.live

    played(tmp_path / "after", exchange, begin_again)


def test_a_cancel_without_effect_can_be_asked_again_after_two_comparisons(tmp_path: Path) -> None:
    exchange = FakeExchange()

    async def play(harness: ManagerHarness) -> None:
        async def without_effect(broker_order_id: str) -> None: ...

        cancel = harness.broker.cancel
        harness.broker.cancel = without_effect  # type: ignore[method-assign]
        order_id = (await harness.manager.place(request("entry"))).request.order_id
        await harness.manager.cancel(order_id)
        for is_pending in (True, False):
            await harness.reconciliation.repeat()
            assert harness.book.orders[order_id].is_cancel_pending is is_pending
        harness.broker.cancel = cancel  # type: ignore[method-assign]
        await harness.manager.cancel(order_id)
        assert not exchange.live

    played(tmp_path, exchange, play)


def test_a_look_up_that_stays_without_an_answer_holds_up_no_comparison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It held it up for a minute, in which nothing else was compared."""
    monkeypatch.setattr(reconciliation, "LOOKED_UP_SECONDS", 0.02)
    exchange = FakeExchange()

    async def play(harness: ManagerHarness) -> None:
        async def hang(order_id: str) -> Sequence[OrderReport]:
            raise BrokerUnclear("down")

        async def no_orders() -> Sequence[OrderReport]:
            return []

        def held_by_others() -> list[Holding]:
            return [Holding(symbol="A", product=Product.MIS, quantity=7)]

        order_id = (await harness.manager.place(request("entry"))).request.order_id
        harness.broker.find = hang  # type: ignore[method-assign]
        harness.broker.orders = no_orders  # type: ignore[method-assign]
        for _ in range(3):
            # and nobody knows yet whether it differs
            assert await harness.reconciliation.repeat() == ()
            assert harness.manager.looked_up == {order_id}
        exchange.holdings = held_by_others  # type: ignore[method-assign]
        for _ in range(2):
            found = await harness.reconciliation.repeat()
        assert found == ("A MIS: 0 here, 7 at the broker",)

    played(tmp_path, exchange, play)


def test_what_was_asked_without_effect_can_be_asked_again_after_a_start(tmp_path: Path) -> None:
    exchange = FakeExchange()

    async def ask(harness: ManagerHarness) -> None:
        async def without_effect(broker_order_id: str) -> None: ...

        harness.broker.cancel = without_effect  # type: ignore[method-assign]
        order_id = (await harness.manager.place(request("entry"))).request.order_id
        await harness.manager.cancel(order_id)

    async def start(harness: ManagerHarness) -> None:
        [order] = harness.book.open_orders()
        assert order.is_cancel_pending
        assert await harness.reconciliation.recover() == ()
        await harness.manager.cancel(order.request.order_id)
        assert not exchange.live

    played(tmp_path, exchange, ask)
    played(tmp_path, exchange, start)


def test_the_same_tag_twice_at_the_broker_is_a_difference(tmp_path: Path) -> None:
    exchange = FakeExchange()

    async def play(harness: ManagerHarness) -> None:
        order = await harness.manager.place(request("entry"))
        exchange.place(order.request)
        found = await harness.reconciliation.recover()
        assert f"order {order.request.order_id} is at the broker 2 times" in found

    played(tmp_path, exchange, play)


def falsified(trades: Sequence[TradeReport], **changed: object) -> list[TradeReport]:
    return [replace(trade, fill=replace(trade.fill, **changed)) for trade in trades]


@pytest.mark.parametrize(
    ("what", "difference"),
    [
        ("price", "10 at 100 here, 10 at 99.95 at the broker"),
        ("quantity", "10 at 100 here, 9 at 100 at the broker"),
        ("missing fill", "of 10 A is not at the broker"),
        ("charges", "charges: 0.00 here, 1.01 at the broker"),
        ("cash", "cash: 999000.00 here, 998998.99 at the broker"),
        ("holdings", "A CNC: 0 here, 5 at the broker"),
    ],
)
def test_whatever_differs_is_named_and_halts_when_it_stays(
    tmp_path: Path, what: str, difference: str
) -> None:
    exchange = FakeExchange()

    async def play(harness: ManagerHarness) -> None:
        broker = harness.broker
        harness.manager.set_state(TradingState.ACTIVE, "started", "test")
        await harness.manager.place(request("entry"))
        exchange.fill("V1", 10)
        harness.deliver()
        trades = list(exchange.trades)
        cash = CAPITAL - 1000
        match what:
            case "price":
                exchange.trades = falsified(trades, price=Decimal("99.95"))
            case "quantity":
                exchange.trades = falsified(trades, quantity=9)
            case "missing fill":
                exchange.trades = []
            case "charges":
                exchange.trades = [replace(trades[0], charges_amount=Decimal("1.01"))]
            case "cash":
                cash -= Decimal("1.01")
            case "holdings":
                broker.capabilities = replace(CAPABILITIES, positions_include_holdings=False)

        async def funds() -> Funds:
            return Funds(cash_amount=cash, has_charges=True)

        async def holdings() -> list[Holding]:
            return [Holding(symbol="A", product=Product.CNC, quantity=5)]

        broker.funds, broker.holdings = funds, holdings  # type: ignore[method-assign]
        await harness.reconciliation.repeat()
        assert harness.book.state is TradingState.ACTIVE
        await harness.reconciliation.repeat()
        assert (harness.book.state, harness.book.state_reason) == (
            TradingState.HALTED,
            BROKER_DIFFERS,
        )
        assert any(difference in each for each in harness.book.differences)

    played(tmp_path, exchange, play)


def test_charges_that_are_due_and_trades_of_others_explain_the_cash(tmp_path: Path) -> None:
    exchange = FakeExchange()

    async def play(harness: ManagerHarness) -> None:
        await harness.manager.place(request("entry"))
        exchange.fill("V1", 10)
        # by phone, bought and sold, both with a tag of that program
        exchange.place(request("a", order_id="mobile", quantity=3))
        exchange.fill("V2", 3)
        exchange.place(request("b", order_id="mobile", side=Side.SELL, quantity=3))
        exchange.fill("V3", 3, Decimal(110))
        cash = CAPITAL - 1000 + 30

        async def funds() -> Funds:
            return Funds(cash_amount=cash)

        harness.broker.funds = funds  # type: ignore[method-assign]
        assert await harness.reconciliation.recover() == ()
        cash -= 2
        assert len(await harness.reconciliation.recover()) == 1

    played(tmp_path, exchange, play)


@pytest.mark.parametrize("days", [0, 1])
def test_the_charges_of_earlier_days_are_not_due_any_more(days: int) -> None:
    booked = fill(10, "100", filled_at=NOW - timedelta(days=days), charges_amount=Decimal(5))
    book = Book(CAPITAL)
    book.apply(events.FillBooked(at=NOW, fill=booked))
    statement = Statement(
        orders=[],
        trades=[TradeReport(broker_order_id="V1", fill=booked)],
        holdings=[Holding(symbol="A", product=Product.MIS, quantity=10)],
        funds=Funds(cash_amount=CAPITAL - 1000 - 5 * days),
    )
    assert differences(book, statement, NOW.date()) == ()


def test_an_order_that_the_broker_forgot_overnight_has_expired(tmp_path: Path) -> None:
    exchange = FakeExchange()

    async def yesterday(harness: ManagerHarness) -> None:
        await harness.manager.place(request("entry"))

    played(tmp_path, exchange, yesterday)
    exchange.orders.clear()
    with clock.driven_by(lambda: NOW + timedelta(days=1)):
        again = ManagerHarness(tmp_path, exchange)
        assert asyncio.run(again.reconciliation.recover()) == ()
        again.journal.close()
    (order,) = again.book.orders.values()
    assert order.state is State.EXPIRED


@pytest.mark.parametrize("asked", ["reconciliation", "look-up"])
def test_an_old_report_does_not_undo_a_modification(tmp_path: Path, asked: str) -> None:
    """The orders are reported, one is modified, and the report is booked after that."""
    exchange = FakeExchange()

    async def play(harness: ManagerHarness) -> None:
        order_id = (await harness.manager.place(request("entry"))).request.order_id
        trades, is_asked, may_go = harness.broker.trades, asyncio.Event(), asyncio.Event()

        async def slow() -> Sequence[TradeReport]:
            is_asked.set()
            await may_go.wait()
            return await trades()

        harness.broker.trades = slow  # type: ignore[method-assign]
        comparing: asyncio.Future[object]
        if asked == "look-up":
            harness.manager.look_up(order_id)
            comparing = asyncio.ensure_future(harness.manager.wait_idle())
        else:
            comparing = asyncio.ensure_future(harness.reconciliation.repeat())
        await is_asked.wait()
        await harness.manager.modify(order_id, quantity=20, limit_price=Decimal("99.5"))
        may_go.set()
        await comparing
        order = harness.book.orders[order_id]
        assert (order.request.quantity, order.request.limit_price) == (20, Decimal("99.5"))
        assert order.modification_count == 1
        exchange.fill("V1", 20)
        harness.deliver()
        assert harness.book.orders[order_id].state is State.FILLED

    played(tmp_path, exchange, play)


def test_a_difference_that_moves_while_it_stands_halts(tmp_path: Path) -> None:
    """Each comparison found another amount, so none was ever seen twice."""

    async def play(harness: ManagerHarness) -> None:
        assert await harness.reconciliation.recover() == ()
        harness.manager.set_state(TradingState.ACTIVE, "reconciled", "start")
        cash = CAPITAL - 5000

        async def funds() -> Funds:
            return Funds(cash_amount=cash)

        harness.broker.funds = funds  # type: ignore[method-assign]
        for state in (TradingState.ACTIVE, TradingState.HALTED, TradingState.HALTED):
            cash -= 7
            await harness.reconciliation.repeat()
            assert harness.book.state is state
        assert len(harness.book.differences) == 1
        assert harness.journal.failure is None
        harness.journal.close()
        written = [each for each in read_journal(tmp_path) if isinstance(each, events.Reconciled)]
        assert len(written) == 2, "the start, and the difference once"

    played(tmp_path, FakeExchange(), play)


def test_the_day_of_a_session_is_that_of_its_calendar(tmp_path: Path) -> None:
    """At night in India it is the day before in UTC, of which the broker reports nothing more."""
    exchange = FakeExchange()

    async def play(harness: ManagerHarness) -> None:
        await lost_money(harness)
        tomorrow = NOW.date() + timedelta(days=1)
        harness.manager.record(
            events.SessionStarted(at=NOW, session_date=tomorrow, equity_amount=CAPITAL)
        )

        async def nothing() -> Sequence[TradeReport]:
            return []

        harness.broker.trades = nothing  # type: ignore[method-assign]
        assert await harness.reconciliation.recover() == ()

    played(tmp_path, exchange, play)
