"""The only place that reads the time, so that a test or a replay can control it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta


def _instant() -> datetime:
    return datetime.now(UTC)


_source: Callable[[], datetime] = _instant
_machine: Callable[[], datetime] = _instant


def now() -> datetime:
    """Return the current time, aware and in UTC."""
    return _source()


def machine_now() -> datetime:
    """Return the time of this machine: `now`, or in a replay the time at which it is replayed."""
    return _machine()


class _Advances:
    """The sum of a clock's advances in seconds; when the clock goes back, it stands still."""

    def __init__(self, source: Callable[[], datetime]) -> None:
        self._source = source
        self._last: datetime | None = None
        self._seconds = 0.0

    def __call__(self) -> float:
        now = self._source()
        if self._last is not None:
            self._seconds += max(0.0, (now - self._last).total_seconds())
        self._last = now
        return self._seconds


@contextmanager
def driven_by(source: Callable[[], datetime]) -> Iterator[None]:
    """Replace the clock of the whole process, and `session_seconds`, until the end of the block."""
    global _machine
    before = _machine
    _machine = source
    try:
        with replayed_by(source):
            yield
    finally:
        _machine = before


@contextmanager
def replayed_by(source: Callable[[], datetime]) -> Iterator[None]:
    """Do as `driven_by`, and leave `machine_now` as it is."""
    global _source, _advances
    before = _source, _advances
    _source, _advances = source, _Advances(source)
    try:
        yield
    finally:
        _source, _advances = before


def running_from(instant: datetime) -> Callable[[], datetime]:
    """Return a clock that shows this instant now and runs from there."""
    started = time.monotonic()
    return lambda: instant + timedelta(seconds=time.monotonic() - started)


_counter: Callable[[], float] = time.monotonic


def elapsed_seconds() -> float:
    """Return a monotonic count of seconds, for measuring durations."""
    return _counter()


_advances: Callable[[], float] | None = None


def session_seconds() -> float:
    """
    Return a count of seconds that never goes back: of the session's time.

    In a replay it follows the replay's clock, else it is `elapsed_seconds`.
    """
    return elapsed_seconds() if _advances is None else _advances()


@contextmanager
def counted_by(counter: Callable[[], float]) -> Iterator[None]:
    """Replace the count of seconds of the whole process until the end of the block."""
    global _counter
    before, _counter = _counter, counter
    try:
        yield
    finally:
        _counter = before
