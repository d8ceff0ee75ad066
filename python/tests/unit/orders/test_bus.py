"""The bus: what is published, to whom, and what a failing subscriber does to the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from duckbourse.orders import bus, events
from duckbourse.orders.bus import Bus, Message, bridge
from duckbourse.orders.events import TradingState
from tests.support.factories import NOW, request
from tests.unit.orders.test_manager import ManagerHarness, run

pytestmark = pytest.mark.some_day
HEALTH = bus.HealthChanged(what="stalled", is_healthy=False)
INGESTED = bus.DataIngested(tick_count=3)


def test_a_subscriber_has_the_events_of_its_type_in_order_until_it_ends() -> None:
    found: list[Message[Any]] = []
    published = Bus()
    end = published.subscribe(bus.HealthChanged, found.append)
    published.publish(INGESTED, NOW)
    published.publish(HEALTH, NOW, "signal")
    end()
    published.publish(HEALTH, NOW)
    assert [(one.message_id, one.at, one.correlation_id, one.event) for one in found] == [
        (2, NOW, "signal", HEALTH)
    ]


def test_a_subscriber_may_come_after_its_type_was_published() -> None:
    found: list[Message[Any]] = []
    published = Bus()
    published.publish(HEALTH, NOW)
    published.subscribe(bus.HealthChanged, found.append)
    published.publish(HEALTH, NOW)
    assert len(found) == 1


def test_a_failing_subscriber_is_counted_and_the_others_do_not_notice() -> None:
    found: list[Message[Any]] = []
    published = Bus()

    def broken(message: Message[bus.HealthChanged]) -> None:
        raise ValueError(message.event.what)

    published.subscribe(bus.HealthChanged, broken)
    published.subscribe(bus.HealthChanged, found.append)
    published.publish(HEALTH, NOW)
    published.publish(HEALTH, NOW)
    assert len(found) == 2
    assert [*published.failures.values()] == [2]
    assert "broken" in next(iter(published.failures))


def test_a_bridge_passes_messages_on_to_a_subject() -> None:
    class Subject:
        found: list[Any]

        def __init__(self) -> None:
            self.found = []

        def on_next(self, value: Message[bus.DataIngested], /) -> None:
            self.found.append(value.event)

    published, subject = Bus(), Subject()
    bridge(published, bus.DataIngested, subject)
    published.publish(INGESTED, NOW)
    published.publish(HEALTH, NOW)
    assert subject.found == [INGESTED]


def test_orders_and_fills_carry_the_id_of_their_signal(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        found: list[tuple[str, str]] = []
        harness.manager.bus.subscribe(
            msgspec.Struct,
            lambda message: found.append((type(message.event).__name__, message.correlation_id)),
        )
        await harness.manager.place(request("a", correlation_id="signal 7"))
        harness.exchange.fill("V1", 10)
        harness.deliver()
        assert {
            ("OrderIntended", "signal 7"),
            ("OrderPlaced", "signal 7"),
            ("OrderUpdated", "signal 7"),
            ("FillBooked", "signal 7"),
        } <= set(found)
        found.clear()
        reason = "loss=1, max_loss=1"
        harness.manager.set_state(TradingState.HALTED, reason, "daily loss")
        assert found == [("TradingStateChanged", ""), ("LimitBreached", "")]
        harness.manager.record(events.PublicationLoaded(at=NOW, build_id="one", data_version="2"))
        assert found[-1] == ("DataValidated", "")

    run(tmp_path, play)
