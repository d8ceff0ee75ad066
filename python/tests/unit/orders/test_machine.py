"""
Any sequence of orders, fills, cancels, losses and restarts keeps the book consistent.

Hypothesis plays the trader and the exchange: updates arrive late, twice, out of order or never;
calls are lost on the way out and on the way back; the process ends between any two steps. At every
step cash and positions equal the sum of the fills, and after a full reconciliation they equal those
of the exchange.
"""

from __future__ import annotations

import asyncio
import math
import shutil
import tempfile
from collections.abc import Awaitable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from duckbourse.orders.book import rebuild_book
from duckbourse.orders.broker import Update
from duckbourse.orders.journal import read_journal
from duckbourse.orders.lifecycle import State
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import Product, Side
from duckbourse.orders.positions import Position, after_fill
from tests.support.factories import CAPITAL, request
from tests.support.fake_exchange import FakeExchange, Faults
from tests.unit.orders.test_manager import ManagerHarness
from tests.unit.orders.test_open_orders import expect_what_all_fills_leave


class PatientManager(Manager):
    """Looks up unknown orders only on request, so that a sequence is reproducible."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.waiting: list[Awaitable[None]] = []

    def _in_background(self, work: Awaitable[None]) -> None:
        self.waiting.append(work)

    async def wait_idle(self, seconds: float = math.inf) -> None:
        while self.waiting:
            await self.waiting.pop(0)


class PatientHarness(ManagerHarness):
    manager_type = PatientManager


class Trading(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.loop = asyncio.new_event_loop()
        self.harness: ManagerHarness = PatientHarness(self.folder, FakeExchange())
        self.order_count = 0
        # updates in flight: sent by the exchange, not received yet
        self.in_flight: list[Update] = []

    def teardown(self) -> None:
        expect_what_all_fills_leave(self.harness.book)
        self.reconcile_everything()
        expect_what_all_fills_leave(self.harness.book)
        self._end()
        again = rebuild_book(CAPITAL, read_journal(self.folder), lambda _: None)
        assert again.orders == self.harness.book.orders
        assert again.cash_amount == self.harness.book.cash_amount
        assert again.positions == self.harness.book.positions
        self.loop.close()
        shutil.rmtree(self.folder)

    def _end(self) -> None:
        for look_up in self.harness.manager.waiting:  # type: ignore[attr-defined]
            look_up.close()
        self.harness.journal.close()

    def _listen(self) -> None:
        self.in_flight += self.harness.exchange.outbox
        self.harness.exchange.outbox = []

    @rule(
        symbol=st.sampled_from("AB"),
        side=st.sampled_from(Side),
        quantity=st.integers(1, 9),
        fault=st.sampled_from(["", "", "lost_before", "lost_after", "refused"]),
    )
    def place(self, symbol: str, side: Side, quantity: int, fault: str) -> None:
        self.order_count += 1
        self.harness.broker.faults = Faults(**{fault: 1}) if fault else Faults()
        asked = request(f"order {self.order_count}", symbol=symbol, side=side, quantity=quantity)
        self.loop.run_until_complete(self.harness.manager.place(asked))
        self.harness.broker.faults = Faults()
        self._listen()

    @precondition(lambda self: self.order_count)
    @rule(data=st.data())
    def place_once_more(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(1, self.order_count))
        self.loop.run_until_complete(self.harness.manager.place(request(f"order {number}")))

    @precondition(lambda self: self.harness.exchange.orders)
    @rule(data=st.data(), quantity=st.integers(1, 9), price=st.integers(90, 110))
    def fill(self, data: st.DataObject, quantity: int, price: int) -> None:
        order = data.draw(st.sampled_from(sorted(self.harness.exchange.orders)))
        self.harness.exchange.fill(order, quantity, Decimal(price))
        self._listen()

    @precondition(lambda self: self.harness.exchange.orders)
    @rule(data=st.data(), state=st.sampled_from([State.CANCELLED, State.EXPIRED]))
    def end(self, data: st.DataObject, state: State) -> None:
        order = data.draw(st.sampled_from(sorted(self.harness.exchange.orders)))
        self.harness.exchange.end(order, state)
        self._listen()

    @precondition(lambda self: self.harness.book.live)
    @rule(data=st.data(), is_refused=st.booleans())
    def cancel(self, data: st.DataObject, is_refused: bool) -> None:
        order_id = data.draw(st.sampled_from(sorted(self.harness.book.live)))
        self.harness.broker.faults = Faults(refused=float(is_refused))
        self.loop.run_until_complete(self.harness.manager.cancel(order_id))
        self.harness.broker.faults = Faults()
        self._listen()

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data(), is_kept=st.booleans())
    def receive(self, data: st.DataObject, is_kept: bool) -> None:
        """Receive any update, in any order; one that is kept arrives again."""
        number = data.draw(st.integers(0, len(self.in_flight) - 1))
        update = self.in_flight[number] if is_kept else self.in_flight.pop(number)
        self.harness.manager.on_update(update)

    @precondition(lambda self: self.in_flight)
    @rule()
    def lose(self) -> None:
        self.in_flight.pop(0)

    @rule()
    def look_up(self) -> None:
        self.loop.run_until_complete(self.harness.manager.wait_idle())
        self._listen()

    @rule()
    def restart(self) -> None:
        self._end()
        self.harness = self.harness.restarted()
        self.reconcile_everything()

    @rule()
    def reconcile_everything(self) -> None:
        differences = self.loop.run_until_complete(self.harness.reconciliation.recover())
        self._listen()
        assert differences == ()
        book, exchange = self.harness.book, self.harness.exchange
        for broker_order_id, report in exchange.orders.items():
            order = book.order_by_broker_id(broker_order_id)
            assert order is not None
            assert order.filled_quantity == report.filled_quantity
            assert order.state is report.state
        assert len(book.fills) == len(exchange.trades)
        assert not any(fill.is_provisional for fill in book.fills.values())

    @invariant()
    def nothing_is_sent_twice(self) -> None:
        assert max(self.harness.exchange.tags.values(), default=1) == 1

    @invariant()
    def cash_and_positions_are_the_fills(self) -> None:
        book = self.harness.book
        paid = sum(fill.signed_quantity * fill.price for fill in book.fills.values())
        assert book.cash_amount == CAPITAL - paid
        # however often provisional fills were reversed, the result is that of the final fills
        for symbol in "AB":
            position, round_trips = Position(symbol=symbol, product=Product.MIS), []
            for fill in book.fills.values():
                if fill.symbol == symbol:
                    position = after_fill(position, fill)
                    if position.closed_round_trip_amount is not None:
                        round_trips.append(position.closed_round_trip_amount)
            key = (symbol, Product.MIS)
            assert book.positions.get(key, Position(symbol=symbol, product=Product.MIS)) == position
            assert book._round_trips.get(key, []) == round_trips
        for order in book.orders.values():
            assert 0 <= order.filled_quantity <= order.request.quantity


def play_machine(count: int, steps: int) -> None:
    run_state_machine_as_test(
        Trading,
        settings=settings(
            max_examples=count,
            stateful_step_count=steps,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.some_day
def test_any_sequence_keeps_the_book_consistent() -> None:
    play_machine(100, 30)


@pytest.mark.long
def test_10_000_sequences_keep_the_book_consistent() -> None:
    play_machine(10_000, 40)
