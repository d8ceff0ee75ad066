"""Several strategies trade one account, each with a book of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from duckbourse import clock, plugins
from duckbourse.cli.trade import _intended_orders
from duckbourse.errors import ConfigurationError
from duckbourse.orders import events
from duckbourse.orders.book import Book
from duckbourse.orders.bus import LimitBreached
from duckbourse.orders.events import TradingState
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Exits, OrderType, Product, Reason, Request, Side
from duckbourse.trading import last_prices
from duckbourse.trading.commands import OrderByHand, send
from duckbourse.trading.loop import Trader
from duckbourse.trading.strategies import misspelled, open_strategies
from duckbourse.trading.strategy import (
    ChangeExits,
    Close,
    Context,
    SignalStrategy,
    Strategy,
    Wanted,
)
from tests.support.market import Market, at, exits, instrument, tick, with_limits

STOP = Exits(stop_price=Decimal(98))


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return Market(tmp_path / "session", signals=[])


class At(Strategy):
    """Does something at given times, once each."""

    def __init__(self, *todo: tuple[datetime, Callable[[Context], Wanted]]) -> None:
        self._todo = list(todo)
        self.fills: list[tuple[str, int]] = []

    def generate_orders(self, context: Context) -> Sequence[Wanted]:
        due = [each for each in self._todo if each[0] <= context.now]
        self._todo = [each for each in self._todo if each not in due]
        return [do(context) for _, do in due]

    def on_fill(self, context: Context, order: Any, fill: Any) -> None:
        assert context.account.fills[fill.fill_key] == fill
        self.fills.append((str(order.request.reason), fill.signed_quantity))


def buy(quantity: int, exits: Exits | None = None) -> Callable[[Context], Request]:
    return lambda context: context.entry("buy", "A", Side.BUY, quantity, exits=exits)


def sell(quantity: int) -> Callable[[Context], Request]:
    return lambda context: context.entry("sell", "A", Side.SELL, quantity)


def steady(*prices: float | str, first: int = 0) -> list[dict[str, Any]]:
    """Return four ticks of each price, a second apart, in minutes from 9:45."""
    return [
        tick(at(9, 45 + first + minute, second), price)
        for minute, price in enumerate(prices)
        for second in range(4)
    ]


def test_a_name_with_a_dot_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its orders would belong to `signals`, whose presets have such names."""
    monkeypatch.setattr(plugins, "load", lambda *_: At)
    with pytest.raises(ConfigurationError, match="like a preset of a scanner"):
        open_strategies(["acme.momentum"], {})


def test_a_stop_of_one_strategy_leaves_the_shares_of_another(market: Market) -> None:
    market.others = {
        "one": lambda: At((at(9, 45), buy(10, STOP))),
        "two": lambda: At((at(9, 45), buy(20))),
    }
    trader = market.trade(steady(100, "97.5"))
    assert [(order.request.strategy, order.filled_quantity) for order in exits(trader)] == [
        ("one", 10)
    ]
    assert trader.book.quantity("A", Product.MIS) == 20
    assert trader.book.quantity_of("one", "A", Product.MIS) == 0
    assert trader.book.quantity_of("two", "A", Product.MIS) == 20


def test_what_one_sells_is_not_what_another_holds(market: Market) -> None:
    """The account nets them; the stop of the long still sells, and the short stays."""
    market.others = {
        "long": lambda: At((at(9, 45), buy(10, STOP))),
        "short": lambda: At((at(9, 46), sell(10))),
    }
    trader = market.trade(steady(100, 100), to_end=False)
    assert trader.book.open_positions() == []
    assert trader.book.quantity_of("long", "A", Product.MIS) == 10
    assert trader.book.quantity_of("short", "A", Product.MIS) == -10
    trader = market.trade(steady("97.5", first=3))
    assert trader.book.quantity("A", Product.MIS) == -10
    profits = {
        strategy: (held.quantity, held.realized_amount)
        for strategy, held in trader.book.strategy_positions()
    }
    assert profits == {"long": (0, Decimal("-25.0")), "short": (-10, Decimal(0))}
    assert trader.book.quantity_of("long", "A", Product.MIS) == 0
    assert trader.book.quantity_of("short", "A", Product.MIS) == -10
    assert [order.state for order in exits(trader)] == [State.FILLED]


def test_what_offsets_each_other_is_looked_after_without_a_position(market: Market) -> None:
    """Its instrument is kept, and its price is written for the commands beside the loop."""
    market.instruments["B"] = instrument("B")
    market.others = {
        "long": lambda: At((at(9, 45), buy(10))),
        "short": lambda: At((at(9, 46), sell(10))),
    }
    trader = market.trade(steady(100, 100), to_end=False)
    assert trader.book.open_positions() == []
    with clock.driven_by(lambda: at(9, 47)):
        trader.write_prices()
    assert list(last_prices.read(market.folder, market.session_date)) == ["A"]
    del market.instruments["A"]
    trader = market.trade([tick(at(9, 48), 100, "B")], to_end=False)
    assert "A" in trader.publication.instruments


def test_a_square_off_closes_strategies_that_offset_each_other(market: Market) -> None:
    market.others = {
        "long": lambda: At((at(9, 45), buy(10))),
        "short": lambda: At((at(9, 46), sell(10))),
    }
    later = [tick(at(15, 45, second), 100) for second in range(8)]
    trader = market.trade([*steady(100, 100), *later])
    assert not trader.book.held_entries()
    assert not trader.book.open_positions()
    assert [(order.request.strategy, order.state) for order in exits(trader)] == [
        ("long", State.FILLED),
        ("short", State.FILLED),
    ]
    assert trader.book.state is TradingState.ACTIVE


def test_limits_are_of_the_sum(market: Market) -> None:
    market.others = {
        "one": lambda: At((at(9, 45), buy(200))),
        "two": lambda: At((at(9, 46), buy(200))),
    }
    trader = market.trade(steady(100, 100))
    [denied] = market.of(events.OrderDenied)
    assert (denied.request.strategy, denied.code) == ("two", "SYMBOL_AMOUNT")
    assert trader.book.quantity_of("one", "A", Product.MIS) == 200


def test_a_sale_that_opens_for_the_account_is_checked_as_an_entry(market: Market) -> None:
    """It closes what its strategy holds, but makes the account's short position larger."""
    market.limits = with_limits(max_trades=3)
    market.others = {
        "long": lambda: At((at(9, 45), buy(90)), (at(9, 48), sell(90))),
        "short": lambda: At((at(9, 46), sell(90)), (at(9, 47), sell_more(90))),
    }
    trader = market.trade(steady(100, 100, 100, 100))
    assert [(d.request.strategy, d.code) for d in market.of(events.OrderDenied)] == [
        ("long", "TRADES")
    ]
    assert trader.book.quantity("A", Product.MIS) == -90


@pytest.mark.parametrize("limit", ["symbol", "sector", "gross"])
def test_limits_hold_after_the_stop_of_one_side(market: Market, limit: str) -> None:
    """The account was flat and within its limits, until a stop left the other side alone."""
    wide = {"max_symbol_pct": Decimal(100), "max_sector_pct": Decimal(100)}
    market.limits = with_limits(**{**wide, f"max_{limit}_pct": Decimal(25)})
    market.others = {
        "long": lambda: At((at(9, 45), buy(200, STOP))),
        "short": lambda: At((at(9, 46), sell(200)), (at(9, 47), sell_more(200))),
    }
    trader = market.trade(steady(100, 100, 100, 97))
    [denied] = market.of(events.OrderDenied)
    assert (denied.request.strategy, denied.code) == ("short", f"{limit.upper()}_AMOUNT")
    assert trader.book.quantity("A", Product.MIS) == -200


def sell_more(quantity: int) -> Callable[[Context], Request]:
    return lambda context: context.entry("sell more", "A", Side.SELL, quantity)


def test_delivery_of_one_strategy_is_not_sold_by_another(market: Market) -> None:
    market.limits = with_limits(product=Product.CNC)
    market.others = {
        "one": lambda: At((at(9, 45), buy(10))),
        "two": lambda: At((at(9, 46), sell(10))),
    }
    trader = market.trade(steady(100, 100), to_end=False)
    [denied] = market.of(events.OrderDenied)
    assert (denied.code, denied.detail) == ("SHORT", "quantity=10, held=0")
    assert trader.book.quantity_of("one", "A", Product.CNC) == 10


def test_a_strategy_closes_its_own_position_only(market: Market) -> None:
    market.others = {
        "one": lambda: At((at(9, 45), buy(10)), (at(9, 46), lambda _: Close("A"))),
        "two": lambda: At((at(9, 45), buy(20))),
    }
    trader = market.trade(steady(100, 100))
    [order] = exits(trader)
    assert (order.request.strategy, order.request.reason) == ("one", Reason.STRATEGY)
    assert trader.book.quantity("A", Product.MIS) == 20


def test_closing_cancels_the_entries_of_the_strategy(market: Market) -> None:
    def resting(context: Context) -> Request:
        return context.entry("rest", "A", Side.BUY, 10, limit_price=Decimal("97.50"))

    market.others = {
        "one": lambda: At((at(9, 45), resting), (at(9, 46), lambda _: Close("A"))),
        "two": lambda: At((at(9, 45), resting)),
    }
    trader = market.trade(steady(100, 100), to_end=False)
    states = {order.request.strategy: order.state for order in trader.book.orders.values()}
    assert states == {"one": State.CANCELLED, "two": State.OPEN}


def test_a_strategy_is_notified_of_its_fills(market: Market) -> None:
    one, two = At((at(9, 45), buy(10, STOP))), At()
    market.others = {"one": lambda: one, "two": lambda: two}
    market.trade(steady(100, "97.5"))
    assert one.fills == [("entry", 10), ("stop", -10)]
    assert two.fills == []


def test_an_exit_leaves_the_orders_of_another_that_do_not_oppose_it(market: Market) -> None:
    def resting(context: Context) -> Request:
        return context.entry("rest", "A", Side.SELL, 10, limit_price=Decimal("102.50"))

    market.others = {
        "one": lambda: At((at(9, 45), buy(10, STOP))),
        "two": lambda: At((at(9, 45), resting)),
    }
    trader = market.trade(steady(100, "97.5"), to_end=False)
    assert [order.state for order in exits(trader)] == [State.FILLED]
    [rests] = trader.book.open_orders()
    assert rests.request.strategy == "two"


def test_what_a_failed_strategy_has_ordered_is_cancelled(market: Market) -> None:
    def resting(context: Context) -> Request:
        return context.entry("rest", "A", Side.BUY, 10, limit_price=Decimal("97.50"))

    def fail(_: Context) -> Request:
        raise ZeroDivisionError

    market.others = {"one": lambda: At((at(9, 45), resting), (at(9, 46), fail))}
    trader = market.trade(steady(100, 100), to_end=False)
    assert [order.state for order in trader.book.orders.values()] == [State.CANCELLED]


def test_what_waits_of_a_failed_strategy_is_not_sent(market: Market) -> None:
    def entry(number: int) -> Callable[[Context], Request]:
        return lambda context: context.entry(f"buy {number}", "A", Side.BUY, 2)

    def fail(_: Context) -> Request:
        raise ZeroDivisionError

    market.limits = with_limits(max_orders_per_minute=3, max_orders_per_second=5)
    todo = [(at(9, 45), entry(number)) for number in range(4)]
    market.others = {"one": lambda: At(*todo, (at(9, 45, 30), fail))}
    ticks = [tick(at(9, 45, 2 * count), 100) for count in range(60)]
    trader = market.trade(ticks, to_end=False)
    assert len(market.of(events.OrderIntended)) == 2
    assert not trader.manager.waiting_entries
    assert [denied.code for denied in market.of(events.OrderDenied)] == ["CANCELLED"] * 2


@pytest.mark.parametrize("method", ["generate_orders", "on_fill"])
def test_a_strategy_that_fails_stops_alone(market: Market, method: str) -> None:
    class Failing(At):
        pass

    def fail(*_: Any) -> Any:
        raise ZeroDivisionError("in user code")

    def entered(context: Context) -> Request:
        if method == "generate_orders":
            monkey.generate_orders = fail  # type: ignore[method-assign, assignment]
        return context.entry("buy", "A", Side.BUY, 10, exits=STOP)

    def resting(context: Context) -> Request:
        return context.entry("rest", "A", Side.BUY, 10, limit_price=Decimal("97.50"))

    monkey = Failing((at(9, 45), entered), (at(9, 45), resting))
    if method == "on_fill":
        monkey.on_fill = fail  # type: ignore[method-assign, assignment]
    market.others = {"failing": lambda: monkey, "other": lambda: At((at(9, 47), buy(20)))}
    trader = market.trade(steady(100, 100, 100, "97.9"))
    [failed] = market.of(events.StrategyFailed)
    assert (failed.strategy, failed.detail) == ("failing", "ZeroDivisionError('in user code')")
    assert trader.book.state is TradingState.ACTIVE
    # its stop goes on, its entry does not, and the other one is not concerned
    assert [order.request.reason for order in exits(trader)] == [Reason.STOP]
    assert {
        (order.request.strategy, order.request.correlation_id, order.state)
        for order in trader.book.orders.values()
        if order.request.reason is Reason.ENTRY
    } == {
        ("failing", "buy", State.FILLED),
        ("failing", "rest", State.CANCELLED),
        ("other", "buy", State.FILLED),
    }
    assert any("the strategy failing failed" in each for each in trader.health_problems())


UNUSABLE: dict[str, tuple[dict[str, Any], str]] = {
    "naive exit": (
        {"exits": Exits(exit_at=datetime(2026, 11, 25, 15))},
        "exits.exit_at is 2026-11-25 15:00:00, without a time zone",
    ),
    "naive expiry": ({"expires_at": datetime(2026, 11, 25, 15)}, "without a time zone"),
    "stop": ({"exits": Exits(stop_price=98.5)}, "exits.stop_price is 98.5, of type float"),  # type: ignore[arg-type]
    "limit": ({"limit_price": 100.5}, "limit_price is 100.5, of type float"),
    "no price": ({"limit_price": Decimal("NaN")}, "limit_price is NaN: write a price"),
    "quantity": ({"quantity": 2.5}, "quantity is 2.5, of type float"),
    "side": ({"side": "buy"}, "side is 'buy', of type str"),
}


@pytest.mark.parametrize(("changed", "detail"), UNUSABLE.values(), ids=UNUSABLE)
def test_an_order_that_could_not_be_looked_after_fails_its_strategy(
    market: Market, changed: dict[str, Any], detail: str
) -> None:
    def unusable(context: Context) -> Request:
        return replace(context.entry("buy", "A", Side.BUY, 10), **changed)

    market.others = {
        "one": lambda: At((at(9, 46), unusable)),
        "two": lambda: At((at(9, 45), buy(20, STOP))),
    }
    trader = market.trade(steady(100, 100, "97.5"))
    [failed] = market.of(events.StrategyFailed)
    assert failed.strategy == "one" and detail in failed.detail
    # nothing of it was sent, and the stop of the other one goes on
    assert [(order.request.strategy, order.state) for order in exits(trader)] == [
        ("two", State.FILLED)
    ]
    assert {order.request.strategy for order in trader.book.orders.values()} == {"two"}


@pytest.mark.parametrize("found", [None, 3, "buy", [None], [3.5], [{}]])
def test_a_strategy_that_returns_nonsense_fails_and_is_said_why(
    market: Market, found: object
) -> None:
    class Nonsense(Strategy):
        def generate_orders(self, context: Context) -> Any:
            return found

    market.others = {"one": Nonsense}
    trader = market.trade(steady(100))
    [failed] = market.of(events.StrategyFailed)
    assert failed.detail.startswith("TypeError(") and "generate_orders returned" in failed.detail
    assert trader.book.state is TradingState.ACTIVE


def test_an_account_whose_last_strategy_failed_only_reduces(market: Market) -> None:
    def fail(_: Context) -> Request:
        raise ZeroDivisionError

    market.strategy = lambda: At((at(9, 45), buy(10, STOP)), (at(9, 46), fail))
    trader = market.trade(steady(100, 100), to_end=False)
    assert trader.book.state is TradingState.REDUCING
    assert trader.book.state_reason == "the strategy signals failed: ZeroDivisionError()"
    # it is asked again by the next loop, and what is held has its stop meanwhile
    market.strategy = At
    trader = market.trade(steady("97.5", first=3), to_end=False)
    assert trader.book.state is TradingState.ACTIVE
    assert [order.request.reason for order in exits(trader)] == [Reason.STOP]


def moved(**prices: int) -> Callable[[Context], ChangeExits]:
    def change(context: Context) -> ChangeExits:
        [order] = context.account.held_entries()
        found = {key: Decimal(price) for key, price in prices.items()}
        return ChangeExits(order.request.order_id, Exits(**found))  # type: ignore[arg-type]

    return change


def test_a_strategy_moves_its_own_exits_only(market: Market) -> None:
    market.others = {
        "one": lambda: At((at(9, 45), buy(10, STOP)), (at(9, 47), moved(stop_price=99))),
        "two": lambda: At((at(9, 46), moved(stop_price=50))),
    }
    trader = market.trade(steady(100, 100, 100, "98.5"))
    assert [event.exits.stop_price for event in market.of(events.ExitsChanged)] == [99]
    assert [order.request.reason for order in exits(trader)] == [Reason.STOP]
    assert not market.of(events.StrategyFailed)


def test_exits_that_are_as_they_are_wanted_are_not_moved_again(market: Market) -> None:
    """A strategy may ask for them at each step."""
    again = ((at(9, minute), moved(stop_price=99)) for minute in (46, 47, 48))
    market.others = {"one": lambda: At((at(9, 45), buy(10, STOP)), *again)}
    market.trade(steady(100, 100, 100, 100), to_end=False)
    assert [event.at for event in market.of(events.ExitsChanged)] == [at(9, 46)]


def test_exits_that_would_be_due_at_once_are_not_moved(market: Market) -> None:
    market.others = {
        "one": lambda: At((at(9, 45), buy(10, STOP)), (at(9, 46), moved(stop_price=101)))
    }
    trader = market.trade(steady(100, 100))
    assert not market.of(events.ExitsChanged) and not exits(trader)


def test_a_strategy_does_not_undo_what_a_person_moved(market: Market) -> None:
    """Nor after a restart: until then, its next tick gave the position its own exits again."""

    def move_by_hand(trader: Trader) -> None:
        wanted = OrderByHand(action="modify", target="A", stop_price=Decimal(99))
        send(market.folder, "order", "by hand", request_id="move", order=wanted)

    def strategy() -> At:
        return At(
            (at(9, 45), buy(10, STOP)),
            *((at(9, minute), moved(stop_price=90 + minute - 46)) for minute in range(46, 54)),
        )

    market.others = {"one": strategy}
    market.trade(steady(100, 100, 100, 100), at_tick={14: move_by_hand}, to_end=False)
    trader = market.trade(steady(100, 100, first=4), to_end=False)
    [entry] = trader.book.held_entries()
    assert entry.request.exits is not None and entry.request.exits.stop_price == 99
    changes = market.of(events.ExitsChanged)
    assert [event.by for event in changes] == ["one"] * (len(changes) - 1) + ["by_hand"]
    assert len(changes) > 1


def test_exits_are_where_an_order_may_have_them(market: Market) -> None:
    """A stop order opens where it is triggered, whatever the price is now."""

    def stop_at(price: int) -> Exits:
        return Exits(stop_price=Decimal(price))

    def breakout(context: Context) -> Request:
        entry = context.entry(
            "one", "A", Side.BUY, 10, limit_price=Decimal(106), exits=stop_at(102)
        )
        return replace(entry, order_type=OrderType.SL, trigger_price=Decimal(105))

    def follow(context: Context) -> ChangeExits:
        [order] = context.account.open_entries
        return ChangeExits(order.request.order_id, stop_at(104))

    market.others = {"one": lambda: At((at(9, 45), breakout), (at(9, 46), follow))}
    trader = market.trade(steady(100, 100), to_end=False)
    [order] = trader.book.orders.values()
    assert order.state is State.TRIGGER_PENDING, order.message
    assert order.request.exits == stop_at(104)


def test_a_strategy_books_under_its_own_name_only(market: Market) -> None:
    def disguised(context: Context) -> Request:
        return replace(context.entry("buy", "A", Side.BUY, 10), strategy="two")

    market.others = {"one": lambda: At((at(9, 45), disguised)), "two": At}
    trader = market.trade(steady(100))
    assert [order.request.strategy for order in trader.book.orders.values()] == ["one"]


def test_a_strategy_sends_no_exit_of_another(market: Market) -> None:
    def stolen(context: Context) -> Request:
        [entry] = context.account.held_entries()
        return replace(
            context.entry("sell", "A", Side.SELL, 10),
            reason=Reason.STOP,
            entry_id=entry.request.order_id,
        )

    market.others = {
        "one": lambda: At((at(9, 45), buy(10))),
        "two": lambda: At((at(9, 46), stolen)),
    }
    trader = market.trade(steady(100, 100))
    assert trader.book.quantity("A", Product.MIS) == 10
    assert "is an exit: return Close('A')" in market.of(events.StrategyFailed)[0].detail


class Sized(Strategy):
    def __init__(self, *, pct: Decimal, count: int = 2) -> None:
        self.pct, self.count = pct, count

    def generate_orders(self, context: Context) -> Sequence[Request]:
        return []


def test_a_strategy_is_found_and_has_its_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "strategies_of_mine.py").write_text(
        "class OpeningDrive:\n"
        "    def __init__(self, pct: float = 1.0): self.pct = pct\n"
        "    def generate_orders(self, context): return []\n"
    )
    monkeypatch.chdir(tmp_path)
    opened = open_strategies(
        ["signals", "strategies_of_mine:OpeningDrive", f"{__name__}:Sized"],
        {"opening_drive": {"pct": "0.5"}, "sized": {"pct": "12.50"}, "other": {"x": "1"}},
    )
    assert list(opened) == ["signals", "opening_drive", "sized"]
    assert isinstance(opened["signals"], SignalStrategy)
    drive, sized = opened["opening_drive"], opened["sized"]
    assert drive.pct == 0.5  # type: ignore[attr-defined]
    assert isinstance(sized, Sized) and (sized.pct, sized.count) == (Decimal("12.50"), 2)


@pytest.mark.parametrize(
    ("names", "given", "message", "remedy"),
    [
        (
            ["signal"],
            {},
            "there is no strategy 'signal'; did you mean 'signals'?",
            "choose among signals, or name a class as module:Class",
        ),
        (
            [f"{__name__}:Sizd"],
            {},
            f"{__name__} has no strategy 'Sizd'; did you mean 'Sized'?",
            f"name what is in {__file__}",
        ),
        (
            ["no_such_module:Drive"],
            {},
            "the strategy no_such_module:Drive cannot be imported: ModuleNotFoundError: No module"
            " named 'no_such_module'",
            "mend its module, or choose another one",
        ),
        (
            [f"{__name__}:STOP"],
            {},
            f"the strategy {__name__}:STOP has no method generate_orders",
            "name a class with the methods of duckbourse.trading.strategy.Strategy",
        ),
        (
            ["signals", "signals"],
            {},
            "two strategies would be booked as signals",
            "name each strategy once, or give the class another name",
        ),
        (
            [f"{__name__}:Sized"],
            {},
            "the strategy sized needs pct",
            "add a row to seeds/reference/strategy_parameters.csv, and build again",
        ),
        (
            [f"{__name__}:Sized"],
            {"sized": {"pct": "1", "coun": "1"}},
            "seeds/reference/strategy_parameters.csv: sized, coun: sized has no such parameter; did"
            " you mean 'count'?",
            "its parameters are pct, count",
        ),
        (
            ["signals"],
            {"signals": {"max_age_minutes": "five"}},
            "seeds/reference/strategy_parameters.csv: signals, max_age_minutes: 'five' does not"
            " fit: Expected `float`, got `str`",
            "correct the value, and build again",
        ),
    ],
)
def test_a_strategy_that_does_not_fit_is_refused(
    names: list[str], given: dict[str, dict[str, str]], message: str, remedy: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        open_strategies(names, given)
    assert (str(refused.value), refused.value.remedy) == (message, remedy)


def test_parameters_of_a_misspelled_strategy_are_named() -> None:
    """They were ignored in silence, and the strategy traded with its defaults."""
    assert misspelled(["signals", "sized"], ["signls", "sized", "drive", "sizes"], ["sizes"]) == [
        "seeds/reference/strategy_parameters.csv: 'signls' is not traded, so its parameters are not"
        " used; did you mean 'signals'?"
    ]


class Counting(Strategy):
    """Counts its entries of the session, also those before it was started again."""

    def __init__(self) -> None:
        self.count = -1

    def on_start(self, context: Context) -> None:
        assert context.price("A") is None
        known = context.account.orders.values()
        self.count = sum(context.owns(order) for order in known)

    def generate_orders(self, context: Context) -> Sequence[Wanted]:
        return [context.entry("one", "A", Side.BUY, 10)] if context.price("A") else []


def test_a_strategy_is_asked_unless_its_account_is_halted(market: Market) -> None:
    """What it wants once would be denied, and it would not ask again."""
    asked: list[datetime] = []

    class Noting(Strategy):
        def generate_orders(self, context: Context) -> Sequence[Wanted]:
            asked.append(context.now)
            return []

    def to(state: TradingState) -> Callable[[Trader], None]:
        return lambda trader: trader.manager.set_state(state, "noon", "test")

    market.others = {"one": Noting}
    states = (TradingState.HALTED, TradingState.REDUCING, TradingState.ACTIVE)
    market.trade(steady(100), at_tick={number: to(state) for number, state in enumerate(states, 1)})
    assert asked == [at(9, 45, second) for second in (0, 2, 3)]


def test_a_strategy_takes_up_its_session_before_it_is_asked(tmp_path: Path) -> None:
    opened: list[Counting] = []

    def begin() -> Counting:
        opened.append(Counting())
        return opened[-1]

    market = Market(tmp_path / "session", signals=[], others={"counting": begin})
    for minute in (45, 46):
        ticks = [tick(at(9, minute, second), 100) for second in range(4)]
        market.trade(ticks, to_end=False)
    assert [each.count for each in opened] == [0, 1]


def test_a_strategy_needs_no_method_but_the_one_that_is_asked(tmp_path: Path) -> None:
    """A class without our base failed at its start, since it had no on_start."""

    class Plain:
        def generate_orders(self, context: Context) -> Sequence[Wanted]:
            return [context.entry("one", "A", Side.BUY, 10)] if context.price("A") else []

    market = Market(tmp_path / "session", signals=[], others={"plain": Plain})  # type: ignore[dict-item]
    trader = market.trade([tick(at(9, 45, second), 100) for second in range(4)], to_end=False)
    assert not trader.strategies.failures
    [entry] = trader.book.held_entries()
    assert entry.filled_quantity == 10


@pytest.mark.some_day
def test_a_dry_run_lets_a_strategy_take_up_the_session(tmp_path: Path) -> None:
    """One that begins in on_start failed in a dry run, and traded live."""
    market = Market(tmp_path / "session", signals=[])
    feed = market.feed([tick(at(9, 45, second), 100) for second in range(4)])
    strategy = Counting()
    publication = market.publication()
    book = Book(publication.limits.capital_amount)
    intended = _intended_orders(publication, feed, {"counting": strategy}, None, book)
    rows, failures = asyncio.run(intended)
    assert ([row["symbol"] for row in rows], failures) == (["A"], {})
    assert strategy.count == 0


def test_a_strategy_that_trails_is_refused_once_where_a_person_moved_the_stop(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each pass asked for another stop, and was reported to every subscriber."""

    def move(trader: Trader) -> None:
        moved = OrderByHand(action="modify", target="A", stop_price=Decimal(99))
        send(market.folder, "order", "by hand", request_id="move", order=moved)

    class Trailing(Strategy):
        def __init__(self) -> None:
            self.stop = Decimal(80)

        def generate_orders(self, context: Context) -> Sequence[Wanted]:
            if not context.account.orders:
                return [buy(10, STOP)(context)]
            self.stop += Decimal("0.01")
            return [
                ChangeExits(entry.request.order_id, Exits(stop_price=self.stop))
                for entry in context.entries
            ]

    market.others = {"one": Trailing}
    published: list[object] = []
    monkeypatch.setattr(Trader, "publish", lambda _, event, *__: published.append(event))
    market.trade(steady(*[100] * 10), at_tick={14: move}, to_end=False)
    assert [each.by for each in market.of(events.ExitsChanged)][-1] == "by_hand"
    assert [each.code for each in published if isinstance(each, LimitBreached)] == ["EXITS"]


def test_a_strategy_that_fails_to_take_up_its_session_is_not_asked(tmp_path: Path) -> None:
    class Failing(Counting):
        def on_start(self, context: Context) -> None:
            raise ValueError("no file")

    market = Market(tmp_path / "session", signals=[], others={"failing": Failing})
    trader = market.trade([tick(at(9, 45, second), 100) for second in range(4)])
    assert trader.strategies.failures == {"failing": "ValueError('no file')"}
    assert not trader.book.orders
