"""Value at risk against numpy, scipy and the figures that other libraries publish."""

from __future__ import annotations

import csv
import math
import statistics
from collections import defaultdict
from typing import Any

import duckdb
import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from duckbourse.settings import settings
from tests.portfolio.world import (
    CAPITAL,
    REFERENCE,
    REFERENCE_RETURNS,
    SETTINGS,
    WEIGHTS,
    Series,
    World,
    built_world,
)
from tests.sandbox import Sandbox

TOLERANCE = 1e-9
ESTIMATES = """
select
    portfolio,
    method,
    confidence,
    horizon_days,
    lookback_days,
    list({'var': var_return, 'es': es_return} order by session_date) as estimates
from risk.var_estimates
group by all
"""
RETURNS = (
    "select portfolio, list(gross_return order by session_date) from portfolio.returns group by all"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return built_world(tmp_path_factory.getbasetemp())


def horizon_returns(returns: Series, horizon: int) -> Series:
    compounded = np.full(len(returns), np.nan)
    for last in range(horizon - 1, len(returns)):
        compounded[last] = np.prod(1 + returns[last - horizon + 1 : last + 1]) - 1
    return compounded


def numpy_estimate(method: str, confidence: float, past: Series) -> tuple[float, float]:
    if method == "historical":
        value = float(np.quantile(-past, confidence, method="linear"))
        return value, float((-past)[-past >= value - 1e-15].mean())
    mean, deviation = past.mean(), past.std(ddof=1)
    score = stats.norm.ppf(confidence)
    tail = stats.norm.pdf(score) / (1 - confidence)
    return float(score * deviation - mean), float(deviation * tail - mean)


def worst_error(rows: list[tuple[Any, ...]], returns: dict[str, Series]) -> float:
    """Return how far any estimate is from numpy's, on the scale of it or of one per cent."""
    worst = 0.0
    compared = 0
    for portfolio, method, confidence, horizon, lookback, estimates in rows:
        compounded = horizon_returns(returns[portfolio], horizon)
        assert len(estimates) == len(compounded)
        for number, estimate in enumerate(estimates):
            past = compounded[max(number - lookback, 0) : number]
            if len(past) < lookback or np.isnan(past).any():
                assert estimate == {"var": None, "es": None}
                continue
            wanted = numpy_estimate(method, confidence, past)
            for found, value in zip((estimate["var"], estimate["es"]), wanted, strict=True):
                worst = max(worst, abs(found - value) / max(abs(value), 0.01))
                compared += 1
    assert compared > 0
    return worst


def as_series(rows: list[tuple[Any, ...]]) -> dict[str, Series]:
    return {portfolio: np.array(returns, dtype=float) for portfolio, returns in rows}


def test_estimates_are_numpys_and_scipys(world: World) -> None:
    returns = as_series(world.sandbox.rows(RETURNS))
    rows = [row for row in world.sandbox.rows(ESTIMATES) if row[0] in WEIGHTS]
    assert {row[0] for row in rows} == WEIGHTS.keys()
    assert {row[1] for row in rows} == {"historical", "normal"}
    assert {row[2:5] for row in rows} == set(SETTINGS)
    assert worst_error(rows, returns) < TOLERANCE


def test_an_unknown_return_leaves_every_look_back_with_it_unknown(world: World) -> None:
    unknown = world.sandbox.rows(
        "select count(*) from risk.var_estimates where portfolio = 'gappy'"
        " and lookback_days = 250 and confidence = 0.95 and method = 'normal'"
        " and session_date > (select session_date from portfolio.returns"
        " where portfolio = 'gappy' order by session_date limit 1 offset 249)"
        " and var_return is null"
    )
    # 200 to 202 and 499 have no return: of what is after 250, all to 452 and from 500 to 749
    assert unknown == [(452 - 250 + 749 - 499,)]


def test_one_asset_has_the_assets_own_risk(world: World) -> None:
    closes = world.closes["A"]
    asset_returns = closes[1:] / closes[:-1] - 1
    rows = [row for row in world.sandbox.rows(ESTIMATES) if row[0] == "solo"]
    assert worst_error(rows, {"solo": asset_returns}) < TOLERANCE


def test_money_is_the_share_of_the_capital(world: World) -> None:
    rows = world.sandbox.rows(
        "select max(abs(var_amount - var_return * capital)),"
        " max(abs(es_amount - es_return * capital)), count(var_amount)"
        f" from risk.var_estimates cross join (select {CAPITAL} as capital)"
    )
    assert rows[0][:2] == (0, 0)
    assert rows[0][2] > 0


@pytest.mark.skipif(not REFERENCE_RETURNS.exists(), reason="the reference results are not here")
def test_estimates_are_those_that_libraries_publish(world: World) -> None:
    """All of the reference returns are one look-back, the 1,258 sessions before the last."""
    last: dict[tuple[str, str, float], tuple[float, float]] = {
        (portfolio, method, confidence): (estimates[-1]["var"], estimates[-1]["es"])
        for portfolio, method, confidence, _, lookback, estimates in world.sandbox.rows(ESTIMATES)
        if lookback == 1258
    }
    means = {name: series[:-1] for name, series in as_series(world.sandbox.rows(RETURNS)).items()}
    compared: dict[str, int] = defaultdict(int)
    for symbol, measure, params, value in published_figures():
        confidence = 0.99 if ".99" in params else 0.95
        normal = measure == "var" or "gaussian" in params
        var, shortfall = last[symbol, "normal" if normal else "historical", confidence]
        found = shortfall if measure in ("ES", "conditional_value_at_risk") else var
        if "gaussian" in params:
            # PerformanceAnalytics divides by n where we divide by n - 1
            mean = float(means[symbol].mean())
            found = (found + mean) * math.sqrt(1257 / 1258) - mean
        assert -found == pytest.approx(value, rel=TOLERANCE), (symbol, measure, params)
        compared[measure] += 1
    assert compared.keys() == {
        "VaR",
        "ES",
        "value_at_risk",
        "conditional_value_at_risk",
        "var",
    }


def published_figures() -> list[tuple[str, str, str, float]]:
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
    }
    figures = []
    for name in ("risk_python_daily.csv", "risk_performanceanalytics_daily.csv"):
        with (REFERENCE / name).open() as file:
            for row in csv.DictReader(file):
                if (row["measure"], row["params"]) in measures and row["symbol"] != "portfolio":
                    figure = (row["symbol"], row["measure"], row["params"], float(row["value"]))
                    figures.append(figure)
    return figures


@pytest.fixture(scope="module")
def quantiles(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[float, float, float]]:
    """Return probability, quantile and the density there, as the macros render them."""
    sandbox = Sandbox.create(tmp_path_factory.mktemp("quantiles"))
    sandbox.copy("macros/risk", "models/_groups.yml")
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


def test_the_normal_quantile_is_scipys(quantiles: list[tuple[float, float, float]]) -> None:
    inside = np.array([row for row in quantiles if 0 < row[0] < 1])
    np.testing.assert_allclose(inside[:, 1], stats.norm.ppf(inside[:, 0]), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(inside[:, 2], stats.norm.pdf(inside[:, 1]), rtol=1e-12, atol=0)


def test_the_normal_quantile_is_the_published_algorithm(
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


def test_there_is_no_quantile_beyond_zero_and_one(
    quantiles: list[tuple[float, float, float]],
) -> None:
    beyond = {p: z for p, z, _ in quantiles if not 0 < p < 1}
    assert beyond == dict.fromkeys([0.0, 1.0, -1.0, 2.0])


PUBLISHED = settings().published_database


@pytest.mark.skipif(not PUBLISHED.exists(), reason="nothing is published yet: run ./bourse build")
def test_published_estimates_are_numpys_and_scipys() -> None:
    with duckdb.connect(str(PUBLISHED), read_only=True) as connection:
        returns = as_series(connection.execute(RETURNS).fetchall())
        rows = connection.execute(ESTIMATES).fetchall()
    assert worst_error(rows, returns) < TOLERANCE
