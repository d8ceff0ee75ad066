"""
A fake exchange that speaks Kite's words, with the paper broker's book behind it.

In a test's own loop, `transport` answers its requests and `run` sends its order updates. `serving`
offers both on sockets of loopback, from a loop in another thread.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import parse_qs, parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import httpx
from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from duckbourse import clock
from duckbourse.brokers.paper import PaperBroker
from duckbourse.errors import BrokerRejected
from duckbourse.orders.broker import OrderReport, TradeReport
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import OrderType, Product, Request, Side, Validity
from duckbourse.streaming.feed import Tick

API_KEY, API_SECRET, REQUEST_TOKEN = "kitekey0planted", "kitesecret0planted", "asked0planted"
ACCESS_TOKEN = "accesstoken0planted"
INDIA = ZoneInfo("Asia/Kolkata")
Answer = TypeVar("Answer")
Rows = list[dict[str, Any]]

WORDS = {
    State.OPEN: "OPEN",
    State.PARTIAL: "OPEN",
    State.TRIGGER_PENDING: "TRIGGER PENDING",
    State.FILLED: "COMPLETE",
    State.CANCELLED: "CANCELLED",
    State.EXPIRED: "CANCELLED",
    State.REJECTED: "REJECTED",
}
TYPES = {"MARKET": OrderType.MARKET, "LIMIT": OrderType.LIMIT, "SL": OrderType.SL}
TYPES |= {"SL-M": OrderType.SL_M}


class RefusedError(Exception):
    """An answer of Kite that is an error."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


@dataclass
class KiteExchange:
    """
    Kite's words; the next `refusals` are answered with a status and an error type, or no JSON.

    `lost` and `word` are as in a case of the contract. What it received is in `requests`.
    """

    paper: PaperBroker
    name: str = "NSE"
    access_token: str = ACCESS_TOKEN
    lost: str | None = None
    word: str | None = None
    refusals: list[tuple[int, str | None]] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    sockets: set[WSTransport] = field(default_factory=set)
    # each n-th order has no answer, each n-th update is not sent or has an unknown status, and each
    # n-th one drops the sockets; nobody may follow an exchange that is deaf
    lose_each: int = 0
    skip_each: int = 0
    word_each: int = 0
    drop_each: int = 0
    is_deaf: bool = False
    # how often that happened
    fault_count: int = 0
    sent_count: int = 0
    variety: str = "regular"
    # the market's time, that of its last tick
    at: datetime = datetime(2010, 5, 28, 13, 0, tzinfo=UTC)

    def lose(self, how: str | None) -> None:
        self.lost = how

    def rename(self, word: str) -> None:
        self.word = word

    def transport(self) -> httpx.MockTransport:
        async def answer(request: httpx.Request) -> httpx.Response:
            form = dict(parse_qsl(request.content.decode()))
            status, body = await self.answer(
                request.method, request.url.path, request.headers, form, request.content
            )
            match self.lost:
                case "no answer":
                    raise httpx.ReadError("the connection was reset", request=request)
                case "time-out":
                    raise httpx.ReadTimeout("no answer in time", request=request)
                case "gateway time-out":
                    content = b'{"status": "error", "error_type": "InputException"}'
                    return httpx.Response(408, content=content)
                case "no answer of the broker":
                    return httpx.Response(200, content=b"<html>")
                case "rows":
                    body = body.replace(b'"quantity"', b'"amount"')
                case "error":
                    return httpx.Response(502, text="bad gateway")
            return httpx.Response(status, content=body)

        return httpx.MockTransport(answer)

    async def run(
        self, on_order: Callable[[Mapping[str, Any]], None], on_health: Callable[[bool], None]
    ) -> None:
        on_health(True)
        async for update in self.paper.updates():
            if isinstance(update, OrderReport):
                on_order(self._order(update))

    async def answer(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        form: dict[str, str],
        content: bytes = b"",
    ) -> tuple[int, bytes]:
        self.requests.append((method, path, form))
        try:
            if self.refusals:
                status, kind = self.refusals.pop(0)
                if kind is None:
                    return status, b"<html>no</html>"
                raise RefusedError(status, kind, f"refused, {ACCESS_TOKEN}")
            if path == "/session/token":
                return 200, _success(self._session(form))
            if headers.get("authorization") != f"token {API_KEY}:{self.access_token}":
                raise RefusedError(403, "TokenException", "Incorrect `api_key` or `access_token`.")
            return 200, _success(await self._done(method, path, form, content))
        except RefusedError as error:
            body = {"status": "error", "message": str(error), "error_type": error.kind}
            return error.status, json.dumps(body | {"data": None}).encode()
        except BrokerRejected as error:
            body = {"status": "error", "message": str(error), "error_type": "OrderException"}
            return 400, json.dumps(body | {"data": None}).encode()

    def _session(self, form: dict[str, str]) -> dict[str, Any]:
        text = f"{API_KEY}{REQUEST_TOKEN}{API_SECRET}"
        if form["checksum"] != hashlib.sha256(text.encode()).hexdigest():
            raise RefusedError(403, "TokenException", "Invalid checksum")
        return {"user_id": "AB1234", "access_token": self.access_token, "public_token": "p"}

    async def _done(self, method: str, path: str, form: dict[str, str], content: bytes) -> Any:
        match method, path.strip("/").split("/"):
            case "POST", ["orders", "regular"]:
                return {"order_id": await self.paper.place(_request(form, self.name))}
            case "PUT", ["orders", "regular", order_id]:
                request = self._changed(order_id, form)
                await self.paper.modify(order_id, request)
                return {"order_id": order_id}
            case "DELETE", ["orders", "regular", order_id]:
                await self.paper.cancel(order_id)
                return {"order_id": order_id}
            case "GET", ["orders"]:
                return [self._order(report) for report in await self.paper.orders()]
            case "GET", ["trades"]:
                return await self._trades()
            case "GET", ["portfolio", "positions"]:
                net = [
                    {
                        "tradingsymbol": held.symbol,
                        "exchange": self.name,
                        "product": held.product.value,
                        "quantity": held.quantity,
                        "overnight_quantity": 0,
                    }
                    for held in await self.paper.positions()
                ]
                return {"net": net, "day": net}
            case "GET", ["portfolio", "holdings"]:
                return []
            case "POST", ["venue", "ticks"]:
                for row in json.loads(content):
                    self.at = max(self.at, datetime.fromisoformat(row["at"]))
                    self.paper.on_tick(
                        Tick(
                            row["instrument"].removeprefix(f"{self.name}:"),
                            datetime.fromisoformat(row["at"]),
                            Decimal(row["price"]),
                            row["quantity"],
                        )
                    )
                return True
            case "POST", ["venue", "end"]:
                self.paper.end_session()
                return True
        raise RefusedError(404, "GeneralException", "Route not found")

    def _changed(self, order_id: str, form: dict[str, str]) -> Request:
        found = {each.broker_order_id: each for each in self.paper._orders.values()}
        if order_id not in found:
            raise RefusedError(400, "OrderException", "Couldn't find that `order_id`.")
        report = found[order_id]
        return Request(
            order_id=report.order_id or "",
            symbol=report.symbol,
            side=report.side,
            quantity=int(form["quantity"]),
            product=report.product,
            order_type=TYPES[form["order_type"]],
            limit_price=_price(form, "price"),
            trigger_price=_price(form, "trigger_price"),
        )

    async def _trades(self) -> Rows:
        found = []
        for trade in await self.paper.trades():
            fill = trade.fill
            at = fill.filled_at.astimezone(INDIA)
            found.append(
                {
                    "trade_id": fill.fill_key.rpartition("|")[2],
                    "order_id": trade.broker_order_id,
                    "exchange_order_id": f"E{trade.broker_order_id}",
                    "tradingsymbol": fill.symbol,
                    "exchange": self.name,
                    "instrument_token": 256,
                    "transaction_type": fill.side.value.upper(),
                    "product": fill.product.value,
                    "average_price": float(fill.price),
                    "quantity": fill.quantity,
                    "fill_timestamp": f"{at:%Y-%m-%d %H:%M:%S}",
                    "order_timestamp": f"{at:%H:%M:%S}",
                    "exchange_timestamp": f"{at:%Y-%m-%d %H:%M:%S}",
                }
            )
        return found

    def _order(self, report: OrderReport) -> dict[str, Any]:
        at = f"{report.at.astimezone(INDIA):%Y-%m-%d %H:%M:%S}" if report.at else None
        kinds = {ours: theirs for theirs, ours in TYPES.items()}
        status = self.word or WORDS[report.state]
        return {
            "placed_by": "AB1234",
            "order_id": report.broker_order_id,
            "exchange_order_id": f"E{report.broker_order_id}",
            "parent_order_id": None,
            "status": status,
            "status_message": report.message or None,
            "order_timestamp": at,
            "exchange_update_timestamp": at,
            "exchange_timestamp": at,
            "variety": self.variety,
            "exchange": self.name,
            "tradingsymbol": report.symbol,
            "instrument_token": 256,
            "order_type": kinds[report.order_type],
            "transaction_type": report.side.value.upper(),
            "validity": "DAY",
            "product": report.product.value,
            "quantity": report.quantity,
            "disclosed_quantity": 0,
            "price": float(report.limit_price or 0),
            "trigger_price": float(report.trigger_price or 0),
            "average_price": float(report.average_price or 0),
            "filled_quantity": report.filled_quantity,
            "pending_quantity": report.quantity - report.filled_quantity,
            "cancelled_quantity": 0,
            "tag": report.order_id,
            "tags": [report.order_id],
            "meta": {},
            "guid": "x",
        }

    # sockets

    async def send_updates(self) -> None:
        async for update in self.paper.updates():
            if isinstance(update, TradeReport):
                continue
            self.sent_count += 1
            if self._is_each(self.skip_each):
                continue
            order = self._order(update)
            if self._is_each(self.word_each):
                order["status"] = "AT THE EXCHANGE"
            text = json.dumps({"type": "order", "data": order}).encode()
            is_dropped = self._is_each(self.drop_each)
            for transport in list(self.sockets):
                if is_dropped:
                    transport.disconnect(graceful=False)
                else:
                    transport.send(WSMsgType.TEXT, text)

    def _is_each(self, each: int) -> bool:
        if not each or self.sent_count % each:
            return False
        self.fault_count += 1
        return True

    def listener(self, request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
        asked = parse_qs(urlsplit(request.path.decode()).query)
        if self.is_deaf or asked.get("access_token") != [self.access_token]:
            self.fault_count += 1
            response = WSUpgradeResponse.create_error_response(403, b"no")
            return WSUpgradeResponseWithListener(response, None)
        return _Follower(self)


class _Follower(WSListener):
    def __init__(self, exchange: KiteExchange) -> None:
        self._exchange = exchange

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._exchange.sockets.add(transport)
        transport.send(WSMsgType.BINARY, b"\x00")

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._exchange.sockets.discard(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()


def _request(form: dict[str, str], exchange: str) -> Request:
    tag, kind = form.get("tag", ""), form["order_type"]
    if not tag.isalnum() or len(tag) > 20:
        raise RefusedError(400, "InputException", "Invalid `tag`.")
    if form["exchange"] != exchange:
        raise RefusedError(400, "InputException", "Invalid `exchange`.")
    if kind in ("MARKET", "SL-M") and form.get("market_protection", "0") == "0":
        raise RefusedError(400, "InputException", "Market orders need protection.")
    if kind in ("LIMIT", "SL") and not form.get("price"):
        raise RefusedError(400, "InputException", "Invalid `price`.")
    return Request(
        order_id=tag,
        symbol=form["tradingsymbol"],
        side=Side(form["transaction_type"].lower()),
        quantity=int(form["quantity"]),
        product=Product(form["product"]),
        order_type=TYPES[kind],
        validity=Validity(form["validity"].lower()),
        limit_price=_price(form, "price"),
        trigger_price=_price(form, "trigger_price"),
    )


def _price(form: dict[str, str], name: str) -> Decimal | None:
    return Decimal(form[name]) if name in form else None


def _success(data: Any) -> bytes:
    return json.dumps({"status": "success", "data": data}).encode()


@dataclass(frozen=True)
class Served:
    """Where the exchange is served."""

    root: str
    stream: str
    exchange: KiteExchange
    loop: asyncio.AbstractEventLoop

    def ask(self, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        """Run a coroutine in the loop of the exchange."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)


@contextmanager
def serving(exchange: KiteExchange) -> Iterator[Served]:
    """Serve until the end of the block."""
    with clock.replayed_by(lambda: exchange.at):
        yield from _serving(exchange)


def _serving(exchange: KiteExchange) -> Iterator[Served]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    place_count = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # else each answer waits for the acknowledgment of its headers
        disable_nagle_algorithm = True
        wbufsize = -1

        def _any(self) -> None:
            nonlocal place_count
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            form = {} if self.path.startswith("/venue") else dict(parse_qsl(content.decode()))
            headers = {name.lower(): text for name, text in self.headers.items()}
            asked = exchange.answer(self.command, self.path, headers, form, content)
            status, body = asyncio.run_coroutine_threadsafe(asked, loop).result(30)
            if self.command == "POST" and self.path.startswith("/orders"):
                place_count += 1
                if exchange.lose_each and place_count % exchange.lose_each == 0:
                    self.close_connection = True
                    exchange.fault_count += 1
                    return
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = _any

        def log_message(self, format: str, *args: Any) -> None:
            return

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving_http = threading.Thread(target=http.serve_forever, daemon=True)
    serving_http.start()

    async def begin() -> tuple[asyncio.Server, asyncio.Task[None]]:
        server = await ws_create_server(exchange.listener, "127.0.0.1", 0)
        return server, asyncio.ensure_future(exchange.send_updates())

    server, sending = asyncio.run_coroutine_threadsafe(begin(), loop).result(30)
    port = server.sockets[0].getsockname()[1]
    try:
        root = f"http://127.0.0.1:{http.server_address[1]}"
        yield Served(root, f"ws://127.0.0.1:{port}", exchange, loop)
    finally:

        async def end() -> None:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
            for transport in list(exchange.sockets):
                transport.disconnect(graceful=False)
            server.close()

        asyncio.run_coroutine_threadsafe(end(), loop).result(30)
        http.shutdown()
        http.server_close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
