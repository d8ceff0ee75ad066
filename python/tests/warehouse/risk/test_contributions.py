"""The contributions of symbols to portfolio risk, and the losses of scenarios, against numpy."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from tests.support.portfolio_fixture import (
    CAPITAL,
    PortfolioFixture,
    Series,
    built_portfolio_fixture,
)
from tests.support.warehouse import Warehouse

TOLERANCE = 1e-9
EWMA_DECAY = 0.94
TRADE_WEIGHT = 0.01
Book = dict[str, float]


@pytest.fixture(scope="module")
def portfolio_fixture(tmp_path_factory: pytest.TempPathFactory) -> PortfolioFixture:
    return built_portfolio_fixture(tmp_path_factory)


def covariance_matrix(returns: Series, method: str) -> Series:
    """Return the covariance matrix of symbols in rows, the latest session last."""
    if method == "sample":
        return np.atleast_2d(np.cov(returns))
    weights = EWMA_DECAY ** np.arange(returns.shape[1] - 1, -1, -1)
    return np.asarray((returns * weights / weights.sum()) @ returns.T)


def test_covariances_equal_numpys(portfolio_fixture: PortfolioFixture) -> None:
    compared = 0
    for method, lookback, cells in portfolio_fixture.sandbox.rows(
        "select method, lookback_sessions, list([symbol, other_symbol, covariance::varchar])"
        " from risk.covariances group by all"
    ):
        symbols = sorted({cell[0] for cell in cells} & {"A", "B", "D", "T"})
        assert symbols == ["A", "B", "D", "T"]
        returns = np.array(
            [
                np.diff(portfolio_fixture.closes[s]) / portfolio_fixture.closes[s][:-1]
                for s in symbols
            ]
        )
        if returns.shape[1] < lookback:
            continue
        wanted = covariance_matrix(returns[:, -lookback:], method)
        for one, other, covariance in cells:
            # C no longer trades, so it has no covariances
            assert "C" not in (one, other)
            if one in symbols and other in symbols:
                value = wanted[symbols.index(one), symbols.index(other)]
                assert float(covariance) == pytest.approx(value, rel=TOLERANCE, abs=1e-15)
                compared += 1
    assert compared > 0


def books(sample: Warehouse) -> dict[str, Book]:
    held: dict[str, Book] = defaultdict(dict)
    for portfolio, symbol, weight in sample.query(
        "select portfolio, symbol, closing_weight from portfolio.weights"
        " qualify session_date = max(session_date) over (partition by portfolio)"
    ):
        held[str(portfolio)][str(symbol)] = float(str(weight))
    return held


def test_components_are_derivatives_and_increments_those_of_a_trade(
    sample: Warehouse,
) -> None:
    """Recompute each from the portfolio's value at risk before and after, by covariances alone."""
    covariances: dict[Any, dict[tuple[Any, Any], Any]] = defaultdict(dict)
    for one, other, method, lookback, covariance in sample.query(
        "select symbol, other_symbol, method, lookback_sessions, covariance from risk.covariances"
    ):
        covariances[method, lookback][one, other] = covariance
    held = books(sample)

    def value_at_risk(book: Book, kind: tuple[Any, Any], confidence: float) -> float:
        variance = sum(
            book[one] * book[other] * covariances[kind][one, other]
            for one in book
            for other in book
        )
        return float(stats.norm.ppf(confidence) * np.sqrt(variance))

    def bought(book: Book, symbol: str, weight: float) -> Book:
        return book | {symbol: book.get(symbol, 0.0) + weight}

    rows = sample.query(
        "select portfolio, symbol, method, confidence, lookback_sessions, weight, var_return,"
        " marginal_var_return, component_var_return, incremental_var_return, component_ratio,"
        " var_amount, incremental_var_amount, trade_amount from risk.component_var"
        " where symbol in ('AAPL', 'AMD', 'MSFT', 'XOM')"
    )
    assert len(rows) == 2 * 4 * 12
    for portfolio, symbol, method, confidence, lookback, *numbers in rows:
        weight, whole, marginal, component, increment, ratio = (float(str(n)) for n in numbers[:6])
        book, kind = held[str(portfolio)], (method, lookback)
        level = float(str(confidence))
        assert weight == pytest.approx(book.get(str(symbol), 0.0), abs=1e-15)
        assert whole == pytest.approx(value_at_risk(book, kind, level), rel=TOLERANCE)
        step = 1e-5
        slope = (
            value_at_risk(bought(book, str(symbol), step), kind, level)
            - value_at_risk(bought(book, str(symbol), -step), kind, level)
        ) / (2 * step)
        assert marginal == pytest.approx(slope, rel=1e-6)
        assert component == pytest.approx(weight * marginal, abs=1e-15)
        assert ratio == pytest.approx(component / whole)
        after = value_at_risk(bought(book, str(symbol), TRADE_WEIGHT), kind, level)
        assert increment == pytest.approx(after - whole, rel=1e-9, abs=1e-12)
        assert numbers[6:] == pytest.approx([whole * 1e6, increment * 1e6, 1e4])


def test_stress_windows_replay_with_todays_weights(sample: Warehouse) -> None:
    held = books(sample)
    compared = 0
    for portfolio, loss, amount, first, last in sample.query(
        "select portfolio, loss_return, loss_amount, first_date, last_date from risk.stress"
        " inner join seeds.stress_windows using (scenario)"
    ):
        closes: dict[Any, list[Any]] = defaultdict(list)
        # both ends of these windows are sessions
        for symbol, close in sample.query(
            "select symbol, total_return_close from bars.total_return_closes"
            f" where session_date in ('{first}', '{last}') order by session_date"
        ):
            closes[symbol].append(close)
        wanted = -sum(
            weight * (closes[symbol][1] / closes[symbol][0] - 1)
            for symbol, weight in held[str(portfolio)].items()
        )
        assert loss == pytest.approx(wanted, rel=TOLERANCE)
        assert amount == pytest.approx(1e6 * wanted, rel=TOLERANCE)
        compared += 1
    assert compared == 2 * 9


def test_a_symbol_without_a_price_makes_the_loss_null_and_is_listed(
    portfolio_fixture: PortfolioFixture,
) -> None:
    """The fixture's sessions begin in 2015, so 2008 has no prices; D has no sector."""
    stress = {
        (portfolio, scenario): (loss, missing)
        for portfolio, scenario, loss, missing in portfolio_fixture.sandbox.rows(
            "select portfolio, scenario, loss_return, missing_symbols from risk.stress"
        )
    }
    assert stress["mixed", "technology_down_30"] == (None, "D")
    assert stress["mixed", "lehman_2008"] == (None, "B D")
    loss, missing = stress["mixed", "market_down_10"]
    ((net,),) = portfolio_fixture.sandbox.rows(
        "select sum(closing_weight) from portfolio.weights where portfolio = 'mixed'"
        " and session_date = (select max(session_date) from portfolio.weights)"
    )
    assert (loss, missing) == (pytest.approx(0.1 * net), None)
    ((amount,),) = portfolio_fixture.sandbox.rows(
        "select loss_amount from risk.stress"
        " where portfolio = 'mixed' and scenario = 'market_down_10'"
    )
    assert amount == pytest.approx(loss * CAPITAL)
