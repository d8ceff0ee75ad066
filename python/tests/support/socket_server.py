"""
A scripted WebSocket server on loopback that records what it receives.

`script` runs for each connection after the client has sent its subscription texts. It writes to the
transport itself, faults included.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

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

Script = Callable[[int, WSTransport], Awaitable[None]]


@dataclass
class Server:
    """The requests received; the next `refusals` are refused, or redirected `elsewhere`."""

    script: Script
    subscription_count: int = 1
    refusals: list[int] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    texts: list[list[str]] = field(default_factory=list)
    pong_count: int = 0
    connected_at: list[float] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    transports: list[WSTransport] = field(default_factory=list)
    port: int = 0
    elsewhere: str = "/elsewhere"

    @property
    def root(self) -> str:
        return f"ws://127.0.0.1:{self.port}/"

    def listener(self, request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
        self.paths.append(request.path.decode())
        self.connected_at.append(asyncio.get_running_loop().time())
        if self.refusals:
            status = self.refusals.pop(0)
            if status < 400:
                response = WSUpgradeResponse.create_redirect_response(status, self.elsewhere)
            else:
                response = WSUpgradeResponse.create_error_response(status, b"no")
            return WSUpgradeResponseWithListener(response, None)
        return _Client(self)


class _Client(WSListener):
    def __init__(self, server: Server) -> None:
        self._server = server
        self._number = len(server.texts)
        self._texts: list[str] = []
        server.texts.append(self._texts)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._server.transports.append(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.PONG:
            self._server.pong_count += 1
        if frame.msg_type != WSMsgType.TEXT:
            return
        self._texts.append(frame.get_payload_as_utf8_text())
        if len(self._texts) == self._server.subscription_count:
            task = asyncio.ensure_future(self._play(transport))
            self._server.tasks.add(task)

    async def _play(self, transport: WSTransport) -> None:
        await self._server.script(self._number, transport)


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[Server]:
    """Serve until the end of the block; raise the error of a failed script."""
    listening = await ws_create_server(server.listener, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
        for task in server.tasks:
            if task.done():
                task.result()
    finally:
        for task in server.tasks:
            task.cancel()
        for transport in server.transports:
            transport.disconnect(graceful=False)
        listening.close()
