"""What goes wrong at a venue on request, counted so that a rehearsal can be repeated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum


class Fault(StrEnum):
    """
    What may go wrong.

    The first six happen to requests that place, change or cancel an order, the next three to
    updates of orders, and the last one to the sockets that are opened.
    """

    LATE_ANSWER = "late-answer"  # carried out at once and answered late
    LOST_ANSWER = "lost-answer"  # carried out, and the connection ends without a whole answer
    FAILED_ANSWER = "failed-answer"  # carried out and answered by a gateway: HTTP 502
    REJECTED = "rejected"  # not carried out, and said so
    TOO_MANY = "too-many"  # not carried out: HTTP 429
    RESTART = "restart"  # carried out; then the venue loses its connections and reads its book
    LOST_UPDATE = "lost-update"
    DOUBLED_UPDATE = "doubled-update"
    UNKNOWN_STATUS = "unknown-status"
    DROPPED_SOCKETS = "dropped-sockets"  # in place of an update
    REFUSED_SOCKET = "refused-socket"


class Faults:
    """Each fault happens at each n-th event that it may happen to; those not named never do."""

    def __init__(self, each: Mapping[Fault, int] | None = None) -> None:
        self.each = dict(each or {})
        # how often each has happened
        self.counts: Counter[Fault] = Counter()
        self._events: Counter[Fault] = Counter()

    def occurs(self, fault: Fault) -> bool:
        """Count an event that a fault may happen to; return whether it does."""
        if not (each := self.each.get(fault, 0)):
            return False
        self._events[fault] += 1
        if self._events[fault] % each:
            return False
        self.counts[fault] += 1
        return True
