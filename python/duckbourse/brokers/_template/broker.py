"""
An example of a broker: what is required, and nothing else.

It takes market and limit orders, modifies none, rests no stops and reports no cash.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from duckbourse.brokers._template import mapping
from duckbourse.brokers._template.client import Client, Transport
from duckbourse.errors import BrokerRejected
from duckbourse.orders.broker import (
    Broker,
    Capabilities,
    Holding,
    OrderReport,
    TradeReport,
    Update,
)
from duckbourse.orders.order import Product, Request
from duckbourse.orders.pacing import Rate


class TemplateBroker(Broker):
    """One account at the example broker."""

    name = "template"
    capabilities = Capabilities(
        order_types=frozenset(mapping.TYPES),
        products=frozenset(Product),
        can_modify=False,
        rates=(Rate(10, 1), Rate(250, 60)),
    )

    def __init__(self, transport: Transport) -> None:
        self._client = Client(transport)

    async def place(self, request: Request) -> str:
        if request.order_type not in self.capabilities.order_types:
            raise BrokerRejected(f"{self.name} takes no {request.order_type} orders")
        found = await self._client.post("/orders", mapping.body_of(request))
        return str(found["id"])

    async def cancel(self, broker_order_id: str) -> None:
        await self._client.delete(f"/orders/{broker_order_id}")

    async def orders(self) -> Sequence[OrderReport]:
        return [mapping.order_of(found) for found in await self._client.get("/orders")]

    async def trades(self) -> Sequence[TradeReport]:
        return [mapping.trade_of(self.name, found) for found in await self._client.get("/trades")]

    async def positions(self) -> Sequence[Holding]:
        return [mapping.holding_of(found) for found in await self._client.get("/positions")]

    async def updates(self) -> AsyncIterator[Update]:
        async for message in self._client.messages():
            if message["kind"] == "trade":
                yield mapping.trade_of(self.name, message["trade"])
            else:
                yield mapping.order_of(message["order"])
