"""A server of the API in a thread of the test, on a free port of loopback."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from duckbourse.api import Bounds, Tokens, create_app
from duckbourse.api.gate import names_of
from duckbourse.api.running import Running
from duckbourse.client import Client

READ, COMMAND = "read-" + "r" * 40, "command-" + "c" * 40
HOST = "127.0.0.1"


@dataclass
class Served:
    """Where it is, and clients of it: `http` sends the token to read."""

    root: str
    port: int
    http: httpx.Client
    app: Any
    published: Path

    def get(self, address: str, **headers: str) -> httpx.Response:
        """Ask an address below the root, with headers whose dashes are written as underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.get(address, headers=named)

    @contextmanager
    def client(self, token: str = READ) -> Iterator[Client]:
        """Open a client for the block; its connection is closed at the end of it."""
        with Client(self.root, token) as opened:
            yield opened

    def raw(self, request: bytes) -> bytes:
        """Return what a socket answers to these bytes."""
        with socket.create_connection((HOST, self.port), timeout=10) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            parts = []
            while part := connection.recv(65_536):
                parts.append(part)
            return b"".join(parts)


@contextmanager
def serving(published: Path, **options: Any) -> Iterator[Served]:
    """Serve a published file until the end of the block."""
    bounds = options.pop("bounds", None) or Bounds(requests_per_second=100_000)
    listening = socket.socket()
    listening.bind((HOST, 0))
    listening.listen(128)
    port = listening.getsockname()[1]
    tokens = options.pop("tokens", Tokens(READ, COMMAND))
    app = create_app(published, tokens, names_of(HOST, port), bounds=bounds, **options)
    server = Running(app, bounds)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    root = f"http://{HOST}:{port}"
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.005)
        headers = {"authorization": f"Bearer {READ}"}
        with httpx.Client(base_url=root, headers=headers, trust_env=False, timeout=60) as http:
            yield Served(root, port, http, app, published)
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
