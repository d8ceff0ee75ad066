"""
The manager against an exchange that has every fault, and the failures that others had in the field.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from duckbourse import clock
from duckbourse.brokers.base import OrderReport
from duckbourse.orders import events
from duckbourse.orders.book import Book, rebuild_book
from duckbourse.orders.denial import OrderDeniedError
from duckbourse.orders.events import TradingState
from duckbourse.orders.journal import open_journal, read_journal
from duckbourse.orders.lifecycle import State
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import OrderType, Product, Reason, Request, Side
from tests.support.charges import schedule
from tests.support.fake_exchange import FakeExchange, FakeExchangeBroker, Faults
from tests.support.makers import CAPITAL, NOW, request
from tests.support.waiting import HANG_SECONDS

pytestmark = pytest.mark.any_day


def no_check(book: Book, asked: Request) -> None:
    pass


class ManagerHarness:
    """A manager with its journal and exchange, which may be started again on the same journal."""

    manager_type = Manager

    def __init__(self, folder: Path, exchange: FakeExchange, faults: Faults | None = None) -> None:
        self.folder = folder
        self.exchange = exchange
        self.broker = FakeExchangeBroker(exchange, faults)
        self.journal, told = open_journal(folder)
        self.book = rebuild_book(CAPITAL, told, lambda _: None)
        self.manager = self.manager_type(
            self.book,
            self.journal,
            self.broker,
            check=no_check,
            grace_seconds=0,
            answer_seconds=0.2,
            lookup_seconds=(0.001,),
        )

    def told(self) -> None:
        """Tell the manager what the exchange has not told yet."""
        told, self.exchange.outbox = self.exchange.outbox, []
        for update in told:
            self.manager.on_update(update)

    def started_again(self) -> ManagerHarness:
        """What is there after the end: the journal, and what the exchange knows."""
        return type(self)(self.folder, self.exchange)


def run(
    folder: Path, play: Callable[[ManagerHarness], Awaitable[None]], faults: Faults | None = None
) -> ManagerHarness:
    harness = ManagerHarness(folder, FakeExchange(), faults)
    asyncio.run(play(harness))  # type: ignore[arg-type]
    harness.journal.close()
    # what is read again is what there was
    again = rebuild_book(CAPITAL, read_journal(folder), lambda _: None)
    if harness.journal.failure is None and again.event_count == harness.book.event_count:
        assert again.orders == harness.book.orders
        assert again.cash_amount == harness.book.cash_amount
        assert again.positions == harness.book.positions
    return harness


def test_an_order_goes_out_and_is_filled(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        order = await harness.manager.place(request("a"))
        assert order.state is State.ACKED
        harness.exchange.fill("V1", 4)
        harness.exchange.fill("V1", 6, Decimal(101))
        harness.told()
        order = harness.book.orders[order.request.order_id]
        assert (order.state, order.filled_quantity) == (State.FILLED, 10)
        assert order.average_price == Decimal("100.6")
        assert harness.book.quantity("A", Product.MIS) == 10
        assert harness.book.cash_amount == CAPITAL - 1006

    run(tmp_path, play)


def test_the_intent_is_on_disk_before_the_order_leaves(tmp_path: Path) -> None:
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


def test_a_check_that_refuses_is_told_with_its_numbers(tmp_path: Path) -> None:
    def check(book: Book, asked: Request) -> None:
        raise OrderDeniedError("ORDER_QUANTITY", f"quantity={asked.quantity}, max_quantity=5")

    async def play(harness: ManagerHarness) -> None:
        harness.manager._check = check
        order = await harness.manager.place(request())
        assert order.state is State.DENIED
        assert order.message == "ORDER_QUANTITY: quantity=10, max_quantity=5"
        assert harness.exchange.tags.total() == 0

    run(tmp_path, play)


@pytest.mark.parametrize("faults", [Faults(lost_after=1), Faults(lost_before=1)])
def test_no_answer_is_no_refusal(tmp_path: Path, faults: Faults) -> None:
    """What may have been placed is looked up by its id, and never sent again."""

    async def play(harness: ManagerHarness) -> None:
        order = await harness.manager.place(request("a"))
        assert order.state is State.UNKNOWN
        await harness.manager.wait_idle()
        order = harness.book.orders[order.request.order_id]
        assert order.state is (State.OPEN if faults.lost_after else State.NOT_PLACED)
        assert harness.broker.calls["place"] == 1

    run(tmp_path, play, faults)


def test_unknown_stays_unknown_while_nobody_can_be_asked(tmp_path: Path) -> None:
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


def test_books_that_are_behind_are_asked_again(tmp_path: Path) -> None:
    """That a broker does not know an order, so soon after it was sent, says nothing yet."""

    async def play(harness: ManagerHarness) -> None:
        harness.manager._grace = timedelta(seconds=1)
        orders, begun = harness.broker.orders, clock.now()
        asked = 0

        async def behind() -> Sequence[OrderReport]:
            nonlocal asked
            asked += 1
            return await orders() if asked > 5 else []

        harness.broker.orders = behind  # type: ignore[method-assign]
        # a tenth of a second from one look to the next
        with (
            clock.driven_by(lambda: begun + timedelta(seconds=asked / 10)),
            clock.counted_by(lambda: asked / 10),
        ):
            order = await harness.manager.place(request("a"))
            await harness.manager.wait_idle()
        assert harness.book.orders[order.request.order_id].state is State.OPEN

    run(tmp_path, play, Faults(lost_after=1))


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


def test_a_refusal_is_one(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        order = await harness.manager.place(request())
        assert (order.state, order.message) == (State.REJECTED, "no margin")

    run(tmp_path, play, Faults(refused=1))


def test_updates_that_overtake_the_answer(tmp_path: Path) -> None:
    """Fills that come before the answer to the order itself are its fills."""

    async def play(harness: ManagerHarness) -> None:
        async def place(asked: Request) -> str:
            broker_order_id = harness.exchange.place(asked)
            harness.exchange.fill(broker_order_id, 10)
            # the trade has no tag of ours, and comes first
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
    """Told twice, backwards, with the status before the trades: booked once."""

    async def play(harness: ManagerHarness) -> None:
        await harness.manager.place(request("a"))
        for quantity in (3, 3, 4):
            harness.exchange.fill("V1", quantity)
        told = harness.exchange.outbox
        for update in [*reversed(told), *told, *told]:
            harness.manager.on_update(update)
        assert harness.book.quantity("A", Product.MIS) == 10
        assert len(harness.book.fills) == 3
        assert harness.book.cash_amount == CAPITAL - 1000

    run(tmp_path, play)


def test_a_status_books_what_its_trades_replace(tmp_path: Path) -> None:
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


def test_a_mean_without_end_is_taken_back_to_the_last_digit(tmp_path: Path) -> None:
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


def test_charges_are_of_the_order_however_it_is_filled(tmp_path: Path) -> None:
    """Brokerage is capped by the order: ten fills of it pay the cap once."""

    async def play(harness: ManagerHarness) -> None:
        harness.manager._charges = schedule("nse_intraday")
        await harness.manager.place(request("a", quantity=10_000))
        await harness.manager.place(request("b", quantity=10_000))
        harness.exchange.fill("V1", 10_000)
        for _ in range(10):
            harness.exchange.fill("V2", 1_000)
        harness.told()
        whole, parts = (order.charges_amount for order in harness.book.orders.values())
        assert whole == parts > 0
        assert harness.book.cash_amount == CAPITAL - 2_000_000 - whole - parts

    run(tmp_path, play)


def test_a_fill_crosses_a_cancel(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        order = await harness.manager.place(request("a"))
        order_id = order.request.order_id
        harness.exchange.fill("V1", 4)
        late, harness.exchange.outbox = harness.exchange.outbox, []
        await harness.manager.cancel(order_id)
        assert harness.book.orders[order_id].is_cancel_pending
        harness.told()
        assert harness.book.orders[order_id].state is State.CANCELLED
        assert not harness.book.orders[order_id].is_cancel_pending
        for update in late:
            harness.manager.on_update(update)
        order = harness.book.orders[order_id]
        assert (order.state, order.filled_quantity) == (State.CANCELLED, 4)

    run(tmp_path, play)


def test_a_cancel_that_is_refused_may_be_asked_again(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        order = await harness.manager.place(request("a"))
        order_id = order.request.order_id
        harness.broker.faults = Faults(refused=1)
        await harness.manager.cancel(order_id)
        assert not harness.book.orders[order_id].is_cancel_pending
        harness.broker.faults = Faults()
        await harness.manager.cancel(order_id)
        harness.told()
        assert harness.book.orders[order_id].state is State.CANCELLED
        await harness.manager.cancel(order_id)
        assert harness.broker.calls["cancel"] == 2

    run(tmp_path, play)


def test_a_change_stands_when_the_broker_took_it(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        limit = {"order_type": OrderType.LIMIT, "limit_price": Decimal(99)}
        order = await harness.manager.place(request("a", **limit))
        order_id = order.request.order_id
        harness.broker.faults = Faults(refused=1)
        await harness.manager.modify(order_id, quantity=8, limit_price=Decimal(98))
        assert harness.book.orders[order_id].request.quantity == 10
        harness.broker.faults = Faults(lost_after=1)
        await harness.manager.modify(order_id, quantity=8, limit_price=Decimal(98))
        assert harness.book.orders[order_id].is_modify_pending
        await harness.manager.wait_idle()
        order = harness.book.orders[order_id]
        assert (order.request.quantity, order.request.limit_price) == (8, Decimal(98))
        assert (order.modification_count, order.is_modify_pending) == (1, False)

    run(tmp_path, play)


def test_an_order_is_changed_so_often(tmp_path: Path) -> None:
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


def test_cancelling_what_is_open_leaves_exits(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        await harness.manager.place(request("a"))
        await harness.manager.place(request("b", reason=Reason.STOP, side=Side.SELL))
        await harness.manager.cancel_open()
        assert harness.broker.calls["cancel"] == 1
        await harness.manager.cancel_open(keep_exits=False)
        assert harness.broker.calls["cancel"] == 2

    run(tmp_path, play)


def test_a_listener_that_fails_keeps_nobody_from_the_news(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        heard: list[events.Event] = []

        def broken(event: events.Event) -> None:
            raise ValueError("screen is gone")

        harness.manager.listeners = [broken, heard.append]
        await harness.manager.place(request())
        assert len(heard) == harness.book.event_count == 3

    run(tmp_path, play)


def test_a_failing_journal_halts_and_sends_nothing(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        await harness.manager.place(request("a"))
        harness.manager.set_state(TradingState.ACTIVE, "started", "test")

        def fails(*_: object) -> None:
            raise OSError(5, "Input/output error")

        harness.journal._commit = fails  # type: ignore[method-assign, assignment]
        order = await harness.manager.place(request("b"))
        assert order.state is State.INTENT
        assert harness.book.state is TradingState.HALTED
        assert "Input/output error" in harness.book.state_reason
        order = await harness.manager.place(request("c"))
        assert (order.state, order.message[:14]) == (State.DENIED, "JOURNAL_FAILED")
        assert harness.exchange.tags.total() == 1
        # what the broker says is seen all the same
        harness.exchange.fill("V1", 10)
        harness.told()
        assert harness.book.quantity("A", Product.MIS) == 10

    run(tmp_path, play)


def recovered(harness: ManagerHarness) -> tuple[str, ...]:
    differences = asyncio.run(harness.manager.recover())
    harness.journal.close()
    return differences


def test_what_is_told_once_more_is_not_written_down(tmp_path: Path) -> None:
    """Whatever became of an order, to ask for everything again is one event."""

    async def play(harness: ManagerHarness) -> None:
        for name in "abcdef":
            await harness.manager.place(request(name))
        harness.exchange.fill("V1", 10)
        harness.exchange.fill("V2", 4)
        harness.exchange.fill("V3", 4)
        harness.exchange.end("V3", State.CANCELLED)
        harness.exchange.end("V4", State.EXPIRED)
        harness.exchange.end("V5", State.REJECTED)
        await harness.manager.recover()
        states = {order.state for order in harness.book.orders.values()}
        assert len(states) == 6
        before = harness.book.event_count
        assert await harness.manager.recover() == ()
        assert harness.book.event_count == before + 1

    run(tmp_path, play)


def test_a_warm_restart_flattens_nothing(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        await harness.manager.place(request("a"))
        harness.exchange.fill("V1", 10)
        harness.told()

    again = run(tmp_path, play).started_again()
    assert recovered(again) == ()
    assert again.book.quantity("A", Product.MIS) == 10
    assert again.exchange.tags.total() == 1


def test_a_kill_drops_no_working_order(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        for name in "abc":
            await harness.manager.place(request(name))
        harness.exchange.fill("V2", 4)  # and nobody was told

    again = run(tmp_path, play).started_again()
    assert recovered(again) == ()
    states = [order.state for order in again.book.orders.values()]
    assert states == [State.OPEN, State.PARTIAL, State.OPEN]
    assert again.book.quantity("A", Product.MIS) == 4


def test_fills_that_were_lost_with_the_connection_are_found(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        await harness.manager.place(request("a"))
        harness.exchange.fill("V1", 5)
        harness.exchange.fill("V1", 5)
        harness.exchange.outbox.clear()
        assert await harness.manager.recover() == ()
        assert len(harness.book.fills) == 2
        assert harness.book.quantity("A", Product.MIS) == 10

    run(tmp_path, play)


def test_trades_after_a_restart_are_not_booked_again(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        await harness.manager.place(request("a"))
        harness.exchange.fill("V1", 10)
        harness.told()

    again = run(tmp_path, play).started_again()
    told = list(again.exchange.trades)
    recovered_again = recovered(again)
    for trade in told:
        again.manager._unmatched_trades.clear()
        again.manager._on_trade_report(trade)
    assert recovered_again == ()
    assert len(again.book.fills) == 1


@pytest.mark.parametrize("was_placed", [True, False])
def test_what_was_on_its_way_is_looked_up(tmp_path: Path, was_placed: bool) -> None:
    """The process ended between the intent and the answer."""
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


def test_differences_are_named(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        await harness.manager.place(request("a"))
        harness.exchange.fill("V1", 10)
        harness.told()
        # another hand sells, and opens something else
        harness.exchange.place(request("theirs", order_id="mobile", side=Side.SELL, quantity=3))
        harness.exchange.fill("V2", 3)
        harness.exchange.outbox.clear()
        assert await harness.manager.recover() == ("A MIS: 10 here, 7 at the broker",)
        external = harness.book.order_by_broker_id("V2")
        assert external is not None
        assert (external.is_external, external.state) == (True, State.FILLED)

    run(tmp_path, play)


def test_a_clock_that_was_set_back_keeps_no_order_in_doubt(tmp_path: Path) -> None:
    """It was sent hours from now, and the broker never knew it: that is settled all the same."""

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


def test_an_order_that_the_broker_lost_is_named(tmp_path: Path) -> None:
    async def play(harness: ManagerHarness) -> None:
        order = await harness.manager.place(request("a"))
        harness.exchange.orders.clear()
        (difference,) = await harness.manager.recover()
        assert difference == (
            f"order {order.request.order_id} is acked here, but not known to the broker"
        )

    run(tmp_path, play)


def test_a_fill_that_cannot_be_halts(tmp_path: Path) -> None:
    """An exchange fills what it refused: the money has moved, and somebody must look."""

    async def play(harness: ManagerHarness) -> None:
        order = await harness.manager.place(request("a"))
        harness.manager.set_state(TradingState.ACTIVE, "started", "test")
        harness.exchange.fill("V1", 10)
        (trade,) = harness.exchange.trades
        harness.manager._advance(order.request.order_id, State.REJECTED)
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
            harness.told()
        assert harness.book.quantity("A", Product.MIS) == 10

    again = run(tmp_path, play).started_again()
    assert recovered(again) == ()
    assert [order.state for order in again.book.orders.values()] == [State.OPEN, State.FILLED]


def test_a_burst_is_one_by_one_in_the_journal(tmp_path: Path) -> None:
    """A queue that is full halts; one that is not loses nothing, however many come at once."""

    async def play(harness: ManagerHarness) -> None:
        orders = await asyncio.gather(*(harness.manager.place(request()) for _ in range(1_000)))
        assert {order.state for order in orders} == {State.ACKED}
        assert harness.exchange.tags.total() == 1_000

    run(tmp_path, play)
