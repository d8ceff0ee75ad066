"""
Zerodha through Kite: orders, trades, positions and holdings of one account.

An order's tag is our id. Stops rest at the exchange as Kite's SL orders. A market order has the
limit of its request, or Kite's own protection. Quantities beyond the exchange's freeze quantity are
sliced by the exits and refused of entries before they come here, so that each order has one tag.
Kite states no cash that compares with the account's: its margins mix funds and collateral.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, TypeVar

from duckbourse.brokers.zerodha import mapping
from duckbourse.brokers.zerodha.client import KiteClient
from duckbourse.brokers.zerodha.mapping import Names
from duckbourse.brokers.zerodha.updates import OrderStream, OrderUpdates
from duckbourse.errors import BrokerUnclear
from duckbourse.orders.broker import (
    Broker,
    Capabilities,
    Holding,
    OrderReport,
    TradeReport,
    Update,
)
from duckbourse.orders.order import OrderType, Product, Request, Validity, is_order_id
from duckbourse.orders.pacing import Rate
from duckbourse.streaming.bounded_log import BoundedLog

Report = TypeVar("Report")
Found = Mapping[str, Any]
REGULAR = "regular"
UNREADABLE = (KeyError, TypeError, ValueError, ArithmeticError, AttributeError)


class ZerodhaBroker(Broker):
    """One account at Kite, or at a venue that speaks its protocol."""

    name = "zerodha"
    capabilities = Capabilities(
        order_types=frozenset(OrderType),
        products=frozenset(Product),
        validities=frozenset(Validity),
        can_rest_stops=True,
        positions_include_holdings=False,
        max_modifications=25,
        rates=(Rate(10, 1), Rate(400, 60), Rate(5_000, math.inf)),
    )

    def __init__(
        self,
        client: KiteClient,
        stream: OrderStream,
        tick_sizes: Mapping[str, Decimal],
        *,
        algo_id: str | None = None,
    ) -> None:
        self._client, self._stream = client, stream
        self._names = Names(tick_sizes)
        self._algo_id = algo_id
        # those of orders that are not regular, which only others place
        self._varieties: dict[str, str] = {}
        self._updates: OrderUpdates | None = None
        self._log = BoundedLog()

    def __repr__(self) -> str:
        return f"<ZerodhaBroker of {self._client!r}>"

    async def place(self, request: Request) -> str:
        form = mapping.place_form(request, algo_id=self._algo_id)
        with self._followed_up():
            return await self._client.place(form)

    async def cancel(self, broker_order_id: str) -> None:
        variety = self._varieties.get(broker_order_id, REGULAR)
        with self._followed_up():
            await self._client.cancel(variety, broker_order_id)

    async def modify(self, broker_order_id: str, request: Request) -> None:
        variety = self._varieties.get(broker_order_id, REGULAR)
        with self._followed_up():
            await self._client.modify(variety, broker_order_id, mapping.terms_form(request))

    @contextmanager
    def _followed_up(self) -> Iterator[None]:
        """Look soon at what became of a request, whatever its answer was."""
        try:
            yield
        finally:
            if self._updates is not None:
                self._updates.hasten()

    async def orders(self) -> Sequence[OrderReport]:
        return self._all(self._order, await self._client.get("/orders"))

    async def trades(self) -> Sequence[TradeReport]:
        return self._all(self._trade, await self._client.get("/trades"))

    async def positions(self) -> Sequence[Holding]:
        found = await self._client.get("/portfolio/positions")
        net = found.get("net") if isinstance(found, dict) else None
        return [each for each in self._all(self._position, net) if each.quantity]

    async def holdings(self) -> Sequence[Holding]:
        found = await self._client.get("/portfolio/holdings")
        return [each for each in self._all(self._holding, found) if each.quantity]

    async def updates(self) -> AsyncIterator[Update]:
        updates = OrderUpdates(self._stream, self.orders, self.trades, self._order)
        self._updates = updates
        try:
            async for update in updates.follow():
                yield update
        finally:
            if self._updates is updates:
                self._updates = None

    async def disconnect(self) -> None:
        await self._client.disconnect()

    def _all(self, read: Callable[[Found], Report | None], rows: Any) -> list[Report]:
        if not isinstance(rows, list):
            raise BrokerUnclear(f"Kite answered with {type(rows).__name__}, and not with a list")
        try:
            return [report for row in rows if (report := read(row)) is not None]
        except UNREADABLE as error:
            raise BrokerUnclear(f"Kite's answer is not readable: {error!r}") from error

    def _order(self, found: Found) -> OrderReport | None:
        variety = found.get("variety")
        if variety and variety != REGULAR:
            self._varieties[str(found["order_id"])] = str(variety)
        if is_order_id(mapping.tag_of(found) or ""):
            return mapping.order_of(found, self._names)
        try:
            return mapping.order_of(found, self._names) if self._is_known(found) else None
        except UNREADABLE as error:  # another's, if it is an order: it must not hide ours
            if not found.get("order_id"):
                raise
            self._log.warning("an order of another is not read", error=repr(error))
            return None

    def _trade(self, found: Found) -> TradeReport | None:
        known = self._is_known(found)
        return mapping.trade_of(self.name, found, self._names) if known else None

    def _position(self, found: Found) -> Holding | None:
        return mapping.position_of(found, self._names) if self._is_known(found) else None

    def _holding(self, found: Found) -> Holding | None:
        return mapping.holding_of(found, self._names)

    def _is_known(self, found: Found) -> bool:
        """Return whether it is of a product that we trade: what is not, others traded."""
        product = found["product"]
        if product in mapping.OUR_PRODUCTS:
            return True
        self._log.warning("a product that is not traded here", product=str(product))
        return False
