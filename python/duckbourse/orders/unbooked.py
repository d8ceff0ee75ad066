"""
What the broker may have, or lack, that the book does not know of; each entry has an age.

All of it bounds what exits close, so nothing here may stand for ever: an entry that nobody has
confirmed for its time is over when it is read, whatever failed meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import NamedTuple

from duckbourse import clock
from duckbourse.orders.book import Key
from duckbourse.orders.broker import OrderReport

# how long what a broker said bounds exits after it has said it last
BELIEVED_SECONDS = 60.0
# how long a broker is asked about an exit that ended by itself, before another takes its place
DOUBT_SECONDS = 30.0
# how long, in the session's time, fills beyond what was ordered wait for a comparison with the
# broker's positions, before what was ordered is closed
CONTRADICTED_SECONDS = 10.0


class Missing(NamedTuple):
    """Signed shares that the book has more than the broker, and whether that was seen twice."""

    shares: int
    seen_at: float
    is_certain: bool


class Contradicted(NamedTuple):
    """Fills beyond what was ordered, since a session second, and whether they are compared."""

    since: float
    is_compared: bool = False


class Unbooked:
    """What one account's broker may have beyond its book; seconds are `clock.elapsed_seconds`."""

    def __init__(self) -> None:
        self._missing: dict[Key, Missing] = {}
        self._open: dict[str, tuple[OrderReport, float]] = {}
        # the exits that ended without being asked to, and until when the broker is asked
        self._doubted: dict[str, float] = {}
        self._contradicted: dict[str, Contradicted] = {}
        # what was ordered of entries whose quantity the broker raised
        self._ordered: dict[str, int] = {}

    # positions

    def compare(
        self, missing: Mapping[Key, int], filled: Mapping[str, Key], lacking: Set[Key] = frozenset()
    ) -> None:
        """
        Take what a comparison found missing, and what it says of orders whose fills contradict.

        `filled` are those orders as the broker was asked, with their symbols and products, and at
        `lacking` it holds less than the book. Elsewhere they are confirmed: whoever closes what the
        book has closes no more than is there. What is missing is certain when it stays, or where
        fills contradict: then it is certain at once.
        """
        now, certain = clock.elapsed_seconds(), set(filled.values())
        found = {}
        for key, shares in missing.items():
            before = self._seen(key)
            stays = before is not None and (before.is_certain or before.shares == shares)
            found[key] = Missing(shares, now, stays or key in certain)
        self._missing = found
        for order_id, key in filled.items():
            if (known := self._contradicted.pop(order_id, None)) and key in lacking:
                self._contradicted[order_id] = known._replace(is_compared=True)

    def _seen(self, key: Key) -> Missing | None:
        seen = self._missing.get(key)
        is_old = seen is not None and clock.elapsed_seconds() - seen.seen_at >= BELIEVED_SECONDS
        return None if is_old else seen

    def missing(self, key: Key) -> int:
        """Return the signed shares that the book has more than the broker, while that stands."""
        seen = self._seen(key)
        return seen.shares if seen is not None and seen.is_certain else 0

    def differs(self, key: Key) -> bool:
        """Return whether the last comparison differed there, whether it stays or not."""
        return key in self._missing

    # orders

    def note_open(self, reports: Mapping[str, OrderReport]) -> None:
        """Take what is open at the broker under orders that have ended here, by its ids."""
        now = clock.elapsed_seconds()
        self._open = {broker_order_id: (report, now) for broker_order_id, report in reports.items()}

    def add_open(self, report: OrderReport) -> None:
        self._open[report.broker_order_id] = report, clock.elapsed_seconds()

    def remove_open(self, broker_order_id: str) -> None:
        self._open.pop(broker_order_id, None)

    @property
    def open_there(self) -> dict[str, OrderReport]:
        """What is open at the broker under orders that have ended here, by its ids."""
        now = clock.elapsed_seconds()
        return {
            broker_order_id: report
            for broker_order_id, (report, seen_at) in self._open.items()
            if now - seen_at < BELIEVED_SECONDS
        }

    def doubt(self, order_id: str) -> None:
        """Doubt that an exit has ended at the broker, from now on for DOUBT_SECONDS at most."""
        self._doubted[order_id] = clock.elapsed_seconds() + DOUBT_SECONDS

    def end_doubt(self, order_id: str) -> None:
        self._doubted.pop(order_id, None)

    @property
    def doubted(self) -> list[str]:
        """The exits that have ended here, and of which the broker is being asked."""
        now = clock.elapsed_seconds()
        return [order_id for order_id, until in self._doubted.items() if now < until]

    # fills

    def contradict(self, order_id: str) -> None:
        """Take what is filled of an order as beyond what was ordered, until a comparison agrees."""
        known = self._contradicted.get(order_id)
        since = known.since if known else clock.session_seconds()
        self._contradicted[order_id] = Contradicted(since)

    def raise_ordered(self, order_id: str, ordered: int) -> None:
        """Note what was ordered, before the broker made it more."""
        self._ordered.setdefault(order_id, ordered)

    def ordered(self, order_id: str, quantity: int) -> int:
        """Return what was ordered of a quantity, some of which may be the broker's own addition."""
        return min(quantity, self._ordered.get(order_id, quantity))

    def is_contradicted(self, order_id: str) -> bool:
        return order_id in self._contradicted

    def awaits_comparison(self, order_id: str) -> bool:
        """Return whether the fills of an order wait for a comparison, which they do for a while."""
        known = self._contradicted.get(order_id)
        return (
            known is not None
            and not known.is_compared
            and clock.session_seconds() - known.since < CONTRADICTED_SECONDS
        )

    @property
    def contradicted(self) -> list[str]:
        """The orders with fills beyond what was ordered that no comparison has confirmed."""
        return list(self._contradicted)

    @property
    def wants_comparison(self) -> bool:
        """Whether fills contradict of which the broker's positions say nothing yet."""
        return any(not known.is_compared for known in self._contradicted.values())

    def state(self) -> tuple[object, ...]:
        """Return what bounds exits now, to be compared with what did before."""
        if not (self._missing or self._open or self._doubted or self._contradicted):
            return ()
        missing = {key: self.missing(key) for key in self._missing}
        awaited = {each: self.awaits_comparison(each) for each in self._contradicted}
        return missing, set(self.open_there), self.doubted, awaited
