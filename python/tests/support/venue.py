"""
A venue with a book of its own, and every fault that a real one has.

It takes what it is sent, and twice if it is sent twice, so that a second sending is seen. `Venue`
is the book; `VenueBroker` is a connection to one in the same process; `serve` lets other processes
have one, so that a trader can be killed and the book lives on.
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

from duckbourse.brokers.base import Funds, Holding, OrderReport, TradeReport, Update
from duckbourse.errors import BrokerRejected, BrokerUnclear
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Fill, Product, Request, fill_key_of

DAY = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


@dataclass
class Venue:
    """
    Orders, trades and what was told of them; `outbox` is what followers have not been told yet.
    """

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
            self._told(
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
        """Trade so much of an order, at most what is left of it."""
        with self.guard:
            report = self.orders[broker_order_id]
            quantity = min(quantity, report.quantity - report.filled_quantity)
            if quantity <= 0 or not report.state.is_live:
                return
            trade_id = str(len(self.trades) + 1)
            trade = TradeReport(
                broker_order_id=broker_order_id,
                fill=Fill(
                    fill_key=fill_key_of("venue", DAY.date(), "X", broker_order_id, trade_id),
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
            self._told(
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
                self._told(replace(report, state=state))

    def change(self, broker_order_id: str, quantity: int, limit_price: Decimal | None) -> None:
        with self.guard:
            report = self.orders[broker_order_id]
            self._told(replace(report, quantity=quantity, limit_price=limit_price))

    def holdings(self) -> list[Holding]:
        with self.guard:
            net: Counter[tuple[str, Product]] = Counter()
            for trade in self.trades:
                net[trade.fill.symbol, trade.fill.product] += trade.fill.signed_quantity
            return [(symbol, product, quantity) for (symbol, product), quantity in net.items()]

    def some_trading(self) -> None:
        """Fill, in part or whole, or end some of what is open."""
        for broker_order_id in sorted(self.live):
            report = self.orders[broker_order_id]
            match self.random.randrange(6):
                case 0 | 1:
                    self.fill(broker_order_id, report.quantity)
                case 2:
                    self.fill(broker_order_id, self.random.randint(1, report.quantity))
                case 3:
                    self.end(broker_order_id, self.random.choice([State.CANCELLED, State.EXPIRED]))

    def _told(self, report: OrderReport) -> None:
        self.orders[report.broker_order_id] = report
        (self.live.add if report.state.is_live else self.live.discard)(report.broker_order_id)
        self.outbox.append(report)


@dataclass
class Faults:
    """What goes wrong, each as how often: 1 is always."""

    lost_before: float = 0
    lost_after: float = 0
    refused: float = 0


class VenueBroker:
    """A broker whose venue is in this process."""

    name = "venue"

    def __init__(self, venue: Venue, faults: Faults | None = None) -> None:
        self.venue = venue
        self.faults = faults or Faults()
        self.is_down = False
        self.calls: Counter[str] = Counter()

    def _hit(self, likelihood: float) -> bool:
        return self.venue.random.random() < likelihood

    async def place(self, request: Request) -> str:
        self.calls["place"] += 1
        if self._hit(self.faults.refused):
            raise BrokerRejected("no margin")
        if self._hit(self.faults.lost_before):
            raise BrokerUnclear("the connection broke before it was sent")
        broker_order_id = self.venue.place(request)
        if self._hit(self.faults.lost_after):
            raise BrokerUnclear("the connection broke after it was taken")
        return broker_order_id

    async def cancel(self, broker_order_id: str) -> None:
        self.calls["cancel"] += 1
        if self._hit(self.faults.refused):
            raise BrokerRejected("too late")
        self.venue.end(broker_order_id, State.CANCELLED)

    async def modify(self, broker_order_id: str, request: Request) -> None:
        if self._hit(self.faults.refused):
            raise BrokerRejected("not now")
        self.venue.change(broker_order_id, request.quantity, request.limit_price)
        if self._hit(self.faults.lost_after):
            raise BrokerUnclear("the connection broke after it was taken")

    async def orders(self) -> Sequence[OrderReport]:
        self.calls["orders"] += 1
        if self.is_down:
            raise BrokerUnclear("down")
        return list(self.venue.orders.values())

    async def trades(self) -> Sequence[TradeReport]:
        if self.is_down:
            raise BrokerUnclear("down")
        return list(self.venue.trades)

    async def positions(self) -> Sequence[Holding]:
        return self.venue.holdings()

    async def funds(self) -> Funds:
        return Funds(cash_amount=Decimal(0))

    async def updates(self) -> AsyncIterator[Update]:
        while True:
            with self.venue.guard:
                told, self.venue.outbox = self.venue.outbox, []
            for update in told:
                yield update
            await asyncio.sleep(0.001)


# over a socket: a line of JSON each way


class _Answers(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        # who asked was killed
        with contextlib.suppress(OSError):
            self._answer()

    def _answer(self) -> None:
        venue: Venue = self.server.venue  # type: ignore[attr-defined]
        for line in self.rfile:
            asked = msgspec.json.decode(line)
            match asked["ask"]:
                case "place":
                    answer: Any = venue.place(msgspec.convert(asked["request"], Request))
                case "cancel":
                    venue.end(asked["broker_order_id"], State.CANCELLED)
                    answer = None
                case "orders":
                    venue.some_trading()
                    answer = list(venue.orders.values())
                case "trades":
                    answer = venue.trades
                case "positions":
                    answer = venue.holdings()
                case "updates":
                    venue.some_trading()
                    with venue.guard:
                        answer, venue.outbox = venue.outbox, []
            self.wfile.write(msgspec.json.encode(answer) + b"\n")
            self.wfile.flush()


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


def serve(venue: Venue, path: Path) -> _Server:
    """Serve a venue on a socket, from a thread, until `shutdown`."""
    server = _Server(str(path), _Answers)
    server.venue = venue  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class RemoteBroker:
    """A broker whose venue is in another process."""

    name = "venue"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._streams: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        self._guards: dict[str, asyncio.Lock] = {}

    async def close(self) -> None:
        """Hang up; it has to be in the loop in which it was asked."""
        for _, writer in self._streams.values():
            writer.close()
            await writer.wait_closed()

    async def _ask(self, lane: str, kind: Any, **words: Any) -> Any:
        guard = self._guards.setdefault(lane, asyncio.Lock())
        async with guard:
            if lane not in self._streams:
                self._streams[lane] = await asyncio.open_unix_connection(
                    str(self.path), limit=1 << 26
                )
            reader, writer = self._streams[lane]
            writer.write(msgspec.json.encode(words) + b"\n")
            await writer.drain()
            return msgspec.json.decode(await reader.readline(), type=kind)

    async def place(self, request: Request) -> str:
        return str(await self._ask("orders", str, ask="place", request=request))

    async def cancel(self, broker_order_id: str) -> None:
        await self._ask("orders", None, ask="cancel", broker_order_id=broker_order_id)

    async def modify(self, broker_order_id: str, request: Request) -> None:
        raise BrokerRejected("this venue modifies nothing")

    async def orders(self) -> Sequence[OrderReport]:
        return list(await self._ask("orders", list[OrderReport], ask="orders"))

    async def trades(self) -> Sequence[TradeReport]:
        return list(await self._ask("orders", list[TradeReport], ask="trades"))

    async def positions(self) -> Sequence[Holding]:
        return list(await self._ask("orders", list[Holding], ask="positions"))

    async def funds(self) -> Funds:
        return Funds(cash_amount=Decimal(0))

    async def updates(self) -> AsyncIterator[Update]:
        while True:
            for told in await self._ask("updates", list[Any], ask="updates"):
                if "fill" in told:
                    yield msgspec.convert(told, TradeReport)
                else:
                    yield msgspec.convert(told, OrderReport)
            await asyncio.sleep(0.005)
