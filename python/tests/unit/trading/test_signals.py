"""Which signals the loop follows, and when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from duckbourse.orders import events
from duckbourse.orders.events import TradingState
from duckbourse.orders.order import Reason
from duckbourse.trading.loop import Trader
from tests.support.market import Market, at, instrument, signal, tick, with_limits


def entries(market: Market) -> list[tuple[datetime, str]]:
    return [
        (event.at, event.request.symbol)
        for event in market.of(events.OrderIntended)
        if event.request.reason is Reason.ENTRY
    ]


def test_a_signal_waits_for_a_fresh_price(tmp_path: Path) -> None:
    """A price from before the halt is no price to trade at, and the signal is not lost."""

    def to(state: TradingState) -> Callable[[Trader], None]:
        return lambda trader: trader.manager.set_state(state, "noon", "test")

    session = Market(tmp_path, instruments={symbol: instrument(symbol) for symbol in ("A", "B")})
    session.trade(
        [
            tick(at(9, 44, 50), 100, "B"),
            tick(at(9, 45, 1), 100, "A"),
            tick(at(9, 45, 20), 100, "B"),
            tick(at(9, 45, 21), 100, "A"),
        ],
        at_tick={1: to(TradingState.HALTED), 2: to(TradingState.ACTIVE)},
    )
    assert entries(session) == [(at(9, 45, 21), "A")]
    assert session.of(events.OrderDenied) == []


def test_a_signal_of_what_is_held_is_not_followed(tmp_path: Path) -> None:
    session = Market(
        tmp_path,
        signals=[
            signal(position_pct=Decimal(5)),
            signal(signal_id="again", known_at=at(9, 46), position_pct=Decimal(5)),
        ],
    )
    session.trade([tick(at(9, minute, second), 100) for minute in (45, 46) for second in (1, 2)])
    assert entries(session) == [(at(9, 45, 1), "A")]
    assert session.of(events.OrderDenied) == []


@pytest.mark.parametrize(("of_symbol", "quantity"), [(25, 247), (20, 198)])
def test_an_order_is_no_larger_than_the_account_allows(
    tmp_path: Path, of_symbol: int, quantity: int
) -> None:
    limits = with_limits(max_symbol_pct=Decimal(of_symbol))
    session = Market(tmp_path, limits=limits, signals=[signal(position_pct=Decimal(40))])
    session.trade([tick(at(9, 45, second), 100) for second in (1, 2)])
    [intended] = session.of(events.OrderIntended)
    # 25 percent of 100,000 for an order, or less for a symbol, at the limit of 101
    assert intended.request.quantity == quantity
