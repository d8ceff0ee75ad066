"""A broker on a bad day: any broker, behind a connection with one kind of fault."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from duckbourse import clock
from duckbourse.errors import BrokerUnclear
from duckbourse.orders.broker import Broker, Capabilities, Holding, OrderReport, TradeReport, Update
from duckbourse.orders.order import Request

Answer = TypeVar("Answer")
FAULTS = ("none", "slow", "late", "duplicate", "out of order", "forgetful", "down")
# what each fault delays the answer to a request and to a query by; the manager waits for 5
DELAYS = {"slow": (2.0, 2.0), "late": (8.0, 2.0)}
# when a broker is down, from its first seconds on
DOWN = (10.0, 40.0)
# for how long a forgetful broker does not list an order
LAG_SECONDS = 3.0


class Faulty(Broker):
    """A broker whose connection has a fault."""

    def __init__(self, broker: Broker, seed: int = 1) -> None:
        self._broker = broker
        self._fault = "none"
        self._draw = random.Random(seed)
        self._placed_at: dict[str, float] = {}
        self._began = 0.0

    def begin(self, fault: str) -> None:
        """Let a fault begin."""
        self._fault = fault
        self._began = clock.elapsed_seconds()

    @property
    def name(self) -> str:
        return self._broker.name

    @property
    def capabilities(self) -> Capabilities:
        return replace(self._broker.capabilities, is_simulated=False)

    async def place(self, request: Request) -> str:
        async def placed() -> str:
            broker_order_id = await self._broker.place(request)
            self._placed_at[broker_order_id] = clock.elapsed_seconds()
            return broker_order_id

        return await self._carried(placed())

    async def cancel(self, broker_order_id: str) -> None:
        await self._carried(self._broker.cancel(broker_order_id))

    async def modify(self, broker_order_id: str, request: Request) -> None:
        await self._carried(self._broker.modify(broker_order_id, request))

    async def orders(self) -> Sequence[OrderReport]:
        found = await self._carried(self._broker.orders(), is_query=True)
        if self._fault != "forgetful":
            return found
        now = clock.elapsed_seconds()
        placed_at = self._placed_at
        return [one for one in found if now - placed_at[one.broker_order_id] >= LAG_SECONDS]

    async def trades(self) -> Sequence[TradeReport]:
        return await self._carried(self._broker.trades(), is_query=True)

    async def positions(self) -> Sequence[Holding]:
        return await self._carried(self._broker.positions(), is_query=True)

    async def updates(self) -> AsyncIterator[Update]:
        waiting: list[Update] = []
        async for update in self._broker.updates():
            match self._fault:
                case "duplicate":
                    yield update
                    yield update
                case "out of order":
                    waiting.append(update)
                    if len(waiting) == 3:
                        self._draw.shuffle(waiting)
                        for one in waiting:
                            yield one
                        waiting.clear()
                case "forgetful" | "down" if self._draw.random() < 0.5:
                    pass
                case _:
                    yield update

    async def _carried(self, call: Awaitable[Answer], *, is_query: bool = False) -> Answer:
        seconds = clock.elapsed_seconds() - self._began
        if self._fault == "down" and DOWN[0] <= seconds < DOWN[1]:
            call.close()  # type: ignore[attr-defined]
            raise BrokerUnclear("the broker is down")
        answer = await call
        await asyncio.sleep(DELAYS.get(self._fault, (0.0, 0.0))[is_query])
        if self._fault == "forgetful" and self._draw.random() < 0.3:
            raise BrokerUnclear("the answer was lost")
        return answer
