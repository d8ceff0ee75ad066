"""Sizes, money and costs against an account that is kept trade by trade."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import duckdb
import pytest

from tests.support.warehouse import Warehouse
from tests.warehouse.backtests.simulator import kelly_pct, pnl, rounded, trade_session, unit_cost

Row = dict[str, Any]
CANDIDATES = """
    select
        signals.signal_id, signals.session_date, signals.symbol, signals.direction,
        signals.stop_price, signals.position_pct, exits.entry_price, exits.entry_bar_volume,
        exits.marked_exit_price, exits.marked_return, exits.exit_reason, charges.*,
        volatility.natr_14, instruments.sector
    from backtests.signals
    inner join backtests.exits using (signal_id)
    left join seeds.instruments using (symbol)
    asof inner join seeds.charges
        on charges.segment = $segment and signals.session_date >= charges.effective_from
    asof left join (
        select symbol, bar_end, natr_14
        from indicators.volatility
        inner join bars.ohlcv using (symbol, timeframe, bar_ts)
        where timeframe = '1d'
    ) as volatility
        on signals.symbol = volatility.symbol and signals.known_ts >= volatility.bar_end
    where scanner = $scanner and preset = $preset and signals.calendar = $calendar
        and exits.trailing_stop_pct is not distinct from $trailing_pct
        and exits.trailing_stop_atr_ratio is not distinct from $trailing_ratio
        and exits.entry_price is not null
    order by signals.session_date, signals.known_ts, signal_rank
"""


def rows(connection: duckdb.DuckDBPyConnection, query: str, **values: object) -> list[Row]:
    cursor = connection.execute(query, values or None)
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def kept(trades: list[Row], setting: Row, days: list[Any]) -> tuple[dict[str, Row], list[float]]:
    """Keep an account through all sessions: its trades by signal, and equity at the end of each."""
    by_day: dict[Any, list[Row]] = defaultdict(list)
    for trade in trades:
        by_day[trade["session_date"]].append(trade)
    equity = float(setting["capital_amount"])
    history: list[float] = []
    done: dict[str, Row] = {}
    equities = []
    for day in days:
        made = 0.0
        for traded, quantity in trade_session(by_day[day], setting, equity, history):
            result = pnl(quantity, traded, setting)
            done[traded["signal_id"]] = {"quantity": quantity, "net_pnl_amount": result}
            made += result
        equity += made
        equities.append(equity)
        for seen in by_day[day]:
            cost = 2 * (unit_cost(seen, setting) / seen["entry_price"] - 1)
            history.append(rounded(seen["marked_return"] - cost, 8))
    return done, equities


def test_every_account_is_the_one_kept_by_hand(sample: Warehouse) -> None:
    sizings = set()
    with duckdb.connect(str(sample.file), read_only=True) as connection:
        settings = {row["setting"]: row for row in rows(connection, "from seeds.backtest_settings")}
        for run in rows(connection, "from backtests.runs"):
            setting = settings[run["setting"]]
            trades = rows(
                connection,
                CANDIDATES,
                segment=setting["segment"],
                scanner=run["scanner"],
                preset=run["preset"],
                calendar=run["calendar"],
                trailing_pct=setting["trailing_stop_pct"],
                trailing_ratio=setting["trailing_stop_atr_ratio"],
            )
            of_run = {"run": run["run_id"]}
            equity = rows(
                connection,
                "from backtests.equity where run_id = $run order by session_date",
                **of_run,
            )
            days = [row["session_date"] for row in equity]
            wanted, equities = kept(trades, setting, days)
            found = {
                row["signal_id"]: row
                for row in rows(connection, "from backtests.trades where run_id = $run", **of_run)
            }
            assert found.keys() == wanted.keys(), run["setting"]
            for signal_id, trade in wanted.items():
                assert found[signal_id]["quantity"] == trade["quantity"], run["setting"]
                assert float(found[signal_id]["net_pnl_amount"]) == pytest.approx(
                    trade["net_pnl_amount"], abs=5e-4
                )
            assert [float(row["equity_amount"]) for row in equity] == pytest.approx(
                equities, abs=0.05
            )
            sizings.add(setting["sizing"])
    assert len(sizings) == 4


def test_kelly_by_hand() -> None:
    setting = {"sizing_pct": 5.0, "kelly_ratio": 0.5, "min_kelly_trades": 4}
    # three of four win 2%, one loses 3%: 3/4 - 1/4 x 3/2 = 3/8, of which half is 18.75%
    assert kelly_pct([0.02, 0.02, 0.02, -0.03], setting) == pytest.approx(18.75)
    assert kelly_pct([0.02, 0.02, 0.02], setting) == 5.0
