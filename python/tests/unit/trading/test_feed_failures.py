"""A feed that is refused or fails: what is open is looked after until it is closed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from duckbourse import clock
from duckbourse.brokers.paper import FillRules
from duckbourse.errors import FeedFailed, TokenRefused, TradingError
from duckbourse.orders import events
from duckbourse.orders.book import Book
from duckbourse.orders.bus import Message
from duckbourse.orders.events import Event, FeedChanged, TradingState
from duckbourse.orders.lifecycle import State
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import Exits, Reason, Request, Side
from duckbourse.streaming.feed import Records
from duckbourse.streaming.replay import Replay
from duckbourse.trading.commands import send
from duckbourse.trading.loop import Trader
from duckbourse.trading.publication import Signal
from duckbourse.trading.session import SessionConfig, TradingSession
from duckbourse.trading.strategy import Context, SignalStrategy, Strategy
from tests.support.counted_loop import CountedLoop, run_counted
from tests.support.market import Market, at, exits, instrument, signal, tick
from tests.support.venue import MarketFeed, MemoryJournal, Venue

CLOSE = at(16)
ENTERED = [tick(at(9, 45, second), 100) for second in (1, 2, 3)]


@dataclass
class RefusedFeed(MarketFeed):
    """It fails after its ticks, each time; what it has when it is opened again are `later`."""

    later: Sequence[Sequence[dict[str, Any]] | None] = ()
    opened_count: int = 0
    opened_at: list[datetime] = field(default_factory=list)
    error: Exception = field(
        default_factory=lambda: TokenRefused("refused with HTTP 403", "log in again")
    )

    async def ticks(self) -> AsyncIterator[Records]:
        async for records in super().ticks():
            yield records
        self.opened_count += 1
        self.opened_at.append(clock.now())
        while True:
            is_last = self.opened_count > len(self.later)
            more = None if is_last else self.later[self.opened_count - 1]
            if more is None:
                self.ticks_of_day = []
                raise copy(self.error)
            self.ticks_of_day = more
            async for records in super().ticks():
                yield records
            return


def traded(
    folder: Path,
    ticks: Sequence[dict[str, Any]],
    unseen: Sequence[dict[str, Any]] = (),
    commands: Sequence[tuple[datetime, str]] = (),
    closes: datetime = CLOSE,
    signals: Sequence[Signal] = (signal(),),
    others: Mapping[str, Strategy] = MappingProxyType({}),
    **changed: Any,
) -> tuple[Trader, RefusedFeed, list[Event], str, datetime]:
    """
    Trade until the loop ends; return also its error, if any, and when it ended.

    `unseen` are ticks of the market that do not reach the trader.
    """
    market = Market(folder, closes=closes, signals=signals)

    async def play(loop: CountedLoop) -> tuple[Trader, RefusedFeed, list[Event], str, datetime]:
        venue = Venue(folder, {"A": Decimal("0.01")}, Decimal(100_000), FillRules(latency_ms=0))
        feed = RefusedFeed(ticks, ("A",), venue=venue, **changed)
        journal = MemoryJournal()
        manager = Manager(
            Book(Decimal(100_000)),
            journal,  # type: ignore[arg-type]
            venue,
            check=lambda *asked: trader.pre_trade_check(*asked),
        )
        strategies = {"signals": SignalStrategy(), **others}
        trader = Trader(market.publication(), manager, feed, strategies, folder)
        assert await trader.start() == ()

        async def go_on() -> None:
            async for _ in MarketFeed(unseen, ("A",), venue=venue).ticks():
                pass

        async def command() -> None:
            for when, name in commands:
                await asyncio.sleep((when - clock.now()).total_seconds())
                send(folder, name, "by a test")

        beside = [asyncio.ensure_future(go_on()), asyncio.ensure_future(command())]
        error = ""
        try:
            await trader.run()
        except TradingError as failed:
            error = str(failed)
        for task in beside:
            task.cancel()
        venue.end_calls()
        venue.close()
        return trader, feed, journal.events, error, clock.now()

    folder.mkdir(parents=True, exist_ok=True)
    with clock.driven_by(lambda: at(9, 44, 59)):
        return run_counted(play, arrival_seconds=0)


def test_a_refused_token_ends_a_loop_with_nothing_open(tmp_path: Path) -> None:
    trader, feed, journal, error, ended_at = traded(tmp_path, [])
    assert error == "refused with HTTP 403"
    assert trader.book.state is TradingState.HALTED
    assert feed.opened_count == 1 and ended_at < at(9, 46)
    # with a new token the session goes on, and nothing says that it was over
    assert not any(isinstance(each, events.SessionEnded) for each in journal)


def test_a_refused_token_leaves_no_position_unattended(tmp_path: Path) -> None:
    """One 403 ended the loop, and no stop or square-off was looked after."""
    unseen = [tick(at(9, minute), 101) for minute in range(46, 60)]
    unseen += [tick(at(hour, minute), 101) for hour in range(10, 16) for minute in range(60)]
    trader, feed, journal, error, ended_at = traded(tmp_path, ENTERED, unseen)
    # the entry's own time closes it at the venue's price, and the loop ends when it is flat
    assert not trader.book.open_positions()
    assert {order.request.reason for order in exits(trader)} == {Reason.TIME}
    assert at(15, 15) <= ended_at < at(15, 18)
    assert (trader.book.state, error) == (TradingState.HALTED, "refused with HTTP 403")
    halts = [each for each in journal if isinstance(each, events.TradingStateChanged)]
    assert [each.state for each in halts].count(TradingState.HALTED) == 1
    # it was tried again all the time
    assert feed.opened_count > 5 * 60


class Sells(Strategy):
    """Sells short what the signals buy, and as much of it."""

    def generate_orders(self, context: Context) -> Sequence[Request]:
        if context.price("A") is None or not context.account.open_positions():
            return []
        exits = Exits(exit_at=at(15, 15))
        return [context.entry("one", "A", Side.SELL, 198, exits=exits)]


def test_a_refused_token_leaves_no_entry_unattended(tmp_path: Path) -> None:
    """Two strategies on both sides left the account flat, and the loop ended with both open."""
    ticks = [tick(at(9, 45, second), 100) for second in range(1, 20)]
    unseen = [tick(at(hour, minute), 100) for hour in range(10, 16) for minute in range(60)]
    trader, *_, ended_at = traded(tmp_path, ticks, unseen, others={"sells": Sells()})
    held = {each.request.side: each.filled_quantity for each in trader.book.orders.values()}
    assert held == {Side.BUY: 198, Side.SELL: 198}
    assert trader.book.held_entries() == [] and ended_at >= at(15, 15)


def test_commands_are_obeyed_without_a_feed(tmp_path: Path) -> None:
    unseen = [tick(at(10, minute), 101) for minute in range(60)]
    trader, *_, ended_at = traded(tmp_path, ENTERED, unseen, [(at(10, 5), "square-off")])
    assert not trader.book.open_positions()
    assert {order.request.reason for order in exits(trader)} == {Reason.BY_HAND}
    assert ended_at < at(10, 8)


def test_what_cannot_be_closed_is_looked_after_until_the_close(tmp_path: Path) -> None:
    trader, _, journal, error, ended_at = traded(tmp_path, ENTERED)
    assert trader.book.open_positions() and error
    assert at(16) <= ended_at < at(16, 1)
    assert isinstance(journal[-1], events.SessionEnded)
    assert any(isinstance(each, events.ExitDelayed) for each in journal)


def test_a_clock_that_is_set_back_ends_no_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looked like a replay, whose clock stands without ticks: positions were left open."""
    now = clock.now

    def set_back() -> datetime:
        return now() - timedelta(seconds=90) * (now() > at(9, 50))

    monkeypatch.setattr(clock, "now", set_back)
    trader, _, journal, _, ended_at = traded(tmp_path, ENTERED, closes=at(10, 50))
    assert trader.book.open_positions()
    assert ended_at >= at(10, 50) and isinstance(journal[-1], events.SessionEnded)


def test_a_feed_that_comes_back_is_followed_again(tmp_path: Path) -> None:
    back = [tick(at(9, 50), 97), tick(at(9, 50, 1), 97), tick(at(9, 50, 2), 97)]
    trader, feed, _, error, _ = traded(tmp_path, ENTERED, later=(None, None, back))
    assert not trader.book.open_positions()
    assert {order.request.reason for order in exits(trader)} == {Reason.STOP}
    # nothing is opened until a person lifts the halt
    assert (error, trader.book.state) == ("", TradingState.HALTED)
    assert feed.opened_count == 3


BROKEN = ValueError("a record of 9 fields")
# an entry that a feed which is back would allow
LATER = signal(signal_id="later", known_at=at(9, 53, 30), stop_price=Decimal(90))


def test_a_feed_that_fails_for_a_reason_of_its_own_is_opened_again(tmp_path: Path) -> None:
    """Anything but a BrokerError from the feed ended the loop, with positions open."""
    back = [tick(at(9, minute), 101) for minute in range(48, 52)]
    back += [tick(at(9, 52, second), 101) for second in range(10)]
    back += [tick(at(9, 53, second), 97) for second in (0, 1, 2, 31, 32)]
    later = (None, None, None, None, None, back)
    trader, feed, journal, error, ended_at = traded(
        tmp_path, ENTERED, signals=[signal(), LATER], later=later, error=BROKEN
    )
    assert (error, feed.opened_count) == ("", 6)
    # soon at first, then later and later
    waits = [(after - before).total_seconds() for before, after in pairwise(feed.opened_at)]
    assert waits == pytest.approx([1, 2, 4, 8, 16], abs=0.6)
    # exits go on, and nothing is opened until a person resumes
    assert not trader.book.open_positions() and ended_at < at(9, 54)
    assert [(each.request.reason, each.state) for each in trader.book.orders.values()] == [
        (Reason.ENTRY, State.FILLED),
        (Reason.STOP, State.FILLED),
        (Reason.ENTRY, State.DENIED),
    ]
    assert trader.book.state is TradingState.REDUCING
    assert "market failed: ValueError('a record of 9 fields')" in trader.book.state_reason
    reported = [(each.what, each.is_healthy) for each in journal if isinstance(each, FeedChanged)]
    assert reported[0] == ("market failed: ValueError('a record of 9 fields')", False)
    assert reported[-1] == ("market has ticks again", True)
    assert not trader.is_awaited("A")


def test_a_feed_that_fails_to_the_end_leaves_no_position_unattended(tmp_path: Path) -> None:
    unseen = [tick(at(9, minute), 101) for minute in range(46, 60)]
    unseen += [tick(at(10, minute), 101) for minute in range(50)]
    trader, feed, _, error, ended_at = traded(
        tmp_path, ENTERED, unseen, closes=at(10, 50), error=BROKEN
    )
    assert not trader.book.open_positions()
    assert {order.request.reason for order in exits(trader)} == {Reason.SQUARE_OFF}
    assert error == "market failed: ValueError('a record of 9 fields')"
    # it is not given up when it is flat: a person may resume
    assert at(10, 50) <= ended_at < at(10, 51)
    assert 120 < feed.opened_count < 140


def test_a_replay_that_fails_ends(tmp_path: Path) -> None:
    """A replay is its own clock, which stands still once it has failed."""
    market = Market(tmp_path)

    class Broken(Replay):
        async def ticks(self) -> AsyncIterator[Records]:
            async for records in super().ticks():
                yield records
            raise BROKEN

    whole = market.feed(ENTERED)
    feed = Broken(whole._records, whole.symbols, "by hand", 0, is_synthetic=True)
    config = SessionConfig(
        publication=market.publication(), folder=tmp_path, feed=feed, broker=market.open_broker
    )
    with TradingSession.open(config) as session, pytest.raises(FeedFailed, match="by hand failed"):
        session.run()
    assert session.trader.book.state is TradingState.REDUCING


def test_a_part_of_the_feed_that_is_down_opens_nothing_in_its_symbols(tmp_path: Path) -> None:
    """One of several sockets is down: the others are traded on."""
    market = Market(
        tmp_path,
        instruments={"A": instrument(), "B": instrument("B"), "C": instrument("C")},
        signals=[signal(name, known_at=at(9, 46), signal_id=name) for name in "ABC"],
    )
    down = "Kite 2 of 2 was disconnected; there are no ticks of 2 symbols: B, C"
    seen: dict[str, list[str]] = {}

    def lose(trader: Trader) -> None:
        trader.on_health(down, False, ("B", "C"))

    def find(trader: Trader) -> None:
        seen["while down"] = trader.health_problems()
        trader.on_health("Kite 2 of 2 connected", True, ("B", "C"))
        seen["before its first tick"] = trader.health_problems()
        assert [trader.is_awaited(symbol) for symbol in "ABC"] == [False, True, True]

    def look(trader: Trader) -> None:
        seen["at last"] = trader.health_problems()
        assert not trader.is_awaited("C")

    ticks = [tick(at(9, 45), 100, symbol) for symbol in "ABC"]
    # what was on its way when the connection was lost
    ticks += [tick(at(9, 46, second), 100, symbol) for second in range(3) for symbol in "ABC"]
    ticks += [tick(at(9, 47), 100), tick(at(9, 47, 1), 100, "B")]
    trader = market.trade(ticks, at_tick={1: lose, 4: find, 6: look})
    denied = {order.request.symbol: order.message for order in trader.book.orders.values()}
    assert denied["A"] == ""
    assert all(denied[name].startswith("STREAM") for name in "BC")
    assert seen == {
        "while down": [down],
        "before its first tick": ["no tick yet"],
        "at last": [],
    }


def test_a_loop_that_stands_still_is_not_healthy(tmp_path: Path) -> None:
    """The answer of /health was 200 while the loop stood still."""
    seen: list[tuple[int, float, list[str]]] = []
    passes: list[float] = []

    def look(trader: Trader) -> None:
        trader.on_pass = passes.append
        trader.thread = threading.get_ident()  # it trades
        now = clock.elapsed_seconds()
        for later in (9, 11):
            with clock.counted_by(lambda at=now + later: at):  # type: ignore[misc]
                seen.append((later, trader.seconds_since_tick(), trader.health_problems()))

    Market(tmp_path).trade(ENTERED, at_tick={1: look})
    (first, ages, healthy), (_, _, still) = seen
    assert first <= ages < first + 1
    assert healthy == []
    assert still == ["the loop has stood still for 11 s"]
    assert len(passes) == len(ENTERED) - 1 and min(passes) > 0


def test_a_subscriber_that_fails_is_seen(tmp_path: Path) -> None:
    seen: list[str] = []
    gauges: dict[str, float] = {}

    def look(trader: Trader) -> None:
        seen.extend(trader.health_problems())

    def break_one(trader: Trader) -> None:
        def broken(_: Message[Event]) -> None:
            raise ValueError

        trader.manager.bus.subscribe(Event, broken)
        trader.gauges = gauges.__setitem__

    trader = Market(tmp_path).trade(ENTERED, at_tick={1: break_one, len(ENTERED) - 1: look})
    (count,) = trader.manager.bus.failures.values()
    assert gauges["subscriber_failures"] == count > 0
    (found,) = seen
    assert "broken failed 1 time" in found


def test_people_are_notified_of_a_feed_that_is_lost(tmp_path: Path) -> None:
    market = Market(tmp_path)

    def lose_and_find(trader: Trader) -> None:
        trader.on_health("Kite was disconnected", False, ("A",))
        assert trader.is_awaited("A")
        assert "Kite was disconnected" in trader.health_problems()
        trader.on_health("Kite connected", True, ("A",))

    market.trade(ENTERED, at_tick={2: lose_and_find})
    assert [each.what for each in market.of(events.FeedChanged)] == [
        "Kite was disconnected",
        "Kite connected",
    ]
