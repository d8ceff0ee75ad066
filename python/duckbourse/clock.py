"""The only place that reads the time, so that a test or a replay can control it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

# Within these, the machine's clock may differ from the time that has passed: it is being adjusted.
MAX_STEP_SECONDS = 2.0
# the share of the time that has passed; no clock is adjusted faster than by this
MAX_ADJUSTED_SHARE = 0.0005


def _instant() -> datetime:
    return datetime.now(UTC)


def _seconds_awake_or_not() -> float:
    # CLOCK_MONOTONIC of Linux stands still while the machine sleeps, and that of others does not
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


_source: Callable[[], datetime] = _instant
_machine: Callable[[], datetime] = _instant


def now() -> datetime:
    """Return the current time, aware and in UTC."""
    return _source()


def machine_now() -> datetime:
    """Return the time of this machine: `now`, or in a replay the time at which it is replayed."""
    return _machine()


class SteadyClock:
    """
    A clock that follows `wall` unless that was set; then it is its beginning and the seconds since.

    `unbelieved_seconds` is how much more the wall clock shows than has passed; 0 while it is right.
    `seconds` count on while the machine sleeps.
    """

    def __init__(
        self,
        wall: Callable[[], datetime] = _instant,
        seconds: Callable[[], float] = _seconds_awake_or_not,
    ) -> None:
        self._wall, self._seconds = wall, seconds
        self._began, self._at = seconds(), wall()

    def __call__(self) -> datetime:
        shown, passed, difference = self._look()
        return self._at + timedelta(seconds=passed) if difference else shown

    @property
    def unbelieved_seconds(self) -> float:
        return self._look()[2]

    def _look(self) -> tuple[datetime, float, float]:
        passed, shown = self._seconds() - self._began, self._wall()
        difference = (shown - self._at).total_seconds() - passed
        most = MAX_STEP_SECONDS + MAX_ADJUSTED_SHARE * passed
        return shown, passed, difference if abs(difference) > most else 0.0


@contextmanager
def held_steady() -> Iterator[None]:
    """Have `now` be a SteadyClock from here to the end of the block, unless something drives it."""
    global _source
    before = _source
    if before is _instant:
        _source = SteadyClock(before)
    try:
        yield
    finally:
        _source = before


def unbelieved_seconds() -> float:
    """Return how much more this machine's clock shows than `now`, which does not believe it."""
    return _source.unbelieved_seconds if isinstance(_source, SteadyClock) else 0.0


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
    started = _seconds_awake_or_not()
    return lambda: instant + timedelta(seconds=_seconds_awake_or_not() - started)


_counter: Callable[[], float] = _seconds_awake_or_not


def elapsed_seconds() -> float:
    """Return a count of seconds that never goes back, and counts on while the machine sleeps."""
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
