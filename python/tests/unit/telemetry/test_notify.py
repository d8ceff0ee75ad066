"""Notifications to a receiver in this process: which are sent, how often, what they never show."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from duckbourse.orders import events
from duckbourse.orders.events import TradingState
from duckbourse.orders.order import Reason
from duckbourse.settings import Settings
from duckbourse.telemetry.notify import Notifier
from tests.support.factories import NOW, fill

SECRET = "12345:abcdef"


@dataclass
class Receiver:
    """The requests received, as (path, body); it answers with `status`."""

    address: str = ""
    status: int = 200
    got: list[tuple[str, Any]] = field(default_factory=list)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append((self.path, json.loads(body)))
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, format: str, *words: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found.address = f"http://127.0.0.1:{server.server_address[1]}"
    yield found
    server.shutdown()
    server.server_close()


def settings_of(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)  # type: ignore[call-arg]


def test_both_receive_the_events_that_matter(receiver: Receiver) -> None:
    notifier = Notifier(
        "test",
        settings_of(
            webhook_url=SecretStr(f"{receiver.address}/hook"),
            telegram_token=SecretStr(SECRET),
            telegram_chat="77",
            telegram_url=receiver.address,
        ),
    )
    for event in (
        events.TradingStateChanged(at=NOW, state=TradingState.HALTED, reason="news", by="me"),
        events.ExitTriggered(at=NOW, entry_id="X", reason=Reason.TIME, price=Decimal(1)),
        events.FillBooked(at=NOW, fill=fill(1, "100")),
        events.ExitTriggered(at=NOW, entry_id="X", reason=Reason.STOP, price=Decimal("98.50")),
        events.Reconciled(at=NOW),
        events.Reconciled(at=NOW, differences=("A MIS: 1 here, 0 at the broker",)),
    ):
        notifier.on_event(event)
    notifier.close()
    texts = [
        "test: halted: news (by me)",
        "test: stop at 98.5",
        "test: the broker differs: A MIS: 1 here, 0 at the broker",
    ]
    hooks = [body for path, body in receiver.got if path == "/hook"]
    chats = [body for path, body in receiver.got if path == f"/bot{SECRET}/sendMessage"]
    assert hooks == [{"text": text} for text in texts]
    assert chats == [{"text": text, "chat_id": "77"} for text in texts]


def test_messages_beyond_the_limit_are_counted(receiver: Receiver) -> None:
    settings = settings_of(webhook_url=SecretStr(receiver.address))
    notifier = Notifier("test", settings, max_per_minute=2)
    for number in range(5):
        notifier.send(str(number))
    notifier._sent.clear()  # a minute later
    notifier.send("again")
    notifier.close()
    assert [body["text"] for _, body in receiver.got] == [
        *("test: 0", "test: 1"),
        "test: again (3 earlier messages were dropped)",
    ]


def test_nothing_is_sent_unless_configured() -> None:
    notifier = Notifier("test", settings_of())
    notifier.send("nothing")
    notifier.close()
    assert not notifier._thread.is_alive()
    assert notifier._queue.empty()


@pytest.mark.parametrize("status", [500, None])
def test_a_failure_is_logged_without_its_address(receiver: Receiver, status: int | None) -> None:
    receiver.status = status or 200
    address = receiver.address if status else "http://127.0.0.1:1"
    settings = settings_of(
        telegram_token=SecretStr(SECRET), telegram_chat="77", telegram_url=address
    )
    assert SECRET not in repr(settings)
    with capture_logs() as logs:
        notifier = Notifier("test", settings)
        notifier.send("hello")
        notifier.close()
    assert [line["by"] for line in logs] == ["telegram"]
    assert SECRET not in json.dumps(logs)
