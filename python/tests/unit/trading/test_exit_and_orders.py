"""An exit beside other orders of its symbol: nothing delays it, and nothing is oversold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.errors import BrokerRejected, JournalError
from duckbourse.orders import events
from duckbourse.orders.denial import OrderDeniedError
from duckbourse.orders.events import Event
from duckbourse.orders.journal import Written
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Exits, Order, Product, Reason, Request, Side
from duckbourse.trading.loop import Trader
from duckbourse.trading.strategy import Context, Strategy
from tests.support.market import Market, at, tick, with_limits
from tests.support.venue import MemoryJournal, Venue
from tests.unit.trading.test_resting import ENTERED, Day, Once


class Twice(Once):
    """Buys 10 with a stop, and sends a second order a minute later."""

    def __init__(self, second: tuple[Side, int], stop_price: int, limit: str | None = None) -> None:
        super().__init__(Side.BUY, 10, stop_price=stop_price)
        self.second = second
        self.limit = limit and Decimal(limit)

    def generate_orders(self, context: Context) -> Sequence[Request]:
        if context.now < at(9, 46):
            return super().generate_orders(context)
        limit = {"limit_price": self.limit} if self.limit else {}
        return [context.entry("two", "A", *self.second, **limit)]  # type: ignore[arg-type]


class Unresting(Day):
    """A day at a venue that cannot rest stops."""

    @contextmanager
    def venue(self) -> Iterator[Venue]:
        with super().venue() as venue:
            venue.capabilities = replace(venue.capabilities, can_rest_stops=False)
            yield venue


class Failing(MemoryJournal):
    """Cannot write the intent of the second entry, nor anything after it."""

    def append(self, event: Event) -> Written:
        if self.failure is not None:
            raise self.failure
        if isinstance(event, events.OrderIntended) and event.request.correlation_id == "two":
            self.failure = JournalError("the disk is gone", "replace it")
            failed = Written()
            failed.set_exception(self.failure)
            return failed
        return super().append(event)


def exits_of(trader: Trader) -> list[Order]:
    return [each for each in trader.book.orders.values() if each.request.reason is not Reason.ENTRY]


@pytest.mark.parametrize("kind", [Day, Unresting])
@pytest.mark.parametrize("side", Side)
def test_a_position_is_left_after_the_journal_failed_on_an_entry(
    tmp_path: Path, side: Side, kind: type[Day]
) -> None:
    day = kind(tmp_path / "day", lambda: Twice((side, 4), 95))
    day.journal = Failing()
    ticks = [
        *(tick(at(9, 46, second), 100) for second in range(5)),
        *(tick(at(9, 47, second), 94) for second in range(30)),
    ]
    trader = day.traded([*ENTERED, *ticks])
    [unsent] = [
        each for each in trader.book.orders.values() if each.request.correlation_id == "two"
    ]
    assert unsent.state is State.NOT_PLACED
    assert day.held() == 0


def test_an_exit_does_not_wait_for_the_answer_to_an_entry(tmp_path: Path) -> None:
    class Slow(Venue):
        async def place(self, request: Request) -> str:
            if request.correlation_id == "two":
                await asyncio.sleep(4)
            return await super().place(request)

    day = Unresting(tmp_path / "day", lambda: Twice((Side.BUY, 4), 97))
    day.venue_class = Slow
    ticks = [tick(at(9, 46, 1 + tenth / 10), 96) for tenth in range(30)]
    trader = day.traded([*ENTERED, tick(at(9, 46), 100), *ticks])
    assert [order.state for order in exits_of(trader)] == [State.FILLED]
    assert not [
        event
        for event in day.journal.events
        if isinstance(event, events.TradingStateChanged) and event.by == "exits"
    ]


def test_a_refused_cancel_is_asked_again_after_longer_pauses(tmp_path: Path) -> None:
    asked: list[float] = []

    class Refusing(Venue):
        async def cancel(self, broker_order_id: str) -> None:
            asked.append(clock.session_seconds())
            raise BrokerRejected("being processed")

    day = Day(tmp_path / "day", max_orders_per_session=60)
    day.traded(ENTERED)
    day.venue_class = Refusing
    start = at(9, 50)
    day.traded([tick(start + timedelta(milliseconds=100 * each), 111) for each in range(100)])
    pauses = [after - before for before, after in pairwise(asked)]
    assert 2 <= len(pauses) <= 6
    assert pauses[0] >= 1 and pauses == sorted(pauses)


@pytest.mark.parametrize("product", [Product.MIS, Product.CNC])
def test_an_order_that_waited_for_a_stop_is_denied_once_the_stop_has_filled(
    tmp_path: Path, product: Product
) -> None:
    class Slow(Venue):
        async def modify(self, broker_order_id: str, request: Request) -> None:
            await asyncio.sleep(0.8)
            await super().modify(broker_order_id, request)

    day = Day(tmp_path / "day", lambda: Twice((Side.SELL, 4), 95), product=product)
    day.traded(ENTERED)
    day.venue_class = Slow
    prices = ["100" if tenth < 5 else "94.5" for tenth in range(60)]
    trader = day.traded([tick(at(9, 46, tenth / 10), price) for tenth, price in enumerate(prices)])
    assert day.held() == 0
    [second] = [
        each for each in trader.book.orders.values() if each.request.correlation_id == "two"
    ]
    assert (second.state, second.message.split(":")[0]) == (State.DENIED, "REDUCE_ONLY")


def test_an_order_beside_an_exit_is_denied(tmp_path: Path) -> None:
    class Both(Strategy):
        def generate_orders(self, context: Context) -> Sequence[Request]:
            exits = Exits(stop_price=Decimal(98))
            if context.now < at(9, 46):
                return [context.entry("one", "A", Side.BUY, 100, exits=exits)]
            return [context.entry("less", "A", Side.SELL, 50)] if context.now >= at(9, 47) else []

    market = Market(tmp_path / "day", limits=with_limits(product=Product.MIS), signals=[])
    market.strategy = Both
    ticks = [
        *(tick(at(9, 45, second), 100) for second in range(4)),
        *(tick(at(9, 47, second), "97.5") for second in range(6)),
    ]
    trader = market.trade(ticks, to_end=False)
    assert trader.book.quantity("A", Product.MIS) == 0
    [denied] = [each for each in trader.book.orders.values() if each.state is State.DENIED]
    assert denied.message == "EXIT_AT_WORK: held=100, exit_reason=stop"


def test_a_stop_stays_in_step_whatever_changes_the_entry_meanwhile(tmp_path: Path) -> None:
    day = Day(tmp_path / "day")
    trader = day.traded(ENTERED)
    [entry] = trader.book.held_entries()
    resting = trader.exits._resting
    assert resting is not None
    assert resting._left(replace(entry, message="stored again")) == resting._left(entry) > 0


def test_an_order_beside_a_stop_grows_only_as_far_as_what_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    denials: list[str] = []
    on_records: Callable[..., object] = Trader.on_records

    async def changing(self: Trader, records: object) -> None:
        await on_records(self, records)  # type: ignore[misc]
        if clock.now() < at(9, 46, 5) or denials:
            return
        [order] = self.book.open_entries
        try:
            await self.manager.modify(order.request.order_id, quantity=8, limit_price=Decimal(102))
        except OrderDeniedError as denial:
            denials.append(str(denial))

    monkeypatch.setattr(Trader, "on_records", changing)
    day = Day(tmp_path / "day", lambda: Twice((Side.SELL, 4), 95, "102"))
    trader = day.traded([*ENTERED, *(tick(at(9, 46, second), 100) for second in range(8))])
    assert denials == ["RESTING_STOP: quantity=8, resting=6, held=10"]
    at_work = [each for each in trader.book.open_orders() if each.request.side is Side.SELL]
    assert sorted(each.open_quantity for each in at_work) == [4, 6]
