"""Which signals the loop follows, and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from duckbourse.orders import events
from duckbourse.orders.events import TradingState
from duckbourse.orders.order import Reason
from duckbourse.trading.loop import Trader
from duckbourse.trading.publication import Signal
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


class Finding:
    """Scans that find signals with the first ticks."""

    def __init__(self, *found: Signal) -> None:
        self._found = found

    async def on_ticks(self, *_: object) -> Sequence[Signal]:
        found, self._found = self._found, ()
        return found


def test_a_signal_that_was_found_while_trading_outlives_its_publication(tmp_path: Path) -> None:
    session = Market(tmp_path, signals=[])

    def find(trader: Trader) -> None:
        trader.scans = Finding(signal())  # type: ignore[assignment]

    def renew(trader: Trader) -> None:
        trader._use_publication(session.publication())

    ticks = [tick(at(9, 44, second), 100) for second in (57, 58, 59)]
    session.trade([*ticks, tick(at(9, 45, 1), 100)], at_tick={1: find, 3: renew})
    assert entries(session) == [(at(9, 45, 1), "A")]


def test_a_tick_is_of_the_session_from_its_open_until_before_its_close(tmp_path: Path) -> None:
    session = Market(tmp_path, signals=[], closes=at(10))
    times = [at(9, 29, 59), at(9, 30), at(9, 59, 59), at(10)]
    trader = session.trade([tick(when, 100) for when in times])
    assert (trader.tick_count, trader.stray_tick_count) == (2, 2)
    assert trader.prices["A"] == (Decimal(100), at(9, 59, 59))
