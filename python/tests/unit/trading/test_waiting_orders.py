"""An entry that waits as its loop is killed is sent or ended by the next one, and never silent."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from duckbourse.orders import events
from duckbourse.orders.journal import open_journal, read_journal
from duckbourse.orders.order import Product, Side
from tests.support.market import DAY, Market, at, tick, with_limits
from tests.unit.trading.test_account import begin
from tests.unit.trading.test_account import data as data
from tests.unit.trading.test_strategies import At


@pytest.fixture
def market(tmp_path: Path) -> Market:
    """Return a market in which four entries a minute have their turn, and a strategy sends six."""
    market = Market(tmp_path / "session", signals=[])
    market.limits = with_limits(max_orders_per_minute=5, max_orders_per_second=5)
    market.others = {
        "six": lambda: At(
            *(
                (at(9, 45), lambda seen, name=name: seen.entry(name, "A", Side.BUY, 2))
                for name in "abcdef"
            )
        )
    }
    return market


def killed(market: Market) -> list[str]:
    """Let the strategy send its orders, and the loop be killed; return the ids of what waits."""
    trader = market.trade([tick(at(9, 45, second), 100) for second in (1, 2)], to_end=False)
    waiting = list(trader.manager.waiting_entries)
    assert len(waiting) == 2
    market.others = {}
    return waiting


def test_it_is_sent_by_the_next_loop_in_its_turn(market: Market) -> None:
    waiting = killed(market)
    later = [tick(at(9, 45, second), 100) for second in range(10, 80)]
    trader = market.trade(later, to_end=False)
    sent = [each.request.order_id for each in market.of(events.OrderIntended)]
    assert (len(sent), sent[4:]) == (6, waiting)
    assert trader.book.quantity("A", Product.MIS) == 12
    assert not trader.manager.waiting_entries


def test_it_is_changed_in_the_journal_too(market: Market) -> None:
    trader = market.trade(
        [tick(at(9, 45, second), 100) for second in (1, 2, 3)],
        at_tick={
            2: lambda trader: trader.manager.modify(
                next(iter(trader.manager.waiting_entries)),
                quantity=7,
                limit_price=Decimal("100.50"),
            )
        },
        to_end=False,
    )
    assert [each.quantity for each in trader.manager.waiting_entries.values()] == [7, 2]
    market.others = {}
    trader = market.trade([tick(at(9, 45, second), 100) for second in range(10, 80)], to_end=False)
    assert trader.book.quantity("A", Product.MIS) == 17


def test_its_time_is_over_after_the_restart(market: Market) -> None:
    waiting = killed(market)
    market.trade([tick(at(9, 55), 100)], to_end=False)
    ended = [(each.request.order_id, each.code) for each in market.of(events.OrderDenied)]
    assert ended == [(order_id, "EXPIRED") for order_id in waiting]


def test_it_is_for_its_own_session(market: Market) -> None:
    waiting = killed(market)
    day = timedelta(days=2)
    market.opens, market.closes = market.opens + day, market.closes + day
    market.session_date = DAY + day
    market.trade([tick(at(9, 45) + day, 100)], to_end=False)
    ended = [(each.request.order_id, each.code) for each in market.of(events.OrderDenied)]
    assert ended == [(order_id, "CANCELLED") for order_id in waiting]


@pytest.mark.some_day
@pytest.mark.usefixtures("data")
def test_it_is_carried_to_the_session_that_ends_it(market: Market, tmp_path: Path) -> None:
    waiting = killed(market)
    recorded = read_journal(market.folder)
    [*_, asked] = [each for each in recorded if isinstance(each, events.OrderWaiting)]
    begin(0)
    journal, _ = open_journal(tmp_path / "trading" / "test")
    journal.append(asked)
    journal.close()
    book = begin(1)
    assert list(book.waiting) == waiting[1:]
