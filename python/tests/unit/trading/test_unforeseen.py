"""No exception ends the loop while a position is open, wherever it comes from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from duckbourse import clock
from duckbourse.brokers.paper import PaperBroker
from duckbourse.errors import BrokerUnclear
from duckbourse.orders import events
from duckbourse.orders.book import Book
from duckbourse.orders.broker import Update
from duckbourse.orders.events import TradingState
from duckbourse.orders.lifecycle import State
from duckbourse.orders.manager import RECONNECT_SECONDS, Manager
from duckbourse.orders.order import Order, Reason, Request, Side
from duckbourse.risk import exits as rules
from duckbourse.trading.loop import BY_STRATEGIES, Trader
from duckbourse.trading.session import SessionConfig, TradingSession
from duckbourse.trading.session_folder import LOG
from duckbourse.trading.strategies import Strategies
from duckbourse.trading.strategy import Context
from tests.support.counted_loop import CountedLoop, run_counted
from tests.support.factories import request
from tests.support.fake_exchange import FakeExchange, FakeExchangeBroker
from tests.support.market import Market, at, exits, instrument, signal, tick
from tests.support.venue import MemoryJournal
from tests.unit.trading.test_strategies import At

STOPPED = [
    tick(at(9, minute, second), price)
    for minute, price in ((45, 100), (46, 100), (47, "97.5"))
    for second in range(4)
]


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return Market(tmp_path / "session")


def fail(*_: Any) -> Any:
    raise ZeroDivisionError("of ours")


@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (Trader, "_watch_silence"),
        (Trader, "_reconcile"),
        (Trader, "_check_daily_limits"),
        (Trader, "_cancel_entries"),
        (Trader, "_refresh_publication"),
        (Trader, "_set_gauges"),
        (Manager, "send_waiting"),
        (Strategies, "orders"),
    ],
)
def test_a_step_that_fails_leaves_the_exits_at_work(
    market: Market, monkeypatch: pytest.MonkeyPatch, owner: type, step: str
) -> None:
    def begin_to_fail(trader: Trader) -> None:
        trader.gauges = lambda *_: None
        monkeypatch.setattr(owner, step, fail)

    trader = market.trade(STOPPED, at_tick={6: begin_to_fail})
    assert [order.state for order in exits(trader)] == [State.FILLED]
    assert trader.book.state is TradingState.REDUCING
    assert "ZeroDivisionError('of ours')" in trader.book.state_reason


class Faulty(PaperBroker):
    """An adapter that raises what no adapter may raise."""

    async def cancel(self, broker_order_id: str) -> None:
        raise KeyError("order_id")

    async def place(self, request: Request) -> str:
        if request.correlation_id == "placed":
            raise KeyError("order_id")
        return await super().place(request)


def test_a_broker_that_raises_what_it_must_not_is_looked_up(market: Market) -> None:
    def placed(context: Context) -> Request:
        return context.entry("placed", "A", Side.BUY, 10)

    def rests(context: Context) -> Request:
        limit, until = Decimal("97.60"), at(9, 45, 3)
        return context.entry("rests", "A", Side.BUY, 10, limit_price=limit, expires_at=until)

    market.broker = Faulty
    market.others = {"one": lambda: At((at(9, 45), rests), (at(9, 46), placed))}
    trader = market.trade(STOPPED[:-4], to_end=False)
    states = {order.request.correlation_id: order.state for order in trader.book.orders.values()}
    assert states == {
        "signal A": State.FILLED,
        "rests": State.OPEN,  # whatever is asked of it, its cancel never arrives
        "placed": State.UNKNOWN,
    }
    [unclear] = [event for event in market.of(events.OrderUpdated) if event.state is State.UNKNOWN]
    assert unclear.message == "the broker failed: KeyError('order_id')"
    assert trader.book.held_entries()


def test_exits_that_cannot_be_evaluated_leave_the_others_at_work(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    market.instruments = {symbol: instrument(symbol) for symbol in "AB"}
    market.signals = [signal("A"), signal("B")]
    due = rules.due

    def fails_for_one(entry: Order, *known: Any) -> Reason | None:
        return fail() if entry.request.symbol == "A" else due(entry, *known)

    monkeypatch.setattr(rules, "due", fails_for_one)
    ticks = [{**known, "symbol": symbol} for known in STOPPED for symbol in "AB"]
    square_off = [tick(at(15, 45, second), 99, symbol) for second in range(8) for symbol in "AB"]
    trader = market.trade([*ticks, *square_off])
    assert {order.request.symbol: order.request.reason for order in exits(trader)} == {
        "A": Reason.SQUARE_OFF,
        "B": Reason.STOP,
    }
    assert trader.book.state is TradingState.REDUCING
    assert trader.book.state_reason.startswith("the exits of A cannot be evaluated: ZeroDivision")
    # what lasts is logged once, and not at each step
    assert (market.folder / LOG).read_text().count("evaluating exits") == 1
    assert not trader.book.open_positions()


def test_a_log_on_a_full_disk_ends_nothing(
    market: Market, capsys: pytest.CaptureFixture[str]
) -> None:
    """The loop ended as an error of ours, with nine positions open."""
    market.folder.mkdir()
    (market.folder / LOG).symlink_to("/dev/full")
    trader = market.trade(STOPPED)
    assert not trader.book.open_positions()
    assert [order.request.reason for order in exits(trader)] == [Reason.STOP]
    assert trader.book.state is TradingState.ACTIVE
    assert capsys.readouterr().err == (
        f"warning: {market.folder / LOG} cannot be written: No space left on device\n"
    )


def test_an_adapter_that_fails_at_the_start_halts_the_account(market: Market) -> None:
    """A traceback ended the command, and nobody was notified of what was open."""

    class Broken(PaperBroker):
        async def positions(self) -> Any:
            raise KeyError("net")

    market.trade([tick(at(9, 45, second), 100) for second in range(8)], to_end=False)
    market.broker = Broken
    config = SessionConfig(
        publication=market.publication(),
        folder=market.folder,
        feed=market.feed([tick(at(9, 46), 100)]),
        broker=market.open_broker,
        grace_seconds=0,
    )
    with TradingSession.open(config) as session:
        (problem,) = session.run()
    assert "KeyError('net')" in problem
    book = session.trader.book
    assert (book.state, book.state_reason) == (TradingState.HALTED, problem)
    assert book.open_positions()


@pytest.mark.parametrize(
    ("error", "state"),
    [(BrokerUnclear("HTTP 502"), TradingState.ACTIVE), (KeyError("status"), TradingState.HALTED)],
    ids=["of the broker", "of ours"],
)
def test_updates_that_break_off_are_followed_again(error: Exception, state: TradingState) -> None:
    """What was missed is compared; nobody knows what else an update that failed here says."""

    class Breaking(FakeExchangeBroker):
        has_broken = False

        async def updates(self) -> AsyncIterator[Update]:
            if not self.has_broken:
                self.has_broken = True
                raise error
            async for update in super().updates():
                yield update

    async def play(loop: CountedLoop) -> Manager:
        exchange = FakeExchange()
        manager = Manager(
            Book(Decimal(100_000)),
            MemoryJournal(),  # type: ignore[arg-type]
            Breaking(exchange),
            check=lambda *_: None,
        )
        manager.set_state(TradingState.ACTIVE, "reconciled", "start")
        manager.follow()
        await manager.place(request())
        exchange.fill("V1", 10)
        await asyncio.sleep(RECONNECT_SECONDS + 0.1)
        return manager

    with clock.driven_by(lambda: at(11)):
        manager = run_counted(play, arrival_seconds=0)
    assert manager.book.state is state
    assert [order.state for order in manager.book.orders.values()] == [State.FILLED]


def test_a_failure_is_recorded_though_strategies_failed_before(market: Market) -> None:
    """The next start lifted a state that no person had lifted."""
    trader = market.trade([tick(at(9, 45), 100)], to_end=False)
    for reason, by, state_by in (
        ("the strategy failed", BY_STRATEGIES, BY_STRATEGIES),
        ("a scan failed", "scans", "scans"),
        ("the strategy failed", BY_STRATEGIES, "scans"),
        ("the recorder failed", "recorder", "scans"),
    ):
        with clock.driven_by(lambda: at(9, 50)):
            trader._downgrade_to(TradingState.REDUCING, reason, by)
        assert trader.book.state_by == state_by
