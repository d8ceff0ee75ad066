"""Stops that rest at the broker: there while something is held, and never in the way of an exit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from duckbourse import clock
from duckbourse.brokers.paper import FillRules
from duckbourse.orders.book import rebuild_book
from duckbourse.orders.broker import OrderReport, TradeReport
from duckbourse.orders.lifecycle import State
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import Exits, OrderType, Reason, Request
from duckbourse.trading.loop import Trader
from duckbourse.trading.strategy import Context, SignalStrategy
from tests.support.counted_loop import CountedLoop, run_counted
from tests.support.market import Market, at, tick
from tests.support.venue import MarketFeed, MemoryJournal, Venue

CAPITAL = Decimal(100_000)
# ticks of the first seconds, in which 200 are bought at 100
ENTERED = [tick(at(9, 45, second), 100) for second in (1, 2, 3, 4)]


class Trailing(SignalStrategy):
    """Enters on signals, and leaves two below the best price."""

    def generate_orders(self, context: Context) -> Sequence[Request]:
        exits = Exits(trail_distance=Decimal(2))
        return [replace(each, exits=exits) for each in super().generate_orders(context)]


class Day:
    """One account at one venue that can rest stops; the loop may be down in between."""

    def __init__(self, folder: Path, strategy: type[SignalStrategy] = SignalStrategy) -> None:
        self.market = Market(folder)
        self.strategy = strategy
        folder.mkdir(parents=True, exist_ok=True)
        self.journal = MemoryJournal()
        self.trades: Sequence[TradeReport] = ()
        self.orders: Sequence[OrderReport] = ()

    @contextmanager
    def venue(self) -> Iterator[Venue]:
        """Yield the venue, which lives on where the loop does not."""
        rules = FillRules(slippage_bps=Decimal(0), latency_ms=0)
        venue = Venue(self.market.folder, {"A": Decimal("0.01")}, CAPITAL, rules)
        venue.capabilities = replace(Venue.capabilities, can_rest_stops=True)
        try:
            yield venue
        finally:
            self.trades, self.orders = venue._trades, list(venue._orders.values())
            venue.close()

    def go_on(self, ticks: Sequence[dict[str, Any]]) -> None:
        """Let the market go on while the loop is down."""

        async def play(loop: CountedLoop) -> None:
            with self.venue() as venue:
                for known in ticks:
                    venue.on_tick(MarketFeed([], ("A",)).tick_of(known))

        with clock.driven_by(lambda: ticks[0]["at"]):
            run_counted(play, arrival_seconds=0)

    def traded(self, ticks: Sequence[dict[str, Any]]) -> Trader:
        """Trade on ticks; the loop is gone after the last one."""

        async def play(loop: CountedLoop) -> Trader:
            with self.venue() as venue:
                return await self.played(venue, ticks)

        with clock.driven_by(lambda: ticks[0]["at"] - timedelta(seconds=1)):
            return run_counted(play, arrival_seconds=0)

    async def played(self, venue: Venue, ticks: Sequence[dict[str, Any]]) -> Trader:
        feed = MarketFeed(ticks, ("A",), venue=venue)
        manager = Manager(
            rebuild_book(CAPITAL, list(self.journal.events), lambda _: None),
            self.journal,  # type: ignore[arg-type]
            venue,
            check=lambda *asked: trader.pre_trade_check(*asked),
            grace_seconds=0,
        )
        folder = self.market.folder
        strategies = {"signals": self.strategy()}
        trader = Trader(self.market.publication(), manager, feed, strategies, folder)
        assert await trader.start() == ()
        async for records in feed.ticks():
            await trader.on_records(records)
        return trader

    def stops(self) -> list[OrderReport]:
        return [order for order in self.orders if order.order_type is OrderType.SL]

    def held(self) -> int:
        return sum(trade.fill.signed_quantity for trade in self.trades)


def test_a_stop_rests_as_soon_as_an_entry_fills_and_works_while_the_loop_is_down(
    tmp_path: Path,
) -> None:
    day = Day(tmp_path / "day")
    day.traded(ENTERED)
    held = day.held()
    assert held > 0
    (stop,) = day.stops()
    assert (stop.state, stop.quantity, stop.trigger_price) == (
        State.TRIGGER_PENDING,
        held,
        Decimal(98),
    )
    # the loop is down, and the market falls
    day.go_on([tick(at(9, 50), "97.5"), tick(at(9, 50, 1), "97.4")])
    assert day.held() == 0
    trader = day.traded([tick(at(9, 55, second), 97) for second in range(5)])
    assert trader.book.open_positions() == []
    assert trader.book.cash_amount == CAPITAL + held * (Decimal("97.5") - 100)
    assert day.held() == 0
    assert len(day.orders) == 2


def test_an_exit_takes_over_from_the_resting_stop(tmp_path: Path) -> None:
    day = Day(tmp_path / "day")
    trader = day.traded([*ENTERED, *(tick(at(9, 50, second), 111) for second in range(5))])
    (stop,) = day.stops()
    assert stop.state is State.CANCELLED
    assert day.held() == 0
    assert trader.book.open_positions() == []
    closing = [order.request.reason for order in trader.book.orders.values()][1:]
    assert closing == [Reason.STOP, Reason.TARGET]


def test_a_stop_that_the_market_reaches_is_executed_once(tmp_path: Path) -> None:
    day = Day(tmp_path / "day")
    falling = [tick(at(9, 50, second), 97 - second / 10) for second in range(10)]
    trader = day.traded([*ENTERED, *falling])
    assert day.held() == 0
    (stop,) = day.stops()
    assert stop.state is State.FILLED
    assert len(trader.book.orders) == 2


def test_a_resting_stop_follows_a_trailing_stop_in_steps(tmp_path: Path) -> None:
    day = Day(tmp_path / "day", Trailing)
    rising = [tick(at(9, 50, step), f"{Decimal(1000 + step) / 10}") for step in range(30)]
    trader = day.traded([*ENTERED, *rising])
    (stop,) = day.stops()
    assert stop.trigger_price is not None
    assert Decimal("0") <= Decimal("102.9") - 2 - stop.trigger_price < Decimal("0.2")
    (order,) = [one for one in trader.book.orders.values() if one.request.trigger_price]
    assert 10 <= order.modification_count <= 15
