"""Portfolio returns against an account that buys, holds and sells."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest

from tests.support.portfolio_fixture import (
    COST_BPS,
    GAPS_OF_C,
    LAST_SESSION_OF_C,
    RISK_FREE,
    SAVING,
    WEIGHTS,
    PortfolioFixture,
    Series,
    built_portfolio_fixture,
)


class Day(NamedTuple):
    gross: float
    net: float
    turnover: float
    cash_weight: float
    stale: int
    weights: dict[str, float]


@pytest.fixture(scope="module")
def portfolio_fixture(tmp_path_factory: pytest.TempPathFactory) -> PortfolioFixture:
    return built_portfolio_fixture(tmp_path_factory)


def kept_account(
    rebalances: dict[int, dict[str, float]], closes: dict[str, Series], cash_return: float
) -> list[Day]:
    """Keep shares and cash through every session; a symbol without a price yet stays in cash."""
    shares: dict[str, float] = {}
    waiting: dict[str, float] = {}
    cash = 1_000.0
    days = []
    known: dict[str, list[float]] = {}
    for symbol, series in closes.items():
        last = math.nan
        known[symbol] = [last := last if math.isnan(close) else close for close in series]
    bought: set[str] = set()
    for number in range(min(rebalances), len(next(iter(closes.values())))):
        before = {symbol: known[symbol][number - 1] for symbol in closes}
        value = cash + sum(waiting.values()) + sum(n * before[s] for s, n in shares.items())
        turnover = sum(shares[symbol] * before[symbol] for symbol in bought) / value
        turnover = abs(turnover)
        if number in rebalances:
            targets = {symbol: weight for symbol, weight in rebalances[number].items() if weight}
            # what would have been bought at this very close never was
            old = {s: n * before[s] / value for s, n in shares.items() if s not in bought}
            priced = {s: w for s, w in targets.items() if not math.isnan(before[s])}
            turnover = sum(
                abs(priced.get(symbol, 0.0) - old.get(symbol, 0.0)) for symbol in {*priced, *old}
            )
            shares = {symbol: weight * value / before[symbol] for symbol, weight in priced.items()}
            waiting = {s: w * value for s, w in targets.items() if s not in priced}
            cash = value * (1 - sum(targets.values()))
        weights = {symbol: amount * before[symbol] / value for symbol, amount in shares.items()}
        after = {symbol: known[symbol][number] for symbol in closes}
        cash_weight = (cash + sum(waiting.values())) / value
        cash *= 1 + cash_return
        waiting = {symbol: amount * (1 + cash_return) for symbol, amount in waiting.items()}
        end = cash + sum(waiting.values()) + sum(n * after[s] for s, n in shares.items())
        bought = {symbol for symbol in waiting if not math.isnan(after[symbol])}
        for symbol in bought:
            shares[symbol] = waiting.pop(symbol) / after[symbol]
            weights[symbol] = 0.0
        stale = sum(math.isnan(closes[symbol][number]) for symbol in shares)
        gross = end / value - 1
        net = gross - turnover * COST_BPS / 10_000
        days.append(Day(gross, net, turnover, cash_weight, stale, weights))
    return days


def account_of(portfolio: str, portfolio_fixture: PortfolioFixture) -> list[Day]:
    rate = (1 + RISK_FREE) ** (1 / 252) - 1 if portfolio == SAVING else 0.0
    return kept_account(portfolio_fixture.weights[portfolio], portfolio_fixture.closes, rate)


@pytest.mark.parametrize("portfolio", WEIGHTS)
def test_returns_are_those_of_an_account(
    portfolio: str, portfolio_fixture: PortfolioFixture
) -> None:
    expected = account_of(portfolio, portfolio_fixture)
    actual = portfolio_fixture.sandbox.rows(
        "select session_date, gross_return, net_return, turnover_ratio, cash_weight,"
        " stale_price_count"
        f" from portfolio.returns where portfolio = '{portfolio}' order by session_date"
    )
    assert [row[0] for row in actual] == portfolio_fixture.sessions[
        min(portfolio_fixture.weights[portfolio]) :
    ]
    found = np.array([row[1:] for row in actual], dtype=float)
    wanted = np.array([day[:5] for day in expected])
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12, equal_nan=False)


@pytest.mark.parametrize("portfolio", WEIGHTS)
def test_weights_are_those_of_an_account(
    portfolio: str, portfolio_fixture: PortfolioFixture
) -> None:
    expected = account_of(portfolio, portfolio_fixture)
    wanted = {
        (portfolio_fixture.sessions[number], symbol): weight
        for number, day in enumerate(expected, start=min(portfolio_fixture.weights[portfolio]))
        for symbol, weight in day.weights.items()
    }
    actual = portfolio_fixture.sandbox.rows(
        "select session_date, symbol, weight from portfolio.weights"
        f" where portfolio = '{portfolio}'"
    )
    found = {(row[0], row[1]): math.nan if row[2] is None else row[2] for row in actual}
    assert found.keys() == wanted.keys()
    np.testing.assert_allclose(
        [found[key] for key in wanted], [*wanted.values()], rtol=0, atol=1e-12, equal_nan=False
    )


def test_an_account_without_holdings_earns_nothing(portfolio_fixture: PortfolioFixture) -> None:
    rows = portfolio_fixture.sandbox.rows(
        "select gross_return, turnover_ratio, cash_weight from portfolio.returns"
        f" where portfolio = 'mixed' and session_date > '{portfolio_fixture.sessions[400]}'"
        f" and session_date < '{portfolio_fixture.sessions[450]}'"
    )
    assert rows == [(0.0, 0.0, 1.0)] * 49


def test_a_missing_close_is_named_with_what_stands_in(portfolio_fixture: PortfolioFixture) -> None:
    rows = portfolio_fixture.sandbox.rows(
        "select session_date, symbol, price_date from portfolio.missing_prices"
        " where portfolio = 'gappy' order by all"
    )
    gone = range(LAST_SESSION_OF_C + 1, 500)
    held = [number for number in [*sorted(GAPS_OF_C), *gone] if number < 500]
    earlier = {201: 199}
    assert rows == [
        (
            portfolio_fixture.sessions[number],
            "C",
            portfolio_fixture.sessions[earlier.get(number, number - 1)],
        )
        for number in held
    ]


def test_a_symbol_without_a_price_is_named_and_is_cash(
    portfolio_fixture: PortfolioFixture,
) -> None:
    rows = portfolio_fixture.sandbox.rows(
        "select symbol, min(session_date), max(session_date), count(*)::int, count(price_date)::int"
        " from portfolio.missing_prices where portfolio = 'newborn' group by all order by all"
    )
    assert rows == [
        ("G", portfolio_fixture.sessions[1], portfolio_fixture.sessions[59], 59, 0),
        ("H", portfolio_fixture.sessions[20], portfolio_fixture.sessions[39], 20, 0),
    ]
    entries = portfolio_fixture.sandbox.rows(
        "select distinct symbol, entry_date from portfolio.weights where portfolio = 'newborn'"
        " and symbol in ('G', 'H') order by all"
    )
    assert entries == [
        # the session before the third rebalance, which buys both again at its close
        *(
            ("G", portfolio_fixture.sessions[60]),
            ("H", portfolio_fixture.sessions[40]),
            ("H", portfolio_fixture.sessions[60]),
        )
    ]


def test_every_session_has_a_return_and_bridged_prices_are_counted(
    portfolio_fixture: PortfolioFixture,
) -> None:
    rows = portfolio_fixture.sandbox.rows(
        "select portfolio, missing_return_count::int, bridged_count::int, cagr is not null"
        " from portfolio.performance where basis = 'net' and portfolio in"
        " ('gappy', 'unbought', 'newborn', 'stuck') order by all"
    )
    counts = {
        portfolio: sum(day.stale > 0 for day in account_of(portfolio, portfolio_fixture))
        for portfolio in ("gappy", "newborn", "unbought")
    }
    assert counts == {"gappy": 3, "newborn": 0, "unbought": 2}
    assert [row for row in rows if row[0] != "stuck"] == [
        (portfolio, 0, count, True) for portfolio, count in counts.items()
    ]
    (stuck,) = (row for row in rows if row[0] == "stuck")
    assert stuck[1] == 0 and stuck[2] > 2 and stuck[3]
