"""
Kite's face of the venue: its words, with the paper broker's book behind them.

The market is moved by ticks: those that the venue plays, or that come to `POST /venue/ticks`. They
fill orders by the rules of paper money, and go to whoever subscribed to them. `GET /venue/clock` is
the market's time, that of its last tick.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
)
from pydantic import SecretStr

from duckbourse.brokers.paper import PaperBroker
from duckbourse.brokers.zerodha.mapping import (
    INDIA,
    OUR_PRODUCTS,
    OUR_SIDES,
    OUR_TYPES,
    SEGMENT_BITS,
    TYPES,
    Names,
)
from duckbourse.brokers.zerodha.stream import Mode
from duckbourse.errors import BrokerRejected
from duckbourse.orders.broker import OrderReport, TradeReport
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Product, Request, Validity
from duckbourse.streaming.feed import Tick
from duckbourse.venue.faults import Fault, Faults
from duckbourse.venue.ticks import HEARTBEAT, SIZES, Quote, frame_of, on_wire

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
UNKNOWN_WORD = "AT THE EXCHANGE"
SEGMENTS = {"NSE": 1, "BSE": 4}
MAX_TAG_LETTERS = 20
TOKEN_BYTES = 16
USER = "VENUE1"
REGULAR = ("orders", "regular")
LOGGED_IN = "Logged in at the venue. Paste the address of this page into ./bourse login.\n"


class RefusedError(Exception):
    """An answer of Kite that is an error."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


class Posted(msgspec.Struct, frozen=True):
    """A tick of `POST /venue/ticks`; `instrument` is such as NSE:INFY."""

    instrument: str
    at: datetime
    price: Decimal
    quantity: int


class Access(msgspec.Struct, frozen=True):
    """Who is logged in."""

    api_key: str
    access_token: str


@dataclass(frozen=True)
class Asked:
    """A request; `form` is that of its body, if it is one."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.path.strip("/").split("/"))

    @property
    def is_of_an_order(self) -> bool:
        return self.method != "GET" and self.parts[:2] == REGULAR


@dataclass(frozen=True)
class Answered:
    """An answer; one that `is_lost` never arrives whole."""

    status: int
    content: bytes
    headers: tuple[tuple[str, str], ...] = ()
    is_lost: bool = False


@dataclass(frozen=True)
class Keys:
    """The API key and secret that are taken; None takes any."""

    api_key: SecretStr | None = None
    api_secret: SecretStr | None = None


class KiteVenue:
    """
    One account at a venue that speaks Kite's protocol.

    `open_book` opens the account's book: now, and again when the venue restarts. `closes` are the
    prior closes by symbol. `keep` stores who is logged in. A venue that `is_playing` moves its
    market itself.
    """

    def __init__(
        self,
        open_book: Callable[[], PaperBroker],
        tick_sizes: Mapping[str, Decimal],
        begins_at: datetime,
        *,
        closes: Mapping[str, Decimal] | None = None,
        keys: Keys | None = None,
        access: Access | None = None,
        keep: Callable[[Access], None] = lambda _: None,
        faults: Faults | None = None,
        late_seconds: float = 1.0,
        is_playing: bool = False,
    ) -> None:
        self._open_book = open_book
        self.paper = open_book()
        self.faults = faults or Faults()
        self.at = begins_at
        self.access = access
        self._names, self._tick_sizes = Names(tick_sizes), dict(tick_sizes)
        self._keys, self._keep = keys or Keys(), keep
        self._late_seconds = late_seconds
        self._is_playing = is_playing
        self._request_tokens: dict[str, str] = {}
        self._sockets: set[_Follower] = set()
        self._sending: asyncio.Task[None] | None = None
        self._quotes: dict[str, Quote] = {}
        for number, symbol in enumerate(sorted(tick_sizes), start=1):
            segment = SEGMENTS.get(Names.theirs(symbol)[0], SEGMENTS["NSE"])
            close = on_wire((closes or {}).get(symbol))
            self._quotes[symbol] = Quote(number << SEGMENT_BITS | segment, close, last=close)
        self._by_token = {quote.token: quote for quote in self._quotes.values()}

    # its life

    async def begin(self) -> None:
        """Send the updates of orders from now on."""
        self._sending = asyncio.create_task(self._send_updates())

    async def end(self) -> None:
        """Send nothing more, and let go of all sockets."""
        if self._sending is not None:
            self._sending.cancel()
            with suppress(asyncio.CancelledError):
                await self._sending
        self._drop()

    async def _restart(self) -> None:
        await self.end()
        self.paper.close()
        self.paper = self._open_book()
        await self.begin()

    # the market

    def move(self, ticks: Sequence[Tick]) -> None:
        """Let the market trade: fill orders, and send the ticks to those who want them."""
        changed = set()
        for tick in ticks:
            self.at = max(self.at, tick.at)
            self.paper.on_tick(tick)
            if quote := self._quotes.get(tick.symbol):
                quote.trade(tick)
                changed.add(quote.token)
        for each in list(self._sockets):
            if wanted := sorted(changed & each.modes.keys()):
                packets = (self._by_token[token].packet(each.modes[token]) for token in wanted)
                each.send(WSMsgType.BINARY, frame_of(packets))

    # requests

    async def answer(self, asked: Asked) -> Answered:
        """Answer a request as Kite does, or as a fault makes it."""
        try:
            answered = await self._answered(asked)
        except RefusedError as error:
            return _refusal(error.status, error.kind, str(error))
        except BrokerRejected as error:
            return _refusal(400, "OrderException", str(error))
        except (KeyError, ValueError, InvalidOperation) as error:
            return _refusal(400, "InputException", f"Invalid input: {error}")
        if not asked.is_of_an_order:
            return answered
        if self.faults.occurs(Fault.RESTART):
            await self._restart()
            return Answered(answered.status, answered.content, is_lost=True)
        if self.faults.occurs(Fault.LOST_ANSWER):
            return Answered(answered.status, answered.content, is_lost=True)
        if self.faults.occurs(Fault.FAILED_ANSWER):
            return Answered(502, b"<html>bad gateway</html>")
        if self.faults.occurs(Fault.LATE_ANSWER):
            await asyncio.sleep(self._late_seconds)
        return answered

    async def _answered(self, asked: Asked) -> Answered:
        match asked.method, asked.parts:
            case "GET", ("connect", "login"):
                return self._login(asked)
            case "GET", ("connect", "done"):
                return Answered(200, LOGGED_IN.encode(), (("content-type", "text/plain"),))
            case "POST", ("session", "token"):
                return _success(self._session(asked.form))
            case "GET", ("instruments", *exchange):
                # public, as it is at Kite
                return Answered(
                    200,
                    self._instruments(*exchange).encode(),
                    (("content-type", "text/csv"),),
                )
        self._check_access(asked.headers.get("authorization", ""))
        if asked.is_of_an_order:
            if self.faults.occurs(Fault.TOO_MANY):
                raise RefusedError(429, "NetworkException", "Too many requests")
            if self.faults.occurs(Fault.REJECTED):
                raise RefusedError(400, "OrderException", "RMS: rejected by the venue on request")
        return _success(await self._done(asked))

    # access

    def _login(self, asked: Asked) -> Answered:
        api_key = asked.query.get("api_key", "")
        if not api_key or not _is(self._keys.api_key, api_key):
            raise RefusedError(400, "InputException", "Invalid `api_key`.")
        request_token = self._new_token()
        self._request_tokens[request_token] = api_key
        query = {"action": "login", "status": "success", "request_token": request_token}
        place = f"http://{asked.headers['host']}/connect/done?{urlencode(query)}"
        return Answered(302, b"", (("location", place),))

    def _session(self, form: Mapping[str, str]) -> dict[str, Any]:
        api_key, request_token = form["api_key"], form["request_token"]
        if self._request_tokens.pop(request_token, None) != api_key:
            raise RefusedError(403, "TokenException", "Token is invalid or has expired.")
        if self._keys.api_secret is not None:
            text = f"{api_key}{request_token}{self._keys.api_secret.get_secret_value()}"
            if form["checksum"] != hashlib.sha256(text.encode()).hexdigest():
                raise RefusedError(403, "TokenException", "Invalid `checksum`.")
        # one at a time: a login ends the session before it
        self.access = Access(api_key, self._new_token())
        self._keep(self.access)
        return {
            "user_id": USER,
            "api_key": api_key,
            "access_token": self.access.access_token,
            "public_token": "",
            "login_time": _local(self.at),
        }

    def _new_token(self) -> str:
        return secrets.token_hex(TOKEN_BYTES)

    def _check_access(self, authorization: str) -> None:
        found = self.access
        if found is None or authorization != f"token {found.api_key}:{found.access_token}":
            raise RefusedError(403, "TokenException", "Incorrect `api_key` or `access_token`.")

    # routes

    async def _done(self, asked: Asked) -> Any:
        paper = self.paper
        match asked.method, asked.parts:
            case "POST", ("orders", "regular"):
                return {"order_id": await paper.place(self._request(asked.form))}
            case "PUT", ("orders", "regular", order_id):
                await paper.modify(order_id, await self._changed(order_id, asked.form))
                return {"order_id": order_id}
            case "DELETE", ("orders", "regular", order_id):
                await paper.cancel(order_id)
                return {"order_id": order_id}
            case "GET", ("orders",):
                return [self.order_row(report) for report in await paper.orders()]
            case "GET", ("orders", order_id):
                return [self.order_row(await self._found(order_id))]
            case "GET", ("orders", order_id, "trades"):
                await self._found(order_id)
                return [row for row in await self._trades() if row["order_id"] == order_id]
            case "GET", ("trades",):
                return await self._trades()
            case "GET", ("portfolio", "positions"):
                net = await self._positions()
                return {"net": net, "day": net}
            case "GET", ("portfolio", "holdings"):
                return await self._holdings()
            case "GET", ("user", "margins"):
                return {"equity": await self._margins()}
            case "GET", ("user", "margins", "equity"):
                return await self._margins()
            case "GET", ("venue", "clock"):
                return {"at": self.at.isoformat()}
            case "POST", ("venue", "ticks" | "end" as what):
                if self._is_playing:
                    raise RefusedError(400, "InputException", "The venue plays its own session.")
                if what == "end":
                    paper.end_session()
                    return True
                rows = msgspec.json.decode(asked.content, type=list[Posted])
                self.move([self._tick(row) for row in rows])
                return True
        raise RefusedError(404, "GeneralException", "Route not found")

    def _tick(self, row: Posted) -> Tick:
        exchange, _, name = row.instrument.partition(":")
        return Tick(self._names.ours(exchange, name), row.at, row.price, row.quantity)

    def _request(self, form: Mapping[str, str]) -> Request:
        tag, kind = form.get("tag", ""), form["order_type"]
        if not tag.isalnum() or len(tag) > MAX_TAG_LETTERS:
            raise RefusedError(400, "InputException", "Invalid `tag`.")
        if kind in ("MARKET", "SL-M") and form.get("market_protection", "0") == "0":
            raise RefusedError(400, "InputException", "Market orders need protection.")
        if kind in ("LIMIT", "SL") and not form.get("price"):
            raise RefusedError(400, "InputException", "Invalid `price`.")
        return Request(
            order_id=tag,
            symbol=self._names.ours(form["exchange"], form["tradingsymbol"]),
            side=OUR_SIDES[form["transaction_type"]],
            quantity=int(form["quantity"]),
            product=OUR_PRODUCTS[form["product"]],
            order_type=OUR_TYPES[kind],
            validity=Validity(form.get("validity", "DAY").lower()),
            limit_price=_price(form, "price"),
            trigger_price=_price(form, "trigger_price"),
        )

    async def _found(self, order_id: str) -> OrderReport:
        for report in await self.paper.orders():
            if report.broker_order_id == order_id:
                return report
        raise RefusedError(400, "OrderException", "Couldn't find that `order_id`.")

    async def _changed(self, order_id: str, form: Mapping[str, str]) -> Request:
        report = await self._found(order_id)
        return Request(
            order_id=report.order_id or "",
            symbol=report.symbol,
            side=report.side,
            quantity=int(form.get("quantity", report.quantity)),
            product=report.product,
            order_type=OUR_TYPES[form["order_type"]] if "order_type" in form else report.order_type,
            limit_price=_price(form, "price"),
            trigger_price=_price(form, "trigger_price"),
        )

    # rows

    def order_row(self, report: OrderReport) -> dict[str, Any]:
        """Return an order in Kite's words."""
        at = _local(report.at) if report.at else None
        is_cancelled = report.state in (State.CANCELLED, State.EXPIRED)
        left = report.quantity - report.filled_quantity
        return {
            "placed_by": USER,
            "order_id": report.broker_order_id,
            "exchange_order_id": f"E{report.broker_order_id}",
            "parent_order_id": None,
            "status": WORDS[report.state],
            "status_message": report.message or None,
            "order_timestamp": at,
            "exchange_update_timestamp": at,
            "exchange_timestamp": at,
            "variety": "regular",
            **self._instrument(report.symbol),
            "order_type": TYPES[report.order_type],
            "transaction_type": report.side.value.upper(),
            "validity": "DAY",
            "product": report.product.value,
            "quantity": report.quantity,
            "disclosed_quantity": 0,
            "price": float(report.limit_price or 0),
            "trigger_price": float(report.trigger_price or 0),
            "average_price": float(report.average_price or 0),
            "filled_quantity": report.filled_quantity,
            "pending_quantity": 0 if is_cancelled else left,
            "cancelled_quantity": left if is_cancelled else 0,
            "tag": report.order_id,
            "tags": [report.order_id],
            "meta": {},
            "guid": report.broker_order_id,
        }

    async def _trades(self) -> Rows:
        found = []
        for trade in await self.paper.trades():
            fill = trade.fill
            at = _local(fill.filled_at)
            found.append(
                {
                    "trade_id": fill.fill_key.rpartition("|")[2],
                    "order_id": trade.broker_order_id,
                    "exchange_order_id": f"E{trade.broker_order_id}",
                    **self._instrument(fill.symbol),
                    "transaction_type": fill.side.value.upper(),
                    "product": fill.product.value,
                    "average_price": float(fill.price),
                    "quantity": fill.quantity,
                    "fill_timestamp": at,
                    "order_timestamp": at[11:],
                    "exchange_timestamp": at,
                }
            )
        return found

    async def _overnight(self) -> dict[tuple[str, Product], int]:
        """Return what was held before the session."""
        held = {(each.symbol, each.product): each.quantity for each in await self.paper.positions()}
        for trade in await self.paper.trades():
            key = trade.fill.symbol, trade.fill.product
            held[key] = held.get(key, 0) - trade.fill.signed_quantity
        return {key: quantity for key, quantity in held.items() if quantity}

    async def _positions(self) -> Rows:
        """Return what is held, without what was delivered before: these are holdings."""
        overnight, found = await self._overnight(), []
        held = {(each.symbol, each.product): each.quantity for each in await self.paper.positions()}
        for key in sorted(held.keys() | overnight.keys()):
            symbol, product = key
            before = overnight.get(key, 0)
            quantity = held.get(key, 0) - (before if product is Product.CNC else 0)
            found.append(
                {
                    **self._instrument(symbol),
                    "product": product.value,
                    "quantity": quantity,
                    "overnight_quantity": 0 if product is Product.CNC else before,
                }
            )
        return found

    async def _holdings(self) -> Rows:
        return [
            {
                **self._instrument(symbol),
                "product": product.value,
                "quantity": quantity,
                "used_quantity": 0,
                "t1_quantity": 0,
            }
            for (symbol, product), quantity in (await self._overnight()).items()
            if product is Product.CNC
        ]

    async def _margins(self) -> dict[str, Any]:
        """Return the cash of the account, after charges."""
        cash = float((await self.paper.funds()).cash_amount)
        return {
            "enabled": True,
            "net": cash,
            "available": {"cash": cash, "live_balance": cash, "collateral": 0},
            "utilised": {"debits": 0},
        }

    def _instrument(self, symbol: str) -> dict[str, Any]:
        exchange, name = Names.theirs(symbol)
        quote = self._quotes.get(symbol)
        return {
            "exchange": exchange,
            "tradingsymbol": name,
            "instrument_token": quote.token if quote else 0,
        }

    def _instruments(self, wanted: str = "") -> str:
        names = "instrument_token exchange_token tradingsymbol name last_price expiry strike"
        names += " tick_size lot_size instrument_type segment exchange"
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(names.split())
        for symbol, quote in self._quotes.items():
            exchange, name = Names.theirs(symbol)
            if wanted in ("", exchange):
                token = quote.token
                size = self._tick_sizes[symbol]
                row = (token, token >> SEGMENT_BITS, name, name, 0, "", 0, size, 1, "EQ", exchange)
                lines.writerow((*row, exchange))
        return text.getvalue()

    # sockets

    async def _send_updates(self) -> None:
        async for text in self._updates():
            for each in list(self._sockets):
                each.send(WSMsgType.TEXT, text)

    async def _updates(self) -> AsyncIterator[bytes]:
        """Yield the updates of orders; Kite sends none of trades."""
        async for update in self.paper.updates():
            if isinstance(update, TradeReport):
                continue
            if self.faults.occurs(Fault.LOST_UPDATE):
                continue
            if self.faults.occurs(Fault.DROPPED_SOCKETS):
                self._drop()
                continue
            row = self.order_row(update)
            if self.faults.occurs(Fault.UNKNOWN_STATUS):
                row["status"] = UNKNOWN_WORD
            text = json.dumps({"type": "order", "data": row}).encode()
            yield text
            if self.faults.occurs(Fault.DOUBLED_UPDATE):
                yield text

    def _drop(self) -> None:
        for each in list(self._sockets):
            each.drop()

    def listener(self, request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
        """Return who follows a socket that is opened; only one with an access token may be."""
        asked = parse_qs(urlsplit(request.path.decode()).query)
        found = self.access
        is_known = found is not None and (
            (asked.get("api_key"), asked.get("access_token"))
            == ([found.api_key], [found.access_token])
        )
        if not is_known or self.faults.occurs(Fault.REFUSED_SOCKET):
            response = WSUpgradeResponse.create_error_response(403, b"no")
            return WSUpgradeResponseWithListener(response, None)
        return _Follower(self._sockets, self._snapshot)

    def _snapshot(self, modes: Mapping[int, Mode]) -> bytes:
        """Return the state of instruments, which Kite sends on a subscription."""
        known = [token for token in modes if token in self._by_token]
        return frame_of(self._by_token[token].packet(modes[token]) for token in known)


class _Follower(WSListener):
    """A socket, and the mode of each instrument that it subscribed to."""

    def __init__(
        self, sockets: set[_Follower], snapshot: Callable[[Mapping[int, Mode]], bytes]
    ) -> None:
        self._sockets, self._snapshot = sockets, snapshot
        self._transport: WSTransport | None = None
        self.modes: dict[int, Mode] = {}

    def send(self, kind: WSMsgType, content: bytes) -> None:
        if self._transport is not None:
            self._transport.send(kind, content)

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._sockets.add(self)
        transport.send(WSMsgType.BINARY, HEARTBEAT)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._sockets.discard(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT:
            # what is no subscription is not answered, as at Kite
            with suppress(ValueError, TypeError, KeyError):
                self._subscribe(json.loads(frame.get_payload_as_utf8_text()))

    def _subscribe(self, message: dict[str, Any]) -> None:
        changed: dict[int, Mode] = {}
        match message["a"], message["v"]:
            case "subscribe", [*tokens]:
                changed = {int(token): self.modes.get(token, "quote") for token in tokens}
            case "unsubscribe", [*tokens]:
                for token in tokens:
                    self.modes.pop(token, None)
            case "mode", [mode, [*tokens]] if mode in SIZES:
                changed = {int(token): mode for token in tokens}
        if changed:
            self.modes |= changed
            self.send(WSMsgType.BINARY, self._snapshot(changed))


def _is(known: SecretStr | None, given: str) -> bool:
    return known is None or secrets.compare_digest(known.get_secret_value(), given)


def _local(at: datetime) -> str:
    return f"{at.astimezone(INDIA):%Y-%m-%d %H:%M:%S}"


def _price(form: Mapping[str, str], name: str) -> Decimal | None:
    found = Decimal(form.get(name) or 0)
    return found or None


def _success(data: Any) -> Answered:
    return _json(200, {"status": "success", "data": data})


def _refusal(status: int, kind: str, message: str) -> Answered:
    return _json(status, {"status": "error", "message": message, "error_type": kind, "data": None})


def _json(status: int, found: dict[str, Any]) -> Answered:
    return Answered(status, json.dumps(found).encode(), (("content-type", "application/json"),))
