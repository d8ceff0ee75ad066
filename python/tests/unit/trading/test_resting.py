"""Stops that rest at the broker: there while something is held, and never in the way of an exit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.brokers.paper import FillRules, PaperBroker
from duckbourse.errors import BrokerRejected
from duckbourse.orders import events
from duckbourse.orders.book import rebuild_book
from duckbourse.orders.broker import OrderReport, TradeReport
from duckbourse.orders.events import TradingState
from duckbourse.orders.lifecycle import State
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import Exits, OrderType, Product, Reason, Request, Side
from duckbourse.streaming.feed import Tick
from duckbourse.trading.commands import Answer, Command, Inbox, OrderByHand, send
from duckbourse.trading.exits import _id_of
from duckbourse.trading.loop import Trader
from duckbourse.trading.resting import RestingStops
from duckbourse.trading.strategy import ChangeExits, Context, SignalStrategy, Strategy
from tests.support.counted_loop import CountedLoop, run_counted
from tests.support.market import Market, at, exits, instrument, tick, with_limits
from tests.support.venue import MarketFeed, MemoryJournal, Venue

CAPITAL = Decimal(100_000)
# ticks of the first seconds, in which 200 are bought at 100
ENTERED = [tick(at(9, 45, second), 100) for second in (1, 2, 3, 4)]


class Trailing(SignalStrategy):
    """Enters on signals, and leaves two below the best price."""

    def generate_orders(self, context: Context) -> Sequence[Request]:
        exits = Exits(trail_distance=Decimal(2))
        return [replace(each, exits=exits) for each in super().generate_orders(context)]


class Once(Strategy):
    """Sends one order of A at its time."""

    def __init__(self, side: Side, quantity: int, second: float = 1, **exits: Any) -> None:
        self.asked = (side, quantity)
        self.at = at(9, 45, second)
        self.exits = {name: Decimal(price) for name, price in exits.items()}

    def generate_orders(self, context: Context) -> Sequence[Request]:
        if context.now < self.at:
            return []
        exits = Exits(**self.exits) if self.exits else None  # type: ignore[arg-type]
        return [context.entry("one", "A", *self.asked, exits=exits)]


class Day:
    """One account at one venue that can rest stops; the loop may be down in between."""

    def __init__(
        self,
        folder: Path,
        strategy: Callable[[], Strategy] = SignalStrategy,
        others: Mapping[str, Callable[[], Strategy]] = MappingProxyType({}),
        **limits: Any,
    ) -> None:
        self.market = Market(folder, limits=with_limits(**limits))
        self.strategies = {"signals": strategy, **others}
        folder.mkdir(parents=True, exist_ok=True)
        self.journal = MemoryJournal()
        self.venue_class = Venue
        self.grace_seconds = 0.0
        self.capabilities = {"can_rest_stops": True, "is_simulated": False}
        self.trades: Sequence[TradeReport] = ()
        self.orders: Sequence[OrderReport] = ()

    @contextmanager
    def venue(self) -> Iterator[Venue]:
        """Yield the venue, which lives on where the loop does not."""
        rules = FillRules(slippage_bps=Decimal(0), latency_ms=0)
        venue = self.venue_class(self.market.folder, {"A": Decimal("0.01")}, CAPITAL, rules)
        venue.capabilities = replace(Venue.capabilities, **self.capabilities)
        try:
            yield venue
        finally:
            self.trades, self.orders = venue._trades, list(venue._orders.values())
            venue.close()

    def go_on(self, ticks: Sequence[dict[str, Any]]) -> None:
        """Let the market go on while the loop is down."""

        async def play(loop: CountedLoop) -> None:
            with self.venue() as venue:
                for known in ticks:
                    venue.on_tick(MarketFeed([], ("A",)).tick_of(known))

        with clock.driven_by(lambda: ticks[0]["at"]):
            run_counted(play, arrival_seconds=0)

    def traded(
        self, ticks: Sequence[dict[str, Any]], state: TradingState = TradingState.ACTIVE
    ) -> Trader:
        """Trade on ticks; the loop is gone after the last one."""

        async def play(loop: CountedLoop) -> Trader:
            with self.venue() as venue:
                return await self.played(venue, ticks, state)

        with clock.driven_by(lambda: ticks[0]["at"] - timedelta(seconds=1)):
            return run_counted(play, arrival_seconds=0)

    async def played(
        self, venue: Venue, ticks: Sequence[dict[str, Any]], state: TradingState
    ) -> Trader:
        feed = MarketFeed(ticks, tuple(sorted(self.market.instruments)), venue=venue)
        manager = Manager(
            rebuild_book(CAPITAL, list(self.journal.events), lambda _: None),
            self.journal,  # type: ignore[arg-type]
            venue,
            check=lambda *asked: trader.pre_trade_check(*asked),
            grace_seconds=self.grace_seconds,
        )
        folder = self.market.folder
        strategies = {name: strategy() for name, strategy in self.strategies.items()}
        trader = Trader(self.market.publication(), manager, feed, strategies, folder)
        assert await trader.start() == ()
        if state is not TradingState.ACTIVE:
            trader.manager.set_state(state, "by the test", "test")
        async for records in feed.ticks():
            await trader.on_records(records)
        return trader

    def stops(self) -> list[OrderReport]:
        return [order for order in self.orders if order.order_type is OrderType.SL]

    def held(self) -> int:
        return sum(trade.fill.signed_quantity for trade in self.trades)


def test_a_stop_rests_as_soon_as_an_entry_fills_and_works_while_the_loop_is_down(
    tmp_path: Path,
) -> None:
    day = Day(tmp_path / "day")
    day.traded(ENTERED)
    held = day.held()
    assert held > 0
    (stop,) = day.stops()
    assert (stop.state, stop.quantity, stop.trigger_price) == (
        State.TRIGGER_PENDING,
        held,
        Decimal(98),
    )
    # the loop is down, and the market falls
    day.go_on([tick(at(9, 50), "97.5"), tick(at(9, 50, 1), "97.4")])
    assert day.held() == 0
    trader = day.traded([tick(at(9, 55, second), 97) for second in range(5)])
    assert trader.book.open_positions() == []
    assert trader.book.cash_amount == CAPITAL + held * (Decimal("97.5") - 100)
    assert day.held() == 0
    assert len(day.orders) == 2


def test_an_exit_takes_over_from_the_resting_stop(tmp_path: Path) -> None:
    day = Day(tmp_path / "day")
    trader = day.traded([*ENTERED, *(tick(at(9, 50, second), 111) for second in range(5))])
    (stop,) = day.stops()
    assert stop.state is State.CANCELLED
    assert day.held() == 0
    assert trader.book.open_positions() == []
    closing = [order.request.reason for order in trader.book.orders.values()][1:]
    assert closing == [Reason.STOP, Reason.TARGET]


def test_a_stop_that_the_market_reaches_is_executed_once(tmp_path: Path) -> None:
    day = Day(tmp_path / "day")
    falling = [tick(at(9, 50, second), 97 - second / 10) for second in range(10)]
    trader = day.traded([*ENTERED, *falling])
    assert day.held() == 0
    (stop,) = day.stops()
    assert stop.state is State.FILLED
    assert len(trader.book.orders) == 2


def test_a_stop_that_the_broker_does_not_trigger_is_taken_over_after_a_while(
    tmp_path: Path,
) -> None:
    class Stuck(Venue):
        def on_tick(self, tick: Tick) -> None:
            rests = any(each.state is State.TRIGGER_PENDING for each in self._orders.values())
            if tick.price > 98 or not rests:
                super().on_tick(tick)

    day = Day(tmp_path / "day")
    day.venue_class = Stuck
    trader = day.traded([*ENTERED, *(tick(at(9, 50, second), 97) for second in range(6))])
    assert day.held() == 0
    assert [each.state for each in day.stops()] == [State.CANCELLED]
    assert [each.request.reason for each in exits(trader)] == [Reason.STOP] * 2
    [asked] = [each for each in day.journal.events if isinstance(each, events.CancelRequested)]
    assert asked.at == at(9, 50, trader.publication.limits.exit_reprice_ms / 1000)


def test_a_resting_stop_follows_a_trailing_stop_in_steps(tmp_path: Path) -> None:
    day = Day(tmp_path / "day", Trailing)
    rising = [tick(at(9, 50, step), f"{Decimal(1000 + step) / 10}") for step in range(30)]
    trader = day.traded([*ENTERED, *rising])
    (stop,) = day.stops()
    assert stop.trigger_price is not None
    assert Decimal("0") <= Decimal("102.9") - 2 - stop.trigger_price < Decimal("0.2")
    (order,) = [one for one in trader.book.orders.values() if one.request.trigger_price]
    assert 10 <= order.modification_count <= 15


def test_an_exit_does_not_wait_for_a_stop_that_rests_for_another_strategy(tmp_path: Path) -> None:
    day = Day(
        tmp_path / "day",
        lambda: Once(Side.BUY, 100, stop_price=95, target_price=103),
        {"short": lambda: Once(Side.SELL, 50, 5, stop_price=110)},
    )
    rising = [tick(at(9, 50, second), 104) for second in range(10)]
    trader = day.traded([tick(at(9, 45, second), 100) for second in range(1, 12)] + rising)
    entries = [order.request.strategy for order in trader.book.held_entries()]
    assert entries == ["short"]
    resting = [order for order in day.stops() if order.state is State.TRIGGER_PENDING]
    assert [(order.side, order.quantity) for order in resting] == [(Side.BUY, 50)]


@pytest.mark.parametrize("with_stops", [("buys",), ("sells",), ("buys", "sells")])
def test_stops_that_rest_give_way_before_two_sides_close_each_other(
    tmp_path: Path, with_stops: tuple[str, ...]
) -> None:
    stops = {"buys": {"stop_price": 90}, "sells": {"stop_price": 110}}
    of = {name: stops[name] if name in with_stops else {} for name in stops}
    day = Day(
        tmp_path / "session",
        lambda: Once(Side.BUY, 100, **of["buys"]),
        {"sells": lambda: Once(Side.SELL, 100, 3, **of["sells"])},
    )
    day.traded([tick(at(9, 45, second), 100) for second in range(1, 10)])
    with clock.driven_by(lambda: at(9, 46)):
        send(day.market.folder, "square-off", "by hand")
    trader = day.traded([tick(at(9, 46, second), 100) for second in range(1, 10)])
    assert not trader.book.held_entries()
    sent = [each for each in exits(trader) if each.sent_at]
    assert [each.state for each in sent] == [State.CANCELLED] * len(with_stops)


def test_a_trailing_stop_leaves_the_exits_their_requests(tmp_path: Path) -> None:
    day = Day(tmp_path / "day", Trailing, max_orders_per_session=20)
    rising = [tick(at(9, 50, step), f"{Decimal(1000 + 5 * step) / 10}") for step in range(60)]
    later = [tick(at(15, 45, second), 130) for second in range(10)]
    trader = day.traded([*ENTERED, *rising, *later])
    assert day.held() == 0
    assert [exit_order.request.reason for exit_order in exits(trader)][-1] is Reason.SQUARE_OFF
    sent = [event for event in day.journal.events if isinstance(event, events.ModifyRequested)]
    assert len(sent) == 14  # of 16 that are not kept for exits; one entry, one stop


def test_an_exit_without_requests_left_halts_at_once(tmp_path: Path) -> None:
    day = Day(tmp_path / "day", max_orders_per_session=2)
    trader = day.traded([*ENTERED, *(tick(at(9, 50, second), 111) for second in range(3))])
    assert trader.book.state is TradingState.HALTED
    assert trader.book.state_reason == (
        "A cannot be closed: the session has no requests left: close it at the broker"
    )


@pytest.mark.parametrize("lost", ["the stop", "the exit that filled"])
def test_an_exit_that_the_journal_lost_is_an_exit_still(tmp_path: Path, lost: str) -> None:
    day = Day(tmp_path / "day")
    leaving = [] if lost == "the stop" else [tick(at(9, 50, second), 111) for second in range(5)]
    day.traded([*ENTERED, *leaving])
    is_exit = [
        isinstance(event, events.OrderIntended) and event.request.reason is not Reason.ENTRY
        for event in day.journal.events
    ]
    first = is_exit.index(True)
    if lost != "the stop":
        first = is_exit.index(True, first + 1)
    del day.journal.events[first:]
    trader = day.traded([tick(at(9, 55, second), 100) for second in range(5)])
    assert trader.book.state is TradingState.HALTED
    [adopted] = [event for event in day.journal.events if isinstance(event, events.OrderAdopted)]
    [entry] = [o for o in trader.book.orders.values() if o.request.reason is Reason.ENTRY]
    assert (adopted.request.entry_id, adopted.request.strategy) == (
        entry.request.order_id,
        entry.request.strategy,
    )
    if lost == "the stop":
        (stop,) = day.stops()
        assert (adopted.request.reason, stop.state) == (Reason.STOP, State.TRIGGER_PENDING)
        trader = day.traded([tick(at(9, 56, second), 111) for second in range(5)])
    assert day.held() == 0
    assert trader.book.held_entries() == []
    assert trader.book.open_positions() == []
    assert all(not held.quantity for _, held in trader.book.strategy_positions())


def test_an_attempt_never_takes_the_id_of_an_order_that_is_known(tmp_path: Path) -> None:
    trader = Day(tmp_path / "day").traded(ENTERED)
    [entry] = trader.book.held_entries()
    entry_id = entry.request.order_id
    account, day = trader.publication.limits.account, trader.publication.session_date
    second, third = (_id_of(account, day, entry_id, attempt) for attempt in (2, 3))
    adopted = replace(entry.request, order_id=second)
    trader.manager.record(
        events.OrderAdopted(at=at(9, 50), request=adopted, broker_order_id="adopted")
    )
    with clock.driven_by(lambda: at(9, 50)):
        assert trader.exits._request(entry, 1, 0).order_id == third


@pytest.mark.parametrize("product", [Product.CNC, Product.MIS])
@pytest.mark.parametrize("state", [TradingState.ACTIVE, TradingState.REDUCING])
@pytest.mark.parametrize(("quantity", "rest"), [(10, []), (4, [6])])
def test_a_resting_stop_gives_way_to_an_order_that_reduces(
    tmp_path: Path, product: Product, state: TradingState, quantity: int, rest: list[int]
) -> None:
    class Reducing(Once):
        def generate_orders(self, context: Context) -> Sequence[Request]:
            bought = super().generate_orders(context)
            if context.now < at(9, 46):
                return bought
            return [context.entry("less", "A", Side.SELL, quantity)]

    day = Day(tmp_path / "day", lambda: Reducing(Side.BUY, 10, stop_price=95), product=product)
    day.traded(ENTERED)
    assert [stop.quantity for stop in day.stops()] == [10]
    # the venue, like a real one, takes no orders to sell more than is held
    asked: list[int] = []

    class Strict(Venue):
        async def place(self, request: Request) -> str:
            live = [each for each in self._orders.values() if each.state.is_live]
            asked.append(request.quantity + sum(each.quantity for each in live))
            return await super().place(request)

        async def cancel(self, broker_order_id: str) -> None:
            cancelled = PaperBroker.cancel(self, broker_order_id)
            loop = asyncio.get_running_loop()
            loop.call_later(1.5, lambda: asyncio.ensure_future(cancelled))

    day.venue_class = Strict
    ticks = [tick(at(9, 46, second), 100) for second in range(8)]
    trader = day.traded(ticks, state=state)
    assert max(asked) <= 10
    assert day.held() == 10 - quantity
    assert trader.book.quantity("A", product) == 10 - quantity
    resting = [stop.quantity for stop in day.stops() if stop.state is State.TRIGGER_PENDING]
    assert resting == rest


@pytest.mark.parametrize("is_refused", [True, False])
@pytest.mark.parametrize("is_outside", [True, False])
def test_a_stop_never_rests_for_more_than_is_held(
    tmp_path: Path, is_refused: bool, is_outside: bool
) -> None:
    """A stop that lay outside the band of a new publication rested for what had been sold."""

    class Reducing(Once):
        def generate_orders(self, context: Context) -> Sequence[Request]:
            bought = super().generate_orders(context)
            if context.now < at(9, 46):
                return bought
            return [context.entry("less", "A", Side.SELL, 4)]

    class Refusing(Venue):
        async def modify(self, broker_order_id: str, request: Request) -> None:
            if is_refused:
                raise BrokerRejected("no modifications today")
            await super().modify(broker_order_id, request)

    day = Day(tmp_path / "day", lambda: Reducing(Side.BUY, 10, stop_price=95))
    day.venue_class = Refusing
    day.traded(ENTERED)
    assert [stop.quantity for stop in day.stops()] == [10]
    if is_outside:
        of_today = instrument(prior_close=Decimal(108), price_band_pct=Decimal(8))
        day.market.instruments = {"A": of_today}
    trader = day.traded([tick(at(9, 46, second), 100) for second in range(8)])
    resting = [stop.quantity for stop in day.stops() if stop.state is State.TRIGGER_PENDING]
    assert (day.held(), resting) == (6, [] if is_outside else [6])
    said = [each for each in day.journal.events if isinstance(each, events.StopTakenBack)]
    assert len(said) == is_outside
    if is_outside:
        [entry] = trader.book.held_entries()
        assert (said[0].entry_id, said[0].symbol) == (entry.request.order_id, "A")
        assert said[0].detail.startswith(("PRICE_BAND", "TRIGGER"))


@pytest.mark.some_day
def test_a_sale_by_hand_says_that_it_waits_for_the_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, answer = [], Inbox.answer

    def received(inbox: Inbox, command: Command, given: Answer) -> None:
        said.append(given.message)
        answer(inbox, command, given)

    monkeypatch.setattr(Inbox, "answer", received)
    day = Day(tmp_path / "day")
    day.strategies = {}
    bought = OrderByHand(action="buy", target="A", quantity=10, stop_price=Decimal(98))
    send(day.market.folder, "order", "", request_id="one", order=bought)
    day.traded(ENTERED)
    said.clear()
    sold = OrderByHand(action="sell", target="A", quantity=4)
    send(day.market.folder, "order", "", request_id="two", order=sold)
    trader = day.traded([tick(at(9, 46, second), 100) for second in range(8)])
    assert said[0] == "waiting for its turn: the stop at the broker gives way first"
    assert said[-1] == "4 of 4 A filled at 100.00"
    assert trader.book.quantity("A", Product.MIS) == 6


@pytest.mark.parametrize(
    ("side", "stop", "trigger"),
    [(Side.BUY, "97.003", "97.00"), (Side.SELL, "102.003", "102.01")],
)
def test_a_stop_between_two_ticks_rests_no_earlier(
    tmp_path: Path, side: Side, stop: str, trigger: str
) -> None:
    day = Day(tmp_path / "day", lambda: Once(side, 10, stop_price=stop))
    day.traded(ENTERED)
    assert [each.trigger_price for each in day.stops()] == [Decimal(trigger)]


def test_an_order_that_closes_the_oldest_leaves_the_stop_of_the_next(tmp_path: Path) -> None:
    class Twice(Once):
        def generate_orders(self, context: Context) -> Sequence[Request]:
            bought = [
                context.entry(name, "A", Side.BUY, 10, exits=Exits(stop_price=Decimal(95)))
                for name in ("one", "two")
            ]
            if context.now < at(9, 46):
                return bought
            # above the market, where it does not fill
            return [context.entry("less", "A", Side.SELL, 4, limit_price=Decimal(101))]

    day = Day(tmp_path / "day", lambda: Twice(Side.BUY, 10))
    day.traded([*ENTERED, *(tick(at(9, 46, second), 100) for second in range(8))])
    assert day.held() == 20
    resting = [stop.quantity for stop in day.stops() if stop.state is State.TRIGGER_PENDING]
    assert sorted(resting) == [6, 10]


def test_a_resting_stop_follows_the_exits_that_are_moved(tmp_path: Path) -> None:
    """Also where the new exits have no stop: then nothing may rest."""

    class Moving(Once):
        def generate_orders(self, context: Context) -> Sequence[Any]:
            orders: list[Any] = list(super().generate_orders(context))
            for entry in context.entries:
                stop = Decimal(99) if context.now < at(9, 50) else None
                exits = Exits(stop_price=stop, target_price=Decimal(120))
                orders.append(ChangeExits(entry.request.order_id, exits))
            return orders

    day = Day(tmp_path / "day", lambda: Moving(Side.BUY, 100, stop_price=95))
    day.traded([*ENTERED, tick(at(9, 46), 100), tick(at(9, 46, 1), 100)])
    assert [(each.state, each.trigger_price) for each in day.stops()] == [
        (State.TRIGGER_PENDING, Decimal(99))
    ]
    trader = day.traded([tick(at(9, 50, second), 100) for second in range(6)])
    assert [each.state for each in day.stops()] == [State.CANCELLED]
    assert day.held() == 100
    assert trader.book.open_positions()


@pytest.mark.parametrize("moved", [{"stop_price": "95.5"}, {"trail_distance": "9.5"}])
def test_a_stop_that_a_person_moves_moves_at_the_broker_at_once(
    tmp_path: Path, moved: dict[str, str]
) -> None:
    """The steps are for moves of the trail: a stop beside one stayed where it was all day."""
    day = Day(tmp_path / "day", lambda: Once(Side.BUY, 100, stop_price=95, trail_distance=10))
    if "trail_distance" in moved:
        day.strategies["signals"] = lambda: Once(Side.BUY, 100, trail_distance=10)
    day.traded([*ENTERED, tick(at(9, 46), 100)])
    prices: dict[str, Any] = {name: Decimal(price) for name, price in moved.items()}
    wanted = OrderByHand(action="modify", target="A", **prices)
    with clock.driven_by(lambda: at(9, 46)):
        send(day.market.folder, "order", "by hand", request_id="move", order=wanted)
    day.traded([tick(at(9, 47, second), 100) for second in range(4)])
    [stop] = day.stops()
    assert stop.trigger_price == (Decimal("95.5") if "stop_price" in moved else Decimal("90.5"))


@pytest.mark.parametrize(("is_moved", "trigger"), [(False, "90"), (True, "90.5")])
def test_a_trail_moves_in_steps_from_where_its_stop_was_placed_or_moved(
    tmp_path: Path, is_moved: bool, trigger: str
) -> None:
    day = Day(tmp_path / "day", lambda: Once(Side.BUY, 100, trail_distance=10))
    rising = [tick(at(9, 48, second), f"100.{second + 1}") for second in range(6)]
    day.traded([*ENTERED, tick(at(9, 46), 100), *([] if is_moved else rising)])
    if is_moved:
        wanted = OrderByHand(action="modify", target="A", trail_distance=Decimal("9.5"))
        with clock.driven_by(lambda: at(9, 46)):
            send(day.market.folder, "order", "by hand", request_id="move", order=wanted)
        day.traded([*(tick(at(9, 47, second), 100) for second in range(3)), *rising])
    assert [each.trigger_price for each in day.stops()] == [Decimal(trigger)]


@pytest.mark.parametrize(("is_moved", "trigger"), [(False, "90.1"), (True, "90.5")])
def test_a_loop_that_is_started_again_moves_a_trail_once_and_then_in_steps(
    tmp_path: Path, is_moved: bool, trigger: str
) -> None:
    """It does not know for which exits the stop rests: they may have been moved meanwhile."""
    day = Day(tmp_path / "day", lambda: Once(Side.BUY, 100, trail_distance=10))
    [entry] = day.traded([*ENTERED, tick(at(9, 46), 100)]).book.held_entries()
    if is_moved:
        day.journal.events.append(
            events.ExitsChanged(
                at=at(9, 46),
                entry_id=entry.request.order_id,
                exits=Exits(trail_distance=Decimal("9.5")),
                by="by_hand",
            )
        )
    rising = [tick(at(9, 48, second), f"100.{second}") for second in range(7)]
    [stop] = exits(day.traded(rising))
    assert (stop.request.trigger_price, stop.modification_count) == (Decimal(trigger), 1)


def test_a_stop_rests_for_no_more_than_one_order_may_have(tmp_path: Path) -> None:
    """To make it smaller, it may have the last requests, which are kept for exits."""
    day = Day(tmp_path / "day", lambda: Once(Side.BUY, 100, stop_price=95))
    day.market.limits = with_limits(max_orders_per_session=3)
    day.traded(ENTERED)
    assert [each.quantity for each in day.stops()] == [100]
    day.market.instruments = {"A": instrument(freeze_quantity=60)}
    day.traded([tick(at(9, 46, second), 100) for second in range(4)])
    assert [(each.state, each.quantity) for each in day.stops()] == [(State.TRIGGER_PENDING, 60)]


@pytest.mark.parametrize("trail", [None, 10])
def test_a_stop_is_looked_at_again_only_if_something_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trail: int | None
) -> None:
    """Each pass began a task for each held entry."""
    looks: list[int] = []
    keep = RestingStops.keep

    async def counted(self: RestingStops, *asked: Any) -> bool:
        looks.append(self.book.event_count)
        return await keep(self, *asked)

    monkeypatch.setattr(RestingStops, "keep", counted)
    day = Day(tmp_path / "day", lambda: Once(Side.BUY, 100, stop_price=95))
    if trail is not None:
        day.strategies = {"signals": lambda: Once(Side.BUY, 100, trail_distance=trail)}
    calm = [tick(at(9, 46, second), 100) for second in range(10)]
    risen = [tick(at(9, 47, second), 104) for second in range(10)]
    day.traded([*ENTERED, *calm, *risen])
    # once for each change of the book, and not at each of the ticks
    assert len(looks) == len(set(looks)) < 12
    stops = [each.trigger_price for each in day.stops()]
    assert stops == [Decimal(95) if trail is None else Decimal(94)]


class RefusingStops(Venue):
    """Notes when it is asked to rest or move a stop, and refuses some."""

    asked: ClassVar[list[float]]

    def is_refused(self, number: int, request: Request) -> bool:
        return True

    async def place(self, request: Request) -> str:
        if request.order_type is OrderType.SL:
            self.note(request)
        return await super().place(request)

    async def modify(self, broker_order_id: str, request: Request) -> None:
        self.note(request)
        await super().modify(broker_order_id, request)

    def note(self, request: Request) -> None:
        self.asked.append(clock.session_seconds())
        if self.is_refused(len(self.asked), request):
            raise BrokerRejected("try later")


def test_a_stop_that_the_broker_refuses_leaves_the_exits_their_requests(tmp_path: Path) -> None:
    """Nor do its refusals count as those of the exit that follows."""

    class Refusing(RefusingStops):
        asked: ClassVar[list[float]] = []

    day = Day(tmp_path / "day", lambda: Once(Side.BUY, 100, stop_price=95))
    day.market.limits = with_limits(max_orders_per_session=5)
    day.venue_class = Refusing
    ticks = [tick(at(9, 45, 5) + timedelta(seconds=second), 100) for second in range(60)]
    trader = day.traded([*ENTERED, *ticks, *(tick(at(9, 50, second), 94) for second in range(3))])
    assert [after - before for before, after in pairwise(Refusing.asked)] == [1, 5]
    assert day.held() == 0
    assert exits(trader)[-1].sent_at == at(9, 50)
    assert trader.book.state is TradingState.ACTIVE


def test_the_pauses_after_refusals_begin_again_with_a_stop_that_is_taken(tmp_path: Path) -> None:
    class Refusing(RefusingStops):
        asked: ClassVar[list[float]] = []

        def is_refused(self, number: int, request: Request) -> bool:
            return number % 2 == 1

    day = Day(tmp_path / "day", lambda: Once(Side.BUY, 100, trail_distance=10))
    day.venue_class = Refusing
    day.traded([tick(at(9, 45, second), 100 + second) for second in range(1, 16)])
    pauses = [after - before for before, after in pairwise(Refusing.asked)]
    assert pauses == [1] * 12


def test_a_stop_that_the_broker_triggered_makes_its_exit_due(tmp_path: Path) -> None:
    """Also if the loop was down as the price was there, and nobody bought."""
    day = Day(tmp_path / "day")
    day.traded(ENTERED)
    day.go_on([tick(at(9, 50), "97.5", quantity=0)])
    trader = day.traded([tick(at(9, 55, second), 100, quantity=0) for second in range(3)])
    assert [entry.request.symbol for entry in trader.book.held_entries()] == ["A"]
    assert list(trader.book.exit_reason.values()) == [Reason.STOP]


def test_a_move_that_the_broker_refuses_waits_before_the_next_try(tmp_path: Path) -> None:
    """After a restart, or a move by hand, it was asked for at every step of the loop."""
    asked = []

    class Refusing(Venue):
        async def modify(self, broker_order_id: str, request: Request) -> None:
            asked.append(request)
            raise BrokerRejected("try later")

    day = Day(tmp_path / "day", lambda: Once(Side.BUY, 100, trail_distance=10))
    day.venue_class = Refusing
    day.traded([*ENTERED, tick(at(9, 46), 100)])
    day.traded([tick(at(9, 47) + timedelta(seconds=second), "100.05") for second in range(120)])
    assert 1 < len(asked) < 10
