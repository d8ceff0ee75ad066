"""Metrics and health over HTTP, for clients with the token only."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import httpx
import pytest

from duckbourse import clock
from duckbourse.errors import ConfigurationError
from duckbourse.orders import events
from duckbourse.orders.events import TradingState
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Reason
from duckbourse.telemetry.metrics import Metrics, MetricsServer
from tests.support.factories import NOW, fill, request

TOKEN = "a token for a test"


@pytest.fixture
def reasons() -> list[str]:
    return []


@pytest.fixture
def served(reasons: list[str]) -> Iterator[tuple[Metrics, str]]:
    metrics = Metrics("test")
    server = MetricsServer(metrics, lambda: reasons, 0, TOKEN)
    yield metrics, f"http://127.0.0.1:{server.port}"
    server.close()


def get(address: str, token: str = TOKEN) -> httpx.Response:
    return httpx.get(address, headers={"Authorization": f"Bearer {token}"}, trust_env=False)


def test_events_are_counted(served: tuple[Metrics, str]) -> None:
    metrics, address = served
    asked = request()
    for event in (
        events.OrderDenied(at=NOW, request=asked, code="RATE", detail=""),
        events.OrderUpdated(at=NOW, order_id="X", state=State.ACKED),
        events.OrderUpdated(at=NOW, order_id="X", state=State.ACKED),
        events.FillBooked(at=NOW, fill=fill(1, "100")),
        events.ExitTriggered(at=NOW, entry_id="X", reason=Reason.STOP, price=Decimal(1)),
        events.TradingStateChanged(at=NOW, state=TradingState.HALTED, reason="", by="test"),
    ):
        metrics.on_event(event)
    metrics.set_gauge("equity_amount", 99.5)
    lines = get(f"{address}/metrics").text.splitlines()
    for line in (
        'bourse_denials_total{account="test",code="RATE"} 1.0',
        'bourse_orders_total{account="test",state="acked"} 2.0',
        'bourse_fills_total{account="test",side="buy"} 1.0',
        'bourse_exits_total{account="test",reason="stop"} 1.0',
        'bourse_is_halted{account="test"} 1.0',
        'bourse_is_active{account="test"} 0.0',
        'bourse_equity_amount{account="test"} 99.5',
    ):
        assert line in lines


def test_health_lists_its_reasons(served: tuple[Metrics, str], reasons: list[str]) -> None:
    address = f"{served[1]}/health"
    assert (get(address).status_code, get(address).json()["is_healthy"]) == (200, True)
    reasons.append("halted: news")
    assert get(address).status_code == 503
    assert get(address).json() == {"is_healthy": False, "reasons": ["halted: news"]}


@pytest.mark.parametrize("token", ["-", "another", TOKEN + "x"])
def test_requests_without_the_token_are_refused(served: tuple[Metrics, str], token: str) -> None:
    for path in ("metrics", "health", "else"):
        answer = get(f"{served[1]}/{path}", token)
        assert (answer.status_code, answer.text) == (401, "a bearer token is required\n")
    assert get(f"{served[1]}/else").status_code == 404


def test_serving_needs_a_token_and_a_free_port(served: tuple[Metrics, str]) -> None:
    with pytest.raises(ConfigurationError, match="none is set"):
        MetricsServer(served[0], list, 0, "")
    port = int(served[1].rpartition(":")[2])
    with pytest.raises(ConfigurationError, match=f"cannot listen on port {port} of 127.0.0.1"):
        MetricsServer(served[0], list, port, TOKEN)


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_the_token_comes_before_the_method(served: tuple[Metrics, str], method: str) -> None:
    """POST and HEAD were answered before the token was asked for."""

    def answer(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        address = f"{served[1]}/health"
        return httpx.request(method, address, headers=headers, trust_env=False).status_code

    assert answer("another") == 401
    assert answer(TOKEN) == (200 if method == "HEAD" else 501)


def test_health_that_cannot_be_read_is_bad(served: tuple[Metrics, str]) -> None:
    def fail() -> list[str]:
        raise RuntimeError("dictionary changed size during iteration")

    server = MetricsServer(served[0], fail, 0, TOKEN)
    try:
        found = get(f"http://127.0.0.1:{server.port}/health")
    finally:
        server.close()
    assert found.status_code == 503
    assert "dictionary changed size" in found.json()["reasons"][0]


def test_latencies_are_histograms(served: tuple[Metrics, str]) -> None:
    """From the decision to the order that is sent, and from there to the broker's answer."""
    metrics, address = served
    seconds = 0.0
    asked = request()
    order_id = asked.order_id
    steps = [
        (0.0, events.OrderIntended(at=NOW, request=asked)),
        (0.003, events.OrderSent(at=NOW, order_id=order_id)),
        (1.003, events.OrderUpdated(at=NOW, order_id=order_id, state=State.UNKNOWN)),
        (3.003, events.OrderUpdated(at=NOW, order_id=order_id, state=State.ACKED)),
        (9.003, events.OrderUpdated(at=NOW, order_id=order_id, state=State.CANCELLED)),
    ]
    with clock.counted_by(lambda: seconds):
        for after, event in steps:
            seconds = after
            metrics.on_event(event)
    metrics.observe_pass(0.04)
    metrics.watch("seconds_since_tick", lambda: 7.5)
    lines = get(f"{address}/metrics").text.splitlines()
    for name, seconds_shown, below, above in (
        ("order_sent_seconds", "0.003", "0.002", "0.005"),
        ("order_acknowledged_seconds", "3.0", "2.0", "5.0"),
        ("pass_seconds", "0.04", "0.02", "0.05"),
    ):
        found = [line for line in lines if line.startswith(f"bourse_{name}")]
        assert f'bourse_{name}_bucket{{account="test",le="{below}"}} 0.0' in found
        assert f'bourse_{name}_bucket{{account="test",le="{above}"}} 1.0' in found
        assert f'bourse_{name}_sum{{account="test"}} {seconds_shown}' in found
    assert 'bourse_seconds_since_tick{account="test"} 7.5' in lines
