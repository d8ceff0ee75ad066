"""No exit waits for a broker that does not answer to anything else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from duckbourse import clock
from duckbourse.brokers.paper import FillRules
from duckbourse.orders import events
from duckbourse.orders.book import Book
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import Exits, Reason, Request, Side
from duckbourse.trading.commands import OrderByHand, send
from duckbourse.trading.loop import Trader
from duckbourse.trading.strategy import Context, Strategy
from tests.support.counted_loop import CountedLoop, run_counted
from tests.support.market import Market, at, instrument, tick, with_limits
from tests.support.venue import MarketFeed, MemoryJournal, Venue

OTHERS = [f"S{number}" for number in range(8)]
TOUCHED = at(9, 45, 20.5)


class Mute(Venue):
    """Answers to nothing that concerns other symbols than A."""

    async def place(self, request: Request) -> str:
        answer = await super().place(request)
        if request.symbol != "A" and request.limit_price != Decimal("99.5"):
            await asyncio.sleep(3600)
        return answer

    async def cancel(self, broker_order_id: str) -> None:
        await asyncio.sleep(3600)


class Many(Strategy):
    """Buys A with a stop; then eight others, whose entries expire as A's stop is touched."""

    def __init__(self, asked: str) -> None:
        self.asked, self.is_done = asked, False

    def generate_orders(self, context: Context) -> Sequence[Request]:
        if context.now < at(9, 45, 5) or len(context.prices) < 9:
            return []
        if "A" not in context.busy:
            stop = Exits(stop_price=Decimal(98))
            return [context.entry("a", "A", Side.BUY, 100, exits=stop)]
        is_due = context.now >= at(9, 45, 20)
        if self.is_done or (self.asked == "place" and not is_due):
            return []
        self.is_done = True
        limit = Decimal("99.5") if self.asked in ("cancel", "cancel by hand") else Decimal(101)
        until = at(9, 45, 20) if self.asked == "cancel" else None
        return [
            context.entry(symbol, symbol, Side.BUY, 10, limit_price=limit, expires_at=until)
            for symbol in OTHERS
        ]


@pytest.mark.parametrize("asked", ["place", "cancel", "cancel by hand"])
def test_a_stop_does_not_wait_for_the_answers_to_others(tmp_path: Path, asked: str) -> None:
    wide = {f"max_{name}_pct": Decimal(1_000) for name in ("var", "es", "net", "gross")}
    market = Market(
        tmp_path,
        signals=[],
        instruments={symbol: instrument(symbol) for symbol in ["A", *OTHERS]},
        limits=with_limits(**wide, max_symbol_pct=Decimal(25), max_positions=50),
    )
    ticks = []
    for half in range(2, 60):
        when = at(9, 45) + timedelta(seconds=half / 2)
        ticks += [tick(when, 100, symbol) for symbol in OTHERS]
        ticks.append(tick(when, 100 if when < TOUCHED else 97))
    journal = MemoryJournal()

    async def play(loop: CountedLoop) -> int:
        sizes = dict.fromkeys(market.instruments, Decimal("0.01"))
        venue = Mute(tmp_path, sizes, Decimal(100_000), FillRules(slippage_bps=Decimal(0)))
        manager = Manager(
            Book(Decimal(100_000)),
            journal,  # type: ignore[arg-type]
            venue,
            check=lambda *asked: trader.pre_trade_check(*asked),
        )
        feed = MarketFeed(ticks, tuple(sorted(market.instruments)), venue=venue)
        strategies = {"many": Many(asked)}
        trader = Trader(market.publication(), manager, feed, strategies, tmp_path)
        assert await trader.start() == ()
        is_sent = asked != "cancel by hand"
        async for records in feed.ticks():
            if not is_sent and clock.now() >= at(9, 45, 20):
                is_sent = True
                for symbol in OTHERS:
                    wanted = OrderByHand(action="cancel", target=symbol)
                    send(tmp_path, "order", "", request_id=f"no-{symbol}", order=wanted)
            await trader.on_records(records)
        venue.end_calls()
        venue.close()
        return trader.book.quantity("A", market.limits.product)

    with clock.driven_by(lambda: at(9, 44, 59)):
        held = run_counted(play, arrival_seconds=0)
    [triggered] = [each for each in journal.events if isinstance(each, events.ExitTriggered)]
    assert triggered.reason is Reason.STOP
    # each pass waits for a twentieth of a second, and a tick is one pass
    assert triggered.at - TOUCHED <= timedelta(seconds=2)
    [sent] = [
        event
        for event in journal.events
        if isinstance(event, events.OrderIntended) and event.request.reason is Reason.STOP
    ]
    assert (sent.request.symbol, sent.request.quantity) == ("A", 100)
    assert sent.at - TOUCHED <= timedelta(seconds=2)
    assert held == 0
    entries = {
        event.request.symbol
        for event in journal.events
        if isinstance(event, events.OrderIntended) and event.request.reason is Reason.ENTRY
    }
    assert entries == {"A", *OTHERS}
