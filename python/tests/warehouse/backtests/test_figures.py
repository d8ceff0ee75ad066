"""Figures of the summary against SciPy, NumPy and published numbers."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from tests.support.warehouse import Warehouse
from tests.warehouse.backtests.test_accounts import rows
from tests.warehouse.backtests.worlds import compiled

Row = dict[str, Any]
MANY_TRADES = "from backtests.summary where setting = 'us_fixed' and trade_count > 50"


# Bailey and López de Prado, The Deflated Sharpe Ratio (2014), their numerical example: 5 years of
# 250 days, an annual ratio of 2.5, the best of 100 whose annual ratios have variance 1/2
CHANCE = "expected_max_sharpe('(0.5e0 / 250)', '100')"
PUBLISHED = "probabilistic_sharpe('(2.5e0 / sqrt(250))', 'chance', '1250e0', '(-3e0)', '7e0')"
POINTS = (-9.5, -7.1, -3.0, -1.96, -0.1, 0.0, 0.5, 1.6448536269514722, 4.0, 7.5)
PROBABILITIES = [f"normal_probability('({z}e0)')" for z in POINTS]
# of the last, plain arithmetic makes -7e-18, 7e-18 and more than 1
WINS = [(0, 5), (3, 7), (49, 108), (12, 12), (0, 35), (0, 37), (40, 40), (46, 46)]
BOUNDS = [
    f"wilson_bound('{won}', '{of}', '{side}')" for won, of in WINS for side in ("low", "high")
]


@pytest.fixture(scope="module")
def values(sample: Warehouse) -> dict[str, float]:
    """What calls of macros come to."""
    calls = [PUBLISHED, *PROBABILITIES, *BOUNDS]
    columns = ", ".join("({{ %s }})::double" % call for call in calls)  # noqa: UP031
    chance = "(select ({{ %s }})::double as chance)" % CHANCE  # noqa: UP031
    inline = f"select [chance, {columns}] from {chance}"
    sql = sample.inline(inline)
    with duckdb.connect() as connection:
        ((found,),) = connection.execute(sql).fetchall()
    return dict(zip([CHANCE, *calls], found, strict=True))


def test_the_deflated_sharpe_ratio_is_the_published_one(values: dict[str, float]) -> None:
    assert values[CHANCE] == pytest.approx(0.1132, abs=5e-5)
    assert values[PUBLISHED] == pytest.approx(0.9004, abs=5e-5)


def test_normal_probabilities_are_scipys(values: dict[str, float]) -> None:
    found = [values[call] for call in PROBABILITIES]
    assert found == pytest.approx(list(stats.norm.cdf(POINTS)), rel=1e-6, abs=1e-14)


def test_win_rates_have_wilsons_interval(values: dict[str, float]) -> None:
    wanted = [stats.binomtest(won, of).proportion_ci(method="wilson") for won, of in WINS]
    assert [values[call] for call in BOUNDS] == pytest.approx(
        [bound for interval in wanted for bound in (interval.low, interval.high)], abs=1e-12
    )


@pytest.mark.parametrize(("won", "of"), WINS)
def test_no_interval_reaches_beyond_a_share(values: dict[str, float], won: int, of: int) -> None:
    low, high = (values[f"wilson_bound('{won}', '{of}', '{side}')"] for side in ("low", "high"))
    assert 0 <= low <= won / of <= high <= 1


def test_every_summary_is_what_numpy_makes_of_its_sessions(sample: Warehouse) -> None:
    with duckdb.connect(str(sample.file), read_only=True) as connection:
        summaries = rows(connection, "from backtests.summary")
        ratios: dict[str, list[float]] = {}
        for summary in summaries:
            equity = rows(
                connection,
                "from backtests.equity where run_id = $run order by session_date",
                run=summary["run_id"],
            )
            line = np.array([float(summary["capital_amount"])])
            line = np.append(line, [float(row["equity_amount"]) for row in equity])
            returns = line[1:] / line[:-1] - 1
            begun = (
                "select max(session_date) as day from bars.sessions"
                " where calendar = $calendar and session_date < $first"
            )
            run = {"calendar": summary["calendar"], "first": summary["first_session_date"]}
            [before] = rows(connection, begun, **run)
            check(summary, returns, line, (equity[-1]["session_date"] - before["day"]).days)
            ratio = quotient(returns.mean(), returns.std(ddof=1))
            ratios.setdefault(summary["scanner"], []).append(ratio)
        for summary in summaries:
            of_scanner = ratios[summary["scanner"]]
            assert summary["trial_count"] == len(of_scanner)
            if summary["sharpe_ratio"] is None:
                assert summary["deflated_sharpe"] is None
                continue
            wanted = deflated(summary, float(np.nanvar(of_scanner, ddof=1)), len(of_scanner))
            assert summary["deflated_sharpe"] == pytest.approx(wanted, abs=1e-6)


def test_every_run_is_compared_as_numpy_does(sample: Warehouse) -> None:
    with duckdb.connect(str(sample.file), read_only=True) as connection:
        closes = rows(
            connection,
            "from bars.total_return_closes where symbol = 'SPX' order by session_date",
        )
        index = {
            after["session_date"]: after["total_return_close"] / before["total_return_close"] - 1
            for before, after in pairwise(closes)
        }
        compared = 0
        for summary in rows(connection, "from backtests.summary"):
            equity = rows(
                connection,
                "from backtests.equity where run_id = $run order by session_date",
                run=summary["run_id"],
            )
            run = np.array([row["session_return"] for row in equity])
            market = np.array([index[row["session_date"]] for row in equity])
            active = run - market
            beta = np.cov(run, market)[0, 1] / market.var(ddof=1)
            assert summary["benchmark"] == "SPX"
            wanted = {
                "benchmark_coverage_ratio": 1,
                "benchmark_cumulative_return": np.prod(1 + market) - 1,
                "active_cumulative_return": np.prod(1 + run) - np.prod(1 + market),
                "beta": beta,
                "alpha": (1 + run.mean() - beta * market.mean()) ** 252 - 1,
                "tracking_error": active.std(ddof=1) * math.sqrt(252),
                "information_ratio": active.mean() / active.std(ddof=1) * math.sqrt(252),
            }
            if summary["trade_count"]:
                wanted["benchmark_correlation"] = np.corrcoef(run, market)[0, 1]
                compared += 1
            else:
                assert summary["benchmark_correlation"] is None
            for name, value in wanted.items():
                assert summary[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name
    assert compared > 50


def test_a_benchmark_is_compared_with_its_dividends(sample: Warehouse) -> None:
    """IBM closed at 128.25 and at 125.26, and paid 0.65 a share on the day it closed at 123.92."""
    connection = duckdb.connect()
    connection.execute(f"attach '{sample.file}' as built (read_only)")
    connection.execute("attach ':memory:' as duckbourse")
    for relation in (
        *("runs", "session_accounts", "trades", "permutations", "bootstraps"),
        *("seeds.calendars", "seeds.backtest_settings"),
        *("bars.sessions", "bars.total_return_closes"),
    ):
        name = relation if "." in relation else f"backtests.{relation}"
        connection.execute(f"create schema if not exists duckbourse.{name.split('.')[0]}")
        connection.execute(f"create table duckbourse.{name} as from built.{name}")
    connection.execute("update duckbourse.seeds.backtest_settings set benchmark = 'IBM'")
    for name in ("equity", "session_returns"):
        sql = compiled(sample, name)
        connection.execute(f"create table duckbourse.backtests.{name} as {sql}")
    compared = rows(connection, compiled(sample, "summary"))
    assert compared
    for run in compared:
        assert run["session_count"] == 41, "April and May of 2010"
        assert run["benchmark_coverage_ratio"] == 1
        wanted = 125.26 / 128.25 * (1 + 0.65 / 123.92) - 1
        assert run["benchmark_cumulative_return"] == pytest.approx(wanted, rel=1e-9)


def quotient(value: float, divisor: float) -> float:
    """Return the value over the divisor, and over nothing what is no number."""
    return value / divisor if divisor else math.nan


def check(
    summary: Row, returns: np.ndarray[Any, Any], line: np.ndarray[Any, Any], days: int
) -> None:
    year = math.sqrt(252)
    downside = math.sqrt(np.mean(np.minimum(returns, 0) ** 2))
    peaks = np.maximum.accumulate(line)
    skewness = excess_kurtosis = math.nan
    if np.ptp(returns):
        skewness, excess_kurtosis = stats.skew(returns), stats.kurtosis(returns)
    wanted = {
        "session_count": len(returns),
        "cumulative_return": line[-1] / line[0] - 1,
        "cagr": (line[-1] / line[0]) ** (365.25 / days) - 1,
        "annualized_volatility": returns.std(ddof=1) * year,
        "sharpe_ratio": quotient(returns.mean(), returns.std(ddof=1)) * year,
        "sortino_ratio": quotient(returns.mean(), downside) * year,
        "max_drawdown": np.min(line / peaks - 1),
        "skewness": skewness,
        "excess_kurtosis": excess_kurtosis,
    }
    for name, value in wanted.items():
        if math.isfinite(value):
            assert summary[name] == pytest.approx(value, rel=1e-6), name
        else:
            assert summary[name] is None, name
    if summary["sharpe_ratio"] is None:
        assert summary["trade_count"] == 0, "nothing is traded, and nothing known of it"
        assert summary["probabilistic_sharpe"] is None
        return
    lone = deflated(summary, 0.0, 1)
    assert summary["probabilistic_sharpe"] == pytest.approx(lone, abs=1e-9)


def deflated(summary: Row, variance: float, trials: int) -> float:
    """Return the probability of a Sharpe ratio above chance, straight from the papers."""
    ratio = summary["sharpe_ratio"] / math.sqrt(252)
    euler = np.euler_gamma
    chance = 0.0
    if trials > 1:
        chance = math.sqrt(variance) * (
            (1 - euler) * stats.norm.ppf(1 - 1 / trials)
            + euler * stats.norm.ppf(1 - 1 / (trials * math.e))
        )
    shape = 1 - summary["skewness"] * ratio + (summary["excess_kurtosis"] + 2) / 4 * ratio**2
    z = (ratio - chance) * math.sqrt(summary["session_count"] - 1) / math.sqrt(shape)
    return float(stats.norm.cdf(z))


def test_intervals_are_near_their_true_values(sample: Warehouse) -> None:
    """Draws are few, so that they are only near: within what draws differ by."""
    with duckdb.connect(str(sample.file), read_only=True) as connection:
        for summary in rows(connection, MANY_TRADES):
            query = "select net_return from backtests.trades where run_id = $run"
            found = rows(connection, query, run=summary["run_id"])
            returns = np.array([float(row["net_return"]) for row in found])
            error = returns.std() / math.sqrt(len(returns))
            for side, name in ((-1, "mean_trade_return_low"), (1, "mean_trade_return_high")):
                near = returns.mean() + side * 1.96 * error
                assert summary[name] == pytest.approx(near, abs=0.6 * error), name


def test_nothing_is_inferred_from_fewer_than_ten_trades(sample: Warehouse) -> None:
    inferred = (
        *("win_rate_low", "win_rate_high", "mean_trade_return_low", "mean_trade_return_high"),
        *("random_mean_return", "permutation_p_value"),
    )
    with duckdb.connect(str(sample.file), read_only=True) as connection:
        summaries = rows(connection, "from backtests.summary")
    assert {summary["trade_count"] >= 10 for summary in summaries} == {False, True}
    for summary in summaries:
        for name in inferred:
            assert (summary[name] is not None) == (summary["trade_count"] >= 10), name


def test_no_year_is_made_of_fewer_than_twenty_sessions(sample: Warehouse) -> None:
    connection = duckdb.connect()
    connection.execute(f"attach '{sample.file}' as built (read_only)")
    connection.execute("attach ':memory:' as duckbourse")
    connection.execute("create schema duckbourse.backtests")
    for name in ("runs", "trades", "permutations", "bootstraps"):
        relation = f"backtests.{name}"
        connection.execute(f"create table duckbourse.{relation} as from built.{relation}")
    years = ("cagr", "annualized_volatility", "sharpe_ratio", "sortino_ratio")
    for count, is_known in ((19, False), (20, True)):
        for name in ("equity", "session_returns"):
            connection.execute(
                f"create or replace table duckbourse.backtests.{name} as "
                f"from built.backtests.{name} where session_number <= {count}"
            )
        summaries = rows(connection, compiled(sample, "summary"))
        assert summaries
        for summary in summaries:
            assert summary["session_count"] == count
            has_moved = summary["max_drawdown"] != 0 or summary["cumulative_return"] != 0
            for name in years:
                has_value = has_moved or name not in ("sharpe_ratio", "sortino_ratio")
                if name == "sortino_ratio":  # of what never fell there is none
                    has_value = summary["max_drawdown"] != 0
                assert (summary[name] is not None) == (is_known and has_value), name
