"""
Counters and gauges of a trading session for Prometheus; events are counted as they happen.

Serves `GET /metrics` and `GET /health` on loopback to clients that send `Authorization: Bearer …`.
Health is 200, or 503 with its reasons.
"""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from duckbourse.errors import ConfigurationError
from duckbourse.orders import events
from duckbourse.orders.events import Event, TradingState

HOST = "127.0.0.1"
Health = Callable[[], list[str]]


class Metrics:
    """The metrics of one account; `on_event` is a listener of its manager."""

    def __init__(self, account: str) -> None:
        self.registry = CollectorRegistry()
        self._account = account
        self._orders = self._counter("orders", "Orders, by the state they entered", "state")
        self._denials = self._counter("denials", "Orders denied by a pre-trade check", "code")
        self._fills = self._counter("fills", "Fills booked", "side")
        self._exits = self._counter("exits", "Exits triggered", "reason")
        self._gauges: dict[str, Gauge] = {}

    def on_event(self, event: Event) -> None:
        """Count an event."""
        match event:
            case events.OrderDenied(code=code):
                self._denials.labels(self._account, code).inc()
            case events.OrderUpdated(state=state):
                self._orders.labels(self._account, state).inc()
            case events.FillBooked(fill=fill):
                self._fills.labels(self._account, fill.side).inc()
            case events.ExitTriggered(reason=reason):
                self._exits.labels(self._account, reason).inc()
            case events.TradingStateChanged(state=current):
                for possible in TradingState:
                    self.set_gauge(f"is_{possible}", float(possible is current))

    def set_gauge(self, name: str, value: float) -> None:
        """Set a gauge, such as `equity_amount`, to its current value."""
        if name not in self._gauges:
            self._gauges[name] = Gauge(
                f"bourse_{name}",
                name.replace("_", " "),
                ["account"],
                registry=self.registry,
            )
        self._gauges[name].labels(self._account).set(value)

    def _counter(self, name: str, what: str, label: str) -> Counter:
        return Counter(f"bourse_{name}", what, ["account", label], registry=self.registry)


class MetricsServer:
    """Serves metrics and health until closed; `port` 0 picks a free one."""

    def __init__(self, metrics: Metrics, health: Health, port: int, token: str) -> None:
        if not token:
            raise ConfigurationError(
                "metrics need a bearer token, and none is set",
                "set BOURSE_METRICS_TOKEN in the environment or in .env",
            )
        try:
            self._server = ThreadingHTTPServer((HOST, port), _handler(metrics, health, token))
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on port {port} of {HOST}: {error.strerror}", "choose another port"
            ) from error
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(metrics: Metrics, health: Health, token: str) -> type[BaseHTTPRequestHandler]:
    required = f"Bearer {token}"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = self.headers.get("Authorization", "")
            if not hmac.compare_digest(given.encode(), required.encode()):
                self._answer(401, "text/plain", b"a bearer token is required\n")
            elif self.path == "/metrics":
                text = generate_latest(metrics.registry)
                self._answer(200, "text/plain; version=0.0.4", text)
            elif self.path == "/health":
                reasons = health()
                body = json.dumps({"is_healthy": not reasons, "reasons": reasons}).encode()
                self._answer(503 if reasons else 200, "application/json", body + b"\n")
            else:
                self._answer(404, "text/plain", b"only /metrics and /health exist\n")

        def _answer(self, code: int, kind: str, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *words: Any) -> None:
            pass  # requests are not logged

    return Handler
