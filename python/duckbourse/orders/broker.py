"""
The protocol between the order manager and a broker, in our own terms.

A broker adapter keeps no orders, makes no decisions and sends nothing twice. `BrokerRejected` means
that the order was not placed. `BrokerUnclear` means that it may have been: the manager then looks
it up by its tag, which is our order id.

An adapter subclasses `Broker`. What has a body here is optional: an adapter that leaves it out says
so in its capabilities. `brokers/_template/` lists what is required.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

import msgspec

from duckbourse.errors import BrokerRejected
from duckbourse.orders.denial import OrderDeniedError
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Fill, OrderType, Product, Request, Side, Validity
from duckbourse.orders.pacing import Rate


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
    """
    One trade: a fill with the broker's order id.

    `charges_amount` is what the broker charged for it, or None where it does not say.
    """

    broker_order_id: str
    fill: Fill
    charges_amount: Decimal | None = None


class Funds(msgspec.Struct, frozen=True, kw_only=True):
    """
    The broker's cash balance, in the currency of the account.

    It is what the account was opened with, less what was paid for fills, plus what they brought in;
    margin that is only blocked is not deducted. `has_charges` says whether the charges of the
    session are deducted already.
    """

    cash_amount: Decimal
    has_charges: bool = False


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker holds for the account; a negative quantity is a short position."""

    symbol: str
    product: Product
    quantity: int


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a broker can do; an order that it does not take is denied before it is sent.

    `is_simulated`: it is part of this process, answers at once and loses nothing. `can_rest_stops`:
    a stop order (SL) works while this process is down. `positions_include_holdings`: `positions`
    has what was delivered, too, and `holdings` is not asked. `rates` bound the requests that are
    sent. `follows_feed`: its market is the feed of the session, also a replay of the past.
    """

    order_types: frozenset[OrderType]
    products: frozenset[Product]
    validities: frozenset[Validity] = frozenset({Validity.DAY})
    is_simulated: bool = False
    follows_feed: bool = False
    can_modify: bool = True
    can_rest_stops: bool = False
    positions_include_holdings: bool = True
    max_modifications: int = 25
    rates: tuple[Rate, ...] = ()


Update = OrderReport | TradeReport


def require_taken(broker: Broker, request: Request) -> None:
    """Raise OrderDeniedError for an order of a type, product or validity the broker has not."""
    has = broker.capabilities
    for name, asked, taken in (
        ("order_type", request.order_type, has.order_types),
        ("product", request.product, has.products),
        ("validity", request.validity, has.validities),
    ):
        if asked not in taken:
            choice = "/".join(sorted(taken))
            detail = f"broker={broker.name}, {name}={asked}, taken={choice}"
            raise OrderDeniedError("NOT_TAKEN", detail)


class Broker(Protocol):
    """
    A connection to one account.

    Every method raises only BrokerRejected or BrokerUnclear. The reports may lag behind the
    answers; the updates may come late, twice, in any order or not at all.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """Return the broker's name."""

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """Return what the broker can do; it does not change."""

    @abstractmethod
    async def place(self, request: Request) -> str:
        """Send an order once, with its id as the tag, and return the broker's order id."""

    @abstractmethod
    async def cancel(self, broker_order_id: str) -> None:
        """Request a cancellation; its confirmation arrives as an update."""

    async def modify(self, broker_order_id: str, request: Request) -> None:
        """Request that an order be modified to this request."""
        raise BrokerRejected(f"{self.name} modifies no orders")

    async def find(self, order_id: str) -> Sequence[OrderReport]:
        """Return the orders of the day with this tag; more than one if it was placed twice."""
        return [report for report in await self.orders() if report.order_id == order_id]

    @abstractmethod
    async def orders(self) -> Sequence[OrderReport]:
        """Return every order of the day, whoever placed it."""

    @abstractmethod
    async def trades(self) -> Sequence[TradeReport]:
        """Return every trade of the day."""

    @abstractmethod
    async def positions(self) -> Sequence[Holding]:
        """Return what was traded and is held, with what was delivered if the capability says so."""

    async def holdings(self) -> Sequence[Holding]:
        """Return what was delivered in earlier sessions and is still held."""
        return ()

    async def funds(self) -> Funds | None:
        """Return the cash balance, or None if the broker does not report a comparable one."""
        return None

    @abstractmethod
    def updates(self) -> AsyncIterator[Update]:
        """
        Return updates from now on, in any order, until the connection ends.

        Raise BrokerUnclear if it breaks; the manager compares the books and connects again.
        """

    async def disconnect(self) -> None:
        """End the connections, in the event loop that used them."""
        return

    def close(self) -> None:
        """Close files; nothing is asked of the broker afterward."""
        return
