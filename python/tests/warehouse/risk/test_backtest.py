"""Backtests of value at risk against scipy, and against figures by Kupiec, Jorion and Basel."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from tests.support.portfolio_fixture import REFERENCE
from tests.support.sandbox import Sandbox
from tests.support.warehouse import Warehouse

TOLERANCE = 1e-9
PUBLISHED = REFERENCE / "var_backtest_published.csv"
needs_published = pytest.mark.skipif(
    not PUBLISHED.exists(), reason="the reference results are missing: set BOURSE_SHARED_DATA"
)
CASES = [(sessions, hits) for sessions in (252, 255, 510, 1000) for hits in range(0, 130)]
PAIRS = [(249, 15, 15, 1), (249, 15, 14, 9), (249, 0, 0, 0), (249, 249, 249, 249), (9, 3, 3, 0)]
POINTS = [0.0, 1e-12, 0.1, 1.0, 2.705543, 3.841459, 6.634897, 30.0, 80.0, 400.0]

MODEL = """
{{ config(contract={'enforced': false}) }}
with cases as (
    select sessions, hits, probability
    from read_csv('%(cases)s', types := {'probability': 'double'})
),
kupiec as (
    select 'kupiec' as kind, [sessions, hits, probability] as given,
        {{ kupiec_ratio('sessions', 'hits', 'probability') }} as value
    from cases
),
pairs as (
    select unnest(%(pairs)s::integer[][]) as pair
),
counts as (
    select pair[1] as pair_count, pair[2] as hits, pair[3] as after, pair[4] as after_hits
    from pairs
),
christoffersen as (
    select 'christoffersen' as kind, [pair_count, hits, after, after_hits]::double[] as given,
        {{ christoffersen_ratio('pair_count', 'hits', 'after', 'after_hits') }} as value
    from counts
),
points as (select unnest(%(points)s::double[]) as x),
chi_squares as (
    {%% for freedom in (1, 2) -%%}
    select 'chi_square' as kind, [x, {{ freedom }}] as given,
        {{ chi_square_probability('x', freedom) }} as value
    from points
    {%% if not loop.last %%}union all{%% endif %%}
    {%% endfor %%}
)
select * from kupiec
union all select * from christoffersen
union all select * from chi_squares
"""
Values = dict[tuple[str, tuple[float, ...]], float]


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> Values:
    """Return the values of the macros by name and arguments."""
    sandbox = Sandbox.create(tmp_path_factory.mktemp("backtests"))
    sandbox.copy("macros/risk", "macros/statistics", "models/_groups.yml")
    lines = [f"{n},{x},{p}" for n, x in CASES for p in (0.01, 0.025, 0.05, 0.075, 0.1)]
    sandbox.write("cases.csv", "\n".join(["sessions,hits,probability", *lines]) + "\n")
    filled = {
        "cases": sandbox.folder / "cases.csv",
        "pairs": [list(pair) for pair in PAIRS],
        "points": POINTS,
    }
    sandbox.write("models/risk/risk__ratios.sql", MODEL % filled)
    assert set(sandbox.run("run").values()) == {"success"}
    return {(kind, tuple(given)): value for kind, given, value in sandbox.rows("from risk.ratios")}


def log_likelihood(count: int, hits: int, probability: float) -> float:
    return float(stats.binom.logpmf(hits, count, probability) - math.log(math.comb(count, hits)))


def kupiec(count: int, hits: int, probability: float) -> float:
    seen = log_likelihood(count, hits, hits / count)
    return 2 * (seen - log_likelihood(count, hits, probability))


def christoffersen(pairs: int, hits: int, after: int, after_hits: int) -> float:
    after_none, hits_after_none = pairs - after, hits - after_hits
    seen = 0.0
    if after:
        seen += log_likelihood(after, after_hits, after_hits / after)
    if after_none:
        seen += log_likelihood(after_none, hits_after_none, hits_after_none / after_none)
    return max(2 * (seen - log_likelihood(pairs, hits, hits / pairs)), 0.0)


def test_ratios_equal_scipys_likelihoods(values: Values) -> None:
    for (kind, given), value in values.items():
        if kind == "kupiec":
            count, hits, probability = given
            wanted = kupiec(int(count), int(hits), probability)
        elif kind == "christoffersen":
            wanted = christoffersen(*(int(number) for number in given))
        else:
            continue
        assert value == pytest.approx(wanted, rel=TOLERANCE, abs=1e-9), (kind, given)


def test_chi_square_probabilities_equal_scipys(values: Values) -> None:
    compared = 0
    for (kind, given), value in values.items():
        if kind == "chi_square":
            assert value == pytest.approx(stats.chi2.sf(*given), rel=1e-12), given
            compared += 1
    assert compared == 2 * len(POINTS)


def published(test: str) -> Iterator[dict[str, str]]:
    with PUBLISHED.open() as file:
        rows = [row for row in csv.DictReader(file) if row["test"] == test]
    assert rows
    yield from rows


@needs_published
def test_kupiecs_regions_equal_the_published_ones(values: Values) -> None:
    """At 95%; one printed region differs: it accepts zero exceedances, which the test rejects."""
    bound = stats.chi2.isf(0.05, 1)
    for row in published("kupiec_nonrejection_region_95pct"):
        probability, sessions = (float(x) for x in re.findall(r"[\d.]+", row["params"]))
        kept = [
            hits
            for hits in range(130)
            if values["kupiec", (sessions, float(hits), probability)] < bound
        ]
        assert f"{kept[0] - 1}<N<{kept[-1] + 1}" == row["recomputed"], row["params"]
        if row["agree"] == "True":
            assert row["published"] == row["recomputed"]


@needs_published
def test_jorions_example_equals_the_published_one(values: Values) -> None:
    (row,) = published("kupiec_lr_pof")
    assert values["kupiec", (252.0, 20.0, 0.05)] == pytest.approx(float(row["published"]), abs=5e-3)


@needs_published
def test_basel_zones_equal_the_published_ones(sample: Warehouse) -> None:
    zones = {
        row[0]: row[1]
        for row in sample.query(
            "select exceedance_count, basel_zone from risk.basel_zones where confidence = 0.99"
        )
    }
    for row in published("basel_traffic_light_multiplier_addon"):
        count = int(row["params"].split("=")[1])
        assert zones[count] == row["published"].split()[1], count


def test_zones_equal_scipys_binomial(sample: Warehouse) -> None:
    for confidence, count, cumulative in sample.query(
        "select confidence, exceedance_count, cumulative_probability from risk.basel_zones"
    ):
        wanted = stats.binom.cdf(count, 250, 1 - float(str(confidence)))
        assert cumulative == pytest.approx(wanted, abs=1e-12)


def test_figures_of_the_sample_are_recomputed(sample: Warehouse) -> None:
    """Recompute every row from estimates and returns in numpy and scipy."""
    returns: dict[Any, dict[Any, float]] = {}
    for portfolio, day, gross in sample.query(
        "select portfolio, session_date, gross_return from portfolio.returns"
    ):
        returns.setdefault(portfolio, {})[day] = gross  # type: ignore[assignment]
    estimates = {
        tuple(row[:4]): row[4]
        for row in sample.query(
            "select portfolio, method, confidence, lookback_sessions,"
            " list({'day': session_date, 'var': var_return, 'es': es_return} order by session_date)"
            " from risk.var_estimates where horizon_sessions = 1 group by all"
        )
    }
    periods: dict[Any, Any] = {
        row[0]: row[1:]
        for row in sample.query("select period, first_date, last_date from seeds.var_periods")
    }
    names = [str(row[0]) for row in sample.query("describe risk.var_backtest")]
    key = ("portfolio", "method", "confidence", "lookback_sessions", "period")
    rows = {
        tuple(row[names.index(name)] for name in key): dict(zip(names, row, strict=True))
        for row in sample.query("from risk.var_backtest")
    }
    numbers = {
        portfolio: {day: number for number, day in enumerate(sorted(of_portfolio))}
        for portfolio, of_portfolio in returns.items()
    }
    for run, of_run in estimates.items():
        for period, (first, last) in periods.items():
            tested = [
                (
                    returns[run[0]][one["day"]],
                    one["var"],
                    one["es"],
                    numbers[run[0]][one["day"]],
                )
                for one in of_run  # type: ignore[attr-defined]
                if one["var"] is not None
                and returns[run[0]].get(one["day"]) is not None
                and (first is None or one["day"] >= first)
                and (last is None or one["day"] <= last)
            ]
            row = rows.pop((*run, period), None)
            assert (row is None) == (not tested)
            if row is not None:
                check(row, *np.array(tested).T)
    assert rows == {}


def check(row: dict[str, Any], returns: Any, var: Any, shortfall: Any, number: Any) -> None:
    losses = -returns
    hits = losses > var
    count, tail = len(losses), 1 - row["confidence"]
    pof = kupiec(count, int(hits.sum()), tail)
    paired = np.diff(number) == 1
    seconds, after = hits[1:][paired], hits[:-1][paired]
    independence = christoffersen(
        len(after), int(seconds.sum()), int(after.sum()), int((seconds & after).sum())
    )
    paired_pof = kupiec(len(after), int(seconds.sum()), tail)
    quantile_losses = np.where(losses < var, tail * (var - losses), (1 - tail) * (losses - var))
    wanted = {
        "session_count": count,
        "exceedance_count": hits.sum(),
        "expected_count": count * tail,
        "kupiec_lr": pof,
        "kupiec_p_value": stats.chi2.sf(pof, 1),
        "independence_lr": independence,
        "independence_p_value": stats.chi2.sf(independence, 1),
        "conditional_lr": paired_pof + independence,
        "conditional_p_value": stats.chi2.sf(paired_pof + independence, 2),
        "acerbi_szekely_z2": 1 + (returns * hits / (count * tail * shortfall)).sum(),
        "quantile_loss": quantile_losses.mean(),
    }
    if count >= 250:
        wanted["basel_exceedance_count"] = hits[-250:].sum()
    else:
        assert (row["basel_exceedance_count"], row["basel_zone"]) == (None, None)
    for name, value in wanted.items():
        assert row[name] == pytest.approx(value, rel=TOLERANCE, abs=1e-9), (row, name)


def test_bounds_of_the_shortfall_are_those_of_a_simulation(sample: Warehouse) -> None:
    """
    Of right methods of normal returns, one in twenty is below the bound of its length.

    Acerbi and Szekely publish -0.70 for 250 sessions at 97.5%.
    """
    generator = np.random.default_rng(1)
    bounds = sample.query(
        "select distinct confidence, session_count, acerbi_szekely_bound from risk.var_backtest"
        " where expected_count >= 1 and session_count < 1000 order by all"
    )
    assert {confidence for confidence, _, _ in bounds} == {0.9, 0.95, 0.975, 0.99}
    for confidence, count, bound in bounds:
        tail = 1 - float(str(confidence))
        hits = generator.binomial(int(str(count)), tail, 4_000)
        losses = stats.norm.isf(tail * generator.random(hits.sum()))
        shortfall = stats.norm.pdf(stats.norm.isf(tail)) / tail
        sums = np.bincount(np.repeat(np.arange(len(hits)), hits), losses / shortfall, len(hits))
        below = (1 - sums / (float(str(count)) * tail) < float(str(bound))).mean()
        assert below == pytest.approx(0.05, abs=0.012), (confidence, count, bound)
