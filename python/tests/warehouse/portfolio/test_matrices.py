"""Correlations, covariances and contributions to risk against numpy and scipy."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import date

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats  # type: ignore[import-untyped]

from tests.support.portfolio_fixture import (
    COVARIANCES,
    SECTORS,
    WINDOWS,
    PortfolioFixture,
    built_portfolio_fixture,
)

TOLERANCE = 1e-9
YEAR = 252
Matrix = NDArray[np.float64]

# what scikit-learn 1.9.1 makes of the numbers of `test_shrinkage_is_scikit_learns`
SKLEARN_SHARE = 0.142786032811862
SKLEARN_ROW = [1.1105231437050835, -0.11277306135339228, -0.07736759190095574, 1.3184272038052904]


@pytest.fixture(scope="module")
def portfolio_fixture(tmp_path_factory: pytest.TempPathFactory) -> PortfolioFixture:
    return built_portfolio_fixture(tmp_path_factory)


def held_at_month_ends(
    portfolio_fixture: PortfolioFixture,
) -> dict[tuple[str, date], dict[str, float | None]]:
    """Return the closing weights of the holdings at the last close of each month."""
    weights: dict[tuple[str, date], dict[str, float | None]] = defaultdict(dict)
    for portfolio, session, symbol, weight in portfolio_fixture.sandbox.rows(
        "select portfolio, session_date, symbol, closing_weight from portfolio.weights"
    ):
        if weight != 0:
            weights[portfolio, session][symbol] = weight
    sessions: dict[str, list[date]] = defaultdict(list)
    for portfolio, session in portfolio_fixture.sandbox.rows(
        "select portfolio, session_date from portfolio.returns order by all"
    ):
        sessions[portfolio].append(session)
    lasts = set()
    for portfolio, days in sessions.items():
        months = {day.replace(day=1): day for day in days}
        lasts |= {(portfolio, day) for day in months.values()}
    return {key: held for key, held in weights.items() if key in lasts}


def returns_until(
    portfolio_fixture: PortfolioFixture, symbol: str, session: date, window: int
) -> Matrix | None:
    """Return the last returns of a symbol, or None if one is missing."""
    last = portfolio_fixture.sessions.index(session)
    closes = portfolio_fixture.closes[symbol][max(last - window, 0) : last + 1]
    changes: Matrix = closes[1:] / closes[:-1] - 1
    return None if len(changes) < window or np.isnan(changes).any() else changes


def shrunk(returns: Matrix) -> tuple[Matrix, float]:
    """Shrink as Ledoit and Wolf (2004), page 379, do: the distances of their lemma, one by one."""
    count, symbols = returns.shape
    deviations = returns - returns.mean(axis=0)
    sample = deviations.T @ deviations / count
    level = np.trace(sample) / symbols
    target = level * np.eye(symbols)
    spread = ((sample - target) ** 2).sum() / symbols
    errors = [((np.outer(day, day) - sample) ** 2).sum() / symbols for day in deviations]
    error = min(sum(errors) / count**2, spread)
    share = float(error / spread) if spread else 0.0
    return share * target + (1 - share) * sample, share


def wanted_matrix(method: str, decay: float | None, returns: Matrix) -> Matrix:
    if method == "sample":
        return np.atleast_2d(np.cov(returns, rowvar=False, ddof=1))
    if method == "ledoit_wolf":
        return shrunk(returns)[0]
    assert decay is not None
    weights = np.array([decay**age for age in reversed(range(len(returns)))])
    return np.asarray(np.einsum("t,ti,tj->ij", weights / weights.sum(), returns, returns))


def test_shrinkage_is_scikit_learns() -> None:
    generator = np.random.default_rng(7)
    mixed = generator.standard_normal((40, 4)) @ generator.standard_normal((4, 4))
    matrix, share = shrunk(mixed)
    assert share == pytest.approx(SKLEARN_SHARE, rel=1e-12)
    assert matrix[0] == pytest.approx(SKLEARN_ROW, rel=1e-12)


@pytest.mark.parametrize("window", WINDOWS)
def test_correlations_are_numpys_and_scipys(
    window: int, portfolio_fixture: PortfolioFixture
) -> None:
    found = {
        row[:4]: row[4:]
        for row in portfolio_fixture.sandbox.rows(
            "select portfolio, session_date, symbol, other_symbol, pearson_correlation,"
            f" spearman_correlation from portfolio.correlations where window_sessions = {window}"
        )
    }
    wanted: dict[tuple[str, date, str, str], tuple[float | None, float | None]] = {}
    tied = unknown = 0
    for (portfolio, session), held in held_at_month_ends(portfolio_fixture).items():
        series = {
            symbol: returns_until(portfolio_fixture, symbol, session, window) for symbol in held
        }
        for one in held:
            for other in held:
                if one < other:
                    left, right = series[one], series[other]
                    key = (portfolio, session, one, other)
                    if left is None or right is None:
                        wanted[key] = (None, None)
                        unknown += 1
                        continue
                    tied += len(np.unique(left)) < window or len(np.unique(right)) < window
                    wanted[key] = (
                        float(np.corrcoef(left, right)[0, 1]),
                        float(stats.spearmanr(left, right).statistic),
                    )
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        assert found[key] == pytest.approx(value, abs=TOLERANCE), key
    assert tied > 50
    # no month ends within ten sessions of a gap
    assert unknown > 10 or window == 10


@pytest.mark.parametrize(("method", "window", "decay"), COVARIANCES)
def test_covariances_and_contributions_are_numpys(
    method: str, window: int, decay: float | None, portfolio_fixture: PortfolioFixture
) -> None:
    where = f"where method = '{method}' and window_sessions = {window}"
    covariances = {
        row[:4]: row[4]
        for row in portfolio_fixture.sandbox.rows(
            "select portfolio, session_date, symbol, other_symbol, covariance"
            f" from portfolio.covariances {where}"
        )
    }
    contributions = {
        row[:3]: row[3:]
        for row in portfolio_fixture.sandbox.rows(
            "select portfolio, session_date, symbol, marginal_volatility,"
            " component_volatility, component_ratio, portfolio_volatility"
            f" from portfolio.risk_contributions {where}"
        )
    }
    pairs = parts = unknown = 0
    for (portfolio, session), held in held_at_month_ends(portfolio_fixture).items():
        symbols = sorted(held)
        series = [returns_until(portfolio_fixture, symbol, session, window) for symbol in symbols]
        known = [place for place, returns in enumerate(series) if returns is not None]
        # each is part of the shrinkage of all
        usable = known if method != "ledoit_wolf" or len(known) == len(symbols) else []
        matrix = np.full((len(symbols), len(symbols)), np.nan)
        if usable:
            stacked = np.column_stack([s for s in series if s is not None])
            matrix[np.ix_(usable, usable)] = wanted_matrix(method, decay, stacked)
        for i, one in enumerate(symbols):
            for j, other in enumerate(symbols[i:], start=i):
                value = covariances.pop((portfolio, session, one, other))
                pairs += 1
                if math.isnan(matrix[i, j]):
                    assert value is None
                else:
                    scale = math.sqrt(matrix[i, i] * matrix[j, j])
                    assert abs(value - matrix[i, j]) <= TOLERANCE * scale
        weights = np.array([held[symbol] for symbol in symbols], dtype=float)
        variance = float(weights @ matrix @ weights)
        for i, symbol in enumerate(symbols):
            found = contributions.pop((portfolio, session, symbol))
            if math.isnan(variance):
                assert found == (None,) * 4
                unknown += 1
                continue
            whole = math.sqrt(variance * YEAR)
            marginal = float(matrix[i] @ weights) * YEAR / whole
            wanted = (marginal, weights[i] * marginal, weights[i] * marginal / whole, whole)
            assert found == pytest.approx(wanted, rel=TOLERANCE, abs=1e-12)
            parts += 1
    assert covariances == contributions == {}
    assert pairs > 300 and parts > 300 and unknown > 5


def test_marginal_volatility_is_the_slope_of_volatility(
    portfolio_fixture: PortfolioFixture,
) -> None:
    """The effect of a small addition of a symbol, by making that addition."""
    step = 1e-6
    for symbol, session, slope in portfolio_fixture.sandbox.rows(
        "select symbol, session_date, marginal_volatility from portfolio.risk_contributions"
        " where portfolio = 'ticks' and method = 'sample' and window_sessions = 63"
        " and marginal_volatility is not null order by session_date limit 30"
    ):
        held = held_at_month_ends(portfolio_fixture)["ticks", session]
        series = [returns_until(portfolio_fixture, name, session, 63) for name in held]
        matrix = np.cov(np.column_stack([s for s in series if s is not None]), rowvar=False)
        volatilities = []
        for change in (-step, step):
            weights = np.array([float(w or 0) + change * (s == symbol) for s, w in held.items()])
            volatilities.append(math.sqrt(weights @ matrix @ weights * YEAR))
        assert slope == pytest.approx((volatilities[1] - volatilities[0]) / (2 * step), rel=1e-6)


def test_exposures_are_sums_of_closing_weights(portfolio_fixture: PortfolioFixture) -> None:
    found = {
        row[:4]: row[4:]
        for row in portfolio_fixture.sandbox.rows(
            "select portfolio, session_date, dimension, name, position_count, long_weight,"
            " short_weight, gross_weight, net_weight, largest_symbol, largest_weight,"
            " herfindahl_ratio from portfolio.exposures"
        )
    }
    weights: dict[tuple[str, date], dict[str, float | None]] = defaultdict(dict)
    for portfolio, session, symbol, weight in portfolio_fixture.sandbox.rows(
        "select portfolio, session_date, symbol, closing_weight from portfolio.weights"
        " where closing_weight is distinct from 0"
    ):
        weights[portfolio, session][symbol] = weight
    groups: dict[tuple[str, date, str, str], dict[str, float | None]] = defaultdict(dict)
    for (portfolio, session), held in weights.items():
        for symbol, weight in held.items():
            sector = SECTORS.get(symbol, "unclassified")
            for dimension, name in (
                ("portfolio", portfolio),
                ("sector", sector),
                ("symbol", symbol),
            ):
                groups[portfolio, session, dimension, name][symbol] = weight
    assert found.keys() == groups.keys()
    shorts = unknown = 0
    for key, held in groups.items():
        count, *rest = found[key]
        assert count == len(held)
        values = [weight for weight in held.values() if weight is not None]
        if len(values) < len(held):
            assert rest == [None] * 7
            unknown += 1
            continue
        largest = max(held, key=lambda symbol: abs(held[symbol] or 0))
        long = sum(value for value in values if value > 0)
        short = sum(value for value in values if value < 0)
        shorts += short < 0
        squares = sum(value * value for value in values)
        wanted = [long, short, long - short, long + short, max(map(abs, values)), squares]
        assert [*rest[:4], *rest[5:]] == pytest.approx(wanted, rel=1e-12)
        assert rest[4] == largest or abs(held[rest[4]] or 0) == abs(held[largest] or 0)
    assert shorts > 100 and unknown > 5


@pytest.mark.parametrize("window", [2, 30])
def test_rolling_covariances_are_numpys(window: int, portfolio_fixture: PortfolioFixture) -> None:
    """Six symbols fill one tile of five and start another; one of them has gaps."""
    symbols = list("ABCDEF")
    found = {
        row[:3]: row[3]
        for row in portfolio_fixture.sandbox.rows(f"from rolling_covariances({symbols}, {window})")
    }
    pairs = [(one, other) for place, one in enumerate(symbols) for other in symbols[place:]]
    assert len(found) == len(pairs) * (len(portfolio_fixture.sessions) - window)
    changes = {
        s: portfolio_fixture.closes[s][1:] / portfolio_fixture.closes[s][:-1] - 1 for s in symbols
    }
    unknown = 0
    for last in range(window, len(portfolio_fixture.sessions)):
        block = np.array([changes[symbol][last - window : last] for symbol in symbols])
        matrix = np.cov(block)
        for one, other in pairs:
            value = found[portfolio_fixture.sessions[last], one, other]
            i, j = symbols.index(one), symbols.index(other)
            if math.isnan(matrix[i, j]):
                assert value is None
                unknown += 1
            else:
                scale = math.sqrt(matrix[i, i] * matrix[j, j])
                # two returns may be equal, and then the scale is nothing
                assert abs(value - matrix[i, j]) <= TOLERANCE * scale + 1e-16
    assert unknown > 1000


def test_rolling_covariances_of_one_symbol(portfolio_fixture: PortfolioFixture) -> None:
    rows = portfolio_fixture.sandbox.rows("from rolling_covariances(['A'], 3) order by all limit 1")
    returns = portfolio_fixture.closes["A"][1:4] / portfolio_fixture.closes["A"][:3] - 1
    assert rows[0][:3] == (portfolio_fixture.sessions[3], "A", "A")
    assert rows[0][3] == pytest.approx(np.var(returns, ddof=1), rel=1e-12)
