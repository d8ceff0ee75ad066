"""Notifications to a receiver in this process: which are sent, how often, what they never show."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from duckbourse.orders import events
from duckbourse.orders.events import TradingState
from duckbourse.orders.order import Reason
from duckbourse.settings import Settings
from duckbourse.telemetry import notify, webhook
from duckbourse.telemetry.notify import Notifier
from tests.support.factories import NOW, fill
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until

SECRET = "12345:abcdef"


def settings_of(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)  # type: ignore[call-arg]


@pytest.mark.some_day
def test_both_receive_the_events_that_matter(receiver: Receiver) -> None:
    notifier = Notifier(
        "test",
        settings_of(
            webhook_url=SecretStr(f"{receiver.address}/hook"),
            telegram_token=SecretStr(SECRET),
            telegram_chat="77",
            telegram_url=receiver.address,
        ),
        held=lambda entry_id, price: f"A +10 of {entry_id}, {10 * price - 1000:+,.2f}",
        summary=lambda: "net +2.50, nothing held",
    )
    for event in (
        events.TradingStateChanged(at=NOW, state=TradingState.HALTED, reason="news", by="me"),
        events.ExitTriggered(at=NOW, entry_id="X", reason=Reason.TIME, price=Decimal(1)),
        events.FillBooked(at=NOW, fill=fill(1, "100")),
        events.ExitTriggered(at=NOW, entry_id="X", reason=Reason.STOP, price=Decimal("98.50")),
        events.Reconciled(at=NOW),
        events.ShortByHand(at=NOW, order_id="X", symbol="A", quantity=4, has_exits=False),
        events.SessionEnded(at=NOW, session_date=NOW.date(), equity_amount=Decimal("1234.5")),
        events.Reconciled(at=NOW, differences=("A MIS: 1 here, 0 at the broker",)),
    ):
        notifier.on_event(event)
    notifier.close()
    texts = [
        "test: halted: news (by me)",
        "test: A +10 of X, -15.00: stop at 98.5",
        "test: A: 4 sold short by hand, without a stop",
        f"test: the session of {NOW.date()} ended with an equity of 1,234.50; net +2.50, nothing"
        " held",
        "test: the broker differs: A MIS: 1 here, 0 at the broker",
    ]
    hooks = [body for path, body in receiver.got if path == "/hook"]
    assert {body["event"] for body in hooks} == {"trading"}
    assert len({body["id"] for body in hooks}) == 5
    chats = [body for path, body in receiver.got if path == f"/bot{SECRET}/sendMessage"]
    # urgent ones overtake others
    assert sorted(body["text"] for body in hooks) == sorted(texts)
    assert [body["details"] for body in hooks] == [{"account": "test"}] * 5
    assert chats == [{"text": body["text"], "chat_id": "77"} for body in hooks]


@pytest.mark.some_day
def test_messages_beyond_the_limit_are_counted(receiver: Receiver) -> None:
    settings = settings_of(webhook_url=SecretStr(receiver.address))
    notifier = Notifier("test", settings, max_per_minute=2)
    for number in range(5):
        notifier.send(str(number))
    notifier.close()
    # the newest is not lost
    assert [body["text"] for _, body in receiver.got] == [
        *("test: 0", "test: 1"),
        "test: 4 (2 earlier messages were dropped)",
    ]


@pytest.mark.some_day
def test_what_waits_is_sent_once_it_has_its_turn(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "LOOK_SECONDS", 0.01)
    notifier = Notifier(
        "test", settings_of(webhook_url=SecretStr(receiver.address)), max_per_minute=1
    )
    notifier.send("first")
    notifier.send("second")
    notifier._kinds[""].sent.clear()  # a minute later
    wait_until(lambda: len(receiver.got) == 2)
    notifier.close()
    assert [body["text"] for _, body in receiver.got] == ["test: first", "test: second"]


@pytest.mark.some_day
def test_a_halt_is_not_dropped_behind_other_messages(receiver: Receiver) -> None:
    """Twenty stops in a minute dropped the halt that followed."""
    notifier = Notifier("test", settings_of(webhook_url=SecretStr(receiver.address)))
    late = ("X", "Y")
    for number in range(40):
        stop = events.ExitTriggered(
            at=NOW, entry_id=str(number), reason=Reason.STOP, price=Decimal(98)
        )
        notifier.on_event(stop)
    for state in (TradingState.REDUCING, TradingState.HALTED):
        notifier.on_event(events.TradingStateChanged(at=NOW, state=state, reason="it", by="me"))
    for symbol in late:
        notifier.on_event(
            events.ExitDelayed(
                at=NOW,
                entry_id=symbol,
                symbol=symbol,
                reason=Reason.STOP,
                quantity=1,
                seconds=60,
                detail="refused",
            )
        )
    # neither dropped nor left behind by what came before: the urgent ones go first
    queued = sorted(notifier._queue.queue)
    notifier.close()
    assert all(text and "stop at" in text for is_late, _, text in queued if is_late)
    texts = [body["text"] for _, body in receiver.got]
    assert [text for text in texts if "stop at" not in text] == [
        "test: reducing: it (by me)",
        "test: halted: it (by me)",
        *(f"test: {symbol}: 1 not closed 60 s after its exit (stop): refused" for symbol in late),
    ]


def test_nothing_is_sent_unless_configured() -> None:
    hook = SecretStr("http://127.0.0.1:1")
    for settings in (settings_of(), settings_of(webhook_url=hook, webhook_events="published")):
        notifier = Notifier("test", settings)
        notifier.send("nothing")
        notifier.close()
        assert not notifier._thread.is_alive()
        assert notifier._queue.empty()


@pytest.mark.some_day
@pytest.mark.parametrize("status", [500, None])
def test_a_failure_is_logged_without_its_address(
    receiver: Receiver, status: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.statuses = [status or 200] * webhook.TRIES
    monkeypatch.setattr(webhook, "PAUSE_SECONDS", 0)
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
