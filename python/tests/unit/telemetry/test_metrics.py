"""Metrics and health over HTTP, for clients with the token only."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import httpx
import pytest

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
