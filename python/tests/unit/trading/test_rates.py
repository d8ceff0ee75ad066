"""Bursts of signals and of stops against the broker's rates, in the trading loop."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from duckbourse.orders import events
from duckbourse.orders.events import TradingState
from duckbourse.orders.order import Reason, Request, Side
from duckbourse.trading.loop import Trader
from duckbourse.trading.strategy import Context, Strategy
from tests.support.market import Market, at, instrument, signal, tick, with_limits

SYMBOLS = [f"S{number:02}" for number in range(15)]


def market(folder: Path, **changed: Any) -> Market:
    """Return a market with a signal for each of fifteen shares, all known at 9:45."""
    limits = {
        "max_positions": 50,
        "max_gross_pct": Decimal(1_000),
        "max_net_pct": Decimal(1_000),
        "max_var_pct": Decimal(1_000),
        "max_es_pct": Decimal(1_000),
        "max_open_orders": 50,
    }
    return Market(
        folder,
        limits=with_limits(**{**limits, **changed}),
        instruments={symbol: instrument(symbol) for symbol in SYMBOLS},
        signals=[
            signal(symbol, position_pct=Decimal(2), signal_rank=rank)
            for rank, symbol in enumerate(SYMBOLS)
        ],
    )


def ticks(price: float, seconds: Sequence[float]) -> list[dict[str, Any]]:
    """Return a tick of each share at each of these seconds after 9:45."""
    return [tick(at(9, 45, second), price, symbol) for second in seconds for symbol in SYMBOLS]


def sent(market: Market, reasons: Sequence[Reason]) -> list[tuple[datetime, str]]:
    return [
        (event.at, event.request.symbol)
        for event in market.of(events.OrderIntended)
        if event.request.reason in reasons
    ]


def most_in_a_second(times: list[datetime]) -> int:
    return max(sum(1 for other in times if at <= other < at + timedelta(seconds=1)) for at in times)


def test_a_burst_of_signals_is_followed_in_turn(tmp_path: Path) -> None:
    """Of fifteen signals of one minute, ten were sent, and five were denied and lost."""
    session = market(tmp_path)
    session.trade(ticks(100, [1, 1.5, 2, 2.5, 3]))
    entries = sent(session, [Reason.ENTRY])
    assert [symbol for _, symbol in entries] == SYMBOLS
    assert [round((moment - at(9, 45)).total_seconds(), 1) for moment, _ in entries] == (
        [1.0] * 8 + [2.0] * 7
    )
    assert session.of(events.OrderDenied) == []


def test_twenty_stops_at_once_go_out_at_the_rate_of_the_broker(tmp_path: Path) -> None:
    session = market(tmp_path)
    trader = session.trade(
        [*ticks(100, [1, 2, 3, 4]), *ticks(97, [10 + count / 4 for count in range(16)])]
    )
    exits = [moment for moment, _ in sent(session, [Reason.STOP])]
    assert len(exits) == 15
    assert most_in_a_second(exits) == 10
    assert max(exits) - min(exits) <= timedelta(seconds=1.5)
    assert trader.book.open_positions() == []


def test_an_exit_without_a_turn_for_another_limit_is_not_cancelled(tmp_path: Path) -> None:
    """Fifteen exits that do not fill want other limits, at three requests a second."""
    session = market(tmp_path, max_orders_per_second=3)
    locked = ticks(97, [20 + count / 4 for count in range(100)])
    trader = session.trade(
        [
            *ticks(100, range(1, 16)),
            *({**known, "quantity": 0} for known in locked),
            *ticks(97, range(46, 56)),
        ]
    )
    requests = [
        event.at
        for event in session.events
        if isinstance(event, events.OrderSent | events.ModifyRequested | events.CancelRequested)
    ]
    assert len(session.of(events.ModifyRequested)) > 15
    assert session.of(events.CancelRequested) == []
    assert most_in_a_second(requests) == 3
    assert trader.book.open_positions() == []


def test_an_entry_whose_signal_expires_while_it_waits_is_reported(tmp_path: Path) -> None:
    session = market(tmp_path, max_orders_per_minute=5, max_orders_per_second=10)
    seconds = [1 + 20 * count for count in range(17)]
    session.trade(ticks(100, seconds))
    entries = [symbol for _, symbol in sent(session, [Reason.ENTRY])]
    expired = [
        event.request.symbol
        for event in session.of(events.OrderDenied)
        if event.code in ("EXPIRED", "TICK_AGE")
    ]
    assert sorted(entries + expired) == SYMBOLS


def test_a_halt_by_hand_leaves_nothing_waiting(tmp_path: Path) -> None:
    session = market(tmp_path)

    def halt(trader: Trader) -> None:
        trader.manager.set_state(TradingState.HALTED, "noon", "test")

    trader = session.trade(ticks(100, [1, 2, 3]), at_tick={1: halt})
    assert len(sent(session, [Reason.ENTRY])) == 8
    assert [event.code for event in session.of(events.OrderDenied)] == ["TRADING_STATE"] * 7
    assert not trader.manager.waiting_entries


class OneEach(Strategy):
    """Buys a share of everything that it neither holds nor has ordered."""

    def __init__(self) -> None:
        self._count = 0

    def generate_orders(self, context: Context) -> list[Request]:
        found = []
        for symbol in SYMBOLS:
            if symbol not in context.busy and symbol in context.prices:
                self._count += 1
                found.append(
                    Request(
                        order_id=f"own{self._count}",
                        symbol=symbol,
                        side=Side.BUY,
                        quantity=1,
                        product=context.publication.limits.product,
                        limit_price=Decimal(100),
                    )
                )
        return found


def test_a_strategy_does_not_ask_again_for_what_waits(tmp_path: Path) -> None:
    session = market(tmp_path)
    session.signals = []
    session.others = {"one each": OneEach}
    session.trade(ticks(100, [1, 1.5, 2, 2.5, 3]))
    assert [symbol for _, symbol in sent(session, [Reason.ENTRY])] == SYMBOLS
