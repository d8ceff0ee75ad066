"""The figures of portfolios against numpy, scipy and published results of other libraries."""

from __future__ import annotations

import csv
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from tests.support.portfolio_fixture import (
    BENCHMARK,
    BUST,
    FLAT_BENCHMARK,
    FLATLY,
    MANAGERS,
    MIN_ACCEPTABLE,
    REFERENCE,
    REFERENCE_RETURNS,
    RISK_FREE,
    WINDOWS,
    PortfolioFixture,
    Series,
    built_portfolio_fixture,
    reference_returns,
)

TOLERANCE = 1e-9
YEAR = 252
Figures = dict[str, Any]


@pytest.fixture(scope="module")
def portfolio_fixture(tmp_path_factory: pytest.TempPathFactory) -> PortfolioFixture:
    return built_portfolio_fixture(tmp_path_factory)


def figures_of(portfolio_fixture: PortfolioFixture, query: str) -> list[Figures]:
    with duckdb.connect(str(portfolio_fixture.sandbox.database), read_only=True) as connection:
        found = connection.execute(query)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def numpy_figures(
    returns: Series, benchmark: Series, free: float, least: float, days: int, stale: Series
) -> Figures:
    """Compute all figures of returns that may be NaN by their textbook formulas; CAGR by dates."""
    known = returns[~np.isnan(returns)]
    gaps = known - least
    figures: Figures = {
        "session_count": len(returns),
        "missing_return_count": len(returns) - len(known),
        "bridged_count": (stale > 0).sum(),
        "skewness": stats.skew(known) if len(known) > 2 else None,
        "excess_kurtosis": stats.kurtosis(known),
        "best_session_return": known.max(),
        "worst_session_return": known.min(),
        "hit_ratio": (known > 0).mean(),
        "omega_ratio": gaps[gaps > 0].sum() / -gaps[gaps < 0].sum(),
        "cumulative_return": None,
        "cagr": None,
    }
    if len(known) == len(returns):
        growth = math.prod(1 + known)
        figures["cumulative_return"] = growth - 1
        if len(known) >= 20:
            figures["cagr"] = growth ** (365.25 / days) - 1
    excess = known - free
    downside = math.sqrt((np.minimum(gaps, 0) ** 2).mean())
    annual = {
        "annualized_volatility": known.std(ddof=1) * math.sqrt(YEAR),
        "sharpe_ratio": excess.mean() / excess.std(ddof=1) * math.sqrt(YEAR),
        "sortino_ratio": gaps.mean() / downside * math.sqrt(YEAR),
    }
    figures |= annual if len(known) >= 20 else dict.fromkeys(annual)
    both = ~np.isnan(returns) & ~np.isnan(benchmark)
    ours, theirs = returns[both], benchmark[both]
    active = ours - theirs
    is_flat = not np.ptp(theirs)
    slope, intercept = (0, 0) if is_flat else np.polyfit(theirs - free, ours - free, 1)
    compared = {
        "beta": None if is_flat else slope,
        "alpha": None if is_flat else (1 + intercept) ** YEAR - 1,
        "tracking_error": active.std(ddof=1) * math.sqrt(YEAR),
        "information_ratio": active.mean() / active.std(ddof=1) * math.sqrt(YEAR),
    }
    figures |= compared if both.sum() >= 20 else dict.fromkeys(compared)
    figures["benchmark_count"] = both.sum()
    figures["benchmark_coverage_ratio"] = both.mean()
    for side, those in (("up", theirs > 0), ("down", theirs < 0)):
        figures[f"{side}_capture_ratio"] = None
        if those.any():
            means = [stats.gmean(1 + series[those]) - 1 for series in (ours, theirs)]
            figures[f"{side}_capture_ratio"] = means[0] / means[1]
    return figures


def walked_drawdowns(sessions: list[date], returns: Series) -> list[dict[str, Any]]:
    """Follow the equity session by session, up to the first missing return."""
    equity = peak = 1.0
    episodes: list[dict[str, Any]] = []
    under = False
    for session, change in zip(sessions, returns, strict=True):
        if math.isnan(change):
            break
        equity *= 1 + change
        if equity >= peak * (1 - 1e-12):
            if under:
                episode = episodes[-1]
                episode["recovery_date"] = session
                episode["length_sessions"] += 1
                episode["recovery_sessions"] = (
                    episode["length_sessions"] - episode["trough_sessions"]
                )
            under, peak = False, max(peak, equity)
            continue
        if not under:
            under = True
            episodes.append(
                {
                    "start_date": session,
                    "recovery_date": None,
                    "drawdown": 0.0,
                    "length_sessions": 0,
                    "recovery_sessions": None,
                }
            )
        episode = episodes[-1]
        episode["length_sessions"] += 1
        if equity / peak - 1 < episode["drawdown"]:
            episode["drawdown"] = equity / peak - 1
            episode["trough_date"] = session
            episode["trough_sessions"] = episode["length_sessions"]
    return episodes


def assert_same(found: Figures, wanted: Figures, what: Any) -> None:
    for name, value in wanted.items():
        if value is None or isinstance(value, date):
            assert found[name] == value, (what, name)
        else:
            assert found[name] is not None, (what, name)
            scale = max(abs(value), 0.01)
            assert abs(found[name] - value) <= TOLERANCE * scale, (what, name, found[name], value)


class Life(NamedTuple):
    """A portfolio's sessions, its and its benchmark's returns, and its number of stale prices."""

    portfolio: str
    basis: str
    sessions: list[date]
    returns: Series
    benchmark: Series
    stale: Series
    # the close at which it begins
    start: date

    def figures(self, first: int = 0, last: int | None = None) -> Figures:
        """Compute the figures of a range of sessions."""
        last = len(self.sessions) if last is None else last
        start = self.sessions[first - 1] if first else self.start
        return numpy_figures(
            *(self.returns[first:last], self.benchmark[first:last], FREE, LEAST),
            days=(self.sessions[last - 1] - start).days,
            stale=self.stale[first:last],
        )


def lives(portfolio_fixture: PortfolioFixture) -> Iterator[Life]:
    """Yield the history of each portfolio except those of published returns."""
    rows = portfolio_fixture.sandbox.rows(
        "select portfolio, list(session_date order by session_date),"
        " list(gross_return order by session_date), list(net_return order by session_date),"
        " list(stale_price_count order by session_date)"
        f" from portfolio.returns where portfolio != '{BUST}' and portfolio not in"
        " (select portfolio from seeds.portfolios where benchmark = 'MSFT') group by all"
    )
    places = {session: number for number, session in enumerate(portfolio_fixture.sessions)}
    for portfolio, sessions, gross, net, stale in rows:
        closes = portfolio_fixture.closes[FLAT_BENCHMARK if portfolio == FLATLY else BENCHMARK]
        changes = np.concatenate([[np.nan], closes[1:] / closes[:-1] - 1])
        benchmark = changes[[places[session] for session in sessions]]
        start = portfolio_fixture.sessions[places[sessions[0]] - 1]
        for basis, series in (("gross", gross), ("net", net)):
            returns = np.array(series, dtype=float)
            yield Life(portfolio, basis, sessions, returns, benchmark, np.array(stale), start)


FREE = (1 + RISK_FREE) ** (1 / YEAR) - 1
LEAST = (1 + MIN_ACCEPTABLE) ** (1 / YEAR) - 1


def test_figures_are_numpys_and_scipys(portfolio_fixture: PortfolioFixture) -> None:
    found = {
        (row["portfolio"], row["basis"]): row
        for row in figures_of(portfolio_fixture, "from portfolio.performance")
    }
    seen = Counter[bool]()
    for life in lives(portfolio_fixture):
        portfolio, basis, sessions, returns = life[:4]
        row = found[portfolio, basis]
        wanted = life.figures()
        wanted |= {"first_session_date": sessions[0], "last_session_date": sessions[-1]}
        episodes = walked_drawdowns(sessions, returns)
        deepest = min(episodes, key=lambda episode: episode["drawdown"])
        wanted |= {
            "max_drawdown": deepest["drawdown"],
            "drawdown_start_date": deepest["start_date"],
            "drawdown_trough_date": deepest["trough_date"],
            "drawdown_recovery_date": deepest["recovery_date"],
            "calmar_ratio": wanted["cagr"] / -deepest["drawdown"],
        }
        assert_same(row, wanted, (portfolio, basis))
        assert row.keys() - wanted.keys() == {"portfolio", "basis"}
        seen[wanted["bridged_count"] > 0] += 1
    assert seen[True] >= 6 and seen[False] >= 6
    assert found[FLATLY, "net"]["beta"] is found[FLATLY, "net"]["alpha"] is None


def test_drawdowns_equal_a_session_by_session_count(portfolio_fixture: PortfolioFixture) -> None:
    rows = defaultdict(list)
    for row in figures_of(portfolio_fixture, "from portfolio.drawdowns order by start_date"):
        rows[row["portfolio"], row["basis"]].append(row)
    for portfolio, basis, sessions, returns, *_ in lives(portfolio_fixture):
        wanted = walked_drawdowns(sessions, returns)
        found = rows[portfolio, basis]
        assert len(found) == len(wanted) > 0
        for one, other in zip(found, wanted, strict=True):
            assert_same(one, other, (portfolio, basis))
        ranked = sorted(found, key=lambda row: row["depth_rank"])
        assert [row["depth_rank"] for row in ranked] == [*range(1, len(found) + 1)]
        assert all(a["drawdown"] <= b["drawdown"] for a, b in pairwise(ranked))


def test_months_are_their_sessions(portfolio_fixture: PortfolioFixture) -> None:
    found = {
        (row["portfolio"], row["basis"], row["month_date"]): row
        for row in figures_of(portfolio_fixture, "from portfolio.monthly_returns")
    }
    compared = 0
    for portfolio, basis, sessions, returns, benchmark, *_ in lives(portfolio_fixture):
        months = defaultdict(list)
        for number, session in enumerate(sessions):
            months[session.replace(day=1)].append(number)
        for month, numbers in months.items():
            whole = math.prod(1 + returns[numbers]) - 1
            wanted: Figures = {
                "calendar_year": month.year,
                "calendar_month": month.month,
                "session_count": len(numbers),
                "missing_return_count": np.isnan(returns[numbers]).sum(),
                "month_return": None if math.isnan(whole) else whole,
                "benchmark_month_return": math.prod(1 + benchmark[numbers]) - 1,
            }
            assert_same(found[portfolio, basis, month], wanted, (portfolio, month))
            compared += 1
    assert compared > 100


@pytest.mark.parametrize("window", WINDOWS)
def test_rolling_figures_are_those_of_their_sessions(
    window: int, portfolio_fixture: PortfolioFixture
) -> None:
    found = {
        (row["portfolio"], row["basis"], row["session_date"]): row
        for row in figures_of(
            portfolio_fixture,
            f"from portfolio.rolling_performance where window_sessions = {window}",
        )
    }
    bridged = 0
    for life in lives(portfolio_fixture):
        portfolio, basis, sessions, returns = life[:4]
        rows = [key for key in found if key[:2] == (portfolio, basis)]
        assert len(rows) == len(sessions) - window + 1
        for last in {window - 1, *range(window - 1, len(sessions), 37), len(sessions) - 1}:
            # of cash alone, most figures are not
            if not returns[last - window + 1 : last + 1].any():
                continue
            wanted = life.figures(last - window + 1, last + 1)
            wanted["first_session_date"] = sessions[last - window + 1]
            assert_same(found[portfolio, basis, sessions[last]], wanted, (portfolio, last))
            bridged += wanted["bridged_count"] > 0
    assert bridged


def test_nothing_is_annualized_from_fewer_than_twenty_sessions(
    portfolio_fixture: PortfolioFixture,
) -> None:
    for count, is_known in ((19, False), (20, True)):
        last = portfolio_fixture.sessions[count]
        (row, _) = figures_of(
            portfolio_fixture, f"from portfolio_performance('solo', null, '{last}')"
        )
        assert row["session_count"] == count
        for name in (
            "cagr",
            "annualized_volatility",
            "sharpe_ratio",
            "sortino_ratio",
            "calmar_ratio",
            "beta",
            "alpha",
            "tracking_error",
            "information_ratio",
        ):
            assert (row[name] is not None) == is_known, name


def test_cash_alone_has_no_ratios(portfolio_fixture: PortfolioFixture) -> None:
    first, last = portfolio_fixture.sessions[401], portfolio_fixture.sessions[449]
    rows = figures_of(
        portfolio_fixture, f"from portfolio_performance('mixed', '{first}', '{last}')"
    )
    for row in rows:
        assert row["session_count"] == 49
        assert row["max_drawdown"] == row["cumulative_return"] == row["hit_ratio"] == 0
        assert row["drawdown_start_date"] is row["calmar_ratio"] is row["skewness"] is None
        assert row["beta"] == 0


def test_the_macro_has_the_models_figures(portfolio_fixture: PortfolioFixture) -> None:
    models = figures_of(portfolio_fixture, "from portfolio.performance order by portfolio, basis")
    macros = []
    for portfolio in dict.fromkeys(row["portfolio"] for row in models):
        macros += figures_of(portfolio_fixture, f"from portfolio_performance('{portfolio}')")
    for macro, model in zip(macros, models, strict=True):
        assert macro.keys() == model.keys()
        for name, value in model.items():
            close = pytest.approx(value, rel=1e-11) if isinstance(value, float) else value
            assert macro[name] == close, (model["portfolio"], name)


def test_a_range_is_computed_from_its_own_start(portfolio_fixture: PortfolioFixture) -> None:
    """Its drawdown uses no earlier peak and its CAGR no earlier day."""
    first, last = portfolio_fixture.sessions[203], portfolio_fixture.sessions[498]
    found = figures_of(
        portfolio_fixture, f"from portfolio_performance('gappy', '{first}', '{last}')"
    )
    ranges = {row["basis"]: row for row in found}
    for life in lives(portfolio_fixture):
        portfolio, basis, sessions, returns = life[:4]
        if portfolio == "gappy":
            start, end = sessions.index(first), sessions.index(last) + 1
            wanted = life.figures(start, end)
            deepest = min(
                walked_drawdowns(sessions[start:end], returns[start:end]),
                key=lambda episode: episode["drawdown"],
            )
            wanted["max_drawdown"] = deepest["drawdown"]
            wanted["drawdown_trough_date"] = deepest["trough_date"]
            assert wanted["bridged_count"] == 0
            assert_same(ranges[basis], wanted, basis)


# What libraries publish, and how to get theirs from ours where they mean something else:
# their measure, their parameters, and a function of our figures, of how many, of the year.
Published = dict[tuple[str, str], Any]


def capture_sums(side: str, row: Figures) -> tuple[float, float, int]:
    """Return portfolio and benchmark growth in up or down sessions, and their number."""
    those = row["benchmark"] > 0 if side == "up" else row["benchmark"] < 0
    growths = [float(np.prod(1 + series[those])) for series in (row["returns"], row["benchmark"])]
    return growths[0], growths[1], int(those.sum())


def empyrical_capture(side: str, row: Figures) -> float:
    ours, theirs, count = capture_sums(side, row)
    return float((ours ** (row["year"] / count) - 1) / (theirs ** (row["year"] / count) - 1))


def analytics_capture(side: str, row: Figures) -> float:
    """Return the capture of cumulative returns; an unchanged session counts as a fall here."""
    if side == "down":
        those = row["benchmark"] <= 0
        ours, theirs = (np.prod(1 + series[those]) for series in (row["returns"], row["benchmark"]))
    else:
        ours, theirs, _ = capture_sums(side, row)
    return float((ours - 1) / (theirs - 1))


def sample_skewness(row: Figures) -> float:
    n = row["session_count"]
    return float(row["skewness"] * math.sqrt(n * (n - 1)) / (n - 2))


def sample_kurtosis(row: Figures) -> float:
    n = row["session_count"]
    return float(((n + 1) * row["excess_kurtosis"] + 6) * (n - 1) / ((n - 2) * (n - 3)))


def analytics_kurtosis(row: Figures) -> float:
    n = row["session_count"]
    moment = row["excess_kurtosis"] + 3
    return float(moment * (n - 1) * (n + 1) / ((n - 2) * (n - 3)))


def counted_cagr(row: Figures) -> float:
    """Return CAGR by the number of sessions in a year; ours goes by days."""
    return float((1 + row["cumulative_return"]) ** (row["year"] / row["session_count"]) - 1)


def counted_calmar(row: Figures) -> float:
    return counted_cagr(row) / -float(row["max_drawdown"])


def active_premium(row: Figures) -> float:
    """Return the difference of the two CAGRs; no column of ours has the benchmark's."""
    growth = float(np.prod(1 + row["benchmark"]))
    return counted_cagr(row) - float(growth ** (row["year"] / row["session_count"]) - 1)


def session_alpha(row: Figures) -> float:
    return float((1 + row["alpha"]) ** (1 / row["year"]) - 1)


PYTHON: Published = {
    ("cum_returns_final", ""): lambda row: row["cumulative_return"],
    ("annual_return", "252, geometric (CAGR)"): counted_cagr,
    ("annual_volatility", "252, sample sd"): lambda row: row["annualized_volatility"],
    ("sharpe_ratio", "rf=0, 252"): lambda row: row["sharpe_ratio"],
    ("sortino_ratio", "mar=0, 252"): lambda row: row["sortino_ratio"],
    ("max_drawdown", ""): lambda row: row["max_drawdown"],
    ("calmar_ratio", "252"): counted_calmar,
    ("omega_ratio", "rf=0, req=0"): lambda row: row["omega_ratio"],
    ("beta", "benchmark last col"): lambda row: row["beta"],
    ("alpha", "annualized 252"): lambda row: row["alpha"],
    ("excess_sharpe", ""): lambda row: row["information_ratio"] / math.sqrt(row["year"]),
    ("up_capture", ""): lambda row: empyrical_capture("up", row),
    ("down_capture", ""): lambda row: empyrical_capture("down", row),
    ("sharpe", "252"): lambda row: row["sharpe_ratio"],
    ("sortino", "252"): lambda row: row["sortino_ratio"],
    ("cagr", "252"): counted_cagr,
    ("volatility", "252"): lambda row: row["annualized_volatility"],
    ("calmar", ""): counted_calmar,
    ("profit_factor", ""): lambda row: row["omega_ratio"],
    ("gain_to_pain", ""): lambda row: row["omega_ratio"] - 1,
    ("skew", ""): sample_skewness,
    ("kurtosis", ""): sample_kurtosis,
    ("win_rate", ""): lambda row: row["hit_ratio"] / (row["returns"] != 0).mean(),
}


def analytics(year: int) -> Published:
    return {
        ("n_obs", ""): lambda row: row["session_count"],
        ("Return.cumulative", "geometric"): lambda row: row["cumulative_return"],
        ("Return.annualized", f"geometric,scale={year}"): counted_cagr,
        ("StdDev", "sample"): lambda row: row["annualized_volatility"] / math.sqrt(year),
        ("StdDev.annualized", f"scale={year}"): lambda row: row["annualized_volatility"],
        ("SharpeRatio.StdDev", "Rf=0"): lambda row: row["sharpe_ratio"] / math.sqrt(year),
        (
            "SharpeRatio.annualized_arith",
            f"Rf=0,scale={year},arithmetic",
        ): lambda row: row["sharpe_ratio"],
        ("SortinoRatio", "MAR=0"): lambda row: row["sortino_ratio"] / math.sqrt(year),
        ("maxDrawdown", "geometric"): lambda row: -row["max_drawdown"],
        ("CalmarRatio", f"scale={year}"): counted_calmar,
        ("Omega", "L=0"): lambda row: row["omega_ratio"],
        ("skewness", "moment"): lambda row: row["skewness"],
        ("kurtosis", "excess"): lambda row: row["excess_kurtosis"],
        ("kurtosis_sample", "sample"): analytics_kurtosis,
        ("CAPM.beta", "Rf=0"): lambda row: row["beta"],
        ("CAPM.alpha", "Rf=0"): session_alpha,
        ("TrackingError", f"scale={year}"): lambda row: row["tracking_error"],
        ("ActivePremium", f"scale={year}"): active_premium,
        ("InformationRatio", f"scale={year}"): lambda row: (
            active_premium(row) / row["tracking_error"]
        ),
        ("UpCapture", ""): lambda row: analytics_capture("up", row),
        ("DownCapture", ""): lambda row: analytics_capture("down", row),
    }


def compared(name: str, published: Published, rows: dict[str, Figures]) -> Counter[str]:
    """Compare a file's values with ours, and return how many of each measure it has."""
    counts = Counter[str]()
    with (REFERENCE / name).open() as file:
        for line in csv.DictReader(file):
            expected_by = published.get((line["measure"], line["params"]))
            if expected_by is None or line["symbol"] not in rows:
                continue
            value, found = float(line["value"]), expected_by(rows[line["symbol"]])
            assert found == pytest.approx(value, rel=TOLERANCE, abs=TOLERANCE * 1e-2), (
                line["symbol"],
                line["measure"],
            )
            counts[line["measure"]] += 1
    return counts


def daily_rows(portfolio_fixture: PortfolioFixture) -> dict[str, Figures]:
    returns = reference_returns()
    rows = {}
    for symbol, series in returns.items():
        # the fixture has one session after them
        last = portfolio_fixture.sessions[len(series)]
        found = figures_of(
            portfolio_fixture, f"from portfolio_performance('{symbol}', null, '{last}')"
        )
        rows[symbol] = found[0] | {
            "returns": series,
            "benchmark": returns["MSFT"],
            "year": YEAR,
        }
    return rows


def monthly_rows(portfolio_fixture: PortfolioFixture) -> dict[str, Figures]:
    with MANAGERS.open() as file:
        months = list(csv.DictReader(file))
    rows = {}
    for row in figures_of(portfolio_fixture, "from portfolio.managers"):
        known = [month for month in months if month[row["manager"]] != "NA"]
        rows[row["manager"]] = row | {
            "returns": np.array([float(month[row["manager"]]) for month in known]),
            "benchmark": np.array([float(month["SP500 TR"]) for month in known]),
            "year": 12,
        }
    return rows


absent = pytest.mark.skipif(
    not REFERENCE_RETURNS.exists(),
    reason=f"the reference results are not at {REFERENCE}: set BOURSE_SHARED_DATA",
)


@absent
def test_daily_figures_are_empyricals_and_quantstats(portfolio_fixture: PortfolioFixture) -> None:
    counts = compared("risk_python_daily.csv", PYTHON, daily_rows(portfolio_fixture))
    # max_drawdown is in both of them
    assert counts == {measure: 5 * (1 + (measure == "max_drawdown")) for measure, _ in PYTHON}


@absent
def test_daily_figures_are_performanceanalytics(portfolio_fixture: PortfolioFixture) -> None:
    published = analytics(YEAR)
    counts = compared(
        "risk_performanceanalytics_daily.csv", published, daily_rows(portfolio_fixture)
    )
    assert counts == {measure: 5 for measure, _ in published}


@absent
def test_monthly_figures_are_performanceanalytics(portfolio_fixture: PortfolioFixture) -> None:
    published = analytics(12)
    counts = compared(
        "risk_performanceanalytics_managers.csv", published, monthly_rows(portfolio_fixture)
    )
    assert counts == {measure: 6 for measure, _ in published}


@absent
def test_capture_is_the_ratio_of_compound_means(portfolio_fixture: PortfolioFixture) -> None:
    for row in (daily_rows(portfolio_fixture) | monthly_rows(portfolio_fixture)).values():
        for side in ("up", "down"):
            ours, theirs, count = capture_sums(side, row)
            wanted = (ours ** (1 / count) - 1) / (theirs ** (1 / count) - 1)
            assert row[f"{side}_capture_ratio"] == pytest.approx(wanted, rel=TOLERANCE)


@absent
def test_drawdowns_are_performanceanalytics(portfolio_fixture: PortfolioFixture) -> None:
    """Its table ranks the deepest five; ours have one more session, which is flat."""
    rows = {
        (row["portfolio"], row["depth_rank"]): row
        for row in figures_of(portfolio_fixture, "from portfolio.drawdowns where basis = 'gross'")
    }
    places = {session: number for number, session in enumerate(portfolio_fixture.sessions)}
    with REFERENCE_RETURNS.open() as file:
        days = [row["date"] for row in csv.DictReader(file)]
    counts = Counter[str]()
    with (REFERENCE / "risk_performanceanalytics_daily.csv").open() as file:
        for line in csv.DictReader(file):
            if not line["measure"].startswith("drawdown_"):
                continue
            said = dict(part.split("=") for part in line["params"].split(","))
            row = rows[line["symbol"], int(said["rank"])]
            is_open = said["to"] == "NA"
            assert days[places[row["start_date"]] - 1] == said["from"]
            assert days[places[row["trough_date"]] - 1] == said["trough"]
            assert (row["recovery_date"] is None) == is_open
            if not is_open:
                assert days[places[row["recovery_date"]] - 1] == said["to"]
            found = {
                "drawdown_Depth": row["drawdown"],
                # it counts the session after the last as the end of one that is open
                "drawdown_Length": row["length_sessions"],
                "drawdown_To_Trough": row["trough_sessions"],
                "drawdown_Recovery": row["recovery_sessions"],
            }[line["measure"]]
            if line["value"] == "NA":
                assert found is None
            else:
                assert found == pytest.approx(float(line["value"]), rel=TOLERANCE)
            counts[line["measure"]] += 1
    assert set(counts.values()) == {25}
