"""What the broker may have that the book does not know of bounds exits, and never for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.brokers.paper import PaperBroker
from duckbourse.errors import BrokerRejected, BrokerUnclear
from duckbourse.orders.broker import Holding, OrderReport
from duckbourse.orders.events import ExitsChanged, TradingState
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Exits, OrderType, Product, Reason, Request, Side
from duckbourse.orders.unbooked import BELIEVED_SECONDS, DOUBT_SECONDS, Unbooked
from duckbourse.trading.strategy import Context
from tests.support.market import at, tick, with_limits
from tests.support.venue import Venue
from tests.unit.trading.test_broker_contradicts import app_day, quiet, traded
from tests.unit.trading.test_exit_and_orders import Unresting
from tests.unit.trading.test_resting import ENTERED, Day, Once

KEY = ("A", Product.MIS)


class Ends(BaseException):
    """What no code expects."""


def counted(run: Callable[[Unbooked, Callable[[float], None]], None]) -> None:
    seconds = 0.0

    def pass_by(more: float) -> None:
        nonlocal seconds
        seconds += more

    with clock.counted_by(lambda: seconds):
        run(Unbooked(), pass_by)


def test_shares_that_are_missing_count_when_seen_twice_and_for_a_while() -> None:
    def run(unbooked: Unbooked, pass_by: Callable[[float], None]) -> None:
        for shares, known in ((10, 0), (9, 0), (9, 9), (7, 7)):
            unbooked.compare({KEY: shares}, {})
            assert (unbooked.missing(KEY), unbooked.differs(KEY)) == (known, True)
        pass_by(BELIEVED_SECONDS - 1)
        assert unbooked.missing(KEY) == 7
        pass_by(1)
        assert unbooked.missing(KEY) == 0
        unbooked.compare({KEY: 7}, {})  # what was seen so long ago was not seen twice in a row
        assert unbooked.missing(KEY) == 0
        unbooked.compare({}, {})
        assert unbooked.state() == () and not unbooked.differs(KEY)

    counted(run)


def test_a_doubt_and_an_open_order_end_with_time() -> None:
    def run(unbooked: Unbooked, pass_by: Callable[[float], None]) -> None:
        unbooked.doubt("one")
        unbooked.add_open(REPORT)
        pass_by(DOUBT_SECONDS)
        assert unbooked.doubted == [] and list(unbooked.open_there) == ["V1"]
        pass_by(BELIEVED_SECONDS - DOUBT_SECONDS)
        assert unbooked.open_there == {}

    counted(run)


REPORT = OrderReport(
    broker_order_id="V1",
    order_id="one",
    symbol="A",
    side=Side.SELL,
    product=Product.MIS,
    order_type=OrderType.LIMIT,
    quantity=1,
    state=State.OPEN,
    filled_quantity=0,
    limit_price=Decimal(1),
)


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("trades", KeyError),
        ("positions", Ends),
        ("positions", KeyError),
        ("holdings", KeyError),
        ("funds", Ends),
        ("orders", BrokerUnclear),
        ("find", KeyError),
    ],
)
def test_no_failure_of_a_comparison_bounds_an_exit_for_ever(
    tmp_path: Path, method: str, error: type[BaseException]
) -> None:
    """An adapter's own error let the shares that were missing once stand for the session."""
    sold = {"side": Side.SELL, "quantity": 198, "limit_price": Decimal(90)}
    back = {"side": Side.BUY, "quantity": 198, "limit_price": Decimal(110)}
    day = app_day(tmp_path / "day", False, (at(9, 45, 20), sold), (at(9, 47, 10), back))

    class Failing(day.venue_class):  # type: ignore[misc,name-defined]
        pass

    async def failing(self: Any, *asked: Any) -> Any:
        if clock.now() >= at(9, 47, 5):
            raise error("of the adapter")
        return await getattr(Venue, method)(self, *asked)

    setattr(Failing, method, failing)
    day.capabilities |= {"positions_include_holdings": False}
    day.venue_class = Failing
    book = traded(day, [*quiet(4), *quiet(9, 96)[235:]])
    assert book.open_positions() == [] and day.held() == 0


class There(Venue):
    """It has the first exit, whatever it says; `find` fails so often, and answers slowly."""

    failures: ClassVar[float] = 1
    error: ClassVar[type[BaseException]] = BrokerUnclear
    most_open: ClassVar[int] = 0
    has_ended = False
    asked_count = 0

    async def place(self, request: Request) -> str:
        if request.reason is Reason.ENTRY or self.has_ended:
            broker_order_id = await super().place(request)
            live = [each for each in self._orders.values() if each.state.is_live]
            open_count = sum(each.side is Side.SELL for each in live)
            There.most_open = max(There.most_open, open_count)
            return broker_order_id
        self.has_ended = True
        await super().place(replace(request, limit_price=Decimal("96.50")))
        raise BrokerRejected("503 gateway")

    async def find(self, order_id: str) -> Sequence[OrderReport]:
        await asyncio.sleep(0.5)
        self.asked_count += 1
        if self.asked_count <= self.failures:
            raise self.error("find is down")
        return await super().find(order_id)


@pytest.mark.parametrize(
    ("failures", "error"), [(0, KeyError), (1, BrokerUnclear), (1, KeyError), (5, Ends)]
)
def test_a_doubt_outlasts_a_look_up_that_fails(
    tmp_path: Path, failures: int, error: type[BaseException]
) -> None:
    """One look-up that failed ended it, and two orders to sell the same shares were open."""

    class Failing(There):
        pass

    There.most_open, Failing.failures, Failing.error = 0, failures, error
    day = Unresting(tmp_path / "day")
    day.venue_class = Failing
    book = traded(day, [*quiet(2), *quiet(3, 96)[115:], *quiet(5, 97)[175:]])
    assert There.most_open <= 1
    assert day.held() == 0 and book.open_positions() == []
    assert book.state is TradingState.HALTED


def test_a_refused_exit_that_is_not_listed_yet_is_asked_about_again(tmp_path: Path) -> None:
    """A list that lagged by seconds answered that there was none, and four orders sold the same."""

    class Lagging(There):
        async def find(self, order_id: str) -> Sequence[OrderReport]:
            await asyncio.sleep(0.5)
            self.asked_count += 1
            return [] if self.asked_count <= 3 else await Venue.find(self, order_id)

    There.most_open = 0
    day = Unresting(tmp_path / "day")
    day.venue_class = Lagging
    book = traded(day, [*quiet(2), *quiet(3, 96)[115:], *quiet(5, 97)[175:]])
    assert There.most_open <= 1
    assert day.held() == 0 and book.open_positions() == []


def test_fills_beyond_what_was_ordered_are_confirmed_where_the_broker_holds_as_much() -> None:
    """Of twice the shares, half stayed open, since somebody had five more of them."""

    def run(unbooked: Unbooked, _: Callable[[float], None]) -> None:
        for lacking, is_confirmed in (({KEY}, False), (set(), True)):
            unbooked.contradict("one")
            unbooked.compare({KEY: -5}, {"one": KEY}, lacking)
            assert unbooked.is_contradicted("one") is not is_confirmed

    with clock.driven_by(lambda: at(9, 45)):
        counted(run)


def test_a_doubt_without_an_answer_ends_and_is_reported(tmp_path: Path) -> None:
    class Never(There):
        failures = float("inf")

        async def place(self, request: Request) -> str:
            if request.reason is Reason.ENTRY or self.has_ended:
                return await Venue.place(self, request)
            self.has_ended = True
            raise BrokerRejected("503 gateway")

    day = Unresting(tmp_path / "day")
    day.venue_class = Never
    book = traded(day, [*quiet(2), *quiet(4, 96)[115:]])
    assert book.open_positions() == [] and day.held() == 0
    assert "does not say whether order" in book.state_reason
    sent = [each.sent_at for each in book.orders.values() if each.request.entry_id]
    first, second = filter(None, sent)
    assert DOUBT_SECONDS <= (second - first).total_seconds() < DOUBT_SECONDS + 10


@pytest.mark.parametrize("ends", [State.REJECTED, State.CANCELLED])
def test_a_stop_that_is_refused_after_its_acknowledgment_is_paced(
    tmp_path: Path, ends: State
) -> None:
    """Each next one was sent at once, with the requests that were kept for the exits."""
    asked: list[float] = []
    ended: list[OrderReport] = []

    class Rms(Venue):
        async def place(self, request: Request) -> str:
            if request.order_type is not OrderType.SL:
                return await super().place(request)
            asked.append(clock.session_seconds())
            report = replace(
                REPORT,
                broker_order_id=f"RMS{len(asked)}",
                order_id=request.order_id,
                order_type=OrderType.SL,
                quantity=request.quantity,
                state=ends,
                limit_price=request.limit_price,
                trigger_price=request.trigger_price,
            )
            ended.append(report)
            asyncio.get_running_loop().call_later(0.1, self._send, report)
            return report.broker_order_id

        async def orders(self) -> Sequence[OrderReport]:
            return [*await super().orders(), *ended]

        async def find(self, order_id: str) -> Sequence[OrderReport]:
            known = [each for each in ended if each.order_id == order_id]
            return known or await super().find(order_id)

    day = Day(tmp_path / "day", lambda: Once(Side.BUY, 100, stop_price=95))
    day.market.limits = with_limits(max_orders_per_session=60)
    day.venue_class = Rms
    trader = day.traded([*ENTERED, *quiet(5), *quiet(6, 94)[295:]])
    pauses = [after - before for before, after in pairwise(asked)]
    least = (1, 5, 30, 120, 120)
    assert all(paused >= pause for paused, pause in zip(pauses, least, strict=True))
    assert day.held() == 0 and trader.book.open_positions() == []


def test_a_stop_whose_move_took_effect_without_an_answer_is_known_by_its_trigger(
    tmp_path: Path,
) -> None:
    """The limit is the price band's for every trigger, so the move was taken for not done."""
    moves: list[Decimal | None] = []

    class LostAnswer(Venue):
        async def modify(self, broker_order_id: str, request: Request) -> None:
            moves.append(request.trigger_price)
            await super().modify(broker_order_id, request)
            if len(moves) == 1:
                raise BrokerUnclear("answer lost")

    day = Day(tmp_path / "day", lambda: Once(Side.BUY, 100, stop_price=95))
    day.venue_class = LostAnswer
    known = day.market.instruments["A"]
    day.market.instruments["A"] = replace(known, price_band_pct=Decimal(20))
    day.traded([*ENTERED, *quiet(1)[:10]])
    [entry] = [e.request.order_id for e in [*_book(day).orders.values()] if not e.request.entry_id]
    for stop in (97, 95):
        wanted = Exits(stop_price=Decimal(stop))
        changed = ExitsChanged(at=at(9, 45, 20), entry_id=entry, exits=wanted, by="by_hand")
        day.journal.append(changed)
        trader = day.traded([tick(at(9, 46 + (stop == 95), second), 100) for second in range(20)])
        [order] = [each for each in trader.book.exits_of(entry) if each.state.is_live]
        [there] = [each for each in day.stops() if each.state.is_live]
        assert order.request.trigger_price == there.trigger_price == stop
    assert moves == [97, 95]


def test_a_trigger_that_a_person_moved_at_the_broker_is_moved_back(tmp_path: Path) -> None:
    class Moved(Venue):
        has_moved = False

        async def orders(self) -> Sequence[OrderReport]:
            for known, report in list(self._orders.items()):
                if report.order_type is OrderType.SL and not self.has_moved:
                    self.has_moved = True
                    self._orders[known] = replace(report, trigger_price=Decimal(90))
            return await super().orders()

    day = Day(tmp_path / "day", lambda: Once(Side.BUY, 100, stop_price=95))
    day.venue_class = Moved
    trader = day.traded([*ENTERED, *quiet(1)])
    [there] = day.stops()
    assert there.trigger_price == 95
    assert trader.book.state is TradingState.ACTIVE


def _book(day: Day) -> Any:
    from duckbourse.orders.book import rebuild_book

    return rebuild_book(Decimal(100_000), list(day.journal.events), lambda _: None)


class Over(Venue):
    """What is filled of an order is reported ten times, and its other words are true."""

    is_silent = False
    is_of_exits = True
    has_quantity = True

    def _send(self, update: Any) -> None:
        super()._send(self._of(update) if isinstance(update, OrderReport) else update)

    def _of(self, report: OrderReport) -> OrderReport:
        if report.side is Side.SELL and not self.is_of_exits:
            return report
        more = {} if self.has_quantity else {"quantity": report.quantity * 10}
        price = report.average_price or Decimal(100)
        count = report.filled_quantity * 10
        return replace(report, filled_quantity=count, average_price=price, **more)

    async def orders(self) -> Sequence[OrderReport]:
        return [self._of(each) for each in await super().orders()]

    async def find(self, order_id: str) -> Sequence[OrderReport]:
        return [self._of(each) for each in await super().find(order_id)]

    async def positions(self) -> Sequence[Holding]:
        if self.is_silent and clock.now() > at(9, 45):
            raise BrokerUnclear("positions are down")
        return await super().positions()


@pytest.mark.parametrize("is_silent", [False, True])
@pytest.mark.parametrize("is_of_exits", [False, True])
@pytest.mark.parametrize("has_quantity", [False, True])
@pytest.mark.parametrize("seconds", [1, 600], ids=["as it passes", "hastened"])
def test_exits_send_no_more_than_was_ordered_whatever_is_reported_as_filled(
    tmp_path: Path, is_silent: bool, is_of_exits: bool, has_quantity: bool, seconds: int
) -> None:
    """They sold ten times what was held, bought it back ten times, and so on."""

    class Lying(Over):
        pass

    Lying.is_silent, Lying.is_of_exits, Lying.has_quantity = is_silent, is_of_exits, has_quantity
    day = Unresting(tmp_path / "day", lambda: Once(Side.BUY, 100, stop_price=95))
    day.venue_class = Lying
    later = [tick(at(10) + timedelta(seconds=seconds * each), 90) for each in range(34)]
    trader = day.traded([*ENTERED, *quiet(1)[:10], *later])
    asked = [each.request for each in trader.book.orders.values() if each.sent_at]
    entered = sum(each.quantity for each in asked if each.reason is Reason.ENTRY)
    left = sum(each.quantity for each in asked if each.reason is not Reason.ENTRY)
    assert day.held() == 0, "it is closed, and no more than that"
    assert sum(each.fill.quantity for each in day.trades) == 200
    if has_quantity:
        assert left <= entered == 100
    assert trader.book.state is TradingState.HALTED


def test_a_fill_of_more_than_was_ordered_that_the_broker_holds_is_closed(tmp_path: Path) -> None:
    """Both orders under one tag were filled."""

    class Twice(Venue):
        def _fill(self, report: OrderReport, quantity: int, price: Decimal, filled_at: Any) -> Any:
            if report.side is Side.BUY:
                quantity *= 2
            return super()._fill(report, quantity, price, filled_at)

    day = Unresting(tmp_path / "day", lambda: Once(Side.BUY, 100, stop_price=95))
    day.venue_class = Twice
    trader = day.traded([*ENTERED, *quiet(1), *quiet(2, 90)[55:]])
    assert sum(each.fill.quantity for each in day.trades) == 400
    assert day.held() == 0 and trader.book.open_positions() == []


def test_the_first_exit_of_a_fill_that_contradicts_waits_for_the_positions(tmp_path: Path) -> None:
    """Of what is reported as a hundred, ten are held: to sell what was ordered opens a short."""

    class Partly(Venue):
        def _fill(self, report: OrderReport, quantity: int, price: Decimal, filled_at: Any) -> Any:
            if report.side is Side.BUY:
                if self._trades:
                    return None
                quantity = 10
            return super()._fill(report, quantity, price, filled_at)

        def _send(self, update: Any) -> None:
            if isinstance(update, OrderReport):
                super()._send(self._of(update))

        def _of(self, report: OrderReport) -> OrderReport:
            if report.side is Side.SELL:
                return report
            return replace(
                report, state=State.FILLED, filled_quantity=110, average_price=Decimal(100)
            )

        async def orders(self) -> Sequence[OrderReport]:
            return [self._of(each) for each in await super().orders()]

        async def find(self, order_id: str) -> Sequence[OrderReport]:
            return [self._of(each) for each in await super().find(order_id)]

    day = Unresting(tmp_path / "day", lambda: Once(Side.BUY, 100, stop_price=95))
    day.venue_class = Partly
    trader = day.traded([*ENTERED[:1], *quiet(1, 90)[:20]])
    sold = [each.request.quantity for each in trader.book.orders.values() if each.request.entry_id]
    assert sold == [10] and day.held() == 0


def test_what_a_broker_adds_to_an_order_was_not_ordered() -> None:
    def run(unbooked: Unbooked, pass_by: Callable[[float], None]) -> None:
        unbooked.raise_ordered("one", 10)
        unbooked.raise_ordered("one", 100)
        assert unbooked.ordered("one", 1000) == 10
        assert unbooked.ordered("one", 4) == 4
        assert unbooked.ordered("another", 1000) == 1000

    counted(run)


def test_the_pauses_begin_again_with_a_stop_that_rested(tmp_path: Path) -> None:
    asked: list[float] = []

    class Refusing(Venue):
        async def place(self, request: Request) -> str:
            if request.order_type is OrderType.SL:
                asked.append(clock.session_seconds())
                if len(asked) in (1, 2, 4):
                    raise BrokerRejected("try later")
                broker_order_id = await super().place(request)
                if len(asked) == 3:
                    asyncio.get_running_loop().call_later(10, self._end, broker_order_id)
                return broker_order_id
            return await super().place(request)

        def _end(self, broker_order_id: str) -> None:
            self.ending = asyncio.ensure_future(PaperBroker.cancel(self, broker_order_id))

    day = Day(tmp_path / "day", lambda: Once(Side.BUY, 100, stop_price=95))
    day.venue_class = Refusing
    day.traded([*ENTERED, *quiet(2)])
    pauses = [after - before for before, after in pairwise(asked)]
    assert [round(paused) // 5 for paused in pauses] == [0, 1, 2, 1]


def test_a_stop_that_was_taken_back_is_given_again_at_once(tmp_path: Path) -> None:
    asked: list[float] = []

    class Noting(Venue):
        async def place(self, request: Request) -> str:
            if request.order_type is OrderType.SL:
                asked.append(clock.session_seconds())
            return await super().place(request)

        async def modify(self, broker_order_id: str, request: Request) -> None:
            raise BrokerRejected("never")

    class Selling(Once):
        """Sells a part of what it holds, so that the stop has to be smaller."""

        def generate_orders(self, context: Context) -> Sequence[Request]:
            if context.now < at(9, 45, 20):
                return super().generate_orders(context)
            return [context.entry("part", "A", Side.SELL, 40, limit_price=Decimal(100))]

    day = Day(tmp_path / "day", lambda: Selling(Side.BUY, 100, stop_price=95))
    day.venue_class = Noting
    day.traded([*ENTERED, *quiet(1)])
    assert [each.quantity for each in day.stops()] == [100, 60]
    assert asked[1] - asked[0] < 20
