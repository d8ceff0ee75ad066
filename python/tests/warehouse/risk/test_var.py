"""Value at risk against numpy, scipy and the figures that other libraries publish."""

from __future__ import annotations

import csv
import math
import statistics
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import integrate, special, stats  # type: ignore[import-untyped]

from tests.support.portfolio_fixture import (
    CAPITAL,
    METHODS,
    REFERENCE,
    REFERENCE_RETURNS,
    SETTINGS,
    WEIGHTS,
    PortfolioFixture,
    Series,
    built_portfolio_fixture,
    manager_returns,
)
from tests.support.sandbox import Sandbox
from tests.support.warehouse import Warehouse

TOLERANCE = 1e-9
AGE_DECAY = 0.98
EWMA_DECAY = 0.94
# of so many sessions, one is compared
EVERY = 89
ESTIMATES = """
select
    portfolio,
    method,
    confidence,
    horizon_sessions,
    lookback_sessions,
    list(
        {'var': var_return, 'es': es_return, 'outside': is_outside_domain} order by session_date
    ) as estimates
from risk.var_estimates
group by all
"""
RETURNS = (
    "select portfolio, list(gross_return order by session_date) from portfolio.returns group by all"
)
Estimate = tuple[float, float]


@pytest.fixture(scope="module")
def portfolio_fixture(tmp_path_factory: pytest.TempPathFactory) -> PortfolioFixture:
    return built_portfolio_fixture(tmp_path_factory)


def horizon_returns(returns: Series, horizon: int) -> Series:
    """Return the compounded return over each window of `horizon` days, at its last day."""
    compounded = np.full(len(returns), np.nan)
    runs = np.lib.stride_tricks.sliding_window_view(1 + returns, horizon)
    compounded[horizon - 1 :] = np.prod(runs, axis=1) - 1
    return compounded


def historical(past: Series, confidence: float) -> Estimate:
    position = round((len(past) - 1) * confidence, 9)
    tail = np.sort(-past)[math.ceil(position) :]
    return float(np.quantile(-past, confidence, method="linear")), float(tail.mean())


def age_weighted(past: Series, confidence: float) -> Estimate:
    """By definition: points halfway between two losses, with linear interpolation."""
    ages = np.arange(len(past), 0, -1)
    weights = AGE_DECAY ** (ages - 1) * (1 - AGE_DECAY) / (1 - AGE_DECAY ** len(past))
    order = np.lexsort((ages, past))
    losses = -past[order]
    middles = (losses + np.append(losses[1:], losses[-1])) / 2
    reached = np.concatenate([[0.0], np.cumsum(weights[order])])
    quantiles = np.concatenate([[losses[0]], middles])
    tail = 1 - confidence
    value = float(np.interp(tail, reached, quantiles))
    inside = reached < tail
    points = np.append(quantiles[inside], value)
    return value, float(np.trapezoid(points, np.append(reached[inside], tail)) / tail)


def normal(past: Series, confidence: float) -> Estimate:
    mean, deviation = past.mean(), past.std(ddof=1)
    score = stats.norm.ppf(confidence)
    tail = stats.norm.pdf(score) / (1 - confidence)
    return float(score * deviation - mean), float(deviation * tail - mean)


def student_t(past: Series, confidence: float) -> Estimate:
    kurtosis = stats.kurtosis(past)
    if kurtosis <= 0:
        return normal(past, confidence)
    freedom = 4 + 6 / kurtosis
    scale = past.std(ddof=1) * math.sqrt((freedom - 2) / freedom)
    quantile = stats.t.ppf(confidence, freedom)
    beyond, _ = integrate.quad(
        # same as `stats.t.isf`, without its check of the arguments
        lambda p: -special.stdtrit(freedom, p),
        0,
        1 - confidence,
        epsabs=1e-13,
        epsrel=1e-12,
    )
    shortfall = beyond / (1 - confidence)
    return float(scale * quantile - past.mean()), float(scale * shortfall - past.mean())


SCORES = np.linspace(-60, 60, 24_001)


def cornish_fisher(past: Series, confidence: float) -> Estimate | None:
    skewness, kurtosis = stats.skew(past), stats.kurtosis(past)
    mean, deviation = past.mean(), past.std()

    def loss(z: Any) -> Any:
        square = z * z
        cube = square * z
        quantile = z + (square - 1) * skewness / 6 + (cube - 3 * z) * kurtosis / 24
        return -deviation * (quantile - (2 * cube - 5 * z) * skewness**2 / 36) - mean

    if (np.diff(loss(SCORES)) > 0).any():
        return None
    score = stats.norm.ppf(1 - confidence)
    beyond, _ = integrate.quad(
        lambda z: loss(z) * math.exp(-z * z / 2) / math.sqrt(2 * math.pi),
        *(-12, score),
        epsabs=1e-14,
        epsrel=1e-12,
    )
    return float(loss(score)), float(beyond / (1 - confidence))


def ewma_volatility(past: Series) -> Any:
    """Return the EWMA volatility of each row of returns."""
    weights = EWMA_DECAY ** np.arange(past.shape[-1] - 1, -1, -1)
    return np.sqrt(np.average(past**2, weights=weights, axis=-1))


ORACLES: dict[str, Callable[[Series, float], Estimate | None]] = {
    "historical": historical,
    "age_weighted": age_weighted,
    "normal": normal,
    "student_t": student_t,
    "cornish_fisher": cornish_fisher,
}


def wanted_estimate(
    method: str, confidence: float, horizon: int, past: Series, daily: Series
) -> Estimate | None:
    """Return the expected estimate for a lookback; `daily` may cover it twice."""
    if method in ORACLES:
        return ORACLES[method](past, confidence)
    volatility = ewma_volatility(daily[len(daily) // 2 :])
    if method == "ewma":
        score = stats.norm.ppf(confidence)
        unit = (score, stats.norm.pdf(score) / (1 - confidence))
    else:
        count = len(daily) // 2
        windows = np.lib.stride_tricks.sliding_window_view(daily[:-1], count)
        filtered = daily[count:] / ewma_volatility(windows)
        unit = historical(filtered, confidence)
    deviation = volatility * math.sqrt(horizon)
    return float(deviation * unit[0]), float(deviation * unit[1])


def needed_returns(
    method: str, compounded: Series, lookback: int, number: int, daily: Series
) -> tuple[Series, Series]:
    """Return the lookback of a session and the daily returns it is based on."""
    if method in ORACLES:
        past = compounded[max(number - lookback, 0) : number]
        return past, past
    if method == "ewma":
        past = daily[max(number - lookback, 0) : number]
        return past, np.concatenate([past, past])
    return daily[max(number - 2 * lookback, 0) : number], daily[
        max(number - 2 * lookback, 0) : number
    ]


def worst_error(rows: list[tuple[Any, ...]], returns: dict[str, Series]) -> dict[str, float]:
    """Return the largest error of each method, relative to the estimate or to one percent."""
    worst: dict[str, float] = {}
    compounded: dict[tuple[str, int], Series] = {}
    for portfolio, method, confidence, horizon, lookback, estimates in rows:
        if method == "monte_carlo":
            continue
        daily = returns[portfolio]
        if (portfolio, horizon) not in compounded:
            compounded[portfolio, horizon] = horizon_returns(daily, horizon)
        # the next session has an estimate, too
        assert len(estimates) == len(daily) + 1
        for number in {*range(0, len(estimates), EVERY), lookback - 1, lookback, len(daily)}:
            if number >= len(estimates):
                continue
            estimate = estimates[number]
            past, behind = needed_returns(
                method, compounded[portfolio, horizon], lookback, number, daily
            )
            count = lookback if method != "filtered_historical" else 2 * lookback
            known = len(past) == count and not np.isnan(past).any()
            wanted = wanted_estimate(method, confidence, horizon, past, behind) if known else None
            if wanted is None:
                assert (estimate["var"], estimate["es"]) == (None, None)
                assert estimate["outside"] == known
                continue
            assert not estimate["outside"]
            for found, value in zip((estimate["var"], estimate["es"]), wanted, strict=True):
                error = abs(found - value) / max(abs(value), 0.01)
                worst[method] = max(worst.get(method, 0.0), error)
    return worst


def as_series(rows: list[tuple[Any, ...]]) -> dict[str, Series]:
    return {portfolio: np.array(returns, dtype=float) for portfolio, returns in rows}


def agrees(worst: dict[str, float]) -> bool:
    deterministic = set(METHODS) - {"monte_carlo"}
    assert worst.keys() == deterministic
    return max(worst.values()) < TOLERANCE


def test_estimates_equal_numpys_and_scipys(portfolio_fixture: PortfolioFixture) -> None:
    returns = as_series(portfolio_fixture.sandbox.rows(RETURNS))
    rows = [row for row in portfolio_fixture.sandbox.rows(ESTIMATES) if row[0] in WEIGHTS]
    assert {row[0] for row in rows} == WEIGHTS.keys()
    assert {row[1] for row in rows} == set(METHODS)
    assert {row[2:5] for row in rows} >= set(SETTINGS)
    assert agrees(worst_error(rows, returns))


def test_a_bridged_return_leaves_no_lookback_null(portfolio_fixture: PortfolioFixture) -> None:
    for method in ("historical", "age_weighted", "normal", "student_t", "ewma"):
        unknown = portfolio_fixture.sandbox.rows(
            "select count(*) from risk.var_estimates where portfolio = 'gappy'"
            f" and lookback_sessions = 250 and confidence = 0.95 and method = '{method}'"
            " and session_date > (select session_date from portfolio.returns"
            " where portfolio = 'gappy' order by session_date limit 1 offset 249)"
            " and var_return is null"
        )
        assert unknown == [(0,)], method


def test_one_asset_has_the_assets_own_risk(portfolio_fixture: PortfolioFixture) -> None:
    closes = portfolio_fixture.closes["A"]
    asset_returns = closes[1:] / closes[:-1] - 1
    rows = [row for row in portfolio_fixture.sandbox.rows(ESTIMATES) if row[0] == "solo"]
    assert agrees(worst_error(rows, {"solo": asset_returns}))


def test_boudoukh_richardson_and_whitelaws_example() -> None:
    """The 100 losses of their Table 1, which lists the worst six: the 95% VaR is 2.63%."""
    past = np.zeros(100)
    for loss, age in [(3.3, 3), (2.9, 2), (2.7, 65), (2.5, 45), (2.4, 5), (2.3, 30)]:
        past[100 - age] = -loss
    assert age_weighted(past, 0.95)[0] == pytest.approx(2.63, abs=0.005)


def test_longer_horizons_state_their_scaling(portfolio_fixture: PortfolioFixture) -> None:
    scalings = portfolio_fixture.sandbox.rows(
        "select distinct method, horizon_sessions > 1, scaling from risk.var_estimates"
    )
    by_root = {"filtered_historical", "ewma", "monte_carlo"}
    assert set(scalings) == {
        (method, is_longer, kind)
        for method in METHODS
        for is_longer, kind in (
            (False, "none"),
            (True, "sqrt_time" if method in by_root else "overlapping"),
        )
    }


def test_monte_carlo_equals_numpys_on_the_same_draws(portfolio_fixture: PortfolioFixture) -> None:
    """Covariances, Cholesky factor, losses and their tail by numpy, on one deck of draws."""
    sandbox = portfolio_fixture.sandbox
    decks = dict(
        sandbox.rows(
            "select deck_number, list(scores order by draw_number) from risk.normal_draws"
            " group by all"
        )
    )
    draws = {deck: np.array(scores) for deck, scores in decks.items()}
    days = [
        *portfolio_fixture.sessions,
        portfolio_fixture.sessions[-1]
        + (portfolio_fixture.sessions[1] - portfolio_fixture.sessions[0]),
    ]
    returns = {
        name: closes[1:] / closes[:-1] - 1 for name, closes in portfolio_fixture.closes.items()
    }
    used = set()
    for portfolio, day, var, shortfall, holdings in sandbox.rows(
        "select portfolio, session_date, var_return, es_return,"
        " list({'symbol': symbol, 'weight': weight} order by symbol)"
        " from risk.var_monte_carlo inner join risk.held_weights using (portfolio, session_date)"
        " where confidence = 0.95 and horizon_sessions = 1 and lookback_sessions = 250"
        " and portfolio in ('solo', 'mixed', 'gappy') group by all order by all"
    )[::29]:
        number = days.index(day)
        past = np.array(
            [returns[holding["symbol"]][max(number - 251, 0) : number - 1] for holding in holdings]
        )
        weights = np.array([holding["weight"] for holding in holdings], dtype=float)
        if past.shape[1] < 250 or np.isnan(past).any() or np.isnan(weights).any():
            assert (var, shortfall) == (None, None)
            continue
        loadings = np.linalg.cholesky(np.atleast_2d(np.cov(past))).T @ weights
        matches = [
            deck
            for deck, scores in draws.items()
            if (var, shortfall)
            == pytest.approx(historical(scores[:, : len(weights)] @ loadings, 0.95), rel=TOLERANCE)
        ]
        assert len(matches) == 1, (portfolio, day)
        used.update(matches)
    assert len(used) > len(draws) / 2


def test_draws_are_independent_and_normal(portfolio_fixture: PortfolioFixture) -> None:
    rows = portfolio_fixture.sandbox.rows("select scores from risk.normal_draws order by all")
    scores = np.array([row[0] for row in rows])
    count = len(scores)
    assert count == 40_000
    for factor in scores.T:
        assert stats.kstest(factor, "norm").pvalue > 0.001
    correlations = np.corrcoef(scores.T)[np.triu_indices(scores.shape[1], 1)]
    assert np.abs(correlations).max() < 4 / math.sqrt(count)


def test_two_identical_assets_are_one(portfolio_fixture: PortfolioFixture) -> None:
    """E is A at twice the price: their covariance matrix is singular, and nothing breaks."""
    (row,) = portfolio_fixture.sandbox.rows(
        "select max(abs(twins.var_return - solo.var_return)), count(twins.var_return)"
        " from risk.var_monte_carlo as twins inner join risk.var_monte_carlo as solo"
        " using (session_date, confidence, horizon_sessions, lookback_sessions)"
        " where twins.portfolio = 'twins' and solo.portfolio = 'solo'"
    )
    assert row[0] < TOLERANCE
    assert row[1] > 0


def test_amounts_are_returns_times_capital(portfolio_fixture: PortfolioFixture) -> None:
    rows = portfolio_fixture.sandbox.rows(
        "select max(abs(var_amount - var_return * capital)),"
        " max(abs(es_amount - es_return * capital)), count(var_amount)"
        f" from risk.var_estimates cross join (select {CAPITAL} as capital)"
    )
    assert rows[0][:2] == (0, 0)
    assert rows[0][2] > 0


@pytest.mark.skipif(not REFERENCE_RETURNS.exists(), reason="the reference results are missing")
def test_estimates_equal_those_of_other_libraries(portfolio_fixture: PortfolioFixture) -> None:
    """
    All reference returns form one lookback, the 1,258 sessions before the last.

    Two figures are not compared: PerformanceAnalytics' modified shortfall, which has another
    definition (see `risk.var_cornish_fisher`), and quantstats' `cvar`, which is the mean of returns
    below a normal quantile.
    """
    compared: dict[str, int] = defaultdict(int)
    estimates = {tuple(row[:4]): row[4:] for row in portfolio_fixture.sandbox.rows(LAST_ESTIMATES)}
    returns = as_series(portfolio_fixture.sandbox.rows(RETURNS))
    months_of = {manager: len(found) for manager, found in manager_returns().items()}
    for name, months in [
        ("risk_python_daily.csv", 1258),
        ("risk_performanceanalytics_daily.csv", 1258),
        ("risk_performanceanalytics_managers.csv", None),
    ]:
        for symbol, measure, params, value in published_figures(name):
            count = months or months_of[symbol]
            method, confidence, is_shortfall = parse_figure(params, measure)
            var, shortfall, is_outside = estimates[symbol, method, confidence, count]
            found = shortfall if is_shortfall else var
            if is_outside:
                assert (method, found) == ("cornish_fisher", None)
                compared["outside"] += 1
                continue
            if "gaussian" in params:
                # PerformanceAnalytics divides by n where we divide by n - 1
                mean = np.nanmean(returns[symbol][:count])
                found = (found + mean) * math.sqrt((count - 1) / count) - mean
            assert -found == pytest.approx(value, rel=TOLERANCE), (symbol, measure, params)
            compared[f"{measure} {method}"] += 1
    assert compared == {
        "value_at_risk historical": 5,
        "conditional_value_at_risk historical": 5,
        "var normal": 5,
        "VaR historical": 22,
        "VaR normal": 22,
        "VaR cornish_fisher": 22 - compared["outside"],
        "outside": compared["outside"],
        "ES historical": 22,
        "ES normal": 22,
    }
    assert 0 < compared["outside"] < 22


# after as many sessions as the lookback
LAST_ESTIMATES = """
select portfolio, method, confidence, lookback_sessions, var_return, es_return, is_outside_domain
from risk.var_estimates
where horizon_sessions = 1
qualify
    row_number() over (
        partition by portfolio, method, confidence, lookback_sessions order by session_date
    ) = lookback_sessions + 1
"""


def parse_figure(params: str, measure: str) -> tuple[str, float, bool]:
    """Return the method and confidence of a figure, and whether it is a shortfall."""
    method = "historical"
    if "gaussian" in params or measure == "var":
        method = "normal"
    if "modified" in params:
        method = "cornish_fisher"
    confidence = 0.99 if ".99" in params else 0.95
    return method, confidence, measure in ("ES", "conditional_value_at_risk")


def published_figures(name: str) -> list[tuple[str, str, str, float]]:
    """Return symbol, measure, parameters and value of the tail figures in a file."""
    measures = {
        ("value_at_risk", "cutoff=.05"),
        ("conditional_value_at_risk", "cutoff=.05"),
        ("var", "normal, sigma=1, 95%"),
        *(
            (measure, f"p={level},{kind}")
            for measure in ("VaR", "ES")
            for level in (".95", ".99")
            for kind in ("historical", "gaussian")
        ),
        *(("VaR", f"p={level},modified (Cornish-Fisher)") for level in (".95", ".99")),
    }
    with (REFERENCE / name).open() as file:
        return [
            (row["symbol"], row["measure"], row["params"], float(row["value"]))
            for row in csv.DictReader(file)
            if (row["measure"], row["params"]) in measures and row["symbol"] != "portfolio"
        ]


@pytest.fixture(scope="module")
def quantiles(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[float, float, float]]:
    """Return probability, quantile and its density, as the macros render them."""
    sandbox = Sandbox.create(tmp_path_factory.mktemp("quantiles"))
    sandbox.copy("macros/risk", "macros/statistics", "models/_groups.yml")
    model = """
    {{ config(contract={'enforced': false}) }}
    with probabilities as (
        select n / 2000.0::double as p from range(1, 2000) as numbers (n)
        union all
        select pow(10, -n) from range(1, 301) as numbers (n)
        union all
        select 1 - pow(10, -n) from range(1, 16) as numbers (n)
        union all
        select unnest([0.075, 0.925, 0.0, 1.0, -1.0, 2.0])
    ),
    quantiles as (select p, {{ normal_quantile('p') }} as z from probabilities)
    select p, z, {{ normal_density('z') }} as density from quantiles
    """
    sandbox.write("models/risk/risk__quantiles.sql", model)
    assert set(sandbox.run("run").values()) == {"success"}
    return sandbox.rows("from risk.quantiles")


@pytest.fixture(scope="module")
def students(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[float, float, float, float]]:
    """Return probability, degrees of freedom, Student's quantile and its density."""
    sandbox = Sandbox.create(tmp_path_factory.mktemp("students"))
    sandbox.copy("macros/risk", "macros/statistics", "models/_groups.yml")
    model = """
    {{ config(contract={'enforced': false}) }}
    with points as (
        select
            unnest([0.0001, 0.01, 0.3, 0.5, 0.9, 0.95, 0.975, 0.99, 0.9999])::double as p,
            freedom::double as freedom
        from unnest([3, 4, 4.0001, 5.5, 12, 99, 201, 999, 1001, 1e5, 1e9]) as degrees (freedom)
    ),
    scores as (select *, {{ normal_quantile('p') }} as z from points),
    quantiles as (select *, {{ student_quantile('p', 'z', 'freedom') }} as t from scores)
    select p, freedom, t, {{ student_density('t', 'freedom') }} from quantiles
    """
    sandbox.write("models/risk/risk__students.sql", model)
    assert set(sandbox.run("run").values()) == {"success"}
    return sandbox.rows("from risk.students")


def test_the_normal_quantile_equals_scipys(quantiles: list[tuple[float, float, float]]) -> None:
    inside = np.array([row for row in quantiles if 0 < row[0] < 1])
    np.testing.assert_allclose(inside[:, 1], stats.norm.ppf(inside[:, 0]), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(inside[:, 2], stats.norm.pdf(inside[:, 1]), rtol=1e-12, atol=0)


def test_the_normal_quantile_equals_the_published_algorithm(
    quantiles: list[tuple[float, float, float]],
) -> None:
    """Python's own is the same AS 241; Wichura's paper prints these three values as a check."""
    found = {p: z for p, z, _ in quantiles}
    for p, z in found.items():
        if 0 < p < 1:
            assert z == pytest.approx(statistics.NormalDist().inv_cdf(p), rel=1e-15, abs=1e-16)
    assert found[0.25] == pytest.approx(-0.6744897501960817, rel=1e-15)
    assert found[0.001] == pytest.approx(-3.090232306167814, rel=1e-15)
    assert found[1e-20] == pytest.approx(-9.262340089798408, rel=1e-15)


def test_students_quantile_equals_scipys(students: list[tuple[float, float, float, float]]) -> None:
    p, freedom, quantile, density = np.array(students).T
    np.testing.assert_allclose(quantile, stats.t.ppf(p, freedom), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(density, stats.t.pdf(quantile, freedom), rtol=1e-9, atol=0)


def test_there_is_no_quantile_outside_zero_and_one(
    quantiles: list[tuple[float, float, float]],
) -> None:
    beyond = {p: z for p, z, _ in quantiles if not 0 < p < 1}
    assert beyond == dict.fromkeys([0.0, 1.0, -1.0, 2.0])


def test_sample_estimates_equal_numpys_and_scipys(
    sample: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.warehouse.risk.test_var.EVERY", 1999)
    returns = as_series(sample.query(RETURNS))
    assert agrees(worst_error(sample.query(ESTIMATES), returns))
