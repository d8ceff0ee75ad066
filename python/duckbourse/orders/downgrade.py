"""
What becomes of the trading state when something else fails, as one table of precedence.

A state gets worse at any time, and better only by a person or a start. One that a start lifts by
itself gives way to one that it may not lift. Otherwise the state that stands keeps its reason.
"""

from __future__ import annotations

from typing import NamedTuple

from duckbourse.orders.book import NOT_STARTED
from duckbourse.orders.events import TradingState

# the reason and author of a halt that ends when the book and the broker agree
BROKER_DIFFERS = "the broker differs"
BY_RECONCILIATION = "reconciliation"
# who stops opening when the last strategy has failed
BY_STRATEGIES = "strategies"
# whose word is of an order: people have to know it, whatever stood before
OF_ORDERS = frozenset({"orders", "look-up"})

SEVERITY = (TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED)


class Standing(NamedTuple):
    """A trading state, and why and by whom it is that."""

    state: TradingState
    reason: str
    by: str

    @property
    def ends_with_agreement(self) -> bool:
        """Whether it is a halt until a start finds that the broker agrees."""
        return (self.by, self.reason) in (("", NOT_STARTED), (BY_RECONCILIATION, BROKER_DIFFERS))

    @property
    def is_lifted_by_start(self) -> bool:
        """Whether a start lifts it without a person."""
        is_of_strategies = self.state is TradingState.REDUCING and self.by == BY_STRATEGIES
        return self.ends_with_agreement or is_of_strategies


def downgraded(now: Standing, wanted: Standing) -> Standing | None:
    """Return what the state becomes when something asks for this one; None if it stays."""
    is_worse = SEVERITY.index(wanted.state) > SEVERITY.index(now.state)
    stands = now.state is not TradingState.ACTIVE and not now.is_lifted_by_start
    if not stands:
        if is_worse or (wanted.state is now.state and now.is_lifted_by_start):
            return wanted
        # of two that a start lifts, the worse one stands
        return None if wanted.is_lifted_by_start else wanted._replace(state=now.state)
    if is_worse:
        if not wanted.is_lifted_by_start:
            return wanted
        # what a start may not lift stays in force
        return wanted._replace(reason=f"{wanted.reason}; {now.state} before: {now.reason}")
    if wanted.by in OF_ORDERS and wanted.reason not in now.reason:
        return now._replace(reason=f"{now.reason}; {wanted.reason}")
    return None
