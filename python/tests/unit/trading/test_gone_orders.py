"""An exit that the broker does not modify, or has no more, is not the last one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from duckbourse import clock
from duckbourse.errors import BrokerRejected, BrokerUnclear
from duckbourse.orders.book import Book
from duckbourse.orders.broker import OrderReport, TradeReport, Update
from duckbourse.orders.events import TradingState
from duckbourse.orders.lifecycle import State
from duckbourse.orders.manager import GRACE_SECONDS
from duckbourse.orders.order import Reason, Request
from tests.support.market import at, tick
from tests.support.venue import Venue
from tests.unit.trading.test_broker_contradicts import quiet
from tests.unit.trading.test_resting import ENTERED, Day


class Forgetful(Venue):
    """Acknowledges the first exit, and has it no more a second later."""

    has_forgotten = False

    async def place(self, request: Request) -> str:
        broker_order_id = await super().place(request)
        if request.reason is not Reason.ENTRY and not self.has_forgotten:
            self.has_forgotten = True
            asyncio.get_running_loop().call_later(1, self._forget, broker_order_id)
        return broker_order_id

    def _forget(self, broker_order_id: str) -> None:
        report = self._orders.pop(broker_order_id)
        self._open[report.symbol].discard(broker_order_id)


class Unmoving(Venue):
    """Takes orders and cancels, and moves no order."""

    async def modify(self, broker_order_id: str, request: Request) -> None:
        raise BrokerRejected("modifications are blocked")


def fallen(tmp_path: Path, venue: type[Venue], seconds: int, *, rests: bool = False) -> Book:
    """Fall through the stop at 98, to 85 and trade there: nobody buys before the price is there."""
    day = Day(tmp_path / "day")
    day.venue_class = venue
    day.grace_seconds = GRACE_SECONDS
    day.capabilities |= {"can_rest_stops": rests}
    fall: list[dict[str, Any]] = [
        {
            **tick(at(9, 45), 97 - min(second, 12)),
            "at": at(9, 47) + timedelta(seconds=second),
            "quantity": 0 if second < 12 else 100_000,
        }
        for second in range(seconds)
    ]
    return day.traded([*ENTERED, *quiet(2), *fall]).book


def exits_of(book: Book) -> list[State]:
    return [each.state for each in book.orders.values() if each.request.entry_id]


def test_what_cannot_be_moved_is_cancelled_and_replaced(tmp_path: Path) -> None:
    book = fallen(tmp_path, Unmoving, 60)
    assert book.open_positions() == []
    assert exits_of(book)[0] is State.CANCELLED
    assert exits_of(book)[-1] is State.FILLED
    assert book.state is TradingState.ACTIVE


def test_what_the_broker_has_no_more_is_tried_again(tmp_path: Path) -> None:
    book = fallen(tmp_path, Forgetful, 120)
    assert book.open_positions() == []
    assert exits_of(book)[-1] is State.FILLED
    assert book.state is TradingState.HALTED


def test_a_list_of_orders_that_is_empty_for_a_while_says_nothing(tmp_path: Path) -> None:
    class Blind(Venue):
        async def orders(self) -> Sequence[OrderReport]:
            found = await super().orders()
            is_blind = at(9, 47) <= clock.now() < at(9, 47) + timedelta(seconds=25)
            return [] if is_blind else found

    book = fallen(tmp_path, Blind, 120, rests=True)
    assert book.open_positions() == []
    assert "no longer" not in "".join(each.message for each in book.orders.values())
    assert book.unowned() == {}


@pytest.mark.parametrize("is_simulated", [False, True])
def test_what_the_broker_did_not_say_is_asked_for_again(tmp_path: Path, is_simulated: bool) -> None:
    """The broker is down for longer than a look-up takes; then it has filled the exit."""

    class Down(Venue):
        async def place(self, request: Request) -> str:
            broker_order_id = await super().place(request)
            self._refuse_now()
            return broker_order_id

        async def orders(self) -> Sequence[OrderReport]:
            self._refuse_now()
            return await super().orders()

        async def trades(self) -> Sequence[TradeReport]:
            self._refuse_now()
            return await super().trades()

        def _refuse_now(self) -> None:
            if at(9, 47) <= clock.now() < at(9, 50):
                raise BrokerUnclear("no connection")

        async def updates(self) -> AsyncIterator[Update]:
            async for update in super().updates():
                if not at(9, 47) <= clock.now() < at(9, 50):
                    yield update

    day = Day(tmp_path / "day")
    day.venue_class = Down
    day.capabilities |= {"is_simulated": is_simulated, "can_rest_stops": False}
    fall: list[dict[str, Any]] = [
        {**tick(at(9, 45), 97), "at": at(9, 47) + timedelta(seconds=second)}
        for second in range(300)
    ]
    book = day.traded([*ENTERED, *quiet(2), *fall]).book
    assert book.open_positions() == []
    assert not [each for each in book.open_orders() if each.state is State.UNKNOWN]
    assert day.held() == 0
