"""The venue's server: HTTP and WebSocket on one port of loopback, as at a broker's own address."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import uvicorn
from picows import WSAutoPingStrategy
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # of `ws_create_server`

from duckbourse.settings import LOOPBACK
from duckbourse.venue.kite import Answered, Asked, KiteVenue

MAX_CONTENT_BYTES = MAX_MESSAGE_BYTES = 16 * 1024 * 1024
FORM = "application/x-www-form-urlencoded"
HANDSHAKE_SECONDS = PING_SECONDS = 10
STOP_SECONDS = 2
BUFFER_BYTES = 16 * 1024
# a request for a socket has its token in it
SILENT_LOGGER = logging.Logger("duckbourse.venue", logging.CRITICAL + 1)
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def _is_no_lost_answer(record: logging.LogRecord) -> bool:
    return "without completing response" not in record.getMessage()


class VenueServer(uvicorn.Server):
    """
    Serves a venue, and whatever moves its market, until a signal or until `should_exit` is set.

    It answers at the names of loopback only, so that no page of another host can ask it.
    """

    def __init__(self, venue: KiteVenue, play: Callable[[], Awaitable[None]] | None = None) -> None:
        logging.getLogger("uvicorn.error").addFilter(_is_no_lost_answer)
        super().__init__(
            uvicorn.Config(
                self._app,
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                interface="asgi3",
                lifespan="off",
                http="h11",
                ws=self._socket,  # type: ignore[arg-type]
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        self._venue, self._play = venue, play
        self._playing: asyncio.Future[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self._venue.begin()
        await super().startup(sockets)
        if self._play is not None:
            self._playing = asyncio.ensure_future(self._play())
            self._playing.add_done_callback(self._played)

    def _played(self, playing: asyncio.Future[None]) -> None:
        # what ended it is raised by `shutdown`
        if not playing.cancelled() and playing.exception() is not None:
            self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._venue.end()
        await super().shutdown(sockets)
        if self._playing is not None and not self._playing.cancel():
            self._playing.result()

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        content = b""
        while True:
            message = await receive()
            content += message.get("body", b"")
            if message["type"] != "http.request" or not message.get("more_body"):
                break
            if len(content) > MAX_CONTENT_BYTES:
                await _send(send, Answered(413, b"too large"))
                return
        headers = {
            name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]
        }
        if urlsplit(f"//{headers.get('host', '')}").hostname not in LOOPBACK:
            await _send(send, Answered(403, b"this is no name of loopback"))
            return
        is_form = headers.get("content-type", "").startswith(FORM)
        asked = Asked(
            scope["method"],
            scope["path"],
            dict(parse_qsl(scope["query_string"].decode("latin-1"))),
            headers,
            dict(parse_qsl(content.decode("latin-1"))) if is_form else {},
            content,
        )
        await _send(send, await self._venue.answer(asked))

    def _socket(self, **_: Any) -> _Upgraded:
        return _Upgraded(
            WSProtocol(
                *(None, None, False, self._venue.listener, SILENT_LOGGER),
                *(True, HANDSHAKE_SECONDS),
                *(False, PING_SECONDS, PING_SECONDS, WSAutoPingStrategy.PING_WHEN_IDLE, True),
                *(MAX_MESSAGE_BYTES, None, BUFFER_BYTES),
            )
        )


async def _send(send: Send, answered: Answered) -> None:
    """Send an answer; of one that is lost, an end that is missing closes the connection."""
    length = len(answered.content) + answered.is_lost
    headers = [*answered.headers, ("content-length", str(length))]
    await send(
        {
            "type": "http.response.start",
            "status": answered.status,
            "headers": [(name.encode(), text.encode("latin-1")) for name, text in headers],
        }
    )
    if not answered.is_lost:
        await send({"type": "http.response.body", "body": answered.content})


class _Upgraded(asyncio.BufferedProtocol):
    """picows for a connection whose first request was read elsewhere."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        # these are all that asyncio and uvicorn call
        self.get_buffer = inner.get_buffer  # type: ignore[method-assign]
        self.buffer_updated = inner.buffer_updated  # type: ignore[method-assign]
        self.eof_received = inner.eof_received  # type: ignore[method-assign]
        self.connection_made = inner.connection_made  # type: ignore[method-assign]
        self.connection_lost = inner.connection_lost  # type: ignore[method-assign]
        self.pause_writing = inner.pause_writing  # type: ignore[method-assign]
        self.resume_writing = inner.resume_writing  # type: ignore[method-assign]

    def data_received(self, data: bytes) -> None:
        while data:
            space = memoryview(self.get_buffer(len(data)))
            part = data[: len(space)]
            space[: len(part)] = part
            self.buffer_updated(len(part))
            data = data[len(part) :]
