"""
An example of a broker: what is required, and nothing else.

It takes market and limit orders, modifies none, rests no stops and reports no cash.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeVar

from duckbourse.brokers._template import mapping
from duckbourse.brokers._template.client import Client, Transport
from duckbourse.errors import BrokerRejected, BrokerUnclear
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

Report = TypeVar("Report")


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
        return _read(lambda answer: str(answer["id"]), found)

    async def cancel(self, broker_order_id: str) -> None:
        await self._client.delete(f"/orders/{broker_order_id}")

    async def orders(self) -> Sequence[OrderReport]:
        return _all(mapping.order_of, await self._client.get("/orders"))

    async def trades(self) -> Sequence[TradeReport]:
        return _all(self._trade, await self._client.get("/trades"))

    async def positions(self) -> Sequence[Holding]:
        return _all(mapping.holding_of, await self._client.get("/positions"))

    async def updates(self) -> AsyncIterator[Update]:
        async for message in self._client.messages():
            yield _read(self._update, message)

    def _update(self, message: dict[str, Any]) -> Update:
        if message["kind"] == "trade":
            return self._trade(message["trade"])
        return mapping.order_of(message["order"])

    def _trade(self, found: dict[str, Any]) -> TradeReport:
        return mapping.trade_of(self.name, found)


def _all(read: Callable[[Any], Report], rows: Any) -> list[Report]:
    return _read(lambda found: [read(row) for row in found], rows)


def _read(read: Callable[[Any], Report], found: Any) -> Report:
    """Read an answer; one that is not as documented says nothing."""
    try:
        return read(found)
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise BrokerUnclear(f"the answer is not readable: {error!r}") from error
