"""A session goes by the time that passes, whatever the machine's clock is set to."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from duckbourse import clock
from duckbourse.brokers.paper import FillRules
from duckbourse.orders import events
from duckbourse.orders.book import Book
from duckbourse.orders.denial import OrderDeniedError
from duckbourse.orders.events import LoopStopped
from duckbourse.orders.journal import read_journal
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import Exits, Request, Side
from duckbourse.trading.loop import Trader
from duckbourse.trading.session import SessionConfig, TradingSession
from duckbourse.trading.strategy import Context, Strategy
from tests.support.counted_loop import CountedLoop, run_counted
from tests.support.factories import request as order_of
from tests.support.market import Market, at, tick
from tests.support.venue import MarketFeed, MemoryJournal, Venue

BEGAN = datetime(2026, 11, 25, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("passed", "more", "unbelieved"),
    [
        (0, 0, 0),
        (60, 1.9, 0),  # it is being adjusted
        (60, -1.9, 0),
        (60, 2.1, 2.1),
        (60, -2.1, -2.1),
        (60, 8 * 3600, 8 * 3600),
        (60, -3600, -3600),
        (6 * 3600, 12, 0),  # as fast as clocks are adjusted, all day
        (6 * 3600, 13, 13),
    ],
)
def test_a_clock_that_was_set_is_not_believed(
    passed: float, more: float, unbelieved: float
) -> None:
    shown, seconds = BEGAN, 100.0
    steady = clock.SteadyClock(lambda: shown, lambda: seconds)
    shown, seconds = BEGAN + timedelta(seconds=passed + more), seconds + passed
    assert steady.unbelieved_seconds == pytest.approx(unbelieved)
    assert steady() == BEGAN + timedelta(seconds=passed + (0 if unbelieved else more))
    # a clock that is right again is believed
    shown = BEGAN + timedelta(seconds=passed)
    assert (steady(), steady.unbelieved_seconds) == (shown, 0)


def test_time_passes_while_a_machine_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The monotonic clock of Linux stands still then, and the close would come hours late."""
    monkeypatch.setattr(time, "clock_gettime", float)
    assert clock._seconds_awake_or_not() == getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Buys(Strategy):
    def generate_orders(self, context: Context) -> Sequence[Request]:
        if context.busy or context.price("A") is None:
            return []
        stop = Exits(stop_price=Decimal(98), exit_at=at(15))
        return [context.entry("one", "A", Side.BUY, 10, exits=stop)]


@pytest.mark.parametrize("hours", [8, -8])
def test_a_clock_that_is_set_ends_nothing(tmp_path: Path, hours: int) -> None:
    """All was squared off, and the loop ended, as the clock was set past the close."""
    market, journal = Market(tmp_path, signals=[]), MemoryJournal()
    ticks = [tick(at(9, 45, second), 100) for second in range(1, 40)]
    ticks += [tick(at(9, 45, second), 97) for second in range(40, 60)]

    async def play(loop: CountedLoop) -> Trader:
        venue = Venue(tmp_path, {"A": Decimal("0.01")}, Decimal(100_000), FillRules())
        manager = Manager(
            Book(Decimal(100_000)),
            journal,  # type: ignore[arg-type]
            venue,
            check=lambda *asked: trader.pre_trade_check(*asked),
        )
        feed = MarketFeed(ticks, ("A",), venue=venue)
        trader = Trader(market.publication(), manager, feed, {"one": Buys()}, tmp_path)
        assert await trader.start() == ()
        count = 0
        async for records in feed.ticks():
            count += 1
            set_by["hours"] = hours if 10 <= count < 50 else 0
            await trader.on_records(records)
            if count == 30:
                assert trader.book.held_entries() and not journal_of(events.ExitTriggered)
                assert "clock was set, and shows 28,800 s" in "".join(trader.health_problems())
        venue.end_calls()
        venue.close()
        return trader

    def journal_of(kind: type) -> list[events.Event]:
        return [each for each in journal.events if isinstance(each, kind)]

    set_by = {"hours": 0}

    def main(loop: CountedLoop) -> object:
        def wall() -> datetime:
            return at(9, 45) + timedelta(seconds=loop.seconds, hours=set_by["hours"])

        async def steady() -> Trader:
            with clock.driven_by(clock.SteadyClock(wall, loop.time)):
                return await play(loop)

        return steady()

    with clock.driven_by(lambda: at(9, 45)):
        trader: Trader = run_counted(main, arrival_seconds=0)  # type: ignore[arg-type]
    assert not trader.book.held_entries()
    [left] = [each.reason for each in journal.events if isinstance(each, events.ExitTriggered)]
    assert left == "stop"
    jumps = [each.seconds for each in journal.events if isinstance(each, events.ClockJumped)]
    assert jumps == [hours * 3600, 0]


@pytest.mark.some_day
def test_a_session_of_a_live_feed_is_held_steady(
    market_of_now: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = clock.now()

    def wall() -> datetime:
        return shown

    monkeypatch.setattr(clock, "_instant", wall)
    monkeypatch.setattr(clock, "_source", wall)
    config = SessionConfig(
        publication=market_of_now.publication(),
        folder=market_of_now.folder,
        feed=MarketFeed([], ("A",)),
        broker=market_of_now.open_broker,
    )
    with TradingSession.open(config):
        assert isinstance(clock._source, clock.SteadyClock)
    assert clock._source is wall


@pytest.fixture
def market_of_now(tmp_path: Path) -> Market:
    return Market(tmp_path / "session")


def test_waits_count_the_time_that_a_machine_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry with a minute to live was sent after a sleep of two hours."""
    began = clock.elapsed_seconds()
    passed = clock._seconds_awake_or_not()
    with monkeypatch.context() as asleep:
        asleep.setattr(time, "clock_gettime", lambda _: passed + 7200)
        assert clock.elapsed_seconds() - began >= 7200


@pytest.mark.parametrize("hours", [8, -8])
def test_nothing_is_opened_by_a_clock_that_was_set(tmp_path: Path, hours: int) -> None:
    """One of two clocks is wrong, and with it the time at which all is squared off."""
    market = Market(tmp_path, signals=[])
    trader = market.trade([tick(at(9, 45), 100)], to_end=False)
    asked = order_of("one", limit_price=Decimal(100))
    shown = at(9, 45)
    with clock.driven_by(clock.SteadyClock(lambda: shown, lambda: 0.0)):
        trader.pre_trade_check(trader.book, asked, None)
        shown += timedelta(hours=hours)
        with pytest.raises(OrderDeniedError, match="CLOCK: set_by_seconds"):
            trader.pre_trade_check(trader.book, asked, None)


def test_a_replay_that_was_stopped_goes_on_after_the_last_tick_that_it_handled(
    tmp_path: Path,
) -> None:
    """It went on after the last event of the journal, and showed twelve minutes of ticks again."""
    market = Market(tmp_path, signals=[])
    ticks = [tick(at(9, 45, second), 100) for second in range(6)]
    seen: list[datetime] = []

    def traded(stops_after: int) -> None:
        feed = market.feed(ticks)

        def show(trader: Trader) -> None:
            if trader.handled_at is not None and trader.handled_at not in seen:
                seen.append(trader.handled_at)
                if len(seen) == stops_after:
                    signal.raise_signal(signal.SIGINT)

        config = SessionConfig(
            publication=market.publication(),
            folder=market.folder,
            feed=feed,
            broker=market.open_broker,
            on_batch=show,
        )
        with TradingSession.open(config) as opened, clock.driven_by(lambda: feed.at):
            first.append(feed.start)
            opened.run()

    first: list[datetime] = []
    with pytest.raises(KeyboardInterrupt):
        traded(3)
    stop = read_journal(market.folder)[-1]
    assert isinstance(stop, LoopStopped) and stop.at == at(9, 45, 2)
    traded(0)
    assert first == [at(9, 45), at(9, 45, 3)]
    assert seen == [at(9, 45, second) for second in range(6)]
    assert sum(isinstance(each, LoopStopped) for each in read_journal(market.folder)) == 1
