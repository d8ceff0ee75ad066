"""A halt reaches an order that the broker took without an answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from duckbourse import clock
from duckbourse.brokers.paper import FillRules
from duckbourse.errors import BrokerUnclear
from duckbourse.orders.book import rebuild_book
from duckbourse.orders.broker import Update
from duckbourse.orders.events import TradingState
from duckbourse.orders.lifecycle import State
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import Request, Side
from duckbourse.trading.loop import Trader
from duckbourse.trading.strategy import Context, Strategy
from tests.support.counted_loop import CountedLoop, run_counted
from tests.support.market import Market, at, tick
from tests.support.venue import MarketFeed, MemoryJournal, Venue

CAPITAL = Decimal(100_000)


class Below(Strategy):
    """Asks once for what the market does not give."""

    def generate_orders(self, context: Context) -> Sequence[Request]:
        return [context.entry("one", "A", Side.BUY, 10, limit_price=Decimal(98))]


class Unanswered(Venue):
    """Takes each order, and its answer and its updates are lost."""

    loses_updates = True

    async def place(self, request: Request) -> str:
        await super().place(request)
        raise BrokerUnclear("lost")

    def _send(self, update: Update) -> None:
        if not self.loses_updates:
            super()._send(update)


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.REDUCING])
def test_a_halt_cancels_an_order_that_is_found_later(tmp_path: Path, state: TradingState) -> None:
    """It was cancelled once, while it was unknown, and then lay open under a halt."""
    market = Market(tmp_path / "day")
    market.folder.mkdir()
    ticks = [tick(at(9, 45) + timedelta(milliseconds=50 * step), 100) for step in range(100)]

    async def play(loop: CountedLoop) -> Trader:
        rules = FillRules(slippage_bps=Decimal(0), latency_ms=0)
        venue = Unanswered(market.folder, {"A": Decimal("0.01")}, CAPITAL, rules)
        manager = Manager(
            rebuild_book(CAPITAL, [], lambda _: None),
            MemoryJournal(),  # type: ignore[arg-type]
            venue,
            check=lambda *asked: trader.pre_trade_check(*asked),
        )
        feed = MarketFeed(ticks, ("A",), venue=venue)
        trader = Trader(market.publication(), manager, feed, {"below": Below()}, market.folder)
        assert await trader.start() == ()
        async for records in feed.ticks():
            await trader.on_records(records)
            orders = list(trader.book.orders.values())
            if orders and trader.book.state is TradingState.ACTIVE:
                assert [order.state for order in orders] == [State.UNKNOWN]
                manager.set_state(state, "by a person", "test")
                venue.loses_updates = False
        assert [report.state for report in await venue.orders()] == [State.CANCELLED]
        venue.close()
        return trader

    with clock.driven_by(lambda: at(9, 44, 59)):
        trader = run_counted(play, arrival_seconds=0)
    assert [order.state for order in trader.book.orders.values()] == [State.CANCELLED]
