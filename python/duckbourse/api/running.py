"""The server of the application: it ends its streams of events first when it is to stop."""

from __future__ import annotations

import asyncio
import resource
import signal
import socket

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from duckbourse.api.bounds import Bounds

# seconds in which requests may end after a signal to stop
STOP_SECONDS = 10
# connections at once, of which a page has a few
MOST_CONNECTIONS = 500


def protocol_of(seconds: float) -> type[H11Protocol]:
    """
    Return a protocol on which the head of a request ends within so many seconds.

    So does the rest of a body after its request was answered: refused, or too slow. Connections
    beyond half of the files that the process may open are ended as they come.
    """
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    half = MOST_CONNECTIONS if files == resource.RLIM_INFINITY else files // 2
    most = min(MOST_CONNECTIONS, half)

    class Timed(H11Protocol):
        _ends: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > most:
                # at once: what waits for a file number would be tried again and again
                transport.abort()
            else:
                self._close_later()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._bound()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._bound()

        def connection_lost(self, exc: Exception | None) -> None:
            self._forget()
            super().connection_lost(exc)

        def _bound(self) -> None:
            # between two requests, uvicorn's own time of keeping alive applies
            is_in_head = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
            is_answered = self.conn.our_state is h11.DONE
            if not is_in_head and not (is_answered and self.conn.their_state is h11.SEND_BODY):
                self._forget()
            elif self._ends is None:
                self._close_later()

        def _close_later(self) -> None:
            self._ends = self.loop.call_later(seconds, self.transport.close)

        def _forget(self) -> None:
            if self._ends is not None:
                self._ends.cancel()
                self._ends = None

    return Timed


class Running(uvicorn.Server):
    """Serves until a signal, or until `should_exit` is set, and then until its requests ended."""

    def __init__(self, app: FastAPI, bounds: Bounds) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws="none",
                http=protocol_of(bounds.head_seconds),
                limit_concurrency=MOST_CONNECTIONS,
                timeout_graceful_shutdown=STOP_SECONDS,
                timeout_keep_alive=30,
                h11_max_incomplete_event_size=2 * bounds.header_bytes,
            )
        )
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams of events, which never end by themselves, and then the rest."""
        self._app.state.watch.end()
        await super().shutdown(sockets)

    def run_on(self, listening: socket.socket) -> None:
        """Serve a socket in the main thread until SIGINT or SIGTERM."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.getsignal(number) for number in numbers}
        try:
            # when it has stopped, uvicorn raises the signal again for whoever handled it before
            for number in numbers:
                signal.signal(number, self.handle_exit)
            self.run(sockets=[listening])
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
