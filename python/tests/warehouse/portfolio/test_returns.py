"""Portfolio returns against an account that really buys, holds and sells."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest

from tests.support.world import COST_BPS, GAPS_OF_C, WEIGHTS, Series, World, built_world


class Day(NamedTuple):
    gross: float
    net: float
    turnover: float
    cash_weight: float
    weights: dict[str, float]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return built_world(tmp_path_factory)


def kept_account(rebalances: dict[int, dict[str, float]], closes: dict[str, Series]) -> list[Day]:
    """Keep shares and cash through every session; what is not known is not a number."""
    shares: dict[str, float] = {}
    cash = 1_000.0
    days = []
    for number in range(min(rebalances), len(next(iter(closes.values())))):
        before = {symbol: closes[symbol][number - 1] for symbol in closes}
        after = {symbol: closes[symbol][number] for symbol in closes}
        value = cash + sum(amount * before[symbol] for symbol, amount in shares.items())
        turnover = 0.0
        if number in rebalances:
            targets = {symbol: weight for symbol, weight in rebalances[number].items() if weight}
            old = {symbol: amount * before[symbol] / value for symbol, amount in shares.items()}
            turnover = sum(
                abs(targets.get(symbol, 0.0) - old.get(symbol, 0.0)) for symbol in {*targets, *old}
            )
            # an account whose value is not known is begun anew: its returns do not depend on it
            value = 1_000.0 if math.isnan(value) else value
            shares = {symbol: weight * value / before[symbol] for symbol, weight in targets.items()}
            cash = value * (1 - sum(targets.values()))
        weights = {symbol: amount * before[symbol] / value for symbol, amount in shares.items()}
        cash_weight = cash / value
        if any(math.isnan(weight) for weight in weights.values()):
            weights, cash_weight = dict.fromkeys(weights, math.nan), math.nan
        gross = (cash + sum(shares[symbol] * after[symbol] for symbol in shares)) / value - 1
        net = gross - turnover * COST_BPS / 10_000
        days.append(Day(gross, net, turnover, cash_weight, weights))
    return days


@pytest.mark.parametrize("portfolio", WEIGHTS)
def test_returns_are_those_of_an_account(portfolio: str, world: World) -> None:
    expected = kept_account(world.weights[portfolio], world.closes)
    actual = world.sandbox.rows(
        "select session_date, gross_return, net_return, turnover, cash_weight"
        f" from portfolio.returns where portfolio = '{portfolio}' order by session_date"
    )
    assert [row[0] for row in actual] == world.sessions[min(world.weights[portfolio]) :]
    found = np.array([row[1:] for row in actual], dtype=float)
    wanted = np.array([day[:4] for day in expected])
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12, equal_nan=True)
    assert np.isfinite(wanted).any()


@pytest.mark.parametrize("portfolio", WEIGHTS)
def test_weights_are_those_of_an_account(portfolio: str, world: World) -> None:
    expected = kept_account(world.weights[portfolio], world.closes)
    wanted = {
        (world.sessions[number], symbol): weight
        for number, day in enumerate(expected, start=min(world.weights[portfolio]))
        for symbol, weight in day.weights.items()
    }
    actual = world.sandbox.rows(
        "select session_date, symbol, weight from portfolio.weights"
        f" where portfolio = '{portfolio}'"
    )
    found = {(row[0], row[1]): math.nan if row[2] is None else row[2] for row in actual}
    assert found.keys() == wanted.keys()
    np.testing.assert_allclose(
        [found[key] for key in wanted], [*wanted.values()], rtol=0, atol=1e-12, equal_nan=True
    )


def test_an_account_without_holdings_earns_nothing(world: World) -> None:
    rows = world.sandbox.rows(
        "select gross_return, turnover, cash_weight from portfolio.returns"
        f" where portfolio = 'mixed' and session_date > '{world.sessions[400]}'"
        f" and session_date < '{world.sessions[450]}'"
    )
    assert rows == [(0.0, 0.0, 1.0)] * 49


def test_a_missing_close_is_named_for_every_session_it_keeps_unknown(world: World) -> None:
    rows = world.sandbox.rows(
        "select session_date, symbol, missing_date from portfolio.missing_prices"
        " where portfolio = 'gappy' order by all"
    )
    # each for its own session and the next, which for the last is the one it is sold at
    wanted = sorted(
        (world.sessions[session], "C", world.sessions[gap])
        for gap in GAPS_OF_C
        for session in (gap, gap + 1)
    )
    assert rows == wanted


def test_only_sessions_with_a_missing_close_are_unknown(world: World) -> None:
    unknown = world.sandbox.rows(
        "select session_date from portfolio.returns"
        " where portfolio = 'gappy' and gross_return is null order by all"
    )
    assert unknown == [(world.sessions[number],) for number in (200, 201, 202, 499)]
