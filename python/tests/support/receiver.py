"""A receiver of webhooks on loopback that records what it gets, and fails in several ways."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """
    The requests received, as (path, body), and their headers.

    It answers with the next of `statuses`, and then with 200. One that hangs never answers, and one
    that drips does so byte by byte, without end; `ended` releases what it holds.
    """

    address: str = ""
    statuses: list[int] = field(default_factory=list)
    hangs: bool = False
    drips: bool = False
    elsewhere: str = ""
    got: list[tuple[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver until the end of the block."""
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.bodies.append(body)
            found.headers.append({name.lower(): text for name, text in self.headers.items()})
            found.got.append((self.path, json.loads(body)))
            if found.hangs:
                found.ended.wait()
                return
            while found.drips and not found.ended.wait(0.01):
                with suppress(OSError):
                    self.wfile.write(b"H")
            if found.drips:
                return
            self.send_response(found.statuses.pop(0) if found.statuses else 200)
            if found.elsewhere:
                self.send_header("Location", found.elsewhere)
            self.end_headers()

        def log_message(self, format: str, *words: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    found.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield found
    finally:
        found.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
