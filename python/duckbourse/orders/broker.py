"""
The interface between the order manager and a broker, in our own terms.

A broker adapter keeps no orders, makes no decisions and sends nothing twice. `BrokerRejected` means
that the order was not placed. `BrokerUnclear` means that it may have been: the manager then looks
it up by its id.
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
    A broker's report of one order.

    `order_id` is the tag it was placed with, which may be ours, another's or None.
    `filled_quantity` is cumulative, and `average_price` covers all of it.
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
    """One trade: a fill with the broker's order id."""

    broker_order_id: str
    fill: Fill


class Funds(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's cash balance, in the currency of the account."""

    cash_amount: Decimal


Update = OrderReport | TradeReport
Holding = tuple[str, Product, int]


class Broker(Protocol):
    """A connection to one account. Methods raise only BrokerRejected or BrokerUnclear."""

    @property
    def name(self) -> str:
        """Return the broker's name."""

    @property
    def is_simulated(self) -> bool:
        """Return whether it is part of this process: it answers at once and loses nothing."""

    async def place(self, request: Request) -> str:
        """Send an order once and return the broker's order id."""

    async def cancel(self, broker_order_id: str) -> None:
        """Request a cancellation; its confirmation arrives as an update."""

    async def modify(self, broker_order_id: str, request: Request) -> None:
        """Request that an order be modified to this request."""

    async def orders(self) -> Sequence[OrderReport]:
        """Return every order of the day, whoever placed it."""

    async def trades(self) -> Sequence[TradeReport]:
        """Return every trade of the day."""

    async def positions(self) -> Sequence[Holding]:
        """Return all positions, delivered or not: symbol, product and signed quantity."""

    async def funds(self) -> Funds:
        """Return the cash balance."""

    def updates(self) -> AsyncIterator[Update]:
        """Return updates from now on, in any order, until the connection ends."""
