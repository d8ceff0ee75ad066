"""
Pacing: how many requests a broker may be sent, by the second, the minute and the session.

A new order, a modification and a cancel are a request each. Exits and cancels are urgent: a fifth
of every rate is kept for them, and while one of them waits, no entry has a turn. Nothing here
waits: whoever has no turn asks again at the next step of the loop, so nothing can lock up.

Seconds are those of `clock.session_seconds`, which never go back.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable

import msgspec

from duckbourse import clock

# of each rate, this share is kept for exits and cancels
RESERVED_PCT = 20
# after an exit or a cancel had no turn, entries have none for so long, unless it has been sent
URGENT_FIRST_SECONDS = 1.0


class Rate(msgspec.Struct, frozen=True):
    """At most `count` requests in any window of `seconds`; infinite: in a session."""

    count: int
    seconds: float

    def allowed(self, is_urgent: bool) -> int:
        """Return how many of them may be sent in a window; entries leave a share for exits."""
        if is_urgent or self.count == 1:
            return self.count
        return self.count - math.ceil(self.count * RESERVED_PCT / 100)


class Pace:
    """
    The requests sent in a session, and whether another has its turn.

    `seconds` counts the time: that of the session, or of the machine for what no replay hastens.
    """

    def __init__(
        self,
        rates: Iterable[Rate] = (),
        seconds: Callable[[], float] = clock.session_seconds,
    ) -> None:
        self.rates = tuple(rates)
        self._seconds = seconds
        self._sent_at: list[float] = []
        self._urgent_until = -math.inf

    def remember(self, seconds_ago: Iterable[float]) -> None:
        """Begin with the requests that this session has sent, most of them in another process."""
        now = self._seconds()
        self._sent_at = sorted(now - max(0.0, ago) for ago in seconds_ago)

    def wait_seconds(self, *, is_urgent: bool) -> float:
        """Return the seconds until a request has its turn: 0 if it has it, infinite if never."""
        now = self._seconds()
        wait = 0.0 if is_urgent else max(0.0, self._urgent_until - now)
        for rate in self.rates:
            allowed = rate.allowed(is_urgent)
            if len(self._sent_at) >= allowed:
                # the oldest that has to leave the window
                wait = max(wait, self._sent_at[-allowed] + rate.seconds - now)
        return wait

    def has_turn(self, *, is_urgent: bool) -> bool:
        """Return whether a request may be sent now; if an urgent one may not, entries wait."""
        now = self._seconds()
        if self.wait_seconds(is_urgent=is_urgent) <= 0:
            return True
        if is_urgent:
            self._urgent_until = now + URGENT_FIRST_SECONDS
        return False

    def count(self, *, is_urgent: bool) -> None:
        """Count a request that is sent now."""
        self._sent_at.append(self._seconds())
        if is_urgent:
            self._urgent_until = -math.inf

    def sent_within(self, seconds: float) -> int:
        """Return the number of requests sent within the last seconds."""
        return len(self._sent_at) - bisect_right(self._sent_at, self._seconds() - seconds)
