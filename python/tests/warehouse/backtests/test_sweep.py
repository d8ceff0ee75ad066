"""The sweep against a loop that follows every signal again for every combination."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pytest

from tests.support.warehouse import Warehouse
from tests.warehouse.backtests.simulator import Bar, Signal, charge, follow, rounded
from tests.warehouse.backtests.test_accounts import rows

Row = dict[str, Any]
COMBINATIONS = 40


def net_return(signal: Row, followed: Signal, bars: list[Bar], setting: Row) -> float | None:
    """Return what a signal made, net, for a position of the setting's size."""
    left = follow(followed, bars, None)
    if left.exit_price is None or left.entry_price is None or left.gross_return is None:
        return None
    quantity = setting["notional_amount"] / left.entry_price
    slip = setting["slippage_bps"] / 10_000
    costs = rounded(quantity * left.entry_price * slip, 4)
    if left.reason != "target":
        costs += rounded(quantity * left.exit_price * slip, 4)
    bought, sold = left.entry_price, left.exit_price
    if not followed.is_long:
        bought, sold = sold, bought
    costs += charge("buy", quantity, bought, signal) + charge("sell", quantity, sold, signal)
    return left.gross_return - costs / float(setting["notional_amount"])


@pytest.fixture(scope="module")
def connection(sample: Warehouse) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(sample.file), read_only=True)


@pytest.fixture(scope="module")
def sessions(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, date], list[Bar]]:
    found: dict[tuple[str, date], list[Bar]] = defaultdict(list)
    for symbol, day, *bar in connection.execute(
        "select symbol, session_date, bar_ts, bar_end, open, high, low, close "
        "from bars.ohlcv where timeframe = '1m' order by bar_ts"
    ).fetchall():
        found[symbol, day].append(Bar(*bar))
    return found


def signals_of(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    return rows(
        connection,
        "select signals.*, outcome_settings.notional_amount, outcome_settings.slippage_bps, "
        "charges.* exclude (segment, currency) from backtests.signals "
        "inner join seeds.outcome_settings using (calendar) asof inner join seeds.charges "
        "on outcome_settings.segment = charges.segment "
        "and signals.session_date >= charges.effective_from",
    )


def followed(signal: Row) -> Signal:
    return Signal(
        signal["known_ts"],
        datetime.combine(signal["session_date"], signal["exit_time"]),
        signal["direction"] == "long",
        signal["stop_price"],
        signal["target_price"],
    )


def test_net_returns_of_outcomes_are_the_simulators(
    connection: duckdb.DuckDBPyConnection, sessions: dict[tuple[str, date], list[Bar]]
) -> None:
    found = dict(
        connection.execute("select signal_id, net_return from backtests.outcomes").fetchall()
    )
    for signal in signals_of(connection):
        bars = sessions[signal["symbol"], signal["session_date"]]
        wanted = net_return(signal, followed(signal), bars, signal)
        assert found[signal["signal_id"]] == pytest.approx(wanted, abs=1e-7)


def test_combinations_are_the_simulators(
    connection: duckdb.DuckDBPyConnection, sessions: dict[tuple[str, date], list[Bar]]
) -> None:
    sweep = rows(connection, "from backtests.sweep order by all")
    for combination in random.Random(4).sample(sweep, COMBINATIONS):
        returns = []
        for signal in signals_of(connection):
            if (signal["scanner"], signal["preset"]) != (
                combination["scanner"],
                combination["preset"],
            ):
                continue
            if (
                signal["score"] < combination["min_score"]
                or signal["signal_rank"] > combination["max_signals"]
            ):
                continue
            side = 1 if signal["direction"] == "long" else -1
            moved = followed(signal)
            moved = replace(
                moved,
                exit_at=moved.exit_at - timedelta(minutes=combination["minutes_before_exit"]),
                stop=rounded(
                    signal["entry_price"] * (1 - side * combination["stop_loss_pct"] / 100)
                ),
                target=rounded(
                    signal["entry_price"] * (1 + side * combination["take_profit_pct"] / 100)
                ),
            )
            bars = sessions[signal["symbol"], signal["session_date"]]
            result = net_return(signal, moved, bars, signal)
            if result is not None:
                returns.append(result)
        assert combination["trade_count"] == len(returns)
        assert combination["win_count"] == sum(value > 0 for value in returns)
        assert float(combination["total_trade_return"]) == pytest.approx(sum(returns), abs=1e-6)


def test_a_presets_own_thresholds_give_its_outcomes(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    found = connection.execute(
        "select total_trade_return from backtests.sweep where scanner = 'crp' "
        "and preset = 'standard' and min_score = 0 and max_signals = 3 and stop_loss_pct = 2 "
        "and take_profit_pct = 6 and minutes_before_exit = 0"
    ).fetchall()
    wanted = connection.execute(
        "select sum(net_return) from backtests.outcomes inner join backtests.signals "
        "using (signal_id) where scanner = 'crp' and preset = 'standard'"
    ).fetchall()
    assert float(found[0][0]) == pytest.approx(wanted[0][0], abs=1e-6)
