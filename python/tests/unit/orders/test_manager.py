"""The manager against an exchange with every fault, and failures reported from the field."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from duckbourse import clock
from duckbourse.errors import BrokerUnclear
from duckbourse.orders import events
from duckbourse.orders.book import Book, rebuild_book
from duckbourse.orders.broker import Capabilities, OrderReport
from duckbourse.orders.bus import Message
from duckbourse.orders.denial import OrderDeniedError
from duckbourse.orders.events import TradingState
from duckbourse.orders.journal import open_journal, read_journal
from duckbourse.orders.lifecycle import State
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import Order, OrderType, Product, Reason, Request, Side, Validity
from duckbourse.orders.reconciliation import Reconciliation
from tests.support.charges import schedule
from tests.support.factories import CAPITAL, NOW, request
from tests.support.fake_exchange import FakeExchange, FakeExchangeBroker, Faults
from tests.support.waiting import HANG_SECONDS

pytestmark = pytest.mark.any_day


def no_check(book: Book, asked: Request, replaces: Order | None) -> None:
    pass


class ManagerHarness:
    """A manager with its journal and exchange; it can be restarted on the same journal."""

    manager_type = Manager

    def __init__(self, folder: Path, exchange: FakeExchange, faults: Faults | None = None) -> None:
        self.folder = folder
        self.exchange = exchange
        self.broker = FakeExchangeBroker(exchange, faults)
        self.journal, recorded = open_journal(folder)
        self.book = rebuild_book(CAPITAL, recorded, lambda _: None)
        self.manager = self.manager_type(
            self.book,
            self.journal,
            self.broker,
            check=no_check,
            grace_seconds=0,
            answer_seconds=0.2,
            lookup_seconds=(0.001,),
        )
        self.reconciliation = Reconciliation(self.manager)

    def deliver(self) -> None:
        """Deliver the exchange's pending updates to the manager."""
        updates, self.exchange.outbox = self.exchange.outbox, []
        for update in updates:
            self.manager.on_update(update)

    def restarted(self) -> ManagerHarness:
        """Return a new manager on the same journal and exchange."""
        return type(self)(self.folder, self.exchange)


def run(
    folder: Path, play: Callable[[ManagerHarness], Awaitable[None]], faults: Faults | None = None
) -> ManagerHarness:
    harness = ManagerHarness(folder, FakeExchange(), faults)
    asyncio.run(play(harness))  # type: ignore[arg-type]
    harness.journal.close()
    # the book rebuilt from the journal equals the live one
    again = rebuild_book(CAPITAL, read_journal(folder), lambda _: None)
    if harness.journal.failure is None and again.event_count == harness.book.event_count:
        assert again.orders == harness.book.orders
        assert again.cash_amount == harness.book.cash_amount
        assert again.positions == harness.book.positions
    return harness


def test_an_order_is_sent_and_filled(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        order = await harness.manager.place(request("a"))
        assert order.state is State.ACKED
        harness.exchange.fill("V1", 4)
        harness.exchange.fill("V1", 6, Decimal(101))
        harness.deliver()
        order = harness.book.orders[order.request.order_id]
        assert (order.state, order.filled_quantity) == (State.FILLED, 10)
        assert order.average_price == Decimal("100.6")
        assert harness.book.quantity("A", Product.MIS) == 10
        assert harness.book.cash_amount == CAPITAL - 1006

    run(tmp_path, play)


def test_the_intent_is_on_disk_before_the_order_is_sent(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        seen = []

        async def place(asked: Request) -> str:
            seen.append([type(event).__name__ for event in read_journal(tmp_path)])
            return harness.exchange.place(asked)

        harness.broker.place = place  # type: ignore[method-assign, assignment]
        await harness.manager.place(request())
        assert seen[0][0] == "OrderIntended"

    run(tmp_path, play)


def test_the_same_id_is_sent_once(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        await asyncio.gather(*(harness.manager.place(request("a")) for _ in range(5)))
        assert harness.exchange.tags.total() == 1

    run(tmp_path, play)


def test_a_failed_check_denies_with_its_numbers(tmp_path: Path) -> None:
    def check(book: Book, asked: Request, replaces: Order | None) -> None:
        raise OrderDeniedError("ORDER_QUANTITY", f"quantity={asked.quantity}, max_quantity=5")

    async def play(harness: ManagerHarness) -> None:
        harness.manager._check = check
        order = await harness.manager.place(request())
        assert order.state is State.DENIED
        assert order.message == "ORDER_QUANTITY: quantity=10, max_quantity=5"
        assert harness.exchange.tags.total() == 0

    run(tmp_path, play)


@pytest.mark.parametrize("asked", ["cancel", "modify"])
def test_an_order_that_is_over_at_the_broker_is_looked_up(tmp_path: Path, asked: str) -> None:
    """A refused modification was recorded, and the order stayed open here for ever."""

    async def play(harness: ManagerHarness) -> None:
        order_id = (await harness.manager.place(request("a"))).request.order_id
        harness.exchange.fill("V1", 10)
        harness.exchange.outbox.clear()
        harness.broker.faults = Faults(refused=1)
        if asked == "cancel":
            await harness.manager.cancel(order_id)
        else:
            await harness.manager.modify(order_id, quantity=10, limit_price=Decimal(101))
        await harness.manager.wait_idle()
        assert harness.book.orders[order_id].state is State.FILLED

    run(tmp_path, play)


@pytest.mark.parametrize("faults", [Faults(lost_after=1), Faults(lost_before=1)])
def test_no_answer_is_not_a_rejection(tmp_path: Path, faults: Faults) -> None:
    """An order that may have been placed is looked up by its id and never sent again."""

    async def play(harness: ManagerHarness) -> None:
        order = await harness.manager.place(request("a"))
        assert order.state is State.UNKNOWN
        await harness.manager.wait_idle()
        order = harness.book.orders[order.request.order_id]
        assert order.state is (State.OPEN if faults.lost_after else State.NOT_PLACED)
        assert harness.broker.calls["place"] == 1

    run(tmp_path, play, faults)


def test_unknown_stays_unknown_while_the_broker_is_down(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        harness.broker.is_down = True
        order = await harness.manager.place(request("a"))
        async with asyncio.timeout(HANG_SECONDS):
            while harness.broker.calls["orders"] <= 3:
                await asyncio.sleep(0)
        order = harness.book.orders[order.request.order_id]
        assert order.state is State.UNKNOWN
        harness.broker.is_down = False
        await harness.manager.wait_idle()
        assert harness.book.orders[order.request.order_id].state is State.OPEN

    run(tmp_path, play, Faults(lost_after=1))


def test_a_broker_whose_records_lag_is_queried_again(tmp_path: Path) -> None:
    """Shortly after an order was sent, the broker's not having it proves nothing yet."""

    async def play(harness: ManagerHarness) -> None:
        harness.manager._grace_seconds = 1
        orders, begun = harness.broker.orders, clock.now()
        asked = 0

        async def behind() -> Sequence[OrderReport]:
            nonlocal asked
            asked += 1
            return await orders() if asked > 5 else []

        harness.broker.orders = behind  # type: ignore[method-assign]
        # a tenth of a second between look-ups
        with (
            clock.driven_by(lambda: begun + timedelta(seconds=asked / 10)),
            clock.counted_by(lambda: asked / 10),
        ):
            order = await harness.manager.place(request("a"))
            await harness.manager.wait_idle()
        assert harness.book.orders[order.request.order_id].state is State.OPEN

    run(tmp_path, play, Faults(lost_after=1))


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_is_set_ends_no_grace(tmp_path: Path, hours: int) -> None:
    """Set forward, it made an exit NOT_PLACED that was on its way, and another was sent."""

    async def play(harness: ManagerHarness) -> None:
        harness.manager._grace_seconds = 1
        orders, begun, asked = harness.broker.orders, clock.now(), 0

        async def behind() -> Sequence[OrderReport]:
            nonlocal asked
            asked += 1
            return await orders() if asked > 5 else []

        def shown() -> datetime:
            jump = timedelta(hours=hours) if asked else timedelta()
            return begun + jump + timedelta(seconds=asked / 10)

        harness.broker.orders = behind  # type: ignore[method-assign]
        with clock.driven_by(shown), clock.counted_by(lambda: asked / 10):
            order = await harness.manager.place(request("a"))
            await harness.manager.wait_idle()
        assert harness.book.orders[order.request.order_id].state is State.OPEN

    run(tmp_path, play, Faults(lost_after=1))


def test_a_clock_set_to_tomorrow_expires_no_order_of_today(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        order = await harness.manager.place(request("a"))
        harness.exchange.orders.clear()
        tomorrow = clock.now() + timedelta(days=1)
        with clock.driven_by(lambda: tomorrow):
            assert await harness.reconciliation.repeat() != ()
        assert harness.book.orders[order.request.order_id].state.is_live

    run(tmp_path, play)


def test_a_broker_that_hangs_is_unclear(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        async def place(asked: Request) -> str:
            harness.exchange.place(asked)
            await asyncio.Event().wait()
            return "never"

        harness.broker.place = place  # type: ignore[method-assign, assignment]
        order = await harness.manager.place(request())
        assert (order.state, order.message) == (State.UNKNOWN, "no answer within 0.2 s")
        await harness.manager.wait_idle()
        assert harness.book.orders[order.request.order_id].state is State.OPEN

    run(tmp_path, play)


def test_a_rejection_is_final(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        order = await harness.manager.place(request())
        assert (order.state, order.message) == (State.REJECTED, "no margin")

    run(tmp_path, play, Faults(refused=1))


def test_updates_may_overtake_the_acknowledgment(tmp_path: Path) -> None:
    """Fills that arrive before the order's acknowledgment belong to it."""

    async def play(harness: ManagerHarness) -> None:
        async def place(asked: Request) -> str:
            broker_order_id = harness.exchange.place(asked)
            harness.exchange.fill(broker_order_id, 10)
            # the trade lacks our tag and arrives first
            for update in reversed(harness.exchange.outbox):
                harness.manager.on_update(update)
            return broker_order_id

        harness.broker.place = place  # type: ignore[method-assign, assignment]
        order = await harness.manager.place(request())
        assert (order.state, order.filled_quantity) == (State.FILLED, 10)
        assert len([fill for fill in harness.book.fills.values() if not fill.is_provisional]) == 1
        assert harness.book.quantity("A", Product.MIS) == 10

    run(tmp_path, play)


def test_fills_are_the_set_of_trades(tmp_path: Path) -> None:
    """Reported twice, in reverse, with the status before the trades: booked once."""

    async def play(harness: ManagerHarness) -> None:
        await harness.manager.place(request("a"))
        for quantity in (3, 3, 4):
            harness.exchange.fill("V1", quantity)
        updates = harness.exchange.outbox
        for update in [*reversed(updates), *updates, *updates]:
            harness.manager.on_update(update)
        assert harness.book.quantity("A", Product.MIS) == 10
        assert len(harness.book.fills) == 3
        assert harness.book.cash_amount == CAPITAL - 1000

    run(tmp_path, play)


def test_a_status_books_a_provisional_fill_that_its_trades_replace(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        order = await harness.manager.place(request("a"))
        order_id = order.request.order_id
        harness.exchange.fill("V1", 4, Decimal(100))
        harness.exchange.fill("V1", 6, Decimal(110))
        reports = [update for update in harness.exchange.outbox if hasattr(update, "state")]
        trades = [update for update in harness.exchange.outbox if not hasattr(update, "state")]
        harness.manager.on_update(reports[-1])
        assert harness.book.provisional_quantity(order_id) == 10
        assert harness.book.cash_amount == CAPITAL - 1060
        assert harness.book.orders[order_id].state is State.FILLED
        harness.manager.on_update(trades[0])
        assert harness.book.provisional_quantity(order_id) == 6
        harness.manager.on_update(trades[1])
        assert harness.book.provisional_quantity(order_id) == 0
        assert harness.book.cash_amount == CAPITAL - 1060
        assert harness.book.positions["A", Product.MIS].average_price == 106

    run(tmp_path, play)


def test_a_non_terminating_mean_is_reversed_exactly(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        order = await harness.manager.place(request("a"))
        for price in (90, 90, 91):
            harness.exchange.fill("V1", 1, Decimal(price))
        reports = [update for update in harness.exchange.outbox if hasattr(update, "state")]
        trades = [update for update in harness.exchange.outbox if not hasattr(update, "state")]
        harness.manager.on_update(reports[-1])
        assert harness.book.provisional_quantity(order.request.order_id) == 3
        for trade in trades:
            harness.manager.on_update(trade)
        assert str(harness.book.cash_amount.normalize()) == str(CAPITAL - 271)

    run(tmp_path, play)


def test_charges_are_per_order_however_it_is_filled(tmp_path: Path) -> None:
    """Brokerage is capped per order: ten fills of one order pay the cap once."""

    async def play(harness: ManagerHarness) -> None:
        harness.manager._charges = schedule("nse_intraday")
        await harness.manager.place(request("a", quantity=10_000))
        await harness.manager.place(request("b", quantity=10_000))
        harness.exchange.fill("V1", 10_000)
        for _ in range(10):
            harness.exchange.fill("V2", 1_000)
        harness.deliver()
        whole, parts = (order.charges_amount for order in harness.book.orders.values())
        assert whole == parts > 0
        assert harness.book.cash_amount == CAPITAL - 2_000_000 - whole - parts

    run(tmp_path, play)


def test_a_second_status_replaces_what_the_first_one_booked(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        await harness.manager.place(request("a"))
        harness.exchange.fill("V1", 4, Decimal(100))
        harness.exchange.fill("V1", 6, Decimal(110))
        for update in harness.exchange.outbox:
            if hasattr(update, "state"):
                harness.manager.on_update(update)
        assert harness.book.cash_amount == CAPITAL - 1060
        assert harness.book.positions["A", Product.MIS].average_price == 106

    run(tmp_path, play)


def test_charges_are_the_same_where_a_status_comes_before_its_trades(tmp_path: Path) -> None:
    """What the status booked is no part of the order that the charges were paid for."""

    async def play(harness: ManagerHarness) -> None:
        harness.manager._charges = schedule("us_equity")
        for name in ("a", "b"):
            await harness.manager.place(request(name, quantity=100_000, side=Side.SELL))
        for broker_order_id in ("V1", "V2"):
            harness.exchange.fill(broker_order_id, 40_000)
            harness.exchange.fill(broker_order_id, 60_000)
            if broker_order_id == "V1":
                harness.deliver()
        found = sorted(harness.exchange.outbox, key=lambda update: not hasattr(update, "state"))
        for update in found:
            harness.manager.on_update(update)
        paid = [fill.charges_amount for fill in harness.book.fills.values()]
        assert len(paid) == 4
        assert paid[:2] == paid[2:]

    run(tmp_path, play)


@pytest.mark.parametrize(("quantity", "count"), [(10, 1), (11, 0)])
def test_an_order_reduces_only_if_it_does_with_its_pending_terms(
    tmp_path: Path, quantity: int, count: int
) -> None:
    async def play(harness: ManagerHarness) -> None:
        await harness.manager.place(request("a"))
        harness.exchange.fill("V1", 10)
        harness.deliver()
        less = await harness.manager.place(request("b", quantity=6, side=Side.SELL))
        asked = events.ModifyRequested(
            at=NOW, order_id=less.request.order_id, quantity=quantity, limit_price=Decimal(100)
        )
        harness.manager.record(asked)
        assert len(harness.manager.reducing_entries()) == count

    run(tmp_path, play)


def test_a_fill_crosses_a_cancel(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        order = await harness.manager.place(request("a"))
        order_id = order.request.order_id
        harness.exchange.fill("V1", 4)
        late, harness.exchange.outbox = harness.exchange.outbox, []
        await harness.manager.cancel(order_id)
        assert harness.book.orders[order_id].is_cancel_pending
        harness.deliver()
        assert harness.book.orders[order_id].state is State.CANCELLED
        assert not harness.book.orders[order_id].is_cancel_pending
        for update in late:
            harness.manager.on_update(update)
        order = harness.book.orders[order_id]
        assert (order.state, order.filled_quantity) == (State.CANCELLED, 4)

    run(tmp_path, play)


def test_a_rejected_cancel_can_be_requested_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duckbourse.orders.manager.CANCEL_AGAIN_SECONDS", (0.0,))

    async def play(harness: ManagerHarness) -> None:
        order = await harness.manager.place(request("a"))
        order_id = order.request.order_id
        harness.broker.faults = Faults(refused=1)
        await harness.manager.cancel(order_id)
        assert not harness.book.orders[order_id].is_cancel_pending
        harness.broker.faults = Faults()
        await harness.manager.cancel(order_id)
        harness.deliver()
        assert harness.book.orders[order_id].state is State.CANCELLED
        await harness.manager.cancel(order_id)
        assert harness.broker.calls["cancel"] == 2

    run(tmp_path, play)


def test_a_modification_stands_once_the_broker_accepts_it(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        limit = {"order_type": OrderType.LIMIT, "limit_price": Decimal(99)}
        order = await harness.manager.place(request("a", **limit))
        order_id = order.request.order_id
        harness.broker.faults = Faults(refused=1)
        await harness.manager.modify(order_id, quantity=8, limit_price=Decimal(98))
        await harness.manager.wait_idle()
        assert harness.book.orders[order_id].request.quantity == 10
        harness.broker.faults = Faults(lost_after=1)
        await harness.manager.modify(order_id, quantity=8, limit_price=Decimal(98))
        assert harness.book.orders[order_id].is_modify_pending
        await harness.manager.wait_idle()
        order = harness.book.orders[order_id]
        assert (order.request.quantity, order.request.limit_price) == (8, Decimal(98))
        assert (order.modification_count, order.is_modify_pending) == (1, False)

    run(tmp_path, play)


def test_modifications_of_an_order_are_limited(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        order = await harness.manager.place(request("a", limit_price=Decimal(99)))
        order_id = order.request.order_id
        for number in range(25):
            await harness.manager.modify(order_id, quantity=10, limit_price=Decimal(number + 1))
        with pytest.raises(
            OrderDeniedError, match="MODIFICATIONS: modifications=25, max_modifications=25"
        ):
            await harness.manager.modify(order_id, quantity=10, limit_price=Decimal(50))
        assert harness.exchange.orders["V1"].limit_price == 25

    run(tmp_path, play)


@pytest.mark.parametrize("state", [State.SENT, State.UNKNOWN])
def test_a_cancel_of_an_order_without_an_answer_is_sent_once_it_is_known(
    tmp_path: Path, state: State
) -> None:
    async def play(harness: ManagerHarness) -> None:
        manager, answered, place = harness.manager, asyncio.Event(), harness.broker.place

        async def slow(asked: Request) -> str:
            if state is State.SENT:
                await answered.wait()
                return await place(asked)
            await place(asked)
            raise BrokerUnclear("the answer is lost")

        harness.broker.place = slow  # type: ignore[method-assign, assignment]
        placing = asyncio.ensure_future(manager.place(request("a")))
        order_id = request("a").order_id
        async with asyncio.timeout(HANG_SECONDS):
            while order_id not in harness.book.orders or (
                harness.book.orders[order_id].state is not state
            ):
                await asyncio.sleep(0)
        await manager.cancel(order_id)
        await manager.send_waiting()
        assert not harness.book.orders[order_id].is_cancel_pending
        answered.set()
        await placing
        await manager.wait_idle()
        await manager.send_waiting()
        harness.deliver()
        assert harness.book.orders[order_id].state is State.CANCELLED
        assert harness.broker.calls["cancel"] == 1

    run(tmp_path, play)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("order_type", {"order_type": OrderType.SL_M, "trigger_price": Decimal(90)}),
        ("product", {"product": Product.CNC}),
        ("validity", {"validity": Validity.IOC}),
    ],
)
@pytest.mark.parametrize("reason", [Reason.ENTRY, Reason.STOP])
def test_what_the_broker_does_not_take_is_denied_before_it_is_sent(
    tmp_path: Path, name: str, asked: dict[str, Any], reason: Reason
) -> None:
    async def play(harness: ManagerHarness) -> None:
        harness.broker.capabilities = Capabilities(
            order_types=frozenset({OrderType.MARKET}), products=frozenset({Product.MIS})
        )
        order = await harness.manager.place(request(reason=reason, **asked))
        assert order.state is State.DENIED
        assert order.message.startswith(f"NOT_TAKEN: broker={harness.broker.name}, {name}=")
        assert not harness.broker.calls
        assert (await harness.manager.place(request(reason=reason))).state is not State.DENIED

    run(tmp_path, play)


def test_a_failing_subscriber_does_not_affect_the_others(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        received: list[Message[events.Event]] = []

        def broken(message: Message[events.Event]) -> None:
            raise ValueError("screen is gone")

        harness.manager.bus.subscribe(events.Event, broken)
        harness.manager.bus.subscribe(events.Event, received.append)
        await harness.manager.place(request())
        assert len(received) == harness.book.event_count == 3
        assert list(harness.manager.bus.failures.values()) == [3]

    run(tmp_path, play)


def test_an_order_that_came_late_is_live_and_cancelled(tmp_path: Path) -> None:
    """Nobody counted or cancelled it: it was not placed, and that was final."""

    async def play(harness: ManagerHarness) -> None:
        order_id = (await harness.manager.place(request("a"))).request.order_id
        await harness.manager.wait_idle()
        assert harness.book.orders[order_id].state is State.NOT_PLACED
        harness.exchange.place(request("a"))
        await harness.reconciliation.repeat()
        assert harness.book.orders[order_id].state is State.OPEN
        assert harness.book.state is TradingState.HALTED
        await harness.manager.send_waiting()
        assert harness.broker.calls["cancel"] == 1

    run(tmp_path, play, Faults(lost_before=1))


def test_a_failing_journal_halts_and_sends_nothing(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        await harness.manager.place(request("a"))
        harness.manager.set_state(TradingState.ACTIVE, "started", "test")

        def fails(*_: object) -> None:
            raise OSError(5, "Input/output error")

        harness.journal._commit = fails  # type: ignore[method-assign, assignment]
        order = await harness.manager.place(request("b"))
        assert order.state is State.NOT_PLACED
        assert harness.book.state is TradingState.HALTED
        assert "Input/output error" in harness.book.state_reason
        order = await harness.manager.place(request("c"))
        assert (order.state, order.message[:14]) == (State.DENIED, "JOURNAL_FAILED")
        assert harness.exchange.tags.total() == 1
        # updates of the broker are still applied
        harness.exchange.fill("V1", 10)
        harness.deliver()
        assert harness.book.quantity("A", Product.MIS) == 10

    run(tmp_path, play)


def recovered(harness: ManagerHarness) -> tuple[str, ...]:
    differences = asyncio.run(harness.reconciliation.recover())
    harness.journal.close()
    return differences


def test_a_repeated_report_is_not_recorded(tmp_path: Path) -> None:
    """In any state of its orders, a repeated reconciliation adds one event."""

    async def play(harness: ManagerHarness) -> None:
        for name in "abcdef":
            await harness.manager.place(request(name))
        harness.exchange.fill("V1", 10)
        harness.exchange.fill("V2", 4)
        harness.exchange.fill("V3", 4)
        harness.exchange.end("V3", State.CANCELLED)
        harness.exchange.end("V4", State.EXPIRED)
        harness.exchange.end("V5", State.REJECTED)
        await harness.reconciliation.recover()
        states = {order.state for order in harness.book.orders.values()}
        assert len(states) == 6
        before = harness.book.event_count
        assert await harness.reconciliation.recover() == ()
        assert harness.book.event_count == before + 1

    run(tmp_path, play)


def test_a_warm_restart_keeps_positions(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        await harness.manager.place(request("a"))
        harness.exchange.fill("V1", 10)
        harness.deliver()

    again = run(tmp_path, play).restarted()
    assert recovered(again) == ()
    assert again.book.quantity("A", Product.MIS) == 10
    assert again.exchange.tags.total() == 1


def test_a_kill_loses_no_working_order(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        for name in "abc":
            await harness.manager.place(request(name))
        harness.exchange.fill("V2", 4)  # and the update was not delivered

    again = run(tmp_path, play).restarted()
    assert recovered(again) == ()
    states = [order.state for order in again.book.orders.values()]
    assert states == [State.OPEN, State.PARTIAL, State.OPEN]
    assert again.book.quantity("A", Product.MIS) == 4


def test_fills_lost_with_the_connection_are_recovered(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        await harness.manager.place(request("a"))
        harness.exchange.fill("V1", 5)
        harness.exchange.fill("V1", 5)
        harness.exchange.outbox.clear()
        assert await harness.reconciliation.recover() == ()
        assert len(harness.book.fills) == 2
        assert harness.book.quantity("A", Product.MIS) == 10

    run(tmp_path, play)


def test_trades_after_a_restart_are_not_booked_again(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        await harness.manager.place(request("a"))
        harness.exchange.fill("V1", 10)
        harness.deliver()

    again = run(tmp_path, play).restarted()
    trades = list(again.exchange.trades)
    recovered_again = recovered(again)
    for trade in trades:
        again.manager._unmatched_trades.clear()
        again.manager._on_trade_report(trade)
    assert recovered_again == ()
    assert len(again.book.fills) == 1


@pytest.mark.parametrize("was_placed", [True, False])
def test_an_order_in_flight_is_looked_up(tmp_path: Path, was_placed: bool) -> None:
    """The process ended between the intent and the acknowledgment."""
    asked = request("a")
    journal, _ = open_journal(tmp_path)
    journal.append(events.OrderIntended(at=NOW, request=asked)).result()
    journal.close()
    exchange = FakeExchange()
    if was_placed:
        exchange.place(asked)
    harness = ManagerHarness(tmp_path, exchange)
    assert recovered(harness) == ()
    state = harness.book.orders[asked.order_id].state
    assert state is (State.OPEN if was_placed else State.NOT_PLACED)
    assert harness.broker.calls["place"] == 0


@pytest.mark.parametrize("days", [0, 1])
def test_a_start_ends_though_the_broker_answers_no_look_up(tmp_path: Path, days: int) -> None:
    """It asked for ever, with no stop in force. On a later day, the order has not just expired."""
    asked = request("a")
    sent_at = clock.now() - timedelta(days=days)
    journal, _ = open_journal(tmp_path)
    journal.append(events.OrderIntended(at=sent_at, request=asked)).result()
    if days:
        journal.append(events.OrderSent(at=sent_at, order_id=asked.order_id)).result()
    journal.close()
    harness = ManagerHarness(tmp_path, FakeExchange())
    count = 0

    async def find(order_id: str) -> Sequence[OrderReport]:
        nonlocal count
        count += 1
        if count > 100:
            pytest.fail("the start asks for ever")
        raise BrokerUnclear("no answer")

    harness.broker.find = find  # type: ignore[method-assign]

    with clock.counted_by(lambda: 10.0 * count):
        found = recovered(harness)
    harness.journal.close()
    assert found == (f"order {asked.order_id} is unknown here, but not known to the broker",)
    assert harness.book.state is TradingState.HALTED
    assert harness.book.state_reason == (
        f"the broker does not say what became of order {asked.order_id}: no answer"
    )


def test_differences_are_listed(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        await harness.manager.place(request("a"))
        harness.exchange.fill("V1", 10)
        harness.deliver()
        # someone else sells part of it at the broker
        harness.exchange.place(request("theirs", order_id="mobile", side=Side.SELL, quantity=3))
        harness.exchange.fill("V2", 3)
        harness.exchange.outbox.clear()
        assert await harness.reconciliation.recover() == ("A MIS: 10 here, 7 at the broker",)
        external = harness.book.order_by_broker_id("V2")
        assert external is not None
        assert (external.is_external, external.state) == (True, State.FILLED)

    run(tmp_path, play)


def test_a_clock_set_back_leaves_no_order_unknown(tmp_path: Path) -> None:
    """It was sent at a later clock time, and the broker never had it: this is still resolved."""

    async def play(harness: ManagerHarness) -> None:
        shown = clock.now()
        with clock.driven_by(lambda: shown):
            order = await harness.manager.place(request("a"))
            order_id = order.request.order_id
            assert harness.book.orders[order_id].state is State.UNKNOWN
            shown -= timedelta(hours=18)
            async with asyncio.timeout(HANG_SECONDS):
                await harness.manager.wait_idle()
        assert harness.book.orders[order_id].state is State.NOT_PLACED

    run(tmp_path, play, Faults(lost_before=1))


def test_an_order_that_the_broker_lost_is_ended_and_halts(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        order = await harness.manager.place(request("a"))
        harness.exchange.orders.clear()
        assert await harness.reconciliation.recover() == ()
        order_id = order.request.order_id
        assert harness.book.orders[order_id].state is State.CANCELLED
        assert harness.book.state is TradingState.HALTED
        assert harness.book.state_reason == (
            f"the broker no longer has order {order_id}, which was acked there"
        )

    run(tmp_path, play)


def test_an_impossible_fill_halts(tmp_path: Path) -> None:
    """An exchange fills an order it rejected: the money has moved, so a human must look."""

    async def play(harness: ManagerHarness) -> None:
        order = await harness.manager.place(request("a"))
        harness.manager.set_state(TradingState.ACTIVE, "started", "test")
        harness.exchange.fill("V1", 10)
        (trade,) = harness.exchange.trades
        harness.manager.advance(order.request.order_id, State.REJECTED)
        harness.manager.on_update(trade)
        assert harness.book.state is TradingState.HALTED
        assert "is rejected with 10 of 10 filled" in harness.book.state_reason
        assert harness.book.quantity("A", Product.MIS) == 10

    run(tmp_path, play)


def test_a_clock_that_jumps_back_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(harness: ManagerHarness) -> None:
        await harness.manager.place(request("a"))
        with clock.driven_by(lambda: NOW.replace(year=1970)):
            await harness.manager.place(request("b"))
            harness.exchange.fill("V2", 10)
            harness.deliver()
        assert harness.book.quantity("A", Product.MIS) == 10

    again = run(tmp_path, play).restarted()
    assert recovered(again) == ()
    assert [order.state for order in again.book.orders.values()] == [State.OPEN, State.FILLED]


def test_a_burst_is_journaled_one_by_one(tmp_path: Path) -> None:
    """Below the queue's limit, no event is lost in a burst of any size."""

    async def play(harness: ManagerHarness) -> None:
        orders = await asyncio.gather(*(harness.manager.place(request()) for _ in range(1_000)))
        assert {order.state for order in orders} == {State.ACKED}
        assert harness.exchange.tags.total() == 1_000

    run(tmp_path, play)


def test_a_look_up_that_cannot_be_booked_halts(tmp_path: Path) -> None:
    """It ended the task unseen, or the start and the end of the session that waited for it."""

    async def play(harness: ManagerHarness) -> None:
        def unbooked(report: Any, _: Any) -> None:
            raise TypeError(report)

        harness.manager.set_state(TradingState.ACTIVE, "reconciled", "start")
        order = await harness.manager.place(request("a"))
        harness.manager.accept_terms = unbooked  # type: ignore[assignment]
        harness.manager.look_up(order.request.order_id)
        await harness.manager.wait_idle()
        assert harness.book.state is TradingState.HALTED
        assert "could not be booked" in harness.book.state_reason

    run(tmp_path, play)


def test_a_trade_that_nobody_knows_is_kept_once(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        harness.exchange.place(request("a"))
        harness.exchange.fill("V1", 4)
        [trade] = harness.exchange.trades
        for _ in range(3):
            harness.manager.on_update(trade)
        assert [len(known) for known in harness.manager._unmatched_trades.values()] == [1]

    run(tmp_path, play)
