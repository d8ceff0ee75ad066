"""Positions are left, whatever the market, the broker, the clock and the process do."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from duckbourse.brokers.paper import PaperBroker
from duckbourse.errors import BrokerRejected, JournalError, StorageFull
from duckbourse.orders import events
from duckbourse.orders.events import TradingState
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Exits, Product, Reason, Request, Side, order_id_of
from duckbourse.risk.exits import quoted_price
from duckbourse.trading import commands
from duckbourse.trading.commands import Answer, Inbox, answer_to, prepare, send
from duckbourse.trading.strategy import Context, Strategy
from tests.support.factories import fill
from tests.support.market import DAY, Market, at, exits, instrument, signal, tick, with_limits


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return Market(tmp_path / "session")


def entered(*more: dict[str, Any]) -> list[dict[str, Any]]:
    """Return ticks on which A is bought at 100, at 9:45, and those that follow."""
    return [tick(at(9, 45, 1), 100), tick(at(9, 45, 2), 100), *more]


def falling(
    prices: Sequence[float | str], first: datetime, seconds: float = 1
) -> list[dict[str, Any]]:
    return [tick(first + timedelta(seconds=seconds * n), price) for n, price in enumerate(prices)]


class ByHand(Strategy):
    """Sends orders at given times, once each."""

    wanted: Sequence[tuple[datetime, Request]] = ()

    def generate_orders(self, context: Context) -> Any:
        return [
            request
            for when, request in self.wanted
            if when <= context.now and request.order_id not in context.account.orders
        ]


def by_hand(name: str, side: Side, limit: str, stop: str | None = None) -> Request:
    return Request(
        order_id=name,
        symbol="A",
        side=side,
        quantity=10,
        product=Product.MIS,
        limit_price=Decimal(limit),
        exits=Exits(stop_price=Decimal(stop)) if stop else None,
    )


def test_an_exit_follows_a_market_that_falls_through_its_limit(market: Market) -> None:
    """It was one limit order, 1 % beyond its trigger, that rested until it expired."""
    trader = market.trade(entered(*falling([97.9, 96.5, 95, 90, 88, 88, 88], at(9, 50))))
    assert trader.book.open_positions() == []
    assert [order.request.reason for order in exits(trader)] == [Reason.STOP]
    (order,) = exits(trader)
    assert order.state is State.FILLED
    # re-priced twice at most before the fall pauses
    assert order.average_price is not None and order.average_price >= 88


def test_the_protection_widens_in_steps_to_the_price_band(market: Market) -> None:
    market.instruments = {"A": instrument(price_band_pct=Decimal(10))}
    no_buyers = [tick(at(9, 50, second), 97, quantity=0) for second in range(40)]
    trader = market.trade(entered(*no_buyers))
    (order,) = exits(trader)
    limits = [str(event.limit_price) for event in market.of(events.ModifyRequested)]
    assert limits == ["95.06", "93.12", "90.00"]
    assert order.request.limit_price == Decimal(90)
    [delayed, *_] = market.of(events.ExitDelayed)
    assert delayed.detail == "limit 90.00 is at the price band"
    assert (delayed.symbol, delayed.reason, delayed.seconds) == ("A", Reason.STOP, 15)


def test_at_a_broker_that_modifies_nothing_another_order_takes_its_place(market: Market) -> None:
    class Unmodified(PaperBroker):
        capabilities = replace(PaperBroker.capabilities, can_modify=False)

    market.broker = Unmodified
    trader = market.trade(entered(*falling([97.9, 96.5, 95, 90, 88, 88, 88], at(9, 50))))
    assert trader.book.open_positions() == []
    *replaced, last = exits(trader)
    assert replaced
    assert {order.state for order in replaced} == {State.CANCELLED}
    assert last.state is State.FILLED
    assert market.of(events.ModifyRequested) == []


def test_people_are_notified_again_each_minute(market: Market) -> None:
    no_buyers = [tick(at(9, 50, second), 97, quantity=0) for second in range(0, 200)]
    market.trade(entered(*no_buyers))
    assert [event.seconds for event in market.of(events.ExitDelayed)] == [15, 75, 135, 195]


@pytest.mark.parametrize(("shares", "alerts"), [(1000, []), (40, [60, 120, 180])])
def test_an_exit_that_is_being_filled_is_late_after_a_minute(
    market: Market, shares: int, alerts: list[int]
) -> None:
    """The first part of an exit was a false alarm where ticks are 20 seconds apart."""
    slow = [tick(at(9, 50 + n // 3, 20 * (n % 3)), 97, quantity=shares) for n in range(11)]
    market.trade(entered(*slow))
    assert [event.seconds for event in market.of(events.ExitDelayed)] == alerts


def test_one_bad_print_moves_nothing(market: Market) -> None:
    """A print of 1,000 sent the target's exit, whose limit of 990 then rested to the close."""
    trader = market.trade(entered(tick(at(9, 50), 1000), *falling([100, 97, 96, 96], at(9, 51))))
    assert trader.book.open_positions() == []
    assert [order.request.reason for order in exits(trader)] == [Reason.STOP]


def test_a_bad_print_halts_nothing(market: Market) -> None:
    market.limits = with_limits(max_daily_loss_pct=Decimal(3))
    trader = market.trade(entered(tick(at(9, 50), "0.01"), *falling([100, 100], at(9, 51))))
    assert trader.book.state is TradingState.ACTIVE
    assert len(trader.book.open_positions()) == 1


def test_a_price_that_is_confirmed_is_acted_on(market: Market) -> None:
    trader = market.trade(entered(*falling([80, 80, 80, 80], at(9, 50))))
    assert trader.book.open_positions() == []


class Refusing(PaperBroker):
    """Rejects the first exits."""

    refusals = 3

    async def place(self, request: Request) -> str:
        if request.reason is not Reason.ENTRY and self.refusals:
            self.refusals -= 1
            raise BrokerRejected("RMS: try later")
        return await super().place(request)


def test_a_refused_exit_is_tried_again_with_an_id_of_its_own(market: Market) -> None:
    """It was never sent again, or after ten refusals by nobody."""
    market.broker = Refusing
    trader = market.trade(entered(*falling([97] * 60, at(9, 50))))
    tried = exits(trader)
    assert len({order.request.order_id for order in tried}) == 4
    assert [order.state for order in tried] == [State.REJECTED] * 3 + [State.FILLED]
    assert trader.book.open_positions() == []
    assert trader.book.state is TradingState.HALTED
    assert trader.book.state_reason == "A could not be closed in 3 tries, which go on"


@pytest.mark.some_day
def test_a_command_by_hand_tries_again_at_once(market: Market) -> None:
    class Never(Refusing):
        refusals = 1000

    market.broker = Never
    ticks = entered(*falling([97] * 100, at(9, 50)))
    market.trade(ticks, to_end=False)

    def square_off(trader: Any) -> None:
        send(market.folder, "square-off", "enough")

    market.broker = PaperBroker
    trader = market.trade(falling([97] * 6, at(9, 55)), at_tick={1: square_off})
    assert trader.book.open_positions() == []
    assert exits(trader)[-1].request.reason is Reason.BY_HAND


def test_a_stop_within_the_protection_of_the_band_leaves(market: Market) -> None:
    """A3 (1e): the limit lay beyond the band, so the exit was denied and never tried again."""
    market.instruments = {"A": instrument(price_band_pct=Decimal(10))}
    market.signals = [signal(stop_price=Decimal("90.5"))]
    trader = market.trade(entered(*falling([95, "90.4", "90.4", 95], at(9, 50))))
    (order,) = exits(trader)
    assert order.state is State.FILLED
    assert order.request.limit_price == Decimal("90.00")


def test_an_odd_lot_is_closed(market: Market) -> None:
    """A3 (2a): of two lots one and a third were filled, and LOT denied the exit."""
    market.instruments = {"A": instrument(lot_size=75)}
    some = [tick(at(9, 45, 1), 100), tick(at(9, 45, 2), 100, quantity=1000)]
    few = tick(at(9, 49), 97, quantity=0)
    trader = market.trade([*some, few, *falling([97] * 5, at(9, 50))])
    assert exits(trader)[0].request.quantity == 100
    assert trader.book.open_positions() == []


def test_a_half_day_is_squared_off_before_its_close(market: Market) -> None:
    """The account's 15:45 lay beyond the close."""
    market.closes = at(13)
    trader = market.trade(entered(tick(at(12, 44, 59), 101), *falling([101] * 3, at(12, 45))))
    assert trader.book.open_positions() == []
    assert [order.request.reason for order in exits(trader)] == [Reason.SQUARE_OFF]


def test_an_evening_session_is_traded_and_squared_off(market: Market) -> None:
    market.opens, market.closes = at(18, 15), at(19, 15)
    market.signals = [signal(known_at=at(18, 20), exit_at=at(23))]
    bought = [tick(at(18, 20, 1), 100), tick(at(18, 20, 2), 100)]
    trader = market.trade([*bought, *falling([100] * 3, at(19, 0))])
    assert [order.state for order in trader.book.orders.values()] == [State.FILLED] * 2


def test_a_position_without_a_tick_is_closed_after_a_restart(market: Market) -> None:
    """A restart forgot the price, and nothing was closed, not even at the square-off."""
    market.instruments = {name: instrument(name) for name in "AB"}
    market.trade(entered(), to_end=False)
    others = [tick(at(15, 44, 59), 50, "B"), tick(at(15, 45), 50, "B"), tick(at(15, 46), 50, "B")]
    trader = market.trade(others, to_end=False)
    (order,) = exits(trader)
    assert order.request.limit_price == Decimal("80.00")
    trader = market.trade(falling([100, 100], at(15, 47)))
    assert trader.book.open_positions() == []


def test_a_clock_that_goes_back_does_not_stop_exits(market: Market) -> None:
    """The pause after a refusal was measured by a clock that was set back."""

    class Once(Refusing):
        refusals = 1

    market.broker = Once
    # at 9:50:01 it is set back by 20 minutes
    market.shown = lambda now: now if now < at(9, 50, 1) else now - timedelta(minutes=20)
    trader = market.trade(entered(*falling([97] * 5, at(9, 50))))
    assert trader.book.open_positions() == []


def test_an_entry_that_is_not_filled_is_cancelled(market: Market) -> None:
    """It rested all day, and was filled after the cut-off."""
    away = [tick(at(9, 45, 1), 100), tick(at(9, 45, 2), 105), *falling([105] * 3, at(9, 49, 59))]
    trader = market.trade([*away, *falling([100] * 3, at(15, 30))])
    assert [order.state for order in trader.book.orders.values()] == [State.CANCELLED]


def test_a_stop_dies_with_its_position(market: Market) -> None:
    """The stop of a position that was closed sold a later one."""

    class Again(ByHand):
        wanted = (
            (at(9, 45), by_hand("first", Side.BUY, "101", "98")),
            (at(9, 46), by_hand("plain sale", Side.SELL, "99")),
            (at(10, 45), by_hand("second", Side.BUY, "101")),
        )

    market.strategy = Again
    times = [at(9, 45), at(9, 46), at(10, 45)]
    ticks = [tick(time + timedelta(seconds=n), 100) for time in times for n in range(4)]
    trader = market.trade([*ticks, *falling(["97.5"] * 4, at(11))])
    assert [held.quantity for held in trader.book.open_positions()] == [10]
    assert exits(trader) == []


@pytest.mark.some_day
def test_a_restart_goes_on_with_a_square_off(market: Market) -> None:
    """The restart made it active again, and a new entry was sent."""
    market.signals = [signal(), signal(signal_id="later", known_at=at(11))]
    market.trade(entered(), to_end=False)
    send(market.folder, "square-off", "enough")
    market.trade(falling([100], at(10, 20)), to_end=False)
    trader = market.trade(falling([100] * 4, at(11)))
    assert trader.book.state is TradingState.REDUCING
    assert trader.book.open_positions() == []
    late = trader.book.orders[order_id_of("test", DAY, "entry", "later")]
    assert late.message.startswith("TRADING_STATE: ")


def test_a_publication_without_what_is_held_keeps_it_looked_after(market: Market) -> None:
    """At the stop the loop ended with a KeyError, and each restart with another."""
    market.instruments = {name: instrument(name) for name in "AB"}
    market.trade(entered(), to_end=False)
    del market.instruments["A"]

    def known(trader: Any) -> None:
        assert trader.publication.instruments["A"].tick_size == Decimal("0.05")

    other = [tick(at(15, 45, n), 50, "B") for n in range(3)]
    trader = market.trade(other, at_tick={1: known}, to_end=False)
    assert {order.request.reason for order in exits(trader)} == {Reason.SQUARE_OFF}


def test_a_symbol_that_is_silent_is_reported_once_until_it_trades(market: Market) -> None:
    """It kept its old price, and nobody was notified."""
    market.instruments = {name: instrument(name) for name in "AB"}
    others = [
        tick(at(9, minute, second), 100, "B")
        for minute in range(46, 51)
        for second in range(0, 60, 10)
    ]
    traded = tick(at(9, 48, 5), 100)
    market.trade(entered(*others[:13], traded, *others[13:]), to_end=False)
    silences = [(silent.symbol, silent.seconds) for silent in market.of(events.PriceSilent)]
    assert silences == [("A", 68), ("A", 65)]


@pytest.mark.parametrize("what", ["on_batch", "gauges", "newer", "recorder"])
def test_nothing_that_fails_ends_the_loop(market: Market, what: str) -> None:
    """Whatever failed beside the exits ended the process with positions open."""

    def fail(*_: Any) -> Any:
        raise ValueError("a column is gone")

    def break_it(trader: Any) -> None:
        if what == "recorder":
            trader.recorder = type("Broken", (), {"write": fail})()
        else:
            setattr(trader, what, fail)
        trader.refresh_seconds = 0

    trader = market.trade(entered(*falling([97] * 5, at(9, 50))), at_tick={2: break_it})
    assert trader.book.open_positions() == []


@pytest.mark.some_day
@pytest.mark.parametrize(
    ("writers", "reason"),
    [(["_write"], "news"), (["_write", "_write_over"], "requested, and the disk is full")],
)
def test_the_kill_switch_works_on_a_full_disk(
    market: Market, monkeypatch: pytest.MonkeyPatch, writers: list[str], reason: str
) -> None:
    """`./bourse halt` ended as a mistake of ours; writing over a file may need space, too."""
    prepare(market.folder)

    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    for writer in writers:
        monkeypatch.setattr(commands, writer, full)
    send(market.folder, "halt", "news")
    [command] = Inbox(market.folder).take()
    assert (command.name, command.reason) == ("halt", reason)
    with pytest.raises(StorageFull):
        send(market.folder, "resume", "all clear")


def test_exits_go_on_when_the_journal_fails(market: Market) -> None:
    """On a full disk the stop was never sent."""

    def fill_disk(trader: Any) -> None:
        trader.manager.journal._fail(JournalError("the disk is full"))

    trader = market.trade(entered(*falling([97] * 5, at(9, 50))), at_tick={2: fill_disk})
    assert trader.book.open_positions() == []
    assert (trader.book.state, trader.book.state_reason) == (
        TradingState.HALTED,
        "the disk is full",
    )
    assert [event.reason for event in market.of(events.TradingStateChanged)][-1] == (
        "the disk is full"
    )


def test_a_clock_outside_the_session_holds_up_no_exit(market: Market) -> None:
    """Each try was denied SESSION, though the ticks of the session arrived."""
    market.shown = lambda now: now - timedelta(hours=8) if now > at(9, 49) else now
    trader = market.trade(entered(*falling([97] * 8, at(9, 50))), to_end=False)
    assert trader.book.open_positions() == []
    assert not [order for order in exits(trader) if order.state is State.DENIED]


def test_a_short_leaves_at_the_upper_band(market: Market) -> None:
    market.instruments = {"A": instrument(price_band_pct=Decimal("9.996"))}
    market.signals = [
        signal(direction="short", stop_price=Decimal("109.5"), target_price=Decimal(90))
    ]
    no_sellers = [tick(at(9, 50, second), "109.6", quantity=0) for second in range(6)]
    trader = market.trade(entered(*no_sellers, tick(at(9, 50, 7), "109.9")))
    (order,) = exits(trader)
    # the band is rounded to whole ticks inside it: 90.004 to 109.996
    assert order.request.limit_price == Decimal("109.99")
    assert market.instruments["A"].price_band == (Decimal("90.01"), Decimal("109.99"))
    assert trader.book.open_positions() == []


def test_refusals_are_followed_by_longer_pauses(market: Market) -> None:
    class Never(Refusing):
        refusals = 1000

    market.broker = Never
    trader = market.trade(entered(*falling([97] * 40, at(9, 50))), to_end=False)
    tried = [order.sent_at for order in exits(trader) if order.sent_at]
    pauses = [(b - a).total_seconds() for a, b in itertools.pairwise(tried)]
    assert pauses == [1, 1, 2, 5, 10, 10, 10]


def test_a_stop_takes_over_from_a_sale_that_rests(market: Market) -> None:
    """With both, twenty shares of ten would be sold; the sale is cancelled first."""

    class Resting(ByHand):
        wanted = (
            (at(9, 45), by_hand("buy", Side.BUY, "101", "98")),
            (at(9, 46), by_hand("rests", Side.SELL, "102.9")),
        )

    market.strategy = Resting
    ticks = [tick(at(9, 45, n), 100) for n in range(3)] + [tick(at(9, 46, n), 100) for n in (0, 1)]
    trader = market.trade([*ticks, *falling(["97.5"] * 4, at(9, 50))])
    assert trader.book.orders["rests"].state is State.CANCELLED
    (stop,) = exits(trader)
    assert (stop.state, stop.request.quantity) == (State.FILLED, 10)
    assert trader.book.open_positions() == []


def test_an_exit_of_what_was_sold_otherwise_is_cancelled(market: Market) -> None:
    """The rest of an exit would open a position the other way round."""

    class Entering(ByHand):
        wanted = ((at(9, 45), by_hand("buy", Side.BUY, "101", "98")),)

    def sell_elsewhere(trader: Any) -> None:
        sold = fill(10, "97", Side.SELL)
        trader.manager.record(events.FillBooked(at=at(9, 50), fill=sold))

    market.strategy = Entering
    ticks = [tick(at(9, 45, n), 100) for n in range(3)]
    no_buyers = [tick(at(9, 50, n), "97.5", quantity=0) for n in range(4)]
    trader = market.trade([*ticks, *no_buyers], at_tick={5: sell_elsewhere})
    assert trader.book.open_positions() == []
    assert [order.state for order in exits(trader)] == [State.CANCELLED]


def test_an_exit_of_more_than_is_held_is_replaced(market: Market) -> None:
    class Entering(ByHand):
        wanted = ((at(9, 45), by_hand("buy", Side.BUY, "101", "98")),)

    def sell_some_elsewhere(trader: Any) -> None:
        trader.manager.record(events.FillBooked(at=at(9, 50), fill=fill(4, "97", Side.SELL)))

    market.strategy = Entering
    ticks = [tick(at(9, 45, n), 100) for n in range(3)]
    no_buyers = [tick(at(9, 50, n), "97.5", quantity=0) for n in range(6)]
    trader = market.trade([*ticks, *no_buyers], at_tick={5: sell_some_elsewhere}, to_end=False)
    assert [(order.request.quantity, order.state) for order in exits(trader)] == [
        (10, State.CANCELLED),
        (6, State.OPEN),
    ]


@pytest.mark.some_day
def test_a_resumption_ends_a_square_off_and_tries_again(market: Market) -> None:
    market.signals = [signal(), signal(signal_id="later", known_at=at(11))]
    market.trade(entered(), to_end=False)
    send(market.folder, "square-off", "enough")
    market.trade(falling([100] * 3, at(10, 20)), to_end=False)
    send(market.folder, "resume", "go on")
    trader = market.trade(falling([100] * 5, at(11)), to_end=False)
    assert trader.book.state is TradingState.ACTIVE
    assert len(trader.book.open_positions()) == 1


@pytest.mark.parametrize("command", ["halt", "resume"])
def test_a_command_tries_an_exit_at_once_and_begins_its_pauses_again(
    market: Market, command: str
) -> None:
    """Also the count of the refusals that halt the account."""

    class Never(Refusing):
        refusals = 1000

    market.broker = Never

    def ask(trader: Any) -> None:
        send(market.folder, command, "look at it")

    # after six refusals the pause is ten seconds
    trader = market.trade(entered(*falling([97] * 26, at(9, 50))), at_tick={23: ask}, to_end=False)
    tried = [order.sent_at for order in exits(trader) if order.sent_at]
    pauses = [(b - a).total_seconds() for a, b in itertools.pairwise(tried)]
    assert pauses == [1, 1, 2, 5, 10, 2, 1, 1, 2]
    changes = [
        (event.state, event.at)
        for event in market.of(events.TradingStateChanged)
        if event.by != "start"
    ]
    resumed = [(TradingState.ACTIVE, at(9, 50, 21)), (TradingState.HALTED, at(9, 50, 23))]
    again = resumed if command == "resume" else [(TradingState.HALTED, at(9, 50, 21))]
    assert changes == [(TradingState.HALTED, at(9, 50, 2)), *again]


def test_a_square_off_by_hand_closes_what_the_one_of_the_session_leaves(market: Market) -> None:
    """Deliveries are held overnight, unless a person closes everything."""
    market.limits = with_limits(product=Product.CNC)
    market.signals, market.others = [], {"overnight": Overnight}

    def square_off(trader: Any) -> None:
        assert trader.book.flatten_reason is Reason.SQUARE_OFF
        assert trader.book.open_positions() and not exits(trader)
        send(market.folder, "square-off", "enough")

    ticks = entered(*falling([100] * 6, at(15, 45)))
    trader = market.trade(ticks, at_tick={4: square_off})
    assert [(order.request.reason, order.state) for order in exits(trader)] == [
        (Reason.BY_HAND, State.FILLED)
    ]


def test_refusals_in_a_row_halt_also_after_a_part_was_closed(market: Market) -> None:
    """The part ended each row of refusals, so they neither halted nor had longer pauses."""

    class Later(PaperBroker):
        exit_count = 0

        async def place(self, request: Request) -> str:
            self.exit_count += request.reason is not Reason.ENTRY
            if self.exit_count > 1:
                raise BrokerRejected("RMS: try later")
            return await super().place(request)

    market.broker = Later
    market.trade(entered(), to_end=False)
    market.instruments = {"A": instrument(freeze_quantity=100)}
    trader = market.trade(falling([97] * 12, at(9, 50)), to_end=False)
    [part, *refused] = exits(trader)
    assert (part.state, part.filled_quantity) == (State.FILLED, 100)
    tried = [order.sent_at for order in refused if order.sent_at]
    pauses = [(b - a).total_seconds() for a, b in itertools.pairwise(tried)]
    assert pauses == [1, 1, 2, 5]
    assert trader.book.state_reason == "A could not be closed in 3 tries, which go on"


def test_a_stronger_reason_tries_an_exit_at_once(market: Market) -> None:
    class Never(Refusing):
        refusals = 1000

    market.broker = Never
    market.signals = [signal(exit_at=at(15, 59))]
    ticks = entered(*falling([97] * 27, at(15, 44, 35)))
    trader = market.trade(ticks, to_end=False)
    # the pause after the fifth refusal ends four seconds later
    assert [(order.request.reason, order.sent_at) for order in exits(trader)][-2:] == [
        (Reason.STOP, at(15, 44, 54)),
        (Reason.SQUARE_OFF, at(15, 45)),
    ]


def test_a_command_does_not_widen_the_protection_of_an_exit(market: Market) -> None:
    """It does after its time, counted from the command."""

    def halt(_: Any) -> None:
        send(market.folder, "halt", "look at it")

    no_buyers = [tick(at(9, 50, second), 97, quantity=0) for second in range(5)]
    trader = market.trade(entered(*no_buyers), at_tick={3: halt}, to_end=False)
    assert [(each.at, each.limit_price) for each in market.of(events.ModifyRequested)] == [
        (at(9, 50, 3), Decimal("95.06"))
    ]
    assert list(trader.exits.works) == list(trader.book.exit_reason)


def test_an_exit_that_is_done_is_not_at_work_any_more(market: Market) -> None:
    trader = market.trade(entered(*falling([97] * 4, at(9, 50))), to_end=False)
    assert trader.book.exit_reason and not trader.book.held_entries()
    assert not trader.exits.works and trader.health_problems() == []


def test_a_command_is_answered_with_what_was_done(market: Market) -> None:
    """An open entry of B, a position of A: what a halt, a square-off and a resume make of them."""
    market.instruments = {"A": instrument(), "B": instrument("B")}
    market.signals = [signal(), signal("B")]
    answers: list[Answer | None] = []
    sent: list[Path] = []

    def ask(name: str) -> Any:
        return lambda _: sent.append(send(market.folder, name, "news"))

    def read(_: object) -> None:
        answers.append(answer_to(sent[-1], 0))

    ticks = [
        tick(at(9, 45, 1), 100),
        tick(at(9, 45, 2), 100),
        # what is not filled on this tick waits
        tick(at(9, 45, 3), 100, "B"),
        tick(at(9, 45, 4), 100),
        *falling([100, 100, 100, 100, 100], at(9, 45, 5)),
    ]
    asked = {3: "halt", 5: "square-off", 7: "resume"}
    at_tick = {batch: ask(name) for batch, name in asked.items()}
    at_tick |= {batch + 1: read for batch in asked}
    market.trade(ticks, at_tick=at_tick)
    shown = [(answer.message, answer.figures) for answer in answers if answer is not None]
    assert shown == [
        (
            "halted: news; 1 open entry ended; held, with their exits: A +198",
            {"state": "halted", "ended_entry_count": 1, "open_entry_count": 0, "position_count": 1},
        ),
        (
            "halted: news; closing A +198",
            {
                "state": "halted",
                "ended_entry_count": 0,
                "open_entry_count": 0,
                "position_count": 1,
            },
        ),
        (
            "active; no position is open",
            {"state": "active", "ended_entry_count": 0, "open_entry_count": 0, "position_count": 0},
        ),
    ]


def test_a_snapshot_is_as_old_as_its_last_trade(market: Market) -> None:
    """A signal of 9:45 was traded on a trade of 9:31 that a reconnection brought again."""
    snapshot = [tick(at(9, 45, second), 100, traded_at=at(9, 31)) for second in (1, 2, 3)]
    assert not market.trade(snapshot).book.orders
    market.folder = market.folder.with_name("fresh")
    fresh = [tick(at(9, 45, second), 100, traded_at=at(9, 45)) for second in (1, 2, 3)]
    assert market.trade(fresh).book.open_positions()


@pytest.mark.parametrize(
    ("bid", "ask", "seconds", "wanted"),
    [
        (97, "97.1", 300, [Reason.STOP]),
        (111, "111.1", 300, [Reason.TARGET]),
        (97, "97.1", 30, []),  # it traded a moment ago
        (90, 105, 300, []),  # nobody knows where the market is
        (90, 111, 300, []),
        (0, 97, 300, [Reason.STOP]),  # nobody buys, even below the stop
        (97, 0, 300, []),
    ],
)
def test_exits_go_by_the_quote_when_nothing_trades(
    market: Market, bid: float, ask: float | str, seconds: int, wanted: list[Reason]
) -> None:
    """A share that was quoted below its stop, and did not trade, was held."""
    first = at(9, 45, 2) + timedelta(seconds=seconds)
    quoted = [
        tick(each["at"], 100, traded_at=at(9, 45, 2), bid=bid, ask=ask, quantity=0)
        for each in falling([100] * 3, first)
    ]
    trader = market.trade(entered(*quoted), to_end=False)
    reasons = [event.reason for event in market.of(events.ExitTriggered)]
    assert reasons == wanted
    for order in exits(trader)[:1]:
        assert order.request.limit_price is not None
        nearest = Decimal(str(bid or ask))
        assert nearest * Decimal("0.97") < order.request.limit_price < nearest


@pytest.mark.parametrize(("bid", "ask"), [(1000, 100), (1, "1.01"), (0, 1), (80, "80.1")])
def test_one_bad_quote_closes_nothing(market: Market, bid: float, ask: float | str) -> None:
    """Each was taken for the market: the target or the stop was met."""
    first = at(9, 50)
    quoted = [
        tick(each["at"], 100, traded_at=at(9, 45, 2), quantity=0, bid=one_bid, ask=one_ask)
        for each, (one_bid, one_ask) in zip(
            falling([100] * 3, first),
            [(99.9, 100.1), (bid, ask), (99.9, 100.1)],
            strict=True,
        )
    ]
    market.trade(entered(*quoted), to_end=False)
    assert market.of(events.ExitTriggered) == []


@pytest.mark.parametrize(("seconds", "count"), [(0.4, 0), (1, 1)])
def test_a_bad_quote_that_is_repeated_at_once_closes_nothing(
    market: Market, seconds: float, count: int
) -> None:
    """A packet of the same instant brought the odd quote again, which confirmed it."""
    quoted = [
        tick(at(9, 50, when), 100, traded_at=at(9, 45, 2), quantity=0, bid=80, ask="80.1")
        for when in (0, seconds / 2, seconds)
    ]
    usual = tick(at(9, 50, seconds + 0.1), 100, traded_at=at(9, 45, 2), bid="99.9", ask="100.1")
    market.trade(entered(*quoted, {**usual, "quantity": 0}), to_end=False)
    assert len(market.of(events.ExitTriggered)) == count


def test_the_exits_of_a_short_go_by_the_ask() -> None:
    assert quoted_price(Side.SELL, Decimal(100), Decimal(102), Decimal(103), Decimal(10)) == 103
    assert quoted_price(Side.SELL, Decimal(100), Decimal(102), None, Decimal(10)) == 102
    assert quoted_price(Side.SELL, Decimal(100), Decimal(98), None, Decimal(10)) is None


@pytest.mark.parametrize("side", Side)
def test_a_crossed_quote_is_none(side: Side) -> None:
    assert quoted_price(side, Decimal(100), Decimal(102), Decimal(101), Decimal(10)) is None


class Overnight(Strategy):
    """Buys 10 of A with a stop at 95 and a target at 105."""

    def generate_orders(self, context: Context) -> Sequence[Request]:
        exits = Exits(stop_price=Decimal(95), target_price=Decimal(105))
        return [context.entry("one", "A", Side.BUY, 10, exits=exits)]


def quoted_later(
    market: Market, first: datetime, bid: float | str, ask: float | str
) -> list[dict[str, Any]]:
    """Buy A, and return ticks of a later session in which it does not trade, and is quoted."""
    market.limits = with_limits(product=Product.CNC)
    market.instruments = {"A": instrument(price_band_pct=Decimal(20)), "B": instrument("B")}
    market.signals, market.others = [], {"overnight": Overnight}
    market.trade(entered())
    market.events.clear()
    market.others = {}
    day = timedelta(days=2)
    market.opens, market.closes = market.opens + day, market.closes + day
    market.session_date = DAY + day
    # the last price is that of the first session; today it would be a reason to exit
    known: dict[str, Any] = {
        "price": 94,
        "traded_at": at(15, 59),
        "quantity": 0,
        "bid": bid,
        "ask": ask,
    }
    times = [first + day + timedelta(seconds=second) for second in range(3)]
    return [each for when in times for each in (tick(when, **known), tick(when, 100, "B"))]


@pytest.mark.parametrize(
    ("bid", "ask", "wanted"),
    [
        ("94", "94.1", [Reason.STOP]),
        ("106", "106.1", [Reason.TARGET]),
        ("100", "100.1", []),
        (0, "90", [Reason.STOP]),  # locked at a low: nobody buys
        ("94", 0, []),  # one buyer far below says nothing
        (0, 0, []),
        ("1", "1.01", []),  # outside the band no order can be
    ],
)
def test_a_share_that_has_not_traded_today_is_left_by_its_quote(
    market: Market, bid: float | str, ask: float | str, wanted: list[Reason]
) -> None:
    """It was held, whatever was bid and asked, until it traded."""
    quoted = quoted_later(market, at(9, 31), bid, ask)
    trader = market.trade(quoted, to_end=False)
    assert [event.reason for event in market.of(events.ExitTriggered)] == wanted
    assert "A" not in trader.prices
    for order in exits(trader):
        assert order.request.limit_price is not None
        nearest = Decimal(str(bid or ask))
        assert nearest * Decimal("0.97") < order.request.limit_price < nearest
    later = quoted[-1]["at"] + timedelta(seconds=1)
    prices = [bid or ask if wanted else 100] * 3
    trader = market.trade(falling(prices, later), to_end=False)
    assert bool(trader.book.open_positions()) is not bool(wanted)


def test_a_share_that_has_not_traded_today_is_silent_since_the_open(market: Market) -> None:
    quoted_later(market, at(9, 30), 0, 0)
    day = timedelta(days=2)
    market.trade([tick(at(9, 31, 5) + day, 100, "B")], to_end=False)
    [silent] = market.of(events.PriceSilent)
    assert (silent.symbol, silent.seconds) == ("A", 65)


def test_a_quote_of_before_the_open_moves_no_exit(market: Market) -> None:
    quoted = quoted_later(market, at(9, 29, 50), 94, "94.1")
    market.trade(quoted, to_end=False)
    assert market.of(events.ExitTriggered) == []


def test_a_quote_beside_an_earlier_trade_than_the_last_one_moves_no_exit(market: Market) -> None:
    """It is late, like that trade."""
    quoted = quoted_later(market, at(9, 35), 94, "94.1")
    first = tick(quoted[0]["at"] - timedelta(minutes=3), 100)
    trader = market.trade([first, *quoted], to_end=False)
    assert market.of(events.ExitTriggered) == []
    assert trader.prices["A"][0] == 100


def test_a_quote_that_is_out_of_date_moves_no_exit(market: Market) -> None:
    market.instruments["B"] = instrument("B")
    quoted = tick(at(9, 45, 3), 100, traded_at=at(9, 45, 2), bid=97, ask="97.1", quantity=0)
    others = [tick(at(9, 55, second), 50, "B") for second in range(3)]
    market.trade(entered(quoted, *others), to_end=False)
    assert market.of(events.ExitTriggered) == []
