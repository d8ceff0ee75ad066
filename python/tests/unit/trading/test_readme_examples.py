"""The examples of python/README.md work when they are pasted."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from duckbourse.brokers.opening import BrokerSetup, broker_of
from duckbourse.brokers.paper import PaperBroker
from duckbourse.errors import ConfigurationError
from duckbourse.orders.bus import Bus, LimitBreached
from duckbourse.orders.order import Reason
from duckbourse.risk.checks import open_checks
from duckbourse.settings import PROJECT, settings
from duckbourse.trading.session import SessionConfig, TradingSession
from duckbourse.trading.session_folder import trading_now
from duckbourse.trading.strategies import open_strategies
from duckbourse.trading.subscribers import open_subscribers, subscribe
from tests.support.factories import NOW
from tests.support.market import Market, at, exits, instrument, signal, tick

README = (PROJECT / "python" / "README.md").read_text()


@pytest.fixture
def pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Paste each block of Python after a file's name into that file."""
    for name, code in re.findall(r"`(my_\w+\.py)`[^`]*```python\n(.*?)```", README, re.S):
        (tmp_path / name).write_text(code)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_strategy_trades(pasted: Path) -> None:
    ticks = [tick(at(9, 40, second), 103) for second in range(3)]
    ticks += [tick(at(9, 40, second), 101, "B") for second in range(3)]
    ticks += [tick(at(12, 0, second), 104) for second in range(3)]
    opened = open_strategies(
        ["my_strategies:OpeningDrive"], {"opening_drive": {"position_pct": "10"}}
    )
    drive = opened["opening_drive"]
    market = Market(
        pasted / "session",
        signals=[],
        instruments={"A": instrument("A"), "B": instrument("B")},
        others={"opening_drive": lambda: drive},
    )
    trader = market.trade(sorted(ticks, key=lambda each: each["at"]))
    [entry] = [each for each in trader.book.orders.values() if each.request.reason is Reason.ENTRY]
    assert (entry.request.symbol, entry.filled_quantity) == ("A", 96)
    assert [order.request.reason for order in exits(trader)] == [Reason.STRATEGY]
    assert not trader.book.open_positions()
    assert drive.fill_count == 2  # type: ignore[attr-defined]


def test_the_broker_is_costly(pasted: Path) -> None:
    opened = broker_of("my_brokers:open_costly")

    class Costly(Market):
        def open_broker(self, setup: BrokerSetup) -> PaperBroker:
            return cast("PaperBroker", opened(setup))

    trader = Costly(pasted / "session").trade([tick(at(9, 45, second), 100) for second in range(3)])
    (fill, *_) = trader.book.fills.values()
    assert fill.price == Decimal("100.1")


def test_the_subscriber_prints_what_is_denied(
    pasted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(pasted)
    published = Bus()
    importlib.import_module("my_subscribers").print_breaches(published)
    published.publish(LimitBreached(code="CASH", detail="cash=1"), NOW, "signal")
    assert capsys.readouterr().out == "signal CASH cash=1\n"


@pytest.mark.some_day
def test_the_subscriber_is_given_the_bus_of_a_session(
    pasted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(pasted)
    market = Market(pasted / "session")
    config = SessionConfig(
        publication=market.publication(),
        folder=market.folder,
        feed=market.feed([]),
        subscribers=open_subscribers(["my_subscribers:print_breaches"]),
    )
    with TradingSession.open(config) as session:
        session.trader.publish(LimitBreached(code="CASH", detail="cash=1"), "signal")
    assert capsys.readouterr().out == "signal CASH cash=1\n"
    with pytest.raises(ConfigurationError, match="the subscriber broken failed: KeyError"):
        subscribe({"broken": lambda _: os.environ["NO_SUCH_VARIABLE"]}, Bus())


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("BOURSE_DATA_DIR", str(tmp_path / "data"))
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.mark.some_day
@pytest.mark.usefixtures("data")
def test_the_commands_find_the_session_from_python(
    pasted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It wrote no description of its session, so no halt and no status found it."""
    monkeypatch.syspath_prepend(pasted)
    market = Market(pasted / "session")
    mine = importlib.import_module("my_session")
    found: list[list[str]] = []

    def look() -> None:
        found.append([each.account for each in trading_now()[0]])

    def newest(*_: object, **__: object) -> object:
        return SimpleNamespace(newer=market.publication)

    def open_feed(*_: object, **__: object) -> object:
        look()
        return market.feed([])

    monkeypatch.setattr(mine, "Publications", newest)
    monkeypatch.setattr(mine, "open_feed", open_feed)
    mine.main()
    look()
    assert found == [["test"], []]
    assert capsys.readouterr().out == "the broker agrees\n"


def test_the_check_denies(pasted: Path) -> None:
    market = Market(pasted / "session", checks=open_checks(["my_checks:no_penny_stocks"]))
    market.instruments = {"A": instrument("A", prior_close=None)}
    market.signals = [signal(stop_price=Decimal(4), target_price=Decimal(6))]
    trader = market.trade([tick(at(9, 45, second), "4.90") for second in range(3)])
    [order] = trader.book.orders.values()
    assert order.message == "PENNY_STOCK: price=4.900000, min_price=5"
