"""Accounts built from fills against an account kept by hand, in decimals."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tests.support.portfolio_fixture import (
    ACCOUNTS,
    ACTIONS,
    BUST,
    CAPITAL,
    CASH,
    Fill,
    PortfolioFixture,
    built_portfolio_fixture,
)

CENT_OF_CENT = Decimal("0.0001")
MILLIONTH = Decimal("0.000001")
ZERO = Decimal(0)


@dataclass
class Kept:
    """An account at the close of a session."""

    cash: Decimal
    equity: Decimal
    charges: Decimal = ZERO
    traded: Decimal = ZERO
    dividends: Decimal = ZERO
    interest: Decimal = ZERO
    deposited: Decimal = ZERO
    withdrawn: Decimal = ZERO
    shares: dict[str, Decimal] = field(default_factory=dict)
    worth: dict[str, Decimal] = field(default_factory=dict)


@pytest.fixture(scope="module")
def portfolio_fixture(tmp_path_factory: pytest.TempPathFactory) -> PortfolioFixture:
    return built_portfolio_fixture(tmp_path_factory)


def money(amount: Decimal) -> Decimal:
    return amount.quantize(CENT_OF_CENT, ROUND_HALF_UP)


def day_of(fill: Fill, sessions: list[date]) -> date:
    """Return the session of a fill: New York's day, or the next one with a session."""
    local = fill.at.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo("America/New_York")).date()
    return next(day for day in sessions if day >= local)


def kept_account(account: str, portfolio_fixture: PortfolioFixture) -> dict[date, Kept]:
    latest: dict[str, Fill] = {}
    for fill in portfolio_fixture.fills:
        if fill.account == account:
            known = latest.get(fill.key)
            if known is None or fill.recorded > known.recorded:
                latest[fill.key] = fill
    fills = defaultdict(list)
    for fill in latest.values():
        if Decimal(fill.quantity):
            fills[day_of(fill, portfolio_fixture.sessions)].append(fill)
    symbols = {fill.symbol for day in fills.values() for fill in day}
    last = max(
        np.flatnonzero(~np.isnan(portfolio_fixture.quotes[symbol]))[-1] for symbol in symbols
    )

    moved: dict[date, dict[str, Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
    for movement in CASH:
        if movement.account == account:
            value_date = portfolio_fixture.sessions[movement.session] + timedelta(
                days=movement.days_later
            )
            day = next(day for day in portfolio_fixture.sessions if day >= value_date)
            moved[day][movement.kind] += Decimal(movement.amount)

    cash = Decimal(CAPITAL)
    shares: dict[str, Decimal] = defaultdict(lambda: ZERO)
    prices: dict[str, Decimal] = {}
    days: dict[date, Kept] = {}
    for number, session in enumerate(portfolio_fixture.sessions[: last + 1]):
        if session < min([*fills, *moved]):
            continue
        today = Kept(cash=cash, equity=ZERO)
        for action in ACTIONS:
            if action.session == number and action.old != action.new:
                new = shares[action.symbol] * action.new / action.old
                shares[action.symbol] = new.quantize(MILLIONTH, ROUND_HALF_UP)
        for action in ACTIONS:
            if action.session == number:
                today.dividends += money(shares[action.symbol] * Decimal(action.dividend))
        cash += today.dividends
        for fill in sorted(fills[session], key=lambda fill: (fill.at, fill.key)):
            prices[fill.symbol] = Decimal(fill.price)
            amount = money(Decimal(fill.quantity) * Decimal(fill.price))
            sign = 1 if fill.side == "buy" else -1
            shares[fill.symbol] += sign * Decimal(fill.quantity)
            cash -= sign * amount + Decimal(fill.charges)
            today.charges += Decimal(fill.charges)
            today.traded += amount
        cash += sum(moved[session].values(), ZERO)
        today.dividends += moved[session]["dividend"]
        today.interest = moved[session]["interest"]
        today.deposited = moved[session]["deposit"]
        today.withdrawn = -moved[session]["withdrawal"]
        today.cash = cash
        today.shares = {symbol: amount for symbol, amount in shares.items() if amount}
        # a session without a close has the last price: an earlier close, or that of a fill since
        for symbol in symbols:
            close = portfolio_fixture.quotes[symbol][number]
            if not math.isnan(close):
                prices[symbol] = Decimal(repr(float(close)))
        for symbol, amount in today.shares.items():
            today.worth[symbol] = money(amount * prices[symbol].quantize(MILLIONTH, ROUND_HALF_UP))
        today.equity = cash + sum(today.worth.values(), ZERO)
        days[session] = today
    return days


@pytest.mark.parametrize("account", ACCOUNTS)
def test_money_equals_the_account_by_hand(
    account: str, portfolio_fixture: PortfolioFixture
) -> None:
    rows = portfolio_fixture.sandbox.rows(
        "select session_date, cash_amount, equity_amount, charges_amount, traded_amount,"
        " dividend_amount, interest_amount, deposited_amount, withdrawn_amount"
        f" from portfolio.accounts where portfolio = '{account}'"
    )
    wanted = {
        day: (
            *(kept.cash, kept.equity, kept.charges, kept.traded),
            *(kept.dividends, kept.interest, kept.deposited, kept.withdrawn),
        )
        for day, kept in kept_account(account, portfolio_fixture).items()
    }
    assert {row[0]: row[1:] for row in rows} == wanted
    assert len(rows) == len(wanted)


@pytest.mark.parametrize("account", ACCOUNTS)
def test_holdings_equal_the_account_by_hand(
    account: str, portfolio_fixture: PortfolioFixture
) -> None:
    rows = portfolio_fixture.sandbox.rows(
        "select session_date, symbol, closing_quantity, closing_amount from portfolio.holdings"
        f" where portfolio = '{account}' and closing_quantity != 0"
    )
    wanted = {
        (day, symbol): (amount, kept.worth[symbol])
        for day, kept in kept_account(account, portfolio_fixture).items()
        for symbol, amount in kept.shares.items()
    }
    assert {row[:2]: row[2:] for row in rows} == wanted


@pytest.mark.parametrize("account", ACCOUNTS)
def test_returns_are_those_of_the_equity(account: str, portfolio_fixture: PortfolioFixture) -> None:
    rows = portfolio_fixture.sandbox.rows(
        "select session_date, gross_return, net_return, turnover_ratio, cash_weight"
        f" from portfolio.returns where portfolio = '{account}' order by session_date"
    )
    kept = kept_account(account, portfolio_fixture)
    assert [row[0] for row in rows] == [*kept]
    before: Kept = Kept(cash=Decimal(CAPITAL), equity=Decimal(CAPITAL))
    wanted = []
    for today in kept.values():
        start = before.equity
        end = today.equity - today.deposited + today.withdrawn
        wanted.append(
            (
                (end + today.charges) / start - 1,
                end / start - 1,
                today.traded / start,
                before.cash / start,
            )
        )
        before = today
    found = np.array([row[1:] for row in rows], dtype=float)
    np.testing.assert_allclose(
        found, np.array(wanted, dtype=float), rtol=0, atol=1e-14, equal_nan=True
    )


def test_the_fills_contain_every_case(portfolio_fixture: PortfolioFixture) -> None:
    """The fills contain every case that the tests above claim to cover."""
    kept = kept_account("dealer", portfolio_fixture)
    held = [today.shares for today in kept.values()]
    longs = {symbol for shares in held for symbol, amount in shares.items() if amount > 0}
    shorts = {symbol for shares in held for symbol, amount in shares.items() if amount < 0}
    assert longs == {"E"}
    assert shorts == {"E", "F"}
    assert min(today.dividends for today in kept.values()) < 0
    assert any(amount % 1 for shares in held for amount in shares.values()), "no fraction of one"
    round_trip = kept[portfolio_fixture.sessions[30]]
    assert round_trip.traded and "F" not in round_trip.shares
    assert (
        math.isnan(portfolio_fixture.quotes["C"][200])
        and "C" in kept_account("stuck", portfolio_fixture)[portfolio_fixture.sessions[200]].shares
    )
    assert kept_account("flat", portfolio_fixture)[portfolio_fixture.sessions[400]].shares == {}


def test_a_late_fill_is_of_its_day_and_one_on_a_holiday_of_the_next(
    portfolio_fixture: PortfolioFixture,
) -> None:
    rows = portfolio_fixture.sandbox.rows(
        "select session_date, price from portfolio.fills"
        " where portfolio = 'dealer' and price in (10, 10.1) order by price"
    )
    assert [row[0] for row in rows] == [
        portfolio_fixture.sessions[140],
        portfolio_fixture.sessions[151],
    ]


def test_a_close_that_an_account_lacks_is_named(portfolio_fixture: PortfolioFixture) -> None:
    rows = portfolio_fixture.sandbox.rows(
        "select session_date, symbol, price_date from portfolio.missing_prices"
        " where portfolio = 'stuck' and session_date < '2017-11-01' order by all"
    )
    assert rows == [
        (portfolio_fixture.sessions[gap], "C", portfolio_fixture.sessions[199])
        for gap in (200, 201)
    ]
    assert portfolio_fixture.sessions[202] - portfolio_fixture.sessions[201] == timedelta(days=2)


def test_fills_of_nobodys_account_are_in_no_portfolio(portfolio_fixture: PortfolioFixture) -> None:
    assert portfolio_fixture.sandbox.rows(
        "select distinct portfolio from portfolio.fills order by all"
    ) == [(account,) for account in sorted([*ACCOUNTS, BUST])]


def test_an_account_that_lost_everything_has_no_return(portfolio_fixture: PortfolioFixture) -> None:
    rows = portfolio_fixture.sandbox.rows(
        "select net_return, session_count, missing_return_count, cumulative_return, max_drawdown"
        " from portfolio.returns inner join portfolio.performance using (portfolio)"
        f" where portfolio = '{BUST}' and basis = 'net' order by session_date limit 2"
    )
    count = len(portfolio_fixture.sessions) - 30
    assert rows[0][0] < -1
    assert rows[0][1:] == (count, count - 1, None, None)
    assert rows[1][0] is None
