"""Checks of others are added to ours, and keep no position from being closed."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from duckbourse import plugins
from duckbourse.errors import ConfigurationError
from duckbourse.orders.bus import Bus
from duckbourse.orders.denial import OrderDeniedError
from duckbourse.orders.events import Event
from duckbourse.orders.lifecycle import State
from duckbourse.risk.checks import OrderContext, open_checks
from duckbourse.trading.strategies import open_strategies
from duckbourse.trading.strategy import Context, Wanted
from duckbourse.trading.subscribers import open_subscribers, subscribe
from tests.support.market import Market, at, exits, tick, with_limits


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return Market(tmp_path / "session")


def deny(context: OrderContext) -> None:
    raise OrderDeniedError("MINE", f"symbol={context.request.symbol}")


def fail(_: OrderContext) -> None:
    raise ZeroDivisionError("in user code")


no_function = "text"
STOPPED = [tick(at(9, 45, 1), 100), tick(at(9, 45, 2), 100)] + [
    tick(at(9, 50, second), "97.5") for second in range(4)
]


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ("deny", "MINE: symbol=A"),
        ("fail", f"CHECK_FAILED: check={__name__}:fail, error=ZeroDivisionError('in user code')"),
    ],
)
def test_an_own_check_denies(market: Market, check: str, message: str) -> None:
    market.checks = open_checks([f"{__name__}:{check}"])
    [order] = market.trade(STOPPED).book.orders.values()
    assert (order.state, order.message) == (State.DENIED, message)


def test_ours_run_first(market: Market) -> None:
    market.checks = open_checks([f"{__name__}:deny"])
    market.limits = with_limits(max_var_pct=Decimal("0.001"))
    [order] = market.trade(STOPPED).book.orders.values()
    assert order.message.startswith("VAR: ")


def test_an_own_check_does_not_keep_a_position_open(market: Market) -> None:
    market.trade(STOPPED[:2], to_end=False)
    market.checks = open_checks([f"{__name__}:fail"])
    trader = market.trade(STOPPED[2:])
    assert [order.state for order in exits(trader)] == [State.FILLED]


def test_checks_of_installed_packages_are_always_added(monkeypatch: pytest.MonkeyPatch) -> None:
    def points(*, group: str) -> Any:
        assert group == "duckbourse.checks"
        return [EntryPoint("mine", f"{__name__}:deny", group)]

    monkeypatch.setattr(plugins, "entry_points", points)
    assert open_checks([]) == {"mine": deny}
    assert open_checks([f"{__name__}:fail"]) == {"mine": deny, f"{__name__}:fail": fail}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"{__name__}:no_function", f"the check {__name__}:no_function is no function"),
        (f"{__name__}:dney", f"{__name__} has no check 'dney'; did you mean 'deny'?"),
        ("deny", "there is no check 'deny'"),
    ],
)
def test_what_is_no_check_is_refused(name: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        open_checks([name])
    assert str(refused.value) == message


async def coroutine(_: object) -> None: ...


def subscribes_coroutine(bus: Bus) -> None:
    bus.subscribe(Event, coroutine)


class Awaited:
    def generate_orders(self, context: Context) -> list[Wanted]:
        return []

    async def on_fill(self, *_: object) -> None: ...


def _subscribe(name: str) -> None:
    subscribe(open_subscribers([name]), Bus())


@pytest.mark.parametrize(
    ("take", "name", "what"),
    [
        (lambda name: open_checks([name]), "coroutine", "the check"),
        (_subscribe, "coroutine", "the subscriber"),
        (_subscribe, "subscribes_coroutine", "the subscriber coroutine"),
        (lambda name: open_strategies([name], {}), "Awaited", "on_fill of the strategy"),
    ],
)
def test_what_would_be_called_and_never_awaited_is_refused(
    take: Callable[[str], object], name: str, what: str
) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{what}.* is an `async def`, which is called"):
        take(f"{__name__}:{name}")
