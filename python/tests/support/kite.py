"""
The venue's Kite in a test: logged in, with a record of what it was asked, and scripted answers.

In a test's own loop, `transport` answers its requests and `run` sends its order updates. `serving`
serves it on loopback, from a loop in another thread.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import httpx
from pydantic import SecretStr

from duckbourse import clock
from duckbourse.brokers.paper import PaperBroker
from duckbourse.cli.serve import listening_socket
from duckbourse.orders.broker import OrderReport
from duckbourse.venue.kite import Access, Answered, Asked, Keys, KiteVenue
from duckbourse.venue.server import VenueServer
from tests.support.waiting import HANG_SECONDS, wait_until

API_KEY, API_SECRET, REQUEST_TOKEN = "kitekey0planted", "kitesecret0planted", "asked0planted"
ACCESS_TOKEN = "accesstoken0planted"
BEGINS_AT = datetime(2010, 5, 28, 13, 0, tzinfo=UTC)
TICK_SIZES = {"A": Decimal("0.01")}
Answer = TypeVar("Answer")


class ScriptedVenue(KiteVenue):
    """
    The venue, with a login; the next `refusals` are a status and an error type, or no JSON.

    `lost` and `word` are as in a case of the contract. What it was asked is in `requests`.
    """

    def __init__(
        self,
        open_book: Callable[[], PaperBroker],
        tick_sizes: Mapping[str, Decimal] = TICK_SIZES,
        **options: Any,
    ) -> None:
        options = {
            "keys": Keys(SecretStr(API_KEY), SecretStr(API_SECRET)),
            "access": Access(API_KEY, ACCESS_TOKEN),
            **options,
        }
        super().__init__(open_book, tick_sizes, BEGINS_AT, **options)
        self._request_tokens[REQUEST_TOKEN] = API_KEY
        self.lost: str | None = None
        self.word: str | None = None
        self.variety = "regular"
        self.refusals: list[tuple[int, str | None]] = []
        self.requests: list[tuple[str, str, Mapping[str, str]]] = []

    def lose(self, how: str | None) -> None:
        self.lost = how

    def rename(self, word: str) -> None:
        self.word = word

    def order_row(self, report: OrderReport) -> dict[str, Any]:
        row = super().order_row(report) | {"variety": self.variety}
        return row if self.word is None else row | {"status": self.word}

    def _new_token(self) -> str:
        return ACCESS_TOKEN

    async def answer(self, asked: Asked) -> Answered:
        self.requests.append((asked.method, asked.path, asked.form))
        if not self.refusals:
            return await super().answer(asked)
        status, kind = self.refusals.pop(0)
        body = {"status": "error", "message": f"refused, {ACCESS_TOKEN}", "error_type": kind}
        return Answered(status, json.dumps(body).encode() if kind else b"<html>no</html>")

    def transport(self) -> httpx.MockTransport:
        async def answer(request: httpx.Request) -> httpx.Response:
            form = dict(parse_qsl(request.content.decode()))
            answered = await self.answer(
                Asked(
                    *(request.method, request.url.path),
                    headers=request.headers,
                    form=form,
                    content=request.content,
                )
            )
            match self.lost:
                case "no answer":
                    raise httpx.ReadError("the connection was reset", request=request)
                case "time-out":
                    raise httpx.ReadTimeout("no answer in time", request=request)
                case "gateway time-out":
                    body = b'{"status": "error", "error_type": "InputException"}'
                    return httpx.Response(408, content=body)
                case "no answer of the broker":
                    return httpx.Response(200, content=b"<html>")
                case "rows":
                    renamed = answered.content.replace(b'"quantity"', b'"amount"')
                    return httpx.Response(answered.status, content=renamed)
                case "error":
                    return httpx.Response(502, text="bad gateway")
            return httpx.Response(answered.status, content=answered.content)

        return httpx.MockTransport(answer)

    async def run(
        self, on_order: Callable[[Mapping[str, Any]], None], on_health: Callable[[bool], None]
    ) -> None:
        on_health(True)
        async for text in self._updates():
            on_order(json.loads(text, parse_float=Decimal)["data"])


@dataclass(frozen=True)
class Served:
    """Where the venue is served."""

    root: str
    stream: str
    exchange: ScriptedVenue
    loop: asyncio.AbstractEventLoop

    def ask(self, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        """Run a coroutine in the loop of the venue."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(HANG_SECONDS)


@contextmanager
def serving(exchange: ScriptedVenue) -> Iterator[Served]:
    """Serve until the end of the block."""
    server = VenueServer(exchange)
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve(listening: socket.socket) -> None:
        loops.append(asyncio.get_running_loop())
        await server.serve([listening])

    with clock.replayed_by(lambda: exchange.at), listening_socket("127.0.0.1", 0) as found:
        thread = threading.Thread(target=lambda: asyncio.run(serve(found)), daemon=True)
        thread.start()
        try:
            wait_until(lambda: server.started or not thread.is_alive())
            place = f"127.0.0.1:{found.getsockname()[1]}"
            yield Served(f"http://{place}", f"ws://{place}", exchange, loops[0])
        finally:
            server.should_exit = True
            thread.join(HANG_SECONDS)
