"""
Counters, gauges and histograms of a trading session for Prometheus, as its events happen.

Serves `GET /metrics` and `GET /health` on loopback to clients that send `Authorization: Bearer …`.
Health is 200, or 503 with its reasons. It is answered by a thread of its own, so also while the
loop stands still.
"""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from duckbourse import clock
from duckbourse.errors import ConfigurationError
from duckbourse.orders import events
from duckbourse.orders.events import Event, TradingState
from duckbourse.orders.lifecycle import State

HOST = "127.0.0.1"
Health = Callable[[], list[str]]
# from a fifth of a millisecond to the longest that a broker's answer is waited for
SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


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
        self._passes = self._histogram("pass_seconds", "A pass of the loop, of one batch of ticks")
        self._until_sent = self._histogram(
            "order_sent_seconds", "From the decision on an order until it is sent"
        )
        self._until_acknowledged = self._histogram(
            "order_acknowledged_seconds", "From the sending of an order until the broker's answer"
        )
        # when an order was decided on or sent, until the next step of it
        self._began: dict[str, float] = {}

    def on_event(self, event: Event) -> None:
        """Count an event."""
        match event:
            case events.OrderIntended(request=request):
                self._began[request.order_id] = clock.elapsed_seconds()
            case events.OrderSent(order_id=order_id):
                self._observe_order(order_id, self._until_sent)
                self._began[order_id] = clock.elapsed_seconds()
            case events.OrderDenied(code=code):
                self._denials.labels(self._account, code).inc()
            case events.OrderUpdated(order_id=order_id, state=state):
                if state is not State.UNKNOWN:
                    self._observe_order(order_id, self._until_acknowledged)
                self._orders.labels(self._account, state).inc()
            case events.FillBooked(fill=fill):
                self._fills.labels(self._account, fill.side).inc()
            case events.ExitTriggered(reason=reason):
                self._exits.labels(self._account, reason).inc()
            case events.TradingStateChanged(state=current):
                for possible in TradingState:
                    self.set_gauge(f"is_{possible}", float(possible is current))

    def observe_pass(self, seconds: float) -> None:
        """Count a pass of the loop that took so long."""
        self._passes.labels(self._account).observe(seconds)

    def _observe_order(self, order_id: str, histogram: Histogram) -> None:
        began = self._began.pop(order_id, None)
        if began is not None:
            histogram.labels(self._account).observe(clock.elapsed_seconds() - began)

    def watch(self, name: str, value: Callable[[], float]) -> None:
        """Let a gauge be asked for whenever the metrics are."""
        self.set_gauge(name, 0)
        self._gauges[name].labels(self._account).set_function(value)

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

    def _histogram(self, name: str, what: str) -> Histogram:
        return Histogram(
            f"bourse_{name}", what, ["account"], registry=self.registry, buckets=SECONDS
        )

    def _counter(self, name: str, what: str, label: str) -> Counter:
        return Counter(f"bourse_{name}", what, ["account", label], registry=self.registry)


class MetricsServer:
    """Serves metrics and health until closed; `port` 0 picks a free one."""

    def __init__(self, metrics: Metrics, health: Health, port: int, token: str) -> None:
        self._server = _listening(port, token, _handler(metrics, health, token))
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def refuse_port(port: int, token: str) -> None:
    """Raise ConfigurationError if metrics cannot be served there, or without a token."""
    _listening(port, token, BaseHTTPRequestHandler).server_close()


def _listening(port: int, token: str, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    if not token:
        raise ConfigurationError(
            "metrics need a bearer token, and none is set",
            "set BOURSE_METRICS_TOKEN in the environment or in .env",
        )
    try:
        return ThreadingHTTPServer((HOST, port), handler)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on port {port} of {HOST}: {error.strerror}", "choose another port"
        ) from error


def _handler(metrics: Metrics, health: Health, token: str) -> type[BaseHTTPRequestHandler]:
    required = f"Bearer {token}"

    class Handler(BaseHTTPRequestHandler):
        def parse_request(self) -> bool:
            # the token comes first, whatever the method
            if not super().parse_request():
                return False
            given = self.headers.get("Authorization", "")
            if hmac.compare_digest(given.encode(), required.encode()):
                return True
            self._answer(401, "text/plain", b"a bearer token is required\n")
            return False

        def do_GET(self) -> None:
            if self.path == "/metrics":
                text = generate_latest(metrics.registry)
                self._answer(200, "text/plain; version=0.0.4", text)
            elif self.path == "/health":
                reasons = _reasons(health)
                body = json.dumps({"is_healthy": not reasons, "reasons": reasons}).encode()
                self._answer(503 if reasons else 200, "application/json", body + b"\n")
            else:
                self._answer(404, "text/plain", b"only /metrics and /health exist\n")

        do_HEAD = do_GET

        def _answer(self, code: int, kind: str, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *words: Any) -> None:
            pass  # requests are not logged

    return Handler


def _reasons(health: Health) -> list[str]:
    try:
        return health()
    except Exception as error:  # the loop's thread may change what is read here
        return [f"its health cannot be read: {error!r}"]
