"""The server of the application: it ends its streams of events first when it is to stop."""

from __future__ import annotations

import signal
import socket

import uvicorn
from fastapi import FastAPI

from duckbourse.api.bounds import Bounds

# seconds in which requests may end after a signal to stop
STOP_SECONDS = 10
# connections at once, of which a page has a few
MOST_CONNECTIONS = 500


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
