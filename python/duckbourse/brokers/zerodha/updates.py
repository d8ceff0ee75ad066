"""
The updates of Kite's orders: its stream first, and polling as the net.

Kite sends the state of an order, and no trades: those of an order that has more filled than its
known trades are asked for. Whatever the stream lost, or sent while it was down, is found by a poll:
after each connection, soon after each request and while the stream is down, trades are missing or
the status of an order says little, and seldom otherwise.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlencode

import numpy as np
from pydantic import SecretStr

from duckbourse import clock
from duckbourse.brokers.zerodha.stream import HEADERS
from duckbourse.errors import BrokerError, BrokerUnclear
from duckbourse.orders.broker import OrderReport, TradeReport, Update
from duckbourse.orders.lifecycle import State
from duckbourse.streaming.bounded_log import BoundedLog
from duckbourse.streaming.feed import RECORD, Records
from duckbourse.streaming.websocket import Instants, WebSocketFeed

# between two polls, while the stream is up and all is known, and otherwise
SELDOM_SECONDS = 5.0
SOON_SECONDS = 1.0
# after the stream has given up
STREAM_AGAIN_SECONDS = 30.0
# a trade may be listed a little after the update that counts it
LAG_SECONDS = 0.2

Order = Mapping[str, Any]


class OrderStream(Protocol):
    """Kite's order updates; `run` returns or raises when it gives up."""

    async def run(
        self, on_order: Callable[[Order], None], on_health: Callable[[bool], None]
    ) -> None:
        """Pass on each update, and whether the stream is up, when that changes."""


class OrderProtocol:
    """The texts of Kite's socket; it subscribes to no ticks."""

    name = "Kite's orders"
    headers = HEADERS
    symbols: tuple[str, ...] = ()

    def __init__(
        self,
        root: str,
        api_key: SecretStr,
        access_token: SecretStr,
        on_order: Callable[[Order], None],
    ) -> None:
        self._root = root
        self._secrets = api_key, access_token
        self._on_order = on_order

    def __repr__(self) -> str:
        return "<OrderProtocol>"

    def url(self) -> str:
        api_key, access_token = (secret.get_secret_value() for secret in self._secrets)
        return f"{self._root}?{urlencode({'api_key': api_key, 'access_token': access_token})}"

    def subscriptions(self) -> list[str]:
        return []

    def is_heartbeat(self, frame: bytes) -> bool:
        return True  # no ticks are wanted here

    def decode(self, frames: list[bytes], received_at: Instants) -> Records:
        return np.empty(0, RECORD)

    def on_text(self, text: str) -> None:
        message = json.loads(text)
        if message["type"] == "order":
            self._on_order(message["data"])


class KiteOrderStream:
    """Kite's order updates over a socket of their own, connected again whenever it fails."""

    def __init__(self, root: str, api_key: SecretStr, access_token: SecretStr) -> None:
        self._root = root
        self._secrets = api_key, access_token

    def __repr__(self) -> str:
        return "<KiteOrderStream>"

    async def run(
        self, on_order: Callable[[Order], None], on_health: Callable[[bool], None]
    ) -> None:
        feed = WebSocketFeed(
            OrderProtocol(self._root, *self._secrets, on_order),
            is_open=lambda: False,  # no ticks are expected
            on_health=lambda what, is_healthy, symbols: on_health(is_healthy),
        )
        async for _ in feed.ticks():
            pass


class OrderUpdates:
    """
    Updates from now on, until nobody wants them.

    `orders` and `trades` ask for all of the day; `read` returns the report of an order, or None for
    one that is no business of ours.
    """

    def __init__(
        self,
        stream: OrderStream,
        orders: Callable[[], Awaitable[Sequence[OrderReport]]],
        trades: Callable[[], Awaitable[Sequence[TradeReport]]],
        read: Callable[[Order], OrderReport | None],
    ) -> None:
        self._stream = stream
        self._orders, self._trades, self._read = orders, trades, read
        self._news: asyncio.Queue[Order | None] = asyncio.Queue()
        self._is_up = False
        self._filled: dict[str, int] = {}
        self._traded: Counter[str] = Counter()
        self._trade_keys: set[str] = set()
        self._last: dict[str, OrderReport] = {}
        # the orders whose status says no more than that they are live
        self._unsure: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._log = BoundedLog()

    def hasten(self) -> None:
        """Poll soon, since something was requested whose update may be lost."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SOON_SECONDS, self._poll)

    def _poll(self) -> None:
        self._timer = None
        self._news.put_nowait(None)

    async def follow(self) -> AsyncIterator[Update]:
        self._news.put_nowait(None)
        streaming = asyncio.create_task(self._streamed())
        polled_at = clock.elapsed_seconds()
        try:
            while True:
                is_poll, messages = await self._next(polled_at)
                for report in filter(None, map(self._readable, messages)):
                    self._remember(report)
                    yield report
                if is_poll:
                    polled_at = clock.elapsed_seconds()
                for update in await self._asked(is_poll=is_poll):
                    yield update
        finally:
            if self._timer is not None:
                self._timer.cancel()
            streaming.cancel()
            await asyncio.gather(streaming, return_exceptions=True)

    async def _streamed(self) -> None:
        while True:
            try:
                await self._stream.run(self._news.put_nowait, self._on_health)
            except Exception as error:  # such as a refusal, which may be a proxy's
                self._log.warning("no order updates by stream", error=type(error).__name__)
            self._is_up = False
            await asyncio.sleep(STREAM_AGAIN_SECONDS)

    def _on_health(self, is_healthy: bool) -> None:
        self._is_up = is_healthy
        self._news.put_nowait(None)

    async def _next(self, polled_at: float) -> tuple[bool, list[Order]]:
        """Wait for messages or the time of the next poll; return whether to poll, and messages."""
        is_known = self._is_up and not self._unsure and not self._lacks_trades()
        pause = SELDOM_SECONDS if is_known else SOON_SECONDS
        left = polled_at + pause - clock.elapsed_seconds()
        found: list[Order | None] = []
        try:
            async with asyncio.timeout(max(0.0, left)):
                found.append(await self._news.get())
        except TimeoutError:
            found.append(None)
        while not self._news.empty():
            found.append(self._news.get_nowait())
        return None in found, [each for each in found if each is not None]

    def _remember(self, report: OrderReport) -> None:
        key = report.broker_order_id
        self._last[key] = report
        # an answer may be older than an update
        self._filled[key] = max(report.filled_quantity, self._filled.get(key, 0))
        (self._unsure.add if report.state is State.ACKED else self._unsure.discard)(key)

    def _readable(self, message: Order) -> OrderReport | None:
        try:
            return self._read(message)
        except (BrokerUnclear, KeyError, TypeError, ValueError, ArithmeticError) as error:
            self._log.warning("update of an order not read", error=repr(error))
            self._news.put_nowait(None)
            return None

    def _lacks_trades(self) -> bool:
        return any(filled > self._traded[key] for key, filled in self._filled.items())

    async def _asked(self, *, is_poll: bool) -> list[Update]:
        """Return what is new of orders, if this is a poll, and of trades, if there may be any."""
        found: list[Update] = []
        try:
            if is_poll:
                for report in await self._orders():
                    if self._last.get(report.broker_order_id) != report:
                        self._remember(report)
                        found.append(report)
            if self._lacks_trades():
                found += self._new(await self._trades())
                if self._lacks_trades() and not is_poll:
                    await asyncio.sleep(LAG_SECONDS)
                    found += self._new(await self._trades())
        except BrokerError as error:  # asked again at the next poll
            self._log.warning("orders not polled", error=str(error))
        return found

    def _new(self, trades: Sequence[TradeReport]) -> list[TradeReport]:
        new = [trade for trade in trades if trade.fill.fill_key not in self._trade_keys]
        for trade in new:
            self._trade_keys.add(trade.fill.fill_key)
            self._traded[trade.broker_order_id] += trade.fill.quantity
        return new
