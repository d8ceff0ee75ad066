"""Never more requests than the broker takes; exits and cancels first; no entry is lost."""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.orders import events
from duckbourse.orders.book import Book, rebuild_book
from duckbourse.orders.broker import OrderReport, TradeReport
from duckbourse.orders.denial import OrderDeniedError
from duckbourse.orders.events import TradingState
from duckbourse.orders.lifecycle import State
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import Fill, Order, Reason, Request, Side
from duckbourse.orders.pacing import URGENT_FIRST_SECONDS, Pace, Rate
from duckbourse.orders.reconciliation import Reconciliation
from tests.support.factories import CAPITAL, NOW, fill, request
from tests.support.fake_exchange import CAPABILITIES
from tests.support.venue import MemoryJournal

RATES = (Rate(10, 1), Rate(400, 60), Rate(5_000, math.inf))


class Counting:
    """A broker that accepts everything at once and notes when each request came."""

    name = "counting"
    capabilities = CAPABILITIES

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._placed: dict[str, Request] = {}
        self.seen: list[tuple[float, str, str]] = []

    async def place(self, asked: Request) -> str:
        kind = "entry" if asked.reason is Reason.ENTRY else "exit"
        self.seen.append((self._seconds(), kind, asked.order_id))
        broker_order_id = f"B{len(self.seen)}"
        self._placed[broker_order_id] = asked
        return broker_order_id

    async def cancel(self, broker_order_id: str) -> None:
        self.seen.append((self._seconds(), "cancel", broker_order_id))

    async def orders(self) -> list[OrderReport]:
        return [
            OrderReport(
                broker_order_id=broker_order_id,
                order_id=asked.order_id,
                symbol=asked.symbol,
                side=asked.side,
                product=asked.product,
                order_type=asked.order_type,
                quantity=asked.quantity,
                limit_price=asked.limit_price,
                state=State.OPEN,
            )
            for broker_order_id, asked in self._placed.items()
        ]

    async def trades(self) -> list[TradeReport]:
        return []

    positions = trades

    async def modify(self, broker_order_id: str, asked: Request) -> None:
        self.seen.append((self._seconds(), "modify", asked.order_id))

    async def funds(self) -> None:
        return None


def refuse_unless_active(book: Book, asked: Request, replaces: Order | None) -> None:
    if book.state is not TradingState.ACTIVE and asked.reason is Reason.ENTRY:
        raise OrderDeniedError("TRADING_STATE", f"state={book.state}")


class Session:
    """A manager whose time is set by hand."""

    def __init__(self, rates: tuple[Rate, ...]) -> None:
        self.seconds = 0.0
        self.broker = Counting(lambda: self.seconds)
        self.events: list[events.Event] = []
        self.rates = rates

    def begin(self, book: Book) -> None:
        self.manager = Manager(
            book,
            MemoryJournal(),  # type: ignore[arg-type]
            self.broker,  # type: ignore[arg-type]
            check=refuse_unless_active,
        )
        self.manager.pace.rates = self.rates
        self.manager.bus.subscribe(events.Event, lambda message: self.events.append(message.event))
        self.manager.set_state(TradingState.ACTIVE, "test", "test")

    async def enter(self, **changed: Any) -> Order:
        return await self.manager.place(request(**changed))

    async def leave(self) -> Order:
        return await self.manager.place(request(side=Side.SELL, reason=Reason.STOP))

    def denials(self) -> list[str]:
        return [event.code for event in self.events if isinstance(event, events.OrderDenied)]

    def kinds(self) -> list[str]:
        return [kind for _, kind, _ in self.broker.seen]


def run(play: Callable[[Session], Awaitable[None]], rates: tuple[Rate, ...] = RATES) -> Session:
    session = Session(rates)
    with (
        clock.driven_by(lambda: NOW + timedelta(seconds=session.seconds)),
        clock.counted_by(lambda: session.seconds),
    ):
        session.begin(Book(CAPITAL))
        asyncio.run(_awaited(play(session)))
    return session


async def _awaited(played: Awaitable[None]) -> None:
    await played


def most_in_any_window(times: list[float], seconds: float) -> int:
    """Return the most of these sorted instants that lie within less than so many seconds."""
    return max(
        (bisect_left(times, at + seconds) - place for place, at in enumerate(times)), default=0
    )


STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.001, 0.05, 0.3, 0.5, 1.0]),  # seconds since the step before
        st.integers(0, 12),  # entries that the strategy asks for
        st.integers(0, 12),  # exits that begin
        st.integers(0, 3),  # cancels
    ),
    min_size=1,
    max_size=25,
)
SMALL = st.tuples(st.integers(1, 10), st.integers(1, 40), st.integers(20, 300))


@settings(deadline=None, max_examples=40)
@given(STEPS, SMALL)
def test_bursts_never_exceed_the_rates_and_exits_come_first(
    steps: list[tuple[float, int, int, int]], counts: tuple[int, int, int]
) -> None:
    rates = (Rate(counts[0], 1), Rate(counts[1], 60), Rate(counts[2], math.inf))
    asked: list[str] = []
    # the exits that wait for their turn, and when each was refused first
    waited_from: dict[str, float] = {}
    done: list[tuple[float, float]] = []

    async def play(session: Session) -> None:
        manager = session.manager
        exits: list[Request] = []

        async def step() -> None:
            nonlocal exits
            kept = []
            for one in exits:
                order = await manager.place(one)
                if order.state is State.NEW:
                    kept.append(one)
                    waited_from.setdefault(one.order_id, session.seconds)
                elif one.order_id in waited_from:
                    done.append((waited_from.pop(one.order_id), session.seconds))
            exits = kept
            await manager.send_waiting()

        for seconds, entries, begun, cancels in steps:
            session.seconds += seconds
            exits += [request(side=Side.SELL, reason=Reason.STOP) for _ in range(begun)]
            live = [order.request.order_id for order in manager.book.open_orders()]
            for order_id in live[:cancels]:
                await manager.cancel(order_id)
            await step()
            for _ in range(entries):
                order = await session.enter(expires_at=NOW + timedelta(seconds=240))
                asked.append(order.request.order_id)
        for _ in range(130):
            session.seconds += 2.0
            await step()
        assert not manager.waiting_entries
        # an exit waits only for the broker's rates, whatever became of the entries
        assert not exits or manager.pace.wait_seconds(is_urgent=True) > 0

    session = run(play, rates)
    times = [at for at, _, _ in session.broker.seen]
    for rate in rates:
        assert most_in_any_window(times, rate.seconds) <= rate.count
    # until they are over, a step comes every second, so what waits asks again in time
    burst_ends = sum(seconds for seconds, *_ in steps)
    entries = [at for at, kind, _ in session.broker.seen if kind == "entry" and at <= burst_ends]
    for first, last in done:
        assert not [at for at in entries if first < at < last]
    orders = session.manager.book.orders
    assert {orders[order_id].state for order_id in asked} <= {State.ACKED, State.DENIED}
    assert set(session.denials()) <= {"EXPIRED", "RATE"}


def test_entries_wait_for_their_turn_in_order_and_leave_a_share_for_exits() -> None:
    async def play(session: Session) -> None:
        for _ in range(15):
            await session.enter()
        assert session.kinds() == ["entry"] * 8
        assert [(await session.leave()).state for _ in range(3)] == [
            State.ACKED,
            State.ACKED,
            State.NEW,
        ]
        for at in (0.5, 0.999):
            session.seconds = at
            await session.manager.send_waiting()
        assert len(session.broker.seen) == 10
        session.seconds = 1.0
        await session.leave()
        await session.manager.send_waiting()
        assert session.kinds()[10:] == ["exit"] + ["entry"] * 7

    session = run(play)
    placed = [order_id for _, kind, order_id in session.broker.seen if kind == "entry"]
    assert len(placed) == 15
    assert not session.manager.waiting_entries and session.denials() == []


def test_an_entry_waits_behind_those_that_wait() -> None:
    async def play(session: Session) -> None:
        first = [(await session.enter()).request.order_id for _ in range(9)]
        session.seconds = 1.0
        later = (await session.enter()).request.order_id
        assert len(session.broker.seen) == 8
        await session.manager.send_waiting()
        assert [order_id for _, _, order_id in session.broker.seen] == [*first, later]

    run(play)


def test_no_entry_is_sent_while_an_exit_waits() -> None:
    """Three turns come free, and an exit was there before the entries."""

    async def play(session: Session) -> None:
        for at in (0.0, 0.5, 0.8):
            session.seconds = at
            await session.leave()
        await session.leave()
        session.seconds = 1.6  # two turns are free, of which one is kept for exits
        assert (await session.enter()).state is State.NEW
        assert (await session.leave()).state is State.ACKED
        session.seconds = 2.7
        await session.manager.send_waiting()

    assert run(play, (Rate(3, 1),)).kinds() == ["exit"] * 4 + ["entry"]


def test_an_exit_that_is_given_up_holds_entries_no_longer_than_a_second() -> None:
    async def play(session: Session) -> None:
        for _ in range(11):
            await session.leave()
        session.seconds = URGENT_FIRST_SECONDS
        await session.enter()

    assert run(play).kinds() == ["exit"] * 10 + ["entry"]


def test_an_entry_that_expired_while_it_waited_is_reported_and_not_sent() -> None:
    async def play(session: Session) -> None:
        for _ in range(9):
            await session.enter(expires_at=NOW + timedelta(seconds=1))
        session.seconds = 1.0
        await session.manager.send_waiting()

    session = run(play)
    assert session.kinds() == ["entry"] * 8
    [event] = [event for event in session.events if isinstance(event, events.OrderDenied)]
    assert (event.code, event.detail) == (
        "EXPIRED",
        "now=04:00:01, expires_at=04:00:01, waited_for=its turn",
    )


def test_what_was_to_close_a_position_is_denied_once_less_is_held() -> None:
    """It waited for its turn while a stop sold, and would have sold short."""

    async def play(session: Session) -> None:
        bought = (await session.enter()).request
        session.manager.record(events.FillBooked(at=NOW, fill=filled(bought, "bought")))
        for _ in range(7):
            await session.enter()
        for quantity in (6, 5):  # the second closes 4, and opens 1
            assert (await session.enter(side=Side.SELL, quantity=quantity)).state is State.NEW
        waiting = session.manager.book.waiting.values()
        assert [each.closing_quantity for each in waiting] == [6, 4]
        sold = (await session.manager.place(request(side=Side.SELL, reason=Reason.STOP))).request
        part = replace(filled(sold, "sold"), quantity=5)
        session.manager.record(events.FillBooked(at=NOW, fill=part))
        session.seconds = 1.0
        await session.manager.send_waiting()

    session = run(play)
    [denied] = [event for event in session.events if isinstance(event, events.OrderDenied)]
    assert (denied.request.quantity, denied.code) == (6, "REDUCE_ONLY")
    assert session.kinds() == ["entry"] * 8 + ["exit", "entry"]


def filled(asked: Request, name: str) -> Fill:
    return fill(
        asked.quantity,
        "100",
        asked.side,
        fill_key=name,
        order_id=asked.order_id,
        product=asked.product,
    )


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.REDUCING])
def test_a_halt_empties_what_waits_at_once(state: TradingState) -> None:
    async def play(session: Session) -> None:
        for _ in range(15):
            await session.enter()
        session.manager.set_state(state, "noon", "test")
        await session.manager.send_waiting()

    session = run(play)
    assert session.kinds() == ["entry"] * 8
    assert session.denials() == ["TRADING_STATE"] * 7
    assert not session.manager.waiting_entries


def test_an_entry_that_waits_can_be_cancelled() -> None:
    async def play(session: Session) -> None:
        waiting = [await session.enter() for _ in range(9)][-1]
        await session.manager.cancel(waiting.request.order_id)
        session.seconds = 5.0
        await session.manager.send_waiting()

    session = run(play)
    assert (session.kinds(), session.denials()) == (["entry"] * 8, ["CANCELLED"])


def test_an_order_that_is_asked_for_twice_waits_once() -> None:
    async def play(session: Session) -> None:
        for _ in range(8):
            await session.enter()
        one = request("one")
        await session.manager.place(one)
        await session.manager.place(one)
        session.seconds = 1.0
        await session.manager.send_waiting()

    assert run(play).kinds() == ["entry"] * 9


def test_a_cancel_waits_and_is_not_forgotten() -> None:
    async def play(session: Session) -> None:
        order = await session.enter()
        for _ in range(9):
            await session.leave()
        await session.manager.cancel(order.request.order_id)
        assert "cancel" not in session.kinds()
        assert not session.manager.book.orders[order.request.order_id].is_cancel_pending
        session.seconds = 1.0
        await session.manager.send_waiting()
        await session.manager.send_waiting()

    assert run(play).kinds().count("cancel") == 1


def test_a_modification_counts_and_is_refused_without_a_turn() -> None:
    async def play(session: Session) -> None:
        order_id = (await session.enter(limit_price=Decimal(100))).request.order_id
        for limit in range(101, 108):
            await session.manager.modify(order_id, quantity=10, limit_price=Decimal(limit))
            session.manager.on_update(report_of(session, order_id))
        with pytest.raises(OrderDeniedError, match=r"RATE: wait_seconds=1\.0"):
            await session.manager.modify(order_id, quantity=10, limit_price=Decimal(108))
        assert (await session.enter()).state is State.NEW

    assert run(play).kinds() == ["entry"] + ["modify"] * 7


def report_of(session: Session, order_id: str) -> OrderReport:
    order = session.manager.book.orders[order_id]
    return OrderReport(
        broker_order_id=order.broker_order_id or "",
        order_id=order_id,
        symbol="A",
        side=Side.BUY,
        product=order.request.product,
        order_type=order.request.order_type,
        quantity=10,
        state=State.OPEN,
        limit_price=order.request.limit_price,
    )


def test_a_session_without_requests_left_denies_entries_and_keeps_a_share_for_exits() -> None:
    async def play(session: Session) -> None:
        for _ in range(10):
            await session.enter()
        await session.manager.send_waiting()
        for _ in range(3):
            await session.leave()

    session = run(play, (Rate(10, math.inf),))
    assert session.kinds() == ["entry"] * 8 + ["exit"] * 2
    assert session.denials() == ["RATE"] * 2


def test_a_clock_that_goes_back_does_not_stop_exits() -> None:
    now = [NOW]
    with clock.driven_by(lambda: now[0]):
        pace = Pace((Rate(2, 1),))
        for _ in range(2):
            pace.count(is_urgent=True)
        now[0] -= timedelta(minutes=20)
        assert not pace.has_turn(is_urgent=True)
        now[0] += timedelta(seconds=1)
        assert pace.has_turn(is_urgent=True)


def test_a_restart_remembers_what_the_session_has_sent() -> None:
    async def play(session: Session) -> None:
        for _ in range(4):
            await session.enter()
        order = await session.enter(limit_price=Decimal(100))
        await session.manager.modify(order.request.order_id, quantity=9, limit_price=Decimal(100))
        await session.manager.cancel(order.request.order_id)
        session.seconds = 0.5
        session.begin(rebuild_book(CAPITAL, list(session.manager.journal.events), lambda _: None))  # type: ignore[attr-defined]
        await Reconciliation(session.manager).recover()
        for _ in range(2):
            await session.enter()
        session.seconds = 1.0
        await session.manager.send_waiting()

    session = run(play)
    assert [round(at, 1) for at, kind, _ in session.broker.seen] == [0.0] * 7 + [0.5, 1.0]


def test_a_new_session_begins_without_requests() -> None:
    book = Book(CAPITAL)
    one = request()
    for event in (
        events.OrderIntended(at=NOW, request=one),
        events.OrderSent(at=NOW, order_id=one.order_id),
    ):
        book.apply(event)
    assert book.requested_at == [NOW]
    started = events.SessionStarted(at=NOW, session_date=NOW.date(), equity_amount=CAPITAL)
    book.apply(started)
    assert book.requested_at == []


@pytest.mark.parametrize(("ago", "wait"), [(0.4, 0.6), (-3600.0, 1.0)])
def test_a_request_from_after_now_is_counted_as_one_of_now(ago: float, wait: float) -> None:
    """The clock was set back while the loop was down, and no exit had its turn for an hour."""
    with clock.driven_by(lambda: NOW):
        pace = Pace((Rate(1, 1),))
        pace.remember([ago])
        assert pace.wait_seconds(is_urgent=True) == pytest.approx(wait)


def test_entries_go_on_once_the_exit_that_waited_is_sent() -> None:
    seconds = 0.0
    with clock.driven_by(lambda: NOW + timedelta(seconds=seconds)):
        pace = Pace((Rate(1, 0.25),))
        pace.count(is_urgent=False)
        assert not pace.has_turn(is_urgent=True)
        seconds = 0.5
        assert not pace.has_turn(is_urgent=False)
        pace.count(is_urgent=True)
        seconds = 0.75
        assert pace.has_turn(is_urgent=False)
