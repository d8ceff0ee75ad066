"""Whether a run is better than chance: against random trades that are followed bar by bar."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import duckdb
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats  # type: ignore[import-untyped]

from tests.support.warehouse import Warehouse
from tests.warehouse.backtests.simulator import Bar, Signal, charge, follow, rounded
from tests.warehouse.backtests.test_accounts import rows
from tests.warehouse.backtests.worlds import compiled

Row = dict[str, Any]
# of each setting a run, so that every way to trail a stop is there
RUNS = """
    from backtests.summary
    inner join seeds.backtest_settings using (setting)
    select summary.*, backtest_settings.* exclude (setting, calendar, capital_amount, benchmark)
    where trade_count >= 10
    qualify row_number() over (partition by setting order by trade_count, run_id) = 1
"""
TRADES = """
    select
        signal_id, trades.symbol, trades.entry_amount::double as entry_amount, trades.entry_price,
        trades.net_return::double as net_return, tradable_signals.*,
        signals.calendar, signals.session_date, signals.known_ts, signals.target_price,
        signals.session_date + signals.exit_time as exit_at
    from backtests.trades
    inner join backtests.tradable_signals using (run_id, signal_id)
    inner join backtests.signals using (signal_id)
    where run_id = $run
"""
PRIOR_RANGES = """
    select symbol, bar_end, natr_14 / 100 * close as average_range
    from indicators.volatility inner join bars.ohlcv using (symbol, timeframe, bar_ts)
    where timeframe = '1d' and natr_14 is not null
    order by bar_end
"""


class Market:
    """The minutes of all symbols, and how far each ranged on the days before."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.sessions: dict[date, dict[str, list[Bar]]] = defaultdict(lambda: defaultdict(list))
        for symbol, day, *bar in connection.execute(
            "select symbol, session_date, bar_ts, bar_end, open, high, low, close "
            "from bars.ohlcv where timeframe = '1m' order by bar_ts"
        ).fetchall():
            self.sessions[day][symbol].append(Bar(*bar))
        self.ranges: dict[str, list[tuple[datetime, float]]] = defaultdict(list)
        for symbol, *known in connection.execute(PRIOR_RANGES).fetchall():
            self.ranges[symbol].append((known[0], known[1]))

    def range_before(self, symbol: str, moment: datetime) -> float | None:
        known = [value for end, value in self.ranges[symbol] if end <= moment]
        return known[-1] if known else None


def net_returns(market: Market, run: Row, trade: Row) -> Iterator[float]:
    """Yield what the trade would have made, as a fraction, in each symbol that could be entered."""
    for symbol, bars in market.sessions[trade["session_date"]].items():
        entered = [bar for bar in bars if bar.start >= trade["known_ts"]]
        if not entered:
            continue
        ratio = entered[0].open / trade["entry_price"]
        stop, target = trade["stop_price"] * ratio, trade["target_price"] * ratio
        if symbol != trade["symbol"]:
            stop, target = rounded(stop), rounded(target)
        trailing = run["trailing_stop_atr_ratio"]
        average_range = market.range_before(symbol, trade["known_ts"])
        distance = rounded(trailing * average_range) if trailing and average_range else None
        is_long = trade["direction"] == "long"
        signal = Signal(trade["known_ts"], trade["exit_at"], is_long, stop, target)
        end = follow(signal, bars, run["trailing_stop_pct"], distance)
        if end.gross_return is None or end.exit_price is None or end.entry_price is None:
            continue
        shares = trade["entry_amount"] / end.entry_price
        slip = run["slippage_bps"] / 1e4
        costs = shares * end.entry_price * slip
        costs += 0 if end.reason == "target" else shares * end.exit_price * slip
        prices = (end.entry_price, end.exit_price)
        bought, sold = prices if is_long else reversed(prices)
        costs += charge("buy", shares, bought, trade) + charge("sell", shares, sold, trade)
        yield end.gross_return - costs / trade["entry_amount"]


def test_random_trades_are_those_of_the_run_in_other_symbols(sample: Warehouse) -> None:
    seen = set()
    with duckdb.connect(str(sample.file), read_only=True) as connection:
        market = Market(connection)
        dice = np.random.default_rng(20261129)
        for run in rows(connection, RUNS):
            trades = rows(connection, TRADES, run=run["run_id"])
            choices = [np.array(list(net_returns(market, run, trade))) for trade in trades]
            for trade, returns in zip(trades, choices, strict=True):
                assert len(returns) > 10
                assert np.abs(returns - trade["net_return"]).min() < 1e-5, "its own is one"
            mean = np.mean([trade["net_return"] for trade in trades])
            draws = np.mean([dice.choice(returns, 20_000) for returns in choices], axis=0)
            assert run["random_mean_return"] == pytest.approx(
                draws.mean(), abs=4 * draws.std() / math.sqrt(1000)
            )
            wanted = (draws >= mean - 1e-8).mean()
            if mean <= 0:
                wanted = max(wanted, 0.5)
            error = math.sqrt(max(wanted * (1 - wanted), 1e-3) / 1000)
            assert run["permutation_p_value"] == pytest.approx(wanted, abs=4 * error + 2e-3)
            seen.add(run["setting"])
    assert len(seen) >= 3


def p_values(sample: Warehouse, chosen: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """Return the p of runs: of each its trades' returns, and what each made in other symbols."""
    runs, trades = chosen.shape
    connection = duckdb.connect()
    connection.execute("attach ':memory:' as duckbourse")
    connection.execute("create schema duckbourse.backtests; create schema duckbourse.seeds")
    connection.execute(f"attach '{sample.file}' as built (read_only)")
    for relation in (
        "seeds.backtest_settings",
        *("backtests.runs", "backtests.trades", "backtests.tradable_signals"),
        *("backtests.entries", "backtests.exits"),
    ):
        connection.execute(f"create table duckbourse.{relation} as from built.{relation} limit 0")
    run, trade = (axis.ravel() for axis in np.indices((runs, trades)))
    each_run, each_trade, each_symbol = (axis.ravel() for axis in np.indices(others.shape))
    given = {
        "chosen": {"run": run, "trade": trade, "result": chosen.ravel()},
        "others": {
            **{"run": each_run, "trade": each_trade, "symbol": each_symbol},
            "result": others.ravel(),
        },
    }
    for name, columns in given.items():
        connection.register(name, columns)
    free = ", ".join(
        f"0 as {column}"
        for (column,) in connection.execute(
            "select column_name from duckdb_columns() where database_name = 'built' "
            "and table_name = 'tradable_signals' and column_name != 'tax_unit_amount' "
            "and (column_name like '%\\_pct' escape '\\' "
            "or column_name like '%\\_amount' escape '\\' or column_name = 'slippage_bps')"
        ).fetchall()
    )
    signal = "run || '-' || trade as signal_id"
    for relation, query in {
        "seeds.backtest_settings": "select 'mine' as setting, 1000 as permutation_count",
        "backtests.runs": "select distinct run as run_id, 'mine' as setting from chosen",
        "backtests.trades": f"select run as run_id, {signal}, 'own' as symbol, "
        "1000 as entry_amount, result as net_return from chosen",
        "backtests.tradable_signals": f"select run as run_id, {signal}, 1 as side, {free} "
        "from chosen",
        "backtests.entries": f"select signal_id || symbol as signal_id, signal_id as "
        f"chosen_signal_id, 's' || symbol as symbol from (select *, {signal} from others)",
        "backtests.exits": f"select signal_id || symbol as signal_id, 10 as entry_price, "
        f"10 as marked_exit_price, 'time' as exit_reason, result as marked_return "
        f"from (select *, {signal} from others)",
    }.items():
        connection.execute(f"insert into duckbourse.{relation} by name {query}")
    found = connection.execute(
        f"select permutation_p_value from ({compiled(sample, 'permutations')})"
    ).fetchall()
    assert len(found) == runs
    return np.array(found).ravel()


def test_p_is_uniform_without_an_edge_small_with_one_and_never_small_for_a_loss(
    sample: Warehouse,
) -> None:
    dice = np.random.default_rng(7)
    outcomes = dice.normal(0.03, 0.01, (300, 12, 20))
    found = p_values(sample, outcomes[:, :, 0], outcomes[:, :, 1:])
    assert stats.kstest(found, "uniform").pvalue > 0.01
    # a tenth of a deviation better in each of many trades cannot be seen; one and a half can
    edge = p_values(sample, outcomes[:, :, 0] + 0.015, outcomes[:, :, 1:])
    assert (edge < 0.01).mean() > 0.95
    # all lose, and the run less than any other: no gain is no evidence of one
    loss = p_values(sample, outcomes[:20, :, 0] - 0.07, outcomes[:20, :, 1:] - 0.3)
    assert (loss >= 0.5).all()
    worse = p_values(sample, outcomes[:20, :, 0] - 0.015, outcomes[:20, :, 1:])
    assert (worse > 0.5).all()
