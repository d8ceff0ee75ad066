"""What brokers report in an odd order or against reason, and what the book makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from duckbourse.orders import events
from duckbourse.orders.book import Book
from duckbourse.orders.broker import OrderReport, TradeReport
from duckbourse.orders.denial import OrderDeniedError
from duckbourse.orders.events import TradingState
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Order, Product, Reason, Request, Side
from tests.support.factories import CAPITAL, NOW, fill, request
from tests.support.fake_exchange import Faults
from tests.unit.orders.test_manager import ManagerHarness, run
from tests.unit.risk.test_checks import book_with, opened_as

pytestmark = pytest.mark.any_day


PENDING = events.CancelRequested(at=NOW, order_id="", why="its time is over")
REFUSED = events.CancelRefused(at=NOW, order_id="", message="too late")
# as a reconciliation lets it be asked again, also after a restart
CLEARED = events.CancelRefused(at=NOW, order_id="")
AGAIN = events.CancelRequested(at=NOW, order_id="")
CANCELLED = events.OrderUpdated(at=NOW, order_id="", state=State.CANCELLED)
GONE = replace(CANCELLED, message="the broker no longer has it")


@pytest.mark.parametrize(
    ("then", "filled", "shown"),
    [
        ([PENDING], 0, ""),
        ([PENDING], 10, ""),
        ([PENDING, CANCELLED], 0, "its time is over"),
        ([PENDING, REFUSED], 0, "too late"),
        ([PENDING, REFUSED], 10, "too late"),
        ([PENDING, REFUSED, AGAIN, CANCELLED], 0, "its time is over"),
        ([PENDING, CLEARED, AGAIN, CANCELLED], 4, "its time is over"),
        ([PENDING, CANCELLED], 10, ""),
        ([PENDING, REFUSED, GONE], 0, "its time is over; the broker no longer has it"),
        ([GONE], 0, "the broker no longer has it"),
        ([AGAIN, REFUSED, CANCELLED], 0, "too late"),
    ],
)
def test_why_an_order_was_cancelled_is_said_of_one_that_was(
    then: list[events.CancelRequested | events.CancelRefused | events.OrderUpdated],
    filled: int,
    shown: str,
) -> None:
    """One that was filled first had the reason of its cancel, and a restart wiped it."""
    asked = request(quantity=10)
    book = book_with(*opened_as(asked))
    for event in then:
        book.apply(replace(event, order_id=asked.order_id))
    if filled:
        book.apply(events.FillBooked(at=NOW, fill=fill(filled, "100", order_id=asked.order_id)))
    assert book.orders[asked.order_id].why == shown


@settings(deadline=None, max_examples=25)
@given(order=st.permutations(range(6)))
def test_a_losing_round_trip_counts_once_in_any_order_of_updates(
    tmp_path_factory: pytest.TempPathFactory, order: list[int]
) -> None:
    """A report before its trade counted one loss twice."""

    async def play(harness: ManagerHarness) -> None:
        for side, prices in ((Side.BUY, "100"), (Side.SELL, "90 91 92")):
            name = f"{side}"
            asked = request(name, side=side)
            await harness.manager.place(asked)
            broker_order_id = harness.book.orders[asked.order_id].broker_order_id
            assert broker_order_id is not None
            quantities = (10,) if side is Side.BUY else (3, 3, 4)
            for quantity, price in zip(quantities, prices.split(), strict=True):
                harness.exchange.fill(broker_order_id, quantity, Decimal(price))
            updates, harness.exchange.outbox = harness.exchange.outbox, []
            sells = [update for update in updates if _is_of_fill(update)]
            ordered = [sells[place] for place in order] if side is Side.SELL else sells
            for update in [*ordered, *ordered]:
                harness.manager.on_update(update)
        assert harness.book.quantity("A", Product.MIS) == 0
        assert harness.book.consecutive_losses == 1
        assert harness.book.session_round_trips() == [Decimal(-89)]

    run(tmp_path_factory.mktemp("orders") / "session", play)


@settings(deadline=None, max_examples=50)
@given(arriving=st.permutations(range(8)))
def test_an_exit_closes_its_entry_in_any_order_of_updates(
    tmp_path_factory: pytest.TempPathFactory, arriving: list[int]
) -> None:
    """The trades of an entry may replace its provisional fill after its exit has traded."""

    async def play(harness: ManagerHarness) -> None:
        entry = request("entry")
        closing = request("exit", side=Side.SELL, reason=Reason.STOP, entry_id=entry.order_id)
        updates = []
        for asked in (entry, closing):
            await harness.manager.place(asked)
            broker_order_id = harness.book.orders[asked.order_id].broker_order_id or ""
            for quantity in (4, 6):
                harness.exchange.fill(broker_order_id, quantity, Decimal(100))
            sent, harness.exchange.outbox = harness.exchange.outbox, []
            updates += [update for update in sent if _is_of_fill(update)]
        for place in arriving:
            harness.manager.on_update(updates[place])
        assert harness.book.quantity("A", Product.MIS) == 0
        assert harness.book.held_entries() == []

    run(tmp_path_factory.mktemp("orders") / "session", play)


def _is_of_fill(update: object) -> bool:
    return isinstance(update, TradeReport) or (
        isinstance(update, OrderReport) and update.filled_quantity > 0
    )


def test_losses_in_a_row_are_by_the_time_of_their_trades(tmp_path: Path) -> None:
    """A loses, then B gains; the trades of A arrive after those of B."""

    async def play(harness: ManagerHarness) -> None:
        updates = {}
        for symbol, price in (("A", 90), ("B", 110)):
            for side, at in ((Side.BUY, 100), (Side.SELL, price)):
                asked = request(f"{symbol}{side}", symbol=symbol, side=side)
                await harness.manager.place(asked)
                order = harness.book.orders[asked.order_id]
                harness.exchange.fill(order.broker_order_id or "", 10, Decimal(at))
                updates[symbol, side], harness.exchange.outbox = harness.exchange.outbox, []
        for symbol in ("B", "A"):
            for side in Side:
                for update in updates[symbol, side]:
                    if isinstance(update, TradeReport):
                        at_time = NOW + timedelta(minutes=symbol == "B")
                        update = replace(update, fill=replace(update.fill, filled_at=at_time))
                        harness.manager.on_update(update)
        assert sorted(harness.book.session_round_trips()) == [-100, 100]
        assert harness.book.consecutive_losses == 0

    run(tmp_path, play)


@pytest.mark.parametrize(("quantity", "price"), [(0, 100), (-5, 100), (5, 0), (5, -1)])
def test_a_trade_that_cannot_be_is_not_booked_and_halts(
    tmp_path: Path, quantity: int, price: int
) -> None:
    """Trades of 0 and of -5 shares were booked."""

    async def play(harness: ManagerHarness) -> None:
        await harness.manager.place(request("a"))
        harness.exchange.fill("V1", 5)
        [trade] = [each for each in harness.exchange.outbox if isinstance(each, TradeReport)]
        fill = replace(trade.fill, quantity=quantity, price=Decimal(price))
        harness.manager.on_update(replace(trade, fill=fill))
        assert (harness.book.fills, harness.book.cash_amount) == ({}, CAPITAL)
        assert harness.book.state is TradingState.HALTED
        assert f"of {quantity} A at {price}: check with the broker" in harness.book.state_reason

    run(tmp_path, play)


def test_a_share_more_than_was_ordered_is_booked_and_halts(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        await harness.manager.place(request("a", quantity=10))
        harness.exchange.fill("V1", 10)
        [trade] = [each for each in harness.exchange.outbox if isinstance(each, TradeReport)]
        harness.manager.on_update(replace(trade, fill=replace(trade.fill, quantity=11)))
        assert harness.book.quantity("A", Product.MIS) == 11
        assert harness.book.state is TradingState.HALTED
        assert "with 11 of 10 filled: check with the broker" in harness.book.state_reason

    run(tmp_path, play)


def test_a_modification_passes_the_checks(tmp_path: Path) -> None:
    """One share was modified to a hundred thousand."""

    def check(book: Book, asked: Request, replaces: Order | None) -> None:
        if replaces is not None and asked.quantity > 10:
            raise OrderDeniedError("ORDER_QUANTITY", f"quantity={asked.quantity}")

    async def play(harness: ManagerHarness) -> None:
        harness.manager._check = check
        order_id = (await harness.manager.place(request("a"))).request.order_id
        with pytest.raises(OrderDeniedError, match="ORDER_QUANTITY: quantity=11"):
            await harness.manager.modify(order_id, quantity=11, limit_price=Decimal(99))
        assert not harness.book.orders[order_id].is_modify_pending
        await harness.manager.modify(order_id, quantity=10, limit_price=Decimal(99))
        assert harness.book.orders[order_id].modification_count == 1

    run(tmp_path, play)


def test_a_status_without_a_price_books_nothing(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        await harness.manager.place(request("a"))
        harness.exchange.fill("V1", 5)
        for each in harness.exchange.outbox:
            if isinstance(each, OrderReport):
                harness.manager.on_update(replace(each, average_price=Decimal(0)))
        assert (harness.book.fills, harness.book.cash_amount) == ({}, CAPITAL)

    run(tmp_path, play)


def test_an_order_is_missing_only_if_it_is_missing_twice(tmp_path: Path) -> None:
    """However long ago it was sent, one answer without it proves nothing."""

    async def play(harness: ManagerHarness) -> None:
        orders, asked = harness.broker.orders, 0

        async def behind() -> Sequence[OrderReport]:
            nonlocal asked
            asked += 1
            return await orders() if asked > 1 else []

        harness.broker.orders = behind  # type: ignore[method-assign]
        order = await harness.manager.place(request("a"))
        await harness.manager.wait_idle()
        assert harness.book.orders[order.request.order_id].state is State.OPEN

    run(tmp_path, play, Faults(lost_after=1))


@pytest.mark.parametrize("trades_first", [True, False])
@pytest.mark.parametrize("reason", [Reason.ENTRY, Reason.STOP])
def test_the_rest_of_an_order_can_be_rejected(
    tmp_path: Path, reason: Reason, trades_first: bool
) -> None:
    """It stayed partly filled and live for ever, and so did its exit."""

    async def play(harness: ManagerHarness) -> None:
        order_id = (await harness.manager.place(request("a", reason=reason))).request.order_id
        harness.exchange.fill("V1", 4)
        harness.exchange.end("V1", State.REJECTED)
        updates = [*harness.exchange.outbox]
        if not trades_first:
            updates.sort(key=lambda each: isinstance(each, TradeReport))
            updates = [each for each in updates if getattr(each, "state", "") != State.PARTIAL]
        for update in updates:
            harness.manager.on_update(update)
        order = harness.book.orders[order_id]
        assert (order.state, order.filled_quantity) == (State.CANCELLED, 4)
        assert not order.state.is_live
        assert harness.book.quantity("A", Product.MIS) == 4
        assert harness.book.state is not TradingState.HALTED or "check" not in (
            harness.book.state_reason
        )

    run(tmp_path, play)
