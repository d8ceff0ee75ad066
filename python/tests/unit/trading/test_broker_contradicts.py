"""What a broker says late, wrongly, or not at all is booked as it is, reported, and left."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.brokers.paper import PaperBroker
from duckbourse.cli.trade import round_trips
from duckbourse.errors import BrokerRejected, BrokerUnclear
from duckbourse.orders import events
from duckbourse.orders.book import Book, rebuild_book
from duckbourse.orders.broker import Funds, Holding, OrderReport, Update
from duckbourse.orders.events import OrderUpdated, TradingState
from duckbourse.orders.lifecycle import State
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import Fill, OrderType, Product, Reason, Request, Side
from duckbourse.trading.commands import FOLDER, OrderByHand, answer_to, send
from duckbourse.trading.loop import BLIND_SECONDS
from tests.support.factories import request
from tests.support.market import ZONE, at, instrument, tick
from tests.support.venue import Venue
from tests.unit.trading.test_exit_and_orders import Unresting
from tests.unit.trading.test_resting import ENTERED, Day


def quiet(minutes: int, price: float = 100) -> list[dict[str, Any]]:
    """Ticks each second after the entry."""
    return [
        {**tick(at(9, 45), price), "at": at(9, 45) + timedelta(seconds=second)}
        for second in range(5, 60 * minutes)
    ]


def traded(day: Day, ticks: list[dict[str, Any]]) -> Book:
    return day.traded([*ENTERED, *ticks]).book


@pytest.mark.parametrize("strategy", [None, ""], ids=["of all", "of nobody"])
@pytest.mark.parametrize(
    "other", [{"side": Side.SELL}, {"product": Product.CNC}, {"symbol": "B"}], ids=str
)
def test_a_trade_that_is_not_what_was_ordered_is_booked_as_it_is(
    tmp_path: Path, other: dict[str, Any], strategy: str | None
) -> None:
    """A sale was taken for the purchase that was ordered, and sold once more at the square-off."""

    class Wrong(Venue):
        def __init__(self, folder: Path, ticks: Mapping[str, Decimal], *others: Any) -> None:
            super().__init__(folder, {**ticks, "B": ticks["A"]}, *others)

        def _fill(
            self, report: OrderReport, quantity: int, price: Decimal, filled_at: datetime
        ) -> Any:
            wrong = {} if self._trades else other
            return super()._fill(replace(report, **wrong), quantity, price, filled_at)

    day = Day(tmp_path / "day")
    day.market.instruments["B"] = instrument("B")
    day.venue_class = Wrong  # type: ignore[assignment]
    trader = day.traded([*ENTERED, *quiet(2)])
    book = trader.book
    net: dict[tuple[str, Product], int] = {}
    for trade in day.trades:
        key = trade.fill.symbol, trade.fill.product
        net[key] = net.get(key, 0) + trade.fill.signed_quantity
    assert net == {(each.symbol, each.product): each.quantity for each in book.open_positions()}
    assert len(day.trades) == 1, "nothing follows from what nobody wanted"
    assert book.held_entries() == []
    assert book.state is TradingState.HALTED
    assert "has a trade to" in book.state_reason
    assert book.unowned() == net
    assert any("no exit closes" in problem for problem in trader.health_problems())
    # a person closes it, through the checks and the journal, also if the loop is killed meanwhile
    [symbol] = {name for name, _ in net}
    wanted = OrderByHand(action="close", target=symbol, strategy=strategy)
    with clock.driven_by(lambda: at(9, 47)):
        send(day.market.folder, "order", "by hand", request_id="close", order=wanted)
    trader = day.traded([tick(at(9, 48, second), 100, symbol=symbol) for second in range(6)])
    answer = answer_to(day.market.folder / FOLDER / "close.json", 0)
    assert answer is not None
    [count] = {abs(quantity) for quantity in net.values()}
    assert answer.message == f"closed {count} of {count} {symbol}"
    assert trader.book.open_positions() == [] and trader.book.unowned() == {}
    assert all(not held.quantity for _, held in trader.book.strategy_positions())
    [exit_] = [each.request for each in trader.book.orders.values() if each.request.entry_id]
    assert (exit_.reason, exit_.quantity) == (Reason.BY_HAND, count)
    again = rebuild_book(Decimal(100_000), list(day.journal.events), lambda _: None)
    assert again.carried() == trader.book.carried()


class Late(Venue):
    """The first order for a reason arrives so many seconds after it was sent."""

    seconds = 40.0
    late_reason = Reason.ENTRY
    has_late_one = False

    async def place(self, request: Request) -> str:
        if request.reason is self.late_reason and not self.has_late_one:
            self.has_late_one = True
            asyncio.get_running_loop().call_later(self.seconds, self.arrive, request)
            await asyncio.sleep(3600)
        return await super().place(request)

    def arrive(self, request: Request) -> None:
        self.arriving = asyncio.ensure_future(PaperBroker.place(self, request))


def test_an_order_that_comes_late_is_cancelled(tmp_path: Path) -> None:
    """It was no order of the book any more: open at the venue, in no limit, and never cancelled."""

    class Resting(Late):
        def arrive(self, request: Request) -> None:
            super().arrive(replace(request, limit_price=Decimal(90)))

    day = Day(tmp_path / "day")
    day.venue_class = Resting
    book = traded(day, quiet(2))
    assert [order.state for order in day.orders] == [State.CANCELLED]
    assert [order.state for order in book.orders.values()] == [State.CANCELLED]
    assert book.state is TradingState.HALTED
    assert "came to it late" in book.state_reason


class FilledLate(Late):
    """The first exit is filled as it comes, before anybody can cancel it."""

    late_reason = Reason.STOP

    def arrive(self, request: Request) -> None:
        super().arrive(replace(request, limit_price=Decimal(1)))
        asyncio.get_running_loop().call_soon(self.fill_now)

    def fill_now(self) -> None:
        for report in list(self._orders.values()):
            if report.state.is_live:
                self._fill(report, report.quantity, Decimal(97), clock.now())


def test_an_exit_that_filled_late_beside_another_is_bought_back(tmp_path: Path) -> None:
    """The position was short afterward, belonged to no entry, and stayed so."""
    day = Unresting(tmp_path / "day")
    day.venue_class = FilledLate
    book = traded(day, [*quiet(1), *quiet(4, 97)[60:]])
    sold = [trade for trade in day.trades if trade.fill.side is Side.SELL]
    assert len(sold) == 2
    assert day.held() == 0
    assert book.open_positions() == []
    assert book.held_entries() == []
    assert Reason.OVERFILL in {order.request.reason for order in book.orders.values()}


def test_nothing_is_opened_while_the_broker_says_nothing(tmp_path: Path) -> None:
    """It was ACTIVE all day, with a position that the book did not have."""

    class Blind(Venue):
        async def orders(self) -> Any:
            raise BrokerUnclear("HTTP 502")

        async def trades(self) -> Any:
            raise BrokerUnclear("HTTP 502")

        def _send(self, update: Update) -> None:
            pass

    class Blinded(Day):
        """The venue answers at the start."""

        async def played(self, venue: Venue, *args: Any) -> Any:
            asyncio.get_running_loop().call_later(1, setattr, venue, "__class__", Blind)
            return await super().played(venue, *args)

    day = Blinded(tmp_path / "day")
    book = traded(day, quiet(3))
    assert book.state is not TradingState.ACTIVE
    changed = [
        event for event in day.journal.events if isinstance(event, events.TradingStateChanged)
    ]
    blind = next(event for event in changed if "does not say" in event.reason)
    assert (blind.at - at(9, 45)).total_seconds() <= BLIND_SECONDS + 30


def test_what_an_exit_closed_beyond_its_entry_is_held_under_the_exit() -> None:
    """Whatever the order of the fills; the fill of the entry that comes last takes it back."""
    entry = request("entry", quantity=10)
    closing = {"side": Side.SELL, "reason": Reason.STOP, "entry_id": entry.order_id}
    one, two = (request(name, quantity=10, **closing) for name in ("one", "two"))
    back = request("back", quantity=4, side=Side.BUY, reason=Reason.OVERFILL, entry_id=two.order_id)

    def fill(of: Request, quantity: int) -> Fill:
        return Fill(
            fill_key=f"{of.order_id}|{quantity}",
            order_id=of.order_id,
            symbol=of.symbol,
            side=of.side,
            product=of.product,
            quantity=quantity,
            price=Decimal(100),
            filled_at=at(10, 0),
        )

    def book_of(*fills: Fill) -> Book:
        book = Book(Decimal(100_000))
        for each in (entry, one, two, back):
            book.apply(events.OrderIntended(at=at(9, 45), request=each))
            book.apply(events.OrderSent(at=at(9, 45), order_id=each.order_id))
        for booked in fills:
            book.apply(events.FillBooked(at=at(10, 0), fill=booked))
        return book

    twice = book_of(fill(entry, 10), fill(one, 10), fill(two, 4))
    assert [order.request.order_id for order in twice.held_entries()] == [two.order_id]
    assert twice.held_quantity(two.order_id) == 4
    flat = book_of(fill(entry, 10), fill(one, 10), fill(two, 4), fill(back, 4))
    assert flat.held_entries() == [], "what is bought back is no excess of its own"
    before = book_of(fill(one, 6), fill(entry, 10))
    assert [order.request.order_id for order in before.held_entries()] == [entry.order_id]
    assert before.held_quantity(entry.order_id) == 4


FILLS = {
    "in order": [("entry", 10, 100), ("one", 6, 104), ("two", 4, 103)],
    "the exit before its entry": [("one", 6, 104), ("entry", 10, 100), ("two", 4, 103)],
    "two exits, and the excess bought back": [
        *[("entry", 10, 100), ("one", 10, 104), ("two", 4, 103)],
        *[("back", 1, 105), ("back", 3, 106)],
    ],
    "an excess that the rest of the entry takes back": [
        *[("entry", 4, 100), ("one", 6, 104), ("entry", 6, 101), ("two", 4, 103)],
    ],
    "a sale that opens a short": [("entry", 10, 100), ("short", 9, 104), ("short", 6, 106)],
}


@pytest.mark.parametrize("fills", FILLS.values(), ids=FILLS)
def test_the_profits_of_round_trips_add_up_to_that_of_the_account(
    fills: list[tuple[str, int, int]],
) -> None:
    """A second attribution left out what exits closed beyond, or before, their entries."""
    entry = request("entry", quantity=10)
    closing = {"side": Side.SELL, "reason": Reason.STOP, "entry_id": entry.order_id}
    one, two = (request(name, quantity=10, **closing) for name in ("one", "two"))
    back = request("back", quantity=4, side=Side.BUY, reason=Reason.OVERFILL, entry_id=two.order_id)
    short = request("short", quantity=20, side=Side.SELL)
    orders = {"entry": entry, "one": one, "two": two, "back": back, "short": short}
    book = Book(Decimal(100_000))
    for each in orders.values():
        book.apply(events.OrderIntended(at=at(9, 45), request=each))
        book.apply(events.OrderSent(at=at(9, 45), order_id=each.order_id))
    for number, (name, quantity, price) in enumerate(fills):
        known = orders[name]
        booked = Fill(
            fill_key=str(number),
            order_id=known.order_id,
            symbol="A",
            side=known.side,
            product=known.product,
            quantity=quantity,
            price=Decimal(price),
            filled_at=at(10, 0),
            charges_amount=Decimal(quantity),
        )
        book.apply(events.FillBooked(at=at(10, 0), fill=booked))
    trader: Any = SimpleNamespace(book=book, publication=SimpleNamespace(zone=ZONE))
    trips = round_trips(trader)
    assert sum(trip["closed"] for trip in trips) == sum(trip["quantity"] for trip in trips) - sum(
        book.held_quantity(order.request.order_id) for order in book.held_entries()
    )
    open_amount = sum(
        (trip["quantity"] - trip["closed"])
        * (106 - trip["entry_price"])
        * (1 if trip["side"] is Side.BUY else -1)
        for trip in trips
    )
    open_charges = sum(trip["quantity"] - trip["closed"] for trip in trips)
    profit = book.equity_amount({"A": (Decimal(106), at(10, 0))}) - 100_000
    closed = sum(trip["net_pnl_amount"] or 0 for trip in trips)
    assert abs(closed + open_amount - open_charges - profit) < Decimal("1e-9")


@pytest.mark.parametrize("differs", ["cash", "another symbol", "its symbol"])
def test_an_excess_is_closed_where_the_broker_agrees(tmp_path: Path, differs: str) -> None:
    """A difference of cash, or of another symbol, kept it open until the square-off."""

    class Differs(FilledLate):
        async def positions(self) -> Sequence[Holding]:
            found = list(await super().positions())
            if differs == "another symbol":
                found.append(Holding(symbol="B", product=Product.MIS, quantity=7))
            if differs == "its symbol":
                return [replace(each, quantity=each.quantity + 1) for each in found]
            return found

        async def funds(self) -> Funds:
            found = await super().funds()
            more = 2 if differs == "cash" else 0
            return replace(found, cash_amount=found.cash_amount + more)

    class Begun(Unresting):
        """The venue agrees at the start."""

        async def played(self, venue: Venue, *args: Any) -> Any:
            asyncio.get_running_loop().call_later(1, setattr, venue, "__class__", Differs)
            return await super().played(venue, *args)

    day = Begun(tmp_path / "day")
    day.venue_class = FilledLate
    book = traded(day, [*quiet(1), *quiet(4, 97)[60:]])
    assert sum(trade.fill.side is Side.SELL for trade in day.trades) == 2
    reasons = {order.request.reason for order in book.orders.values()}
    assert (Reason.OVERFILL in reasons) is (day.held() == 0) is (differs != "its symbol")
    assert book.state is TradingState.HALTED


class InTheApp(Venue):
    """A person sends these orders in the broker's app, each at its time."""

    sent: ClassVar[list[tuple[datetime, Request]]] = []

    def begin_app(self) -> None:
        loop = asyncio.get_running_loop()
        for when, asked in self.sent:
            seconds = (when - clock.now()).total_seconds()
            loop.call_later(seconds, self.arrive, asked)

    def arrive(self, asked: Request) -> None:
        self.arriving = asyncio.ensure_future(PaperBroker.place(self, asked))


class Beside(Day):
    """A day on which a person trades in the broker's app."""

    async def played(self, venue: Venue, *args: Any) -> Any:
        assert isinstance(venue, InTheApp)
        venue.begin_app()
        return await super().played(venue, *args)


def app_day(folder: Path, rests_stops: bool, *sent: tuple[datetime, dict[str, Any]]) -> Day:
    class App(InTheApp):
        pass

    App.sent = [
        (
            when,
            replace(
                request(f"app {number}", order_type=OrderType.LIMIT, **changed),
                order_id=f"app {number}",
            ),
        )
        for number, (when, changed) in enumerate(sent)
    ]
    day = Beside(folder) if rests_stops else UnrestingBeside(folder)
    day.venue_class = App
    return day


class UnrestingBeside(Beside, Unresting):
    pass


ENDINGS = (asyncio.CancelledError, SystemExit, KeyboardInterrupt, GeneratorExit)
FALLING = [*quiet(2), *quiet(5, 96)[115:]]


@pytest.mark.parametrize("rests_stops", [False, True])
def test_an_order_that_is_not_ours_keeps_no_exit_from_leaving(
    tmp_path: Path, rests_stops: bool
) -> None:
    """Each try was denied REDUCE_ONLY while a limit far above the market rested in the app."""
    far = {"side": Side.SELL, "quantity": 200, "limit_price": Decimal(120)}
    day = app_day(tmp_path / "day", rests_stops, (at(9, 45, 20), far))
    book = traded(day, FALLING)
    assert day.held() == 0
    assert book.open_positions() == []
    if not rests_stops:
        assert book.state is TradingState.HALTED
        assert "to sell 200, not one of ours" in book.state_reason
    sold = [trade.fill.filled_at for trade in day.trades if trade.fill.side is Side.SELL]
    assert max(sold) < at(9, 47, 5)


@pytest.mark.parametrize("rests_stops", [False, True])
@pytest.mark.parametrize("quantity", [100, 198, 400])
def test_an_exit_sells_no_more_than_the_broker_holds(
    tmp_path: Path, quantity: int, rests_stops: bool
) -> None:
    """What a person had sold in the app was sold once more by the stop, a minute after the halt."""
    sold = {"side": Side.SELL, "quantity": quantity, "limit_price": Decimal(90)}
    back = {"side": Side.BUY, "quantity": quantity, "limit_price": Decimal(110)}
    wanted = [(at(9, 45, 20), sold)]
    day = app_day(tmp_path / "day", rests_stops, *wanted)
    trader = day.traded([*ENTERED, *FALLING])
    held = sum(t.fill.signed_quantity for t in day.trades if not t.fill.order_id.startswith("app"))
    bought = sum(t.fill.quantity for t in day.trades if t.fill.side is Side.BUY)
    assert bought == 198
    left = max(0, bought - quantity)
    assert day.held() == min(0, bought - quantity)
    assert trader.book.quantity("A", Product.MIS) == held == bought - left
    delayed = [e for e in day.journal.events if isinstance(e, events.ExitDelayed)]
    assert delayed and "the broker holds 0 of these" in delayed[-1].detail
    # once the broker agrees again, nothing holds the exit back
    day = app_day(tmp_path / "again", rests_stops, *wanted, (at(9, 47, 40), back))
    book = traded(day, FALLING)
    assert day.held() == 0
    assert book.open_positions() == []


@pytest.mark.parametrize("right", [0, 1])
def test_one_wrong_answer_of_the_broker_holds_up_no_exit(tmp_path: Path, right: int) -> None:
    """Nor does one that comes again after a right one."""

    class Blinking(Venue):
        count = 0

        async def positions(self) -> Any:
            self.count += 1
            return await super().positions() if self.count % 2 == right else ()

    day = Unresting(tmp_path / "day")
    day.venue_class = Blinking
    book = traded(day, [*quiet(2)[:105], *quiet(5, 96)[105:]])
    assert book.open_positions() == []
    assert max(trade.fill.filled_at for trade in day.trades) < at(9, 46, 55)


def test_an_order_that_ended_here_and_is_open_at_the_broker_is_cancelled(tmp_path: Path) -> None:
    """A gateway answered in words of a refusal, and the broker had the order all the same."""

    class There(Venue):
        async def place(self, request: Request) -> str:
            await super().place(replace(request, limit_price=Decimal(90)))
            raise BrokerRejected("503 gateway")

    day = Day(tmp_path / "day")
    day.venue_class = There
    book = traded(day, quiet(2))
    [order] = book.orders.values()
    assert order.state is State.REJECTED
    assert [report.state for report in day.orders] == [State.CANCELLED]
    assert book.state is TradingState.HALTED


@pytest.mark.parametrize("error", [*ENDINGS, ValueError])
def test_an_exit_whose_call_ends_without_an_answer_is_looked_up(
    tmp_path: Path, error: type[BaseException]
) -> None:
    """It stayed SENT for ever, and no other was sent."""

    class Ending(Venue):
        has_ended = False

        async def place(self, request: Request) -> str:
            if request.reason is not Reason.ENTRY and not self.has_ended:
                self.has_ended = True
                raise error("of the adapter")
            return await super().place(request)

    day = Unresting(tmp_path / "day")
    day.venue_class = Ending
    book = traded(day, FALLING)
    assert day.held() == 0
    assert book.open_positions() == []
    messages = [each.message for each in day.journal.events if isinstance(each, OrderUpdated)]
    assert f"the broker failed: {error('of the adapter')!r}" in messages


@pytest.mark.parametrize(
    ("method", "error"),
    [
        *(("find", error) for error in ENDINGS),
        *((method, GeneratorExit) for method in ("orders", "cancel", "modify", "updates")),
    ],
)
def test_no_adapter_ends_the_loop(tmp_path: Path, method: str, error: type[BaseException]) -> None:
    """One that closed its generators by hand ended the loop, and left a position open."""

    class Ending(Venue):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            setattr(self, method, self._of_stream if method == "updates" else self._failing)

        async def _failing(self, *asked: Any) -> Any:
            if at(9, 45, 30) <= clock.now() < at(9, 46, 20):
                raise error("of the adapter")
            return await getattr(Venue, method)(self, *asked)

        async def place(self, request: Request) -> str:
            if method == "find" and at(9, 46) <= clock.now() < at(9, 46, 10):
                raise BrokerUnclear("no answer")
            return await super().place(request)

        async def _of_stream(self) -> Any:
            async for update in super().updates():
                yield update
                if clock.now() >= at(9, 45, 30):
                    raise error("of the adapter")

    day = Day(tmp_path / "day")
    day.venue_class = Ending
    trader = day.traded([*ENTERED, *quiet(2)[:60], *quiet(3, 96)[60:]])
    assert trader.book.open_positions() == []
    assert day.held() == 0
    if method == "updates":  # they are followed on
        assert trader.manager._following is not None
        assert trader.manager._following.cancelled()


@pytest.mark.parametrize("is_written", [True, False])
def test_an_order_whose_call_is_lost_is_looked_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_written: bool
) -> None:
    """It stayed at work for ever, and the exit waited for its answer."""
    lost: list[str] = []
    step = "_send" if is_written else "_intend_and_send"
    whole = getattr(Manager, step)

    async def lose_one(self: Manager, request: Request, **how: Any) -> None:
        if request.reason is Reason.ENTRY or lost:
            await whole(self, request, **how)
            return
        lost.append(request.order_id)
        if not is_written:  # the disk has not said yet that it is
            await self.record_durably(events.OrderIntended(at=clock.now(), request=request))

    monkeypatch.setattr(Manager, step, lose_one)
    day = Unresting(tmp_path / "day")
    book = traded(day, FALLING)
    assert book.orders[lost[0]].state is State.NOT_PLACED
    assert day.held() == 0 and book.open_positions() == []


def test_an_order_whose_call_is_at_work_is_not_looked_up(tmp_path: Path) -> None:
    class Slow(Venue):
        async def place(self, request: Request) -> str:
            await asyncio.sleep(4)
            return await super().place(request)

    day = Unresting(tmp_path / "day")
    day.venue_class = Slow
    traded(day, [*quiet(1), *quiet(2, 96)[55:]])
    states = {each.state for each in day.journal.events if isinstance(each, OrderUpdated)}
    assert State.FILLED not in states and State.UNKNOWN not in states
    assert day.held() == 0


@pytest.mark.parametrize("ended_by", ["an answer", "a report"])
@pytest.mark.parametrize("rests_stops", [False, True])
def test_no_exit_is_sent_beside_one_that_the_broker_has_all_the_same(
    tmp_path: Path, ended_by: str, rests_stops: bool
) -> None:
    """Two orders to sell all were open at the broker, and both were filled as the price rose."""
    most = {"open": 0}

    class There(Venue):
        has_ended = False

        async def place(self, request: Request) -> str:
            if request.reason is Reason.ENTRY or self.has_ended:
                broker_order_id = await super().place(request)
                self._count()
                return broker_order_id
            self.has_ended = True
            is_stop = request.order_type is OrderType.SL
            limit = request.limit_price if is_stop else Decimal("96.50")
            broker_order_id = await super().place(replace(request, limit_price=limit))
            if ended_by == "an answer":
                raise BrokerRejected("503 gateway")
            report = replace(self._orders[broker_order_id], state=State.CANCELLED)
            asyncio.get_running_loop().call_later(1, self._send, report)
            return broker_order_id

        async def find(self, order_id: str) -> Sequence[OrderReport]:
            await asyncio.sleep(2)
            return await super().find(order_id)

        def _count(self) -> None:
            live = [each for each in self._orders.values() if each.state.is_live]
            sold = [each for each in live if each.side is Side.SELL]
            most["open"] = max(most["open"], len(sold))

    day = Day(tmp_path / "day")
    day.capabilities |= {"can_rest_stops": rests_stops}
    day.venue_class = There
    book = traded(day, [*quiet(2), *quiet(3, 96)[115:], *quiet(5, 97)[175:]])
    assert most == {"open": 1}
    assert day.held() == 0 and book.open_positions() == []
    assert book.state is TradingState.HALTED
    assert "at the broker" in book.state_reason


def test_an_order_that_ended_here_is_cancelled_there_by_the_next_start(tmp_path: Path) -> None:
    """The next start found it open at the broker, and neither cancelled it nor traded."""

    class There(Venue):
        async def place(self, request: Request) -> str:
            if request.reason is Reason.ENTRY:
                return await super().place(request)
            await super().place(replace(request, limit_price=Decimal(120)))
            raise BrokerRejected("503 gateway")

        async def find(self, order_id: str) -> Sequence[OrderReport]:
            return []

    day = Unresting(tmp_path / "day")
    day.venue_class = There
    day.traded([*ENTERED, *quiet(2), *quiet(3, 97)[115:118]])
    assert {each.state for each in day.orders[1:]} == {State.OPEN}
    left = len(day.orders)
    day.venue_class = Venue
    later = [dict(each, at=each["at"] + timedelta(minutes=5)) for each in quiet(2, 96)]
    day.traded(later)  # which asserts that nothing differs at its start
    assert {each.state for each in day.orders[1:left]} == {State.CANCELLED}


@pytest.mark.parametrize("is_down", [False, True])
def test_what_a_broker_that_is_silent_held_once_bounds_no_exit(
    tmp_path: Path, is_down: bool
) -> None:
    """A person sells the shares and buys them back, and the broker does not say so any more."""
    sold = {"side": Side.SELL, "quantity": 198, "limit_price": Decimal(90)}
    back = {"side": Side.BUY, "quantity": 198, "limit_price": Decimal(110)}
    day = app_day(tmp_path / "day", False, (at(9, 45, 20), sold), (at(9, 47, 10), back))

    class Silent(day.venue_class):  # type: ignore[misc,name-defined]
        async def positions(self) -> Any:
            if is_down and clock.now() >= at(9, 47, 5):
                raise BrokerUnclear("positions are down")
            return await super().positions()

    day.venue_class = Silent
    assert traded(day, [*quiet(4), *quiet(9, 96)[235:]]).open_positions() == []
