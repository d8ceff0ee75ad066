"""
What the order manager asks of a broker, in our words.

A broker keeps no orders of ours, decides nothing and sends nothing twice. `BrokerRejected` says
that nothing was placed; `BrokerUnclear` that nobody knows: then the manager looks the order up by
its id.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

import msgspec

from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Fill, OrderType, Product, Request, Side


class OrderReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a broker says of one order.

    `order_id` is the tag that it came with, ours or another's, or none. `filled_quantity` is
    cumulative, and `average_price` that of all of it.
    """

    broker_order_id: str
    order_id: str | None
    symbol: str
    side: Side
    product: Product
    order_type: OrderType
    quantity: int
    state: State
    filled_quantity: int = 0
    average_price: Decimal | None = None
    limit_price: Decimal | None = None
    trigger_price: Decimal | None = None
    message: str = ""
    at: datetime | None = None


class TradeReport(msgspec.Struct, frozen=True, kw_only=True):
    """One trade: a fill whose order is called as the broker calls it."""

    broker_order_id: str
    fill: Fill


class Funds(msgspec.Struct, frozen=True, kw_only=True):
    """Money as the broker counts it, in the currency of the account."""

    cash_amount: Decimal


Update = OrderReport | TradeReport
Holding = tuple[str, Product, int]


class Broker(Protocol):
    """A connection to one account. Methods raise BrokerRejected or BrokerUnclear, nothing else."""

    @property
    def name(self) -> str:
        """Return the broker's name."""

    async def place(self, request: Request) -> str:
        """Send an order once, and return what the broker calls it."""

    async def cancel(self, broker_order_id: str) -> None:
        """Ask for the end of an order; that it ended comes as an update."""

    async def modify(self, broker_order_id: str, request: Request) -> None:
        """Ask for an order to become this request."""

    async def orders(self) -> Sequence[OrderReport]:
        """Return every order of the day, whoever placed it."""

    async def trades(self) -> Sequence[TradeReport]:
        """Return every trade of the day."""

    async def positions(self) -> Sequence[Holding]:
        """Return what is held, delivered or not: symbol, product and signed quantity."""

    async def funds(self) -> Funds:
        """Return what money there is."""

    def updates(self) -> AsyncIterator[Update]:
        """Return what happens from now on, in whatever order it is told, until the end."""
