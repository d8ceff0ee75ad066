"""What becomes of the trading state when something else fails: one table."""

from __future__ import annotations

import pytest

from duckbourse.orders.book import NOT_STARTED
from duckbourse.orders.downgrade import BROKER_DIFFERS, Standing, downgraded
from duckbourse.orders.events import TradingState

ACTIVE = Standing(TradingState.ACTIVE, "reconciled", "start")
NEW = Standing(TradingState.HALTED, NOT_STARTED, "")
DIFFERS = Standing(TradingState.HALTED, BROKER_DIFFERS, "reconciliation")
STRATEGIES = Standing(TradingState.REDUCING, "all failed", "strategies")
REDUCED = Standing(TradingState.REDUCING, "enough", "a person")
HALTED = Standing(TradingState.HALTED, "enough", "a person")
SCANS = Standing(TradingState.REDUCING, "a scan failed", "scans")
LOSS = Standing(TradingState.HALTED, "loss", "daily loss")
ORDERS = Standing(TradingState.HALTED, "one is gone", "orders")


def both(reason: str, standing: Standing) -> Standing:
    return standing._replace(reason=reason)


@pytest.mark.parametrize(
    ("now", "wanted", "became"),
    [
        (ACTIVE, STRATEGIES, STRATEGIES),
        (ACTIVE, SCANS, SCANS),
        (ACTIVE, DIFFERS, DIFFERS),
        (ACTIVE, LOSS, LOSS),
        # what a start lifts gives way to what it may not lift, and gets no better
        (NEW, ORDERS, ORDERS),
        (NEW, DIFFERS, DIFFERS),
        (DIFFERS, LOSS, LOSS),
        (DIFFERS, SCANS, SCANS._replace(state=TradingState.HALTED)),
        (DIFFERS, STRATEGIES, None),
        (STRATEGIES, SCANS, SCANS),
        (STRATEGIES, DIFFERS, DIFFERS),
        # what stands keeps its reason, or the worse state names it
        (REDUCED, SCANS, None),
        (REDUCED, STRATEGIES, None),
        (REDUCED, LOSS, LOSS),
        (REDUCED, DIFFERS, both(f"{BROKER_DIFFERS}; reducing before: enough", DIFFERS)),
        (HALTED, SCANS, None),
        (HALTED, LOSS, None),
        (HALTED, DIFFERS, None),
        # of an order, people have to know
        (HALTED, ORDERS, both("enough; one is gone", HALTED)),
        (both("enough; one is gone", HALTED), ORDERS, None),
    ],
    ids=lambda each: each and f"{each.state} by {each.by or 'nobody'}",
)
def test_what_the_state_becomes(now: Standing, wanted: Standing, became: Standing | None) -> None:
    assert downgraded(now, wanted) == became
