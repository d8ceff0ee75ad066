"""
The bus of a session: what happens to an account, passed on to whoever subscribes to it.

Every event of the journal is published as it is, among them OrderUpdated and FillBooked; the events
below are published beside them. A message is an event with an id, an instant and a correlation id:
the same from a signal to the fills of its exit. Subscribers are called at once, in the order in
which they subscribed, on the thread of the trading loop. One that fails is logged and counted, and
the others do not notice. It is never part of an order's way: the order manager publishes what it
has already recorded.

`bridge` passes the messages on to an Rx subject, for those who want its operators.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar, cast

import msgspec
import structlog

from duckbourse import plugins
from duckbourse.orders.order import Reason, Request

log = structlog.get_logger()

E = TypeVar("E", bound=msgspec.Struct)
E_contra = TypeVar("E_contra", contravariant=True)


class Message(msgspec.Struct, Generic[E], frozen=True, kw_only=True):
    """
    An event on its way; `message_id` counts the messages of this bus from 1.

    `correlation_id` is empty if the event belongs to no signal and no order.
    """

    message_id: int
    at: datetime
    correlation_id: str
    event: E


class DataIngested(msgspec.Struct, frozen=True, kw_only=True):
    """Ticks of the session were recorded."""

    tick_count: int


class DataValidated(msgspec.Struct, frozen=True, kw_only=True):
    """A green build was loaded, and decisions from here onward use it."""

    build_id: str
    data_version: str


class ScanTriggered(msgspec.Struct, frozen=True, kw_only=True):
    """Scans began; `cutoffs` are exchange-local."""

    cutoffs: tuple[datetime, ...]


class ScanCompleted(msgspec.Struct, frozen=True, kw_only=True):
    """Scans ended and found this number of signals."""

    signal_count: int


class SignalGenerated(msgspec.Struct, frozen=True, kw_only=True):
    """A live scan found a signal; its id is the correlation id."""

    signal_id: str
    scanner: str
    preset: str
    symbol: str


class OrderPlaced(msgspec.Struct, frozen=True, kw_only=True):
    """An order left for the broker."""

    request: Request


class LimitBreached(msgspec.Struct, frozen=True, kw_only=True):
    """A check denied an order, or a limit of the account halted it; `detail` has the numbers."""

    code: str
    detail: str


class StopTriggered(msgspec.Struct, frozen=True, kw_only=True):
    """The exit of an entry's position is due."""

    entry_id: str
    reason: Reason
    price: Decimal


class HealthChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The feed became healthy or unhealthy."""

    what: str
    is_healthy: bool


Subscriber = Callable[[Message[Any]], object]


class Bus:
    """Publishes events to subscribers; `failures` counts the failed calls by subscriber."""

    def __init__(self) -> None:
        self.failures: Counter[str] = Counter()
        self._count = 0
        self._subscribers: list[tuple[type[msgspec.Struct], Subscriber]] = []
        # the subscribers of each type of event that was published, its base classes included
        self._of_type: dict[type[msgspec.Struct], tuple[Subscriber, ...]] = {}

    def subscribe(
        self, kind: type[E], subscriber: Callable[[Message[E]], object]
    ) -> Callable[[], None]:
        """
        Call the subscriber with each event of a type or a subtype; return how to end it.

        Raise ConfigurationError for a coroutine function.
        """
        plugins.refuse_async(f"the subscriber {_name_of(subscriber)}", subscriber)
        entry = (kind, cast("Subscriber", subscriber))
        self._subscribers.append(entry)
        self._of_type.clear()

        def end() -> None:
            self._subscribers.remove(entry)
            self._of_type.clear()

        return end

    def publish(self, event: msgspec.Struct, at: datetime, correlation_id: str = "") -> None:
        """Pass an event on; nothing that a subscriber does comes back."""
        kind = type(event)
        subscribers = self._of_type.get(kind)
        if subscribers is None:
            subscribers = self._of_type[kind] = tuple(
                subscriber for wanted, subscriber in self._subscribers if issubclass(kind, wanted)
            )
        self._count += 1
        if not subscribers:
            return
        message: Message[Any] = Message(
            message_id=self._count, at=at, correlation_id=correlation_id, event=event
        )
        for subscriber in subscribers:
            try:
                subscriber(message)
            except BaseException as error:  # whatever it is, it is the subscriber's
                plugins.raise_interruption(error)
                name = _name_of(subscriber)
                self.failures[name] += 1
                log.exception("subscriber failed", subscriber=name, event_type=kind.__name__)


def _name_of(subscriber: object) -> str:
    return getattr(subscriber, "__qualname__", repr(subscriber))


class Subject(Protocol[E_contra]):
    """What a bridge needs of an Rx subject."""

    def on_next(self, value: E_contra, /) -> None:
        """Pass a value on."""


def bridge(bus: Bus, kind: type[E], subject: Subject[Message[E]]) -> Callable[[], None]:
    """Pass the messages of a type on to a subject, such as `reactivex.Subject()`."""
    return bus.subscribe(kind, subject.on_next)
