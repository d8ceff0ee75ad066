"""No exception ends the loop while a position is open, wherever it comes from."""

from __future__ import annotations

import asyncio
import itertools
import signal as signals
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.brokers.paper import PaperBroker
from duckbourse.cli import main
from duckbourse.cli.trade import _ended_by
from duckbourse.errors import BrokerUnclear
from duckbourse.orders import events
from duckbourse.orders.book import Book
from duckbourse.orders.broker import Update
from duckbourse.orders.downgrade import BY_STRATEGIES
from duckbourse.orders.events import TradingState
from duckbourse.orders.lifecycle import State
from duckbourse.orders.manager import RECONNECT_SECONDS, Manager
from duckbourse.orders.order import Order, Product, Reason, Request, Side
from duckbourse.plugins import raise_interruption
from duckbourse.risk import exits as rules
from duckbourse.telemetry.notify import Notifier
from duckbourse.trading import strategies
from duckbourse.trading.loop import Trader
from duckbourse.trading.session import SessionConfig, TradingSession
from duckbourse.trading.session_folder import LOG
from duckbourse.trading.strategies import Strategies
from duckbourse.trading.strategy import Context
from tests.support.counted_loop import CountedLoop, run_counted
from tests.support.factories import request
from tests.support.fake_exchange import FakeExchange, FakeExchangeBroker
from tests.support.market import Market, at, exits, instrument, signal, tick, with_limits
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


class Fills(At):
    """Fails with a given error at its fills, and at the start."""

    def __init__(
        self, *todo: Any, at_start: type[BaseException] | None, at_fill: type[BaseException] | None
    ):
        super().__init__(*todo)
        self._at_start, self._at_fill = at_start, at_fill

    def on_start(self, context: Context) -> None:
        if self._at_start:
            raise self._at_start("own")

    def on_fill(self, context: Context, order: Any, fill: Any) -> None:
        if self._at_fill:
            raise self._at_fill("own")


OTHERS = ("on_start", "generate_orders", "on_fill", "subscriber", "check", "scans")
CALLBACKS = ("on_batch", "newer", "gauges", "on_pass")
ENDINGS = (SystemExit, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit)


@pytest.mark.parametrize(
    ("where", "error"),
    [
        case
        for case in itertools.product(OTHERS + CALLBACKS, ENDINGS)
        if case != ("scans", GeneratorExit)  # it closes whatever coroutine awaits it
    ],
)
def test_nothing_that_code_of_others_raises_ends_the_loop(
    market: Market, where: str, error: type[BaseException]
) -> None:
    """A strategy that called sys.exit() ended the process, with code 0 and a position open."""

    def raises(*_: Any) -> Any:
        raise error("own")

    def fails_in_thread(*_: Any) -> Any:
        return asyncio.wrap_future(ThreadPoolExecutor(1).submit(raises))

    def break_it(trader: Trader) -> None:
        trader.refresh_seconds = 0
        if where == "subscriber":
            trader.manager.bus.subscribe(events.Event, raises)
        elif where == "scans":
            trader.scans = type("Broken", (), {"on_ticks": fails_in_thread})()
        else:
            setattr(trader, where, raises)

    def entry(context: Context) -> Request:
        return context.entry("late", "A", Side.BUY, 10)

    market.others = {
        "one": lambda: Fills(
            (at(9, 46), raises if where == "generate_orders" else entry),
            at_start=error if where == "on_start" else None,
            at_fill=error if where == "on_fill" else None,
        )
    }
    if where == "check":
        market.checks = {
            "own": lambda context: raises() if context.request.quantity == 10 else None
        }
    trader = market.trade(STOPPED, at_tick={2: break_it})
    assert [order.state for order in exits(trader)] == [State.FILLED]


def test_only_a_signal_interrupts_where_python_handles_it() -> None:
    """A subscriber that raised KeyboardInterrupt at the start stopped `trade`, as if by Ctrl-C."""
    before = signals.signal(signals.SIGINT, signals.default_int_handler)
    try:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise_interruption(error)
        with pytest.raises(KeyboardInterrupt):
            try:
                signals.raise_signal(signals.SIGINT)
            except KeyboardInterrupt as error:
                raise_interruption(error)
    finally:
        signals.signal(signals.SIGINT, before)


def test_a_signal_ends_the_loop_also_within_a_strategy(market: Market) -> None:
    before = signals.signal(signals.SIGTERM, main._stop)

    def killed(context: Context) -> Any:
        signals.raise_signal(signals.SIGTERM)

    market.others = {"one": lambda: At((at(9, 46), killed))}
    try:
        with pytest.raises(KeyboardInterrupt):
            market.trade(STOPPED)
    finally:
        signals.signal(signals.SIGTERM, before)


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
    assert trader.book.state_reason.startswith("evaluating the exits of A failed: ZeroDivision")
    # what lasts is logged once, and not at each step
    assert (market.folder / LOG).read_text().count('"what": "evaluating the exits"') == 1
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
            trader.manager.downgrade(TradingState.REDUCING, reason, by)
        assert trader.book.state_by == state_by


@pytest.mark.parametrize("entry_id", ["nobody's", "of another"])
def test_an_order_that_names_an_entry_is_refused_with_its_strategy(
    market: Market, entry_id: str
) -> None:
    """It was taken for an exit at work of what another strategy held, and no stop was sent."""
    market.instruments["B"] = instrument("B")

    def odd(context: Context) -> Request:
        entries = [entry.request.order_id for entry in context.account.held_entries()]
        order = context.entry("odd", "B", Side.BUY, 5, limit_price=Decimal(99))
        named = entries[0] if entry_id == "of another" else entry_id
        return replace(order, entry_id=named)

    market.others = {"one": lambda: At((at(9, 46), odd))}
    ticks = [{**each, "symbol": symbol} for each in STOPPED for symbol in "AB"]
    trader = market.trade(ticks)
    assert [order.state for order in exits(trader)] == [State.FILLED]
    assert not trader.book.held_entries()
    assert "which only exits have" in trader.strategies.failures["one"]


def test_an_order_that_nothing_understands_leaves_the_exits_at_work(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in the journal broke the whole step off, for every position."""
    market.instruments["B"] = instrument("B")
    monkeypatch.setattr(strategies, "_booked", lambda _, wanted: wanted)
    market.others = {
        "one": lambda: At(
            (
                at(9, 46),
                lambda context: replace(
                    context.entry("odd", "B", Side.BUY, 5, limit_price=Decimal(99)),
                    entry_id="nobody's",
                ),
            )
        )
    }
    ticks = [{**each, "symbol": symbol} for each in STOPPED for symbol in "AB"]
    trader = market.trade(ticks)
    assert [order.state for order in exits(trader)][-1] is State.FILLED
    assert not trader.book.held_entries()
    assert trader.book.state is TradingState.REDUCING
    why = 'cancelling an exit of nothing of B failed: KeyError("nobody\'s")'
    assert trader.book.state_reason == why


@pytest.mark.parametrize("product", Product)
@pytest.mark.parametrize(
    ("first", "second"),
    list(itertools.permutations((Reason.SQUARE_OFF, Reason.DAILY_LOSS, Reason.BY_HAND), 2)),
)
def test_of_two_reasons_to_close_everything_the_one_that_closes_more_stands(
    market: Market, product: Product, first: Reason, second: Reason
) -> None:
    """The daily loss closed nothing that the square-off had left to be held overnight."""
    market.limits = with_limits(product=product)
    market.signals = []
    market.others = {
        "one": lambda: At((at(9, 45), lambda context: context.entry("a", "A", Side.BUY, 10)))
    }
    trader = market.trade(
        [tick(at(9, minute, second), 100) for minute in (45, 46, 47) for second in range(4)],
        at_tick={4: lambda trader: trader.flatten(first), 8: lambda trader: trader.flatten(second)},
    )
    assert exits(trader) and not trader.book.held_entries()


def test_the_square_off_leaves_a_sale_of_what_is_held_overnight(market: Market) -> None:
    market.limits = with_limits(product=Product.CNC)
    market.signals = []

    def sale(context: Context) -> Request:
        return context.entry("b", "A", Side.SELL, 10, limit_price=Decimal(103))

    market.others = {
        "one": lambda: At(
            (at(9, 45), lambda context: context.entry("a", "A", Side.BUY, 10)), (at(9, 46), sale)
        )
    }
    trader = market.trade(
        [tick(at(9, minute, second), 100) for minute in (45, 46, 47) for second in range(4)],
        at_tick={6: lambda trader: trader.flatten(Reason.SQUARE_OFF)},
        to_end=False,
    )
    assert [order.state for order in trader.book.open_orders()] == [State.OPEN]


@pytest.mark.parametrize("ended_by", ["Ctrl-C", "SystemExit"])
def test_whatever_ends_the_loop_people_are_notified_of_what_is_open(
    market: Market, monkeypatch: pytest.MonkeyPatch, ended_by: str
) -> None:
    """A phone was silent when the loop that watched its stops was stopped."""
    sent: list[str] = []
    monkeypatch.setattr(Notifier, "send", lambda _, text, *__, **___: sent.append(text))

    async def leave(trader: Trader) -> None:
        raise SystemExit(0)

    def stop(trader: Trader) -> None:
        if trader.book.held_entries() and ended_by == "Ctrl-C":
            signals.raise_signal(signals.SIGINT)
        elif trader.book.held_entries():
            monkeypatch.setattr(Trader, "_step", leave)

    feed = market.feed(STOPPED)
    config = SessionConfig(
        publication=market.publication(),
        folder=market.folder,
        feed=feed,
        broker=market.open_broker,
        on_batch=stop,
    )
    with TradingSession.open(config) as session, clock.driven_by(lambda: feed.at):
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            session.run()
        assert "positions open: A +198" in sent[-1]
        error = _ended_by(
            SystemExit(0), session.trader, cast("Any", SimpleNamespace(account="a", log="log"))
        )
        assert error.exit_code == 9
