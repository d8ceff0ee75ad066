"""The only place that reads the time, so that a test or a replay can control it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta


def _instant() -> datetime:
    return datetime.now(UTC)


_source: Callable[[], datetime] = _instant


def now() -> datetime:
    """Return the current time, aware and in UTC."""
    return _source()


@contextmanager
def driven_by(source: Callable[[], datetime]) -> Iterator[None]:
    """Replace the clock of the whole process until the end of the block."""
    global _source
    before, _source = _source, source
    try:
        yield
    finally:
        _source = before


def running_from(instant: datetime) -> Callable[[], datetime]:
    """Return a clock that shows this instant now and runs from there."""
    started = time.monotonic()
    return lambda: instant + timedelta(seconds=time.monotonic() - started)


_counter: Callable[[], float] = time.monotonic


def elapsed_seconds() -> float:
    """Return a monotonic count of seconds, for measuring durations."""
    return _counter()


@contextmanager
def counted_by(counter: Callable[[], float]) -> Iterator[None]:
    """Replace the count of seconds of the whole process until the end of the block."""
    global _counter
    before, _counter = _counter, counter
    try:
        yield
    finally:
        _counter = before
