"""
A venue that is like a bad day at a real one, on a market that jumps and locks.

It answers late, loses answers and updates, and rejects in bursts. Everything is drawn from a seed,
and happens in the seconds of a counted loop. What the venue holds is the truth that the book of the
account is compared with.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.brokers.paper import FillRules, PaperBroker
from duckbourse.errors import BrokerRejected, JournalError
from duckbourse.orders.broker import Funds, Holding, OrderReport, TradeReport, Update
from duckbourse.orders.charges import Charges
from duckbourse.orders.events import Event
from duckbourse.orders.journal import Written
from duckbourse.orders.order import Request
from duckbourse.streaming.feed import RECORD, Records, Tick, microseconds, millionths

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Faults:
    """What goes wrong; ratios are of all calls or updates, bursts are in seconds of the session."""

    max_delay_seconds: float = 0.0
    lost_call_ratio: float = 0.0
    lost_answer_ratio: float = 0.0
    lost_update_ratio: float = 0.0
    rejecting: tuple[tuple[float, float], ...] = ()
    # whether it takes stops that rest
    rests_stops: bool = False
    seed: int = 1


class Venue(PaperBroker):
    """The venue; ticks reach it from the market and not from the trader."""

    name = "venue"
    capabilities = replace(PaperBroker.capabilities, is_simulated=False)
    faults = Faults()

    def __init__(
        self,
        folder: Path,
        tick_sizes: dict[str, Decimal],
        capital_amount: Decimal,
        rules: FillRules,
        charges: tuple[Charges, ...] = (),
    ) -> None:
        super().__init__(folder, tick_sizes, capital_amount, rules, charges)
        self._draw = random.Random()
        self._began = clock.elapsed_seconds()
        self._calls: set[asyncio.Future[Any]] = set()

    def begin(self, faults: Faults) -> None:
        """Let the faults begin; their bursts count from now."""
        self.faults = faults
        self._draw = random.Random(faults.seed)
        self._began = clock.elapsed_seconds()

    async def place(self, request: Request) -> str:
        return await self._answered(super().place(request))

    async def cancel(self, broker_order_id: str) -> None:
        await self._answered(super().cancel(broker_order_id))

    async def modify(self, broker_order_id: str, request: Request) -> None:
        await self._answered(super().modify(broker_order_id, request))

    async def orders(self) -> Sequence[OrderReport]:
        return await self._answered(super().orders(), is_query=True)

    async def trades(self) -> Sequence[TradeReport]:
        return await self._answered(super().trades(), is_query=True)

    async def positions(self) -> Sequence[Holding]:
        return await self._answered(super().positions(), is_query=True)

    async def funds(self) -> Funds:
        return await self._answered(super().funds(), is_query=True)

    async def _answered(self, call: Awaitable[Answer], is_query: bool = False) -> Answer:
        """Carry a call to the venue and its answer back; the caller's time-out stops neither."""
        task = asyncio.ensure_future(self._carried(call, is_query))
        self._calls.add(task)
        task.add_done_callback(self._ended)
        # it may be cancelled before it began
        task.add_done_callback(lambda _: _never_awaited(call))
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Future[Any]) -> None:
        self._calls.discard(task)
        if not task.cancelled():
            task.exception()  # nobody waits for it after a time-out

    async def _carried(self, call: Awaitable[Answer], is_query: bool) -> Answer:
        await self._delay()
        if self._draw.random() < self.faults.lost_call_ratio:
            _never_awaited(call)
            await asyncio.sleep(3600)
        seconds = clock.elapsed_seconds() - self._began
        if not is_query and any(first <= seconds < last for first, last in self.faults.rejecting):
            _never_awaited(call)
            await self._delay()
            raise BrokerRejected("RMS: try later")
        try:
            return await call
        finally:
            await self._delay()
            if self._draw.random() < self.faults.lost_answer_ratio:
                await asyncio.sleep(3600)

    async def _delay(self) -> None:
        # mostly short, rarely the longest
        await asyncio.sleep(self.faults.max_delay_seconds / 2 * self._draw.random() ** 3)

    def _send(self, update: Update) -> None:
        """Let an update be late or lost."""
        if self._draw.random() >= self.faults.lost_update_ratio:
            delay = self.faults.max_delay_seconds / 2 * self._draw.random() ** 3
            asyncio.get_running_loop().call_later(delay, self._outbox.put_nowait, update)

    def end_calls(self) -> None:
        """Forget the calls whose answers are lost."""
        for call in self._calls:
            call.cancel()


def _never_awaited(call: Awaitable[Any]) -> None:
    close = getattr(call, "close", None)
    if close:
        close()


@dataclass
class MarketFeed:
    """Ticks in time: each reaches the venue and, at the same instant, the trader."""

    ticks_of_day: Sequence[dict[str, Any]]
    symbols: tuple[str, ...]
    name: str = "market"
    is_synthetic: bool = True
    venue: Venue | None = None
    seen: list[Tick] = field(default_factory=list)

    def counters(self) -> dict[str, int]:
        return {}

    def tick_of(self, known: dict[str, Any]) -> Tick:
        """Return a tick of the day as the venue sees it."""
        price = Decimal(str(known["price"]))
        return Tick(known["symbol"], known["at"], price, known["quantity"], True)

    async def ticks(self) -> AsyncIterator[Records]:
        for known in self.ticks_of_day:
            await asyncio.sleep(max(0.0, (known["at"] - clock.now()).total_seconds()))
            record = np.zeros(1, RECORD)
            record["symbol"] = self.symbols.index(known["symbol"])
            record["received_at"] = record["traded_at"] = microseconds(known["at"])
            record["price"] = millionths(Decimal(str(known["price"])))
            record["quantity"] = known["quantity"]
            record["cumulative_volume"] = -1
            tick = self.tick_of(known)
            self.seen.append(tick)
            if self.venue is not None:
                self.venue.on_tick(tick)
            yield record


class MemoryJournal:
    """A journal in memory, whose events are durable at once."""

    failure: JournalError | None = None

    def __init__(self) -> None:
        self.events: list[Event] = []

    def append(self, event: Event) -> Written:
        self.events.append(event)
        written = Written()
        written.set_result(None)
        return written


def path_of_prices(
    moves: Sequence[tuple[str, int]], every: timedelta, first: Any, ticks_per_move: int = 15
) -> list[dict[str, Any]]:
    """
    Return ticks of A that start at 100: each move is a change in percent, or a lock.

    A lock stays at its price with nothing to buy from or sell to.
    """
    price, when, found = Decimal(100), first, []
    for kind, pct in moves:
        if kind == "jump":
            price = max(Decimal("0.05"), (price * (100 + pct) / 100).quantize(Decimal("0.01")))
        for count in range(ticks_per_move):
            wiggle = Decimal(count % 3 - 1) / 100
            found.append(
                {
                    "at": when,
                    "price": price + wiggle,
                    "symbol": "A",
                    "quantity": 0 if kind == "lock" else 100_000,
                }
            )
            when += every
    return found
