"""
An exchange with its own order book and every fault of a real one.

It accepts whatever it receives, duplicates included, so that a test can see an order that was sent
twice. `FakeExchange` is the order book. `FakeExchangeBroker` connects to one in the same process.
`serve` offers one to other processes, so that a test can kill a trader while the book lives on.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socketserver
import threading
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from duckbourse.errors import BrokerRejected, BrokerUnclear
from duckbourse.orders.broker import Broker, Capabilities, Holding, OrderReport, TradeReport, Update
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Fill, OrderType, Product, Request, fill_key_of

CAPABILITIES = Capabilities(
    order_types=frozenset(OrderType), products=frozenset(Product), is_simulated=True
)
DAY = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


@dataclass
class FakeExchange:
    """Orders, trades and their updates; `outbox` holds the updates not delivered yet."""

    seed: int = 0
    orders: dict[str, OrderReport] = field(default_factory=dict)
    trades: list[TradeReport] = field(default_factory=list)
    outbox: list[Update] = field(default_factory=list)
    tags: Counter[str] = field(default_factory=Counter)
    live: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.guard = threading.Lock()

    def place(self, request: Request) -> str:
        with self.guard:
            broker_order_id = f"V{len(self.orders) + 1}"
            self.tags[request.order_id] += 1
            self._publish(
                OrderReport(
                    broker_order_id=broker_order_id,
                    order_id=request.order_id,
                    symbol=request.symbol,
                    side=request.side,
                    product=request.product,
                    order_type=request.order_type,
                    quantity=request.quantity,
                    limit_price=request.limit_price,
                    state=State.OPEN,
                    at=DAY,
                )
            )
            return broker_order_id

    def fill(self, broker_order_id: str, quantity: int, price: Decimal = Decimal(100)) -> None:
        """Fill this quantity of an order, or its open quantity if that is less."""
        with self.guard:
            report = self.orders[broker_order_id]
            quantity = min(quantity, report.quantity - report.filled_quantity)
            if quantity <= 0 or not report.state.is_live:
                return
            trade_id = str(len(self.trades) + 1)
            trade = TradeReport(
                broker_order_id=broker_order_id,
                fill=Fill(
                    fill_key=fill_key_of(
                        "fake exchange", DAY.date(), "X", broker_order_id, trade_id
                    ),
                    order_id="",
                    symbol=report.symbol,
                    side=report.side,
                    product=report.product,
                    quantity=quantity,
                    price=price,
                    filled_at=DAY,
                ),
            )
            self.trades.append(trade)
            filled = report.filled_quantity + quantity
            paid = (report.average_price or Decimal(0)) * report.filled_quantity + price * quantity
            self._publish(
                replace(
                    report,
                    filled_quantity=filled,
                    average_price=paid / filled,
                    state=State.FILLED if filled == report.quantity else State.PARTIAL,
                )
            )
            self.outbox.append(trade)

    def end(self, broker_order_id: str, state: State) -> None:
        with self.guard:
            report = self.orders[broker_order_id]
            if report.state.is_live:
                self._publish(replace(report, state=state))

    def change(self, broker_order_id: str, quantity: int, limit_price: Decimal | None) -> None:
        with self.guard:
            report = self.orders[broker_order_id]
            self._publish(replace(report, quantity=quantity, limit_price=limit_price))

    def holdings(self) -> list[Holding]:
        with self.guard:
            net: Counter[tuple[str, Product]] = Counter()
            for trade in self.trades:
                net[trade.fill.symbol, trade.fill.product] += trade.fill.signed_quantity
            return [
                Holding(symbol=symbol, product=product, quantity=quantity)
                for (symbol, product), quantity in net.items()
            ]

    def trade_at_random(self) -> None:
        """Fill some open orders in part or in whole, and end others."""
        for broker_order_id in sorted(self.live):
            report = self.orders[broker_order_id]
            match self.random.randrange(6):
                case 0 | 1:
                    self.fill(broker_order_id, report.quantity)
                case 2:
                    self.fill(broker_order_id, self.random.randint(1, report.quantity))
                case 3:
                    self.end(broker_order_id, self.random.choice([State.CANCELLED, State.EXPIRED]))

    def _publish(self, report: OrderReport) -> None:
        self.orders[report.broker_order_id] = report
        (self.live.add if report.state.is_live else self.live.discard)(report.broker_order_id)
        self.outbox.append(report)


@dataclass
class Faults:
    """The probability of each fault; 1 is always."""

    lost_before: float = 0
    lost_after: float = 0
    refused: float = 0


class FakeExchangeBroker(Broker):
    """A broker connected to an exchange in this process."""

    name = "fake exchange"
    capabilities = CAPABILITIES

    def __init__(self, exchange: FakeExchange, faults: Faults | None = None) -> None:
        self.exchange = exchange
        self.faults = faults or Faults()
        self.is_down = False
        self.calls: Counter[str] = Counter()

    def _occurs(self, probability: float) -> bool:
        return self.exchange.random.random() < probability

    async def place(self, request: Request) -> str:
        self.calls["place"] += 1
        if self._occurs(self.faults.refused):
            raise BrokerRejected("no margin")
        if self._occurs(self.faults.lost_before):
            raise BrokerUnclear("the connection broke before the order was sent")
        broker_order_id = self.exchange.place(request)
        if self._occurs(self.faults.lost_after):
            raise BrokerUnclear("the connection broke after the order was accepted")
        return broker_order_id

    async def cancel(self, broker_order_id: str) -> None:
        self.calls["cancel"] += 1
        if self._occurs(self.faults.refused):
            raise BrokerRejected("too late")
        self.exchange.end(broker_order_id, State.CANCELLED)

    async def modify(self, broker_order_id: str, request: Request) -> None:
        if self._occurs(self.faults.refused):
            raise BrokerRejected("not now")
        self.exchange.change(broker_order_id, request.quantity, request.limit_price)
        if self._occurs(self.faults.lost_after):
            raise BrokerUnclear("the connection broke after the order was accepted")

    async def orders(self) -> Sequence[OrderReport]:
        self.calls["orders"] += 1
        if self.is_down:
            raise BrokerUnclear("down")
        return list(self.exchange.orders.values())

    async def trades(self) -> Sequence[TradeReport]:
        if self.is_down:
            raise BrokerUnclear("down")
        return list(self.exchange.trades)

    async def positions(self) -> Sequence[Holding]:
        return self.exchange.holdings()

    async def updates(self) -> AsyncIterator[Update]:
        while True:
            with self.exchange.guard:
                updates, self.exchange.outbox = self.exchange.outbox, []
            for update in updates:
                yield update
            await asyncio.sleep(0.001)


# the socket protocol: one line of JSON each way


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        # the client may have been killed
        with contextlib.suppress(OSError):
            self._answer()

    def _answer(self) -> None:
        exchange: FakeExchange = self.server.exchange  # type: ignore[attr-defined]
        for line in self.rfile:
            asked = msgspec.json.decode(line)
            match asked["ask"]:
                case "place":
                    answer: Any = exchange.place(msgspec.convert(asked["request"], Request))
                case "cancel":
                    exchange.end(asked["broker_order_id"], State.CANCELLED)
                    answer = None
                case "orders":
                    exchange.trade_at_random()
                    answer = list(exchange.orders.values())
                case "trades":
                    answer = exchange.trades
                case "positions":
                    answer = exchange.holdings()
                case "updates":
                    exchange.trade_at_random()
                    with exchange.guard:
                        answer, exchange.outbox = exchange.outbox, []
            self.wfile.write(msgspec.json.encode(answer) + b"\n")
            self.wfile.flush()


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


def serve(exchange: FakeExchange, path: Path) -> _Server:
    """Serve an exchange on a Unix socket from a thread, until `shutdown`."""
    server = _Server(str(path), _Handler)
    server.exchange = exchange  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class RemoteBroker(Broker):
    """A broker connected to an exchange in another process."""

    name = "fake exchange"
    capabilities = CAPABILITIES

    def __init__(self, path: Path) -> None:
        self.path = path
        self._streams: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        self._guards: dict[str, asyncio.Lock] = {}

    async def disconnect(self) -> None:
        """Close the connections; call it from the event loop that opened them."""
        for _, writer in self._streams.values():
            writer.close()
            await writer.wait_closed()

    async def _ask(self, channel: str, kind: Any, **words: Any) -> Any:
        guard = self._guards.setdefault(channel, asyncio.Lock())
        async with guard:
            if channel not in self._streams:
                self._streams[channel] = await asyncio.open_unix_connection(
                    str(self.path), limit=1 << 26
                )
            reader, writer = self._streams[channel]
            try:
                writer.write(msgspec.json.encode(words) + b"\n")
                await writer.drain()
                return msgspec.json.decode(await reader.readline(), type=kind)
            except BaseException:
                # the next question would take the late answer of this one for its own
                del self._streams[channel]
                writer.close()
                raise

    async def place(self, request: Request) -> str:
        return str(await self._ask("orders", str, ask="place", request=request))

    async def cancel(self, broker_order_id: str) -> None:
        await self._ask("orders", None, ask="cancel", broker_order_id=broker_order_id)

    async def modify(self, broker_order_id: str, request: Request) -> None:
        raise BrokerRejected("this exchange does not modify orders")

    async def orders(self) -> Sequence[OrderReport]:
        return list(await self._ask("orders", list[OrderReport], ask="orders"))

    async def trades(self) -> Sequence[TradeReport]:
        return list(await self._ask("orders", list[TradeReport], ask="trades"))

    async def positions(self) -> Sequence[Holding]:
        return list(await self._ask("orders", list[Holding], ask="positions"))

    async def updates(self) -> AsyncIterator[Update]:
        while True:
            for update in await self._ask("updates", list[Any], ask="updates"):
                if "fill" in update:
                    yield msgspec.convert(update, TradeReport)
                else:
                    yield msgspec.convert(update, OrderReport)
            await asyncio.sleep(0.005)
