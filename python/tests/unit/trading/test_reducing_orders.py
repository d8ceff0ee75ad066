"""An order that reduces a position lives where nothing is opened, and never turns it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from duckbourse.orders import events
from duckbourse.orders.events import TradingState
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Order, Product, Request, Side
from duckbourse.trading.loop import Trader
from duckbourse.trading.resting import RestingStops
from duckbourse.trading.strategy import Close, Context
from tests.support.market import Market, at, tick
from tests.unit.trading.test_by_hand import CrossingUpward, answered, ordering
from tests.unit.trading.test_resting import ENTERED, Day, Once
from tests.unit.trading.test_strategies import At

TICKS = [tick(at(9, 45, second), 100) for second in range(12)]
Asking = Callable[[Context], Request | Close]


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return Market(tmp_path / "session", signals=[])


def entry(name: str, side: Side, quantity: int, limit: str | None = None) -> Asking:
    price = {"limit_price": Decimal(limit)} if limit else {}
    return lambda context: context.entry(name, "A", side, quantity, **price)  # type: ignore[arg-type]


def states(trader: Trader) -> dict[str, Order]:
    """Return the orders by the name that the strategy gave them."""
    return {order.request.correlation_id: order for order in trader.book.orders.values()}


def set_state(state: TradingState) -> Callable[[Trader], None]:
    return lambda trader: trader.manager.set_state(state, "by the test", "test")


@pytest.mark.parametrize("who", ["a strategy", "a person"])
@pytest.mark.parametrize("when", ["reducing", "after the cutoff"])
@pytest.mark.parametrize("side", Side)
def test_it_lives_where_nothing_is_opened_and_what_would_turn_the_position_does_not(
    market: Market, side: Side, when: str, who: str
) -> None:
    """It was accepted, and cancelled a step later."""
    hour = (15, 1) if when == "after the cutoff" else (9, 46)
    limit = "102" if side is Side.BUY else "98"  # of what closes, which does not fill
    less = side.other
    asked = [("one", less, 6, limit), ("turning", less, 5, limit), ("more", side, 1, None)]
    do: dict[int, Callable[[Trader], object]] = {}
    ticks = [*TICKS[:4], *(tick(at(*hour, second), 100) for second in range(8))]
    if who == "a strategy":
        later = [(at(*hour, 2), entry(*each)) for each in asked]
        market.others = {"own": lambda: At((at(9, 45), entry("first", side, 10)), *later)}
    else:
        do[1] = ordering(market, "first", str(side), quantity=10)
        for name, each, quantity, price in asked:
            terms: dict[str, Any] = {"limit_price": Decimal(price)} if price else {}
            order = ordering(market, name, str(each), quantity=quantity, **terms)
            before = do.get(6, lambda _: None)
            do[6] = lambda trader, before=before, order=order: (before(trader), order(trader))  # type: ignore[misc]
    if when == "reducing":
        do[5] = set_state(TradingState.REDUCING)
    trader = market.trade(ticks, at_tick=do, to_end=False)
    found = states(trader)
    assert found["one"].state is State.OPEN
    assert {found[name].state for name in ("turning", "more")} == {State.DENIED}
    assert trader.book.quantity("A", Product.MIS) == side.sign * 10


@pytest.mark.parametrize(("kind", "alive"), [("reducing", ["one"]), ("halted", [])])
def test_of_two_the_one_that_would_turn_the_position_is_cancelled(
    market: Market, kind: str, alive: list[str]
) -> None:
    orders = [(at(9, 45, 3), entry(name, Side.SELL, 6, "102")) for name in ("one", "two")]
    market.others = {"own": lambda: At((at(9, 45), entry("first", Side.BUY, 10)), *orders)}
    trader = market.trade(TICKS, at_tick={6: set_state(TradingState(kind))}, to_end=False)
    found = states(trader)
    live = [name for name in ("one", "two") if found[name].state is State.OPEN]
    assert live == alive
    assert trader.book.quantity("A", Product.MIS) == 10


@pytest.mark.parametrize(("quantity", "state"), [(6, State.OPEN), (7, State.CANCELLED)])
def test_what_would_turn_the_position_of_the_account_is_cancelled(
    market: Market, quantity: int, state: State
) -> None:
    """The strategy holds 10, and another is short of 4."""
    market.others = {
        "short": lambda: At((at(9, 45), entry("short", Side.SELL, 4))),
        "long": lambda: At(
            (at(9, 45, 2), entry("long", Side.BUY, 10)),
            (at(9, 45, 4), entry("less", Side.SELL, quantity, "102")),
        ),
    }
    trader = market.trade(TICKS, at_tick={7: set_state(TradingState.REDUCING)}, to_end=False)
    assert states(trader)["less"].state is state
    assert trader.book.quantity("A", Product.MIS) == 6


def test_of_two_strategies_the_one_that_would_turn_the_account_is_cancelled(
    market: Market,
) -> None:
    """Two hold 6 each, and a third is short of 4: the account holds 8."""
    market.others = {
        "short": lambda: At((at(9, 45), entry("short", Side.SELL, 4))),
        **{
            name: lambda name=name: At(  # type: ignore[misc]
                (at(9, 45, 2), entry(f"{name} long", Side.BUY, 6)),
                (at(9, 45, 4), entry(name, Side.SELL, 6, "102")),
            )
            for name in ("one", "two")
        },
    }
    trader = market.trade(TICKS, at_tick={7: set_state(TradingState.REDUCING)}, to_end=False)
    found = states(trader)
    assert [found[name].state for name in ("one", "two")] == [State.OPEN, State.CANCELLED]


def test_a_close_counts_what_a_sale_that_turned_the_position_opened(market: Market) -> None:
    market.broker = CrossingUpward
    do: dict[int, Callable[[Trader], object]] = {
        1: ordering(market, "one", "buy", quantity=20),
        3: ordering(market, "turn", "sell", quantity=25, limit_price=Decimal("102.50")),
        5: ordering(market, "two", "close"),
    }
    trader = market.trade(TICKS, at_tick=do, to_end=False)
    assert trader.book.quantity("A", Product.MIS) == 0
    assert answered(market, "turn").message == (
        "25 of 25 A filled at 102.60; 20 close what is held, and 5 open a short position without a"
        " stop"
    )
    assert answered(market, "two").message == "closed 25 of 25 A"


@pytest.mark.parametrize(
    ("state", "held"), [(TradingState.ACTIVE, -4), (TradingState.REDUCING, 10)]
)
def test_what_turns_a_position_waits_for_its_stop_to_end(
    tmp_path: Path, state: TradingState, held: int
) -> None:
    """It was denied as soon as a stop rested, though it may open."""

    class Turning(Once):
        def generate_orders(self, context: Context) -> Sequence[Request]:
            bought = super().generate_orders(context)
            if context.now < at(9, 46):
                return bought
            return [context.entry("turn", "A", Side.SELL, 14)]

    day = Day(tmp_path / "day", lambda: Turning(Side.BUY, 10, stop_price=95))
    day.traded(ENTERED)
    trader = day.traded([tick(at(9, 46, second), 100) for second in range(8)], state=state)
    assert day.held() == trader.book.quantity("A", Product.MIS) == held
    resting = [stop.quantity for stop in day.stops() if stop.state is State.TRIGGER_PENDING]
    assert resting == ([] if held < 0 else [10])
    [turned] = [each for each in trader.book.orders.values() if each.request.quantity == 14]
    assert turned.state is (State.FILLED if held < 0 else State.DENIED)


async def unkept(*_: Any) -> None:
    """Make no stop smaller."""


def test_an_entry_that_expires_says_what_it_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Reducing(Once):
        def generate_orders(self, context: Context) -> Sequence[Request]:
            bought = super().generate_orders(context)
            if context.now < at(9, 46):
                return bought
            return [context.entry("less", "A", Side.SELL, 4, expires_at=at(9, 46, 3))]

    day = Day(tmp_path / "day", lambda: Reducing(Side.BUY, 10, stop_price=95))
    day.traded(ENTERED)
    monkeypatch.setattr(RestingStops, "keep", unkept)
    day.traded([tick(at(9, 46, second), 100) for second in range(6)])
    [denied] = [each for each in day.journal.events if isinstance(each, events.OrderDenied)]
    assert denied.code == "EXPIRED"
    assert denied.detail.endswith("waited_for=a resting stop")
