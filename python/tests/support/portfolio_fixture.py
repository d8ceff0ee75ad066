"""
A small set of made-up prices, with the portfolio and risk layers built over it.

It is built once per test run; models, properties of seeds and data tests are the project's own.
Prices come from a seeded generator, or from the reference returns where those are available.
"""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import duckdb
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from duckbourse.settings import PROJECT
from tests.support.once import made_once, run_folder
from tests.support.sandbox import Sandbox

FUNCTIONS = ("portfolio_performance", "rolling_covariances")
SHARED = Path(os.environ.get("BOURSE_SHARED_DATA", PROJECT.parent / "shared" / "data"))
REFERENCE = SHARED / "reference"
REFERENCE_RETURNS = REFERENCE / "risk_daily_returns_input.csv"
MANAGERS = REFERENCE / "managers.csv"

Series = NDArray[np.floating]
Weights = dict[str, dict[int, dict[str, float]]]

SESSION_COUNT = 1260
COST_BPS = 7.0
CAPITAL = 250_000.0
BENCHMARK = "D"
RISK_FREE = 0.02
MIN_ACCEPTABLE = 0.05
REFERENCE_BENCHMARK = "MSFT"

WINDOWS = [10, 63]
COVARIANCES = [
    ("sample", 63, None),
    ("ewma", 50, 0.94),
    ("ledoit_wolf", 63, None),
    ("sample", 10, None),
]

METHODS = (
    "historical",
    "age_weighted",
    "filtered_historical",
    "normal",
    "student_t",
    "cornish_fisher",
    "ewma",
    "monte_carlo",
)
# of every method
SETTINGS = [(0.95, 1, 250), (0.99, 1, 250), (0.975, 10, 100), (0.95, 1, 1258), (0.99, 1, 1258)]

# what is held, by the number of the first session that begins with it
WEIGHTS: Weights = {
    "solo": {1: {"A": 1.0}},
    "mixed": {
        1: {"A": 0.3, "B": 0.3},
        101: {"A": 0.5, "B": 0.25, "D": 0.2},
        400: {"A": 0.0},
        450: {"D": -0.25, "B": 1.0},
    },
    "gappy": {1: {"A": 0.5, "C": 0.5}, 500: {"A": 0.9}},
    "ticks": {1: {"B": 0.3, "E": 0.4, "F": -0.1}},
    "twins": {1: {"A": 0.5, "T": 0.5}},
    "unbought": {150: {"A": 0.5, "C": 0.5}, 202: {"A": 0.25, "C": 0.5}, 300: {"B": 0.8}},
    # H has its first price within the second rebalance, and G in the session before the third
    "newborn": {
        1: {"A": 0.5, "G": 0.3},
        20: {"A": 0.4, "H": 0.3, "G": 0.1},
        61: {"G": 0.2, "H": 0.5, "B": 0.1},
    },
    "saving": {5: {"A": 0.25, "H": 0.25}, 45: {"B": 0.1, "H": -0.1, "G": 0.2}},
    "flatly": {1: {"A": 0.6, "B": 0.4}},
}


class Cash(NamedTuple):
    """A movement of cash as a journal records it, so many days after the session."""

    account: str
    session: int
    kind: str
    amount: str
    days_later: int = 0
    is_corrected: bool = False


# before the first fill, between sessions, of the same day, more than all that is there, corrected
CASH = [
    Cash("dealer", 15, "deposit", "5000"),
    Cash("dealer", 99, "withdrawal", "-1234.56", days_later=1),
    Cash("dealer", 100, "deposit", "99000"),
    Cash("dealer", 100, "dividend", "41.25"),
    Cash("dealer", 130, "interest", "-3.75"),
    Cash("dealer", 135, "deposit", "777", is_corrected=True),
    Cash("flat", 395, "withdrawal", "-200000"),
    Cash("stranger", 50, "deposit", "1"),
]

ACCOUNTS = ["dealer", "flat", "stuck"]
# loses more than it has
BUST = "bust"
SHOCKED_SECTORS = ("Information Technology",)
SHOCKED_SYMBOLS = ("AAPL",)
SECTORS = {"A": "Industrials", "B": "Industrials", "C": "Energy", "E": "Materials"}

# whose cash earns the risk-free rate
SAVING = "saving"
# a portfolio with a benchmark that never moves
FLATLY, FLAT_BENCHMARK = "flatly", "FLAT"
# the first session with a price
LISTED = {"G": 60, "H": 40}

# C trades for a while only, and not on every day of it
LAST_SESSION_OF_C = 520
GAPS_OF_C = {200, 201, 499}


class Action(NamedTuple):
    """A split of old shares into new ones, or a dividend."""

    symbol: str
    session: int
    old: int = 1
    new: int = 1
    dividend: str = "0"


# E and F are quoted in cents and often do not move
ACTIONS = [
    Action("E", 60, old=1, new=3),
    Action("E", 90, old=2, new=3),
    Action("F", 75, old=10, new=1),
    Action("E", 100, dividend="0.37"),
    Action("F", 105, dividend="1.2345"),
    # both on one day: the dividend is paid on the new shares
    Action("E", 130, old=1, new=2),
    Action("E", 130, dividend="0.05"),
]


class Fill(NamedTuple):
    """A fill as it is recorded; `at` is in UTC."""

    account: str
    key: str
    symbol: str
    side: str
    quantity: str
    price: str
    charges: str
    at: datetime
    recorded: datetime


@dataclass(frozen=True)
class PortfolioFixture:
    sandbox: Sandbox
    sessions: list[date]
    closes: dict[str, Series]
    weights: Weights
    # prices as traded, unlike the total-return closes
    quotes: dict[str, Series]
    fills: list[Fill]


def reference_returns() -> dict[str, Series]:
    """Return the returns behind the published figures; nothing where they are not available."""
    if not REFERENCE_RETURNS.exists():
        return {}
    with REFERENCE_RETURNS.open() as file:
        rows = list(csv.DictReader(file))
    symbols = [name for name in rows[0] if name != "date"]
    return {symbol: np.array([float(row[symbol]) for row in rows]) for symbol in symbols}


def manager_returns() -> dict[str, Series]:
    """Return the monthly returns of PerformanceAnalytics' managers; nothing without that file."""
    if not MANAGERS.exists():
        return {}
    with MANAGERS.open() as file:
        rows = list(csv.DictReader(file))
    return {
        name: np.array([float(row[name]) for row in rows if row[name] != "NA"])
        for name in rows[0]
        if name.startswith("HAM")
    }


def made_up_closes() -> dict[str, Series]:
    generator = np.random.default_rng(20261123)
    closes: dict[str, Series] = {}
    for symbol in "ABCD":
        returns = 0.0005 + 0.012 * generator.standard_t(4, SESSION_COUNT)
        closes[symbol] = 100.0 * np.cumprod(1 + returns)
    closes["T"] = 2 * closes["A"]
    for symbol, first in LISTED.items():
        closes[symbol] = closes["B" if symbol == "G" else "D"] * 0.7
        closes[symbol][:first] = np.nan
    closes[FLAT_BENCHMARK] = np.full(SESSION_COUNT, 50.0)
    closes["C"][[*GAPS_OF_C]] = np.nan
    closes["C"][LAST_SESSION_OF_C + 1 :] = np.nan
    return closes


def made_up_quotes() -> dict[str, Series]:
    """Return prices as traded, with their splits, in cents."""
    generator = np.random.default_rng(20261126)
    quotes: dict[str, Series] = {}
    for symbol in "EF":
        moves = 0.01 * generator.standard_normal(SESSION_COUNT)
        moves[generator.random(SESSION_COUNT) < 0.3] = 0.0
        prices = 90.0 * np.cumprod(1 + moves)
        for action in ACTIONS:
            if action.symbol == symbol:
                prices[action.session :] *= action.old / action.new
        quotes[symbol] = np.round(prices, 2)
    return quotes


def adjustment_factors() -> list[tuple[str, int, float]]:
    """Return symbol, the session from which a factor holds, and the product of later splits."""
    factors = []
    for symbol in "EF":
        splits = [a for a in ACTIONS if a.symbol == symbol and a.old != a.new]
        for start in [0, *(split.session for split in splits)]:
            later = [split for split in splits if split.session > start]
            factors.append((symbol, start, float(np.prod([s.old / s.new for s in later]))))
    return factors


def adjusted(quotes: dict[str, Series]) -> dict[str, Series]:
    """Return the quotes adjusted for splits; dividends do not matter here."""
    series = {symbol: prices.copy() for symbol, prices in quotes.items()}
    for symbol in series:
        for action in ACTIONS:
            if action.symbol == symbol:
                series[symbol][: action.session] *= action.old / action.new
    return series


def made_up_fills(sessions: list[date]) -> list[Fill]:
    """Return longs, shorts, flips, round trips within a day, corrections and odd hours."""
    fills: list[Fill] = []

    def fill(
        account: str,
        session: int,
        side: str,
        quantity: str,
        symbol: str,
        price: str,
        charges: str = "0",
        *,
        clock: str = "15:00",
        days_later: int = 0,
        key: str = "",
        minutes_later: int = 0,
    ) -> None:
        day = sessions[session] + timedelta(days=days_later)
        at = datetime.combine(day, time.fromisoformat(clock))
        known = at + timedelta(minutes=minutes_later)
        name = key or f"{account}-{len(fills)}"
        fills.append(Fill(account, name, symbol, side, quantity, price, charges, at, known))

    fill("dealer", 20, "buy", "100", "E", "90.15", "12.34")
    fill("dealer", 20, "buy", "50", "E", "90.2", "6.17")
    fill("dealer", 25, "sell", "30", "E", "91", "5.5555")
    # a round trip within the day, at a profit, of what is held at no close
    fill("dealer", 30, "buy", "200", "F", "88.5", "9.99", clock="14:31")
    fill("dealer", 30, "sell", "200", "F", "89.25", "9.99", clock="19:59")
    # a short, part of it bought back, through a reverse split and a dividend
    fill("dealer", 40, "sell", "500", "F", "90", "20")
    fill("dealer", 50, "buy", "120", "F", "89.123456", "7.7777")
    # bought and sold on the very day of a split, in new shares
    fill("dealer", 60, "buy", "11", "E", "30.5", "1")
    fill("dealer", 90, "sell", "7", "E", "20", "1")
    # from long to short in a day, and back again
    fill("dealer", 110, "sell", "1500", "E", "20.25", "14")
    fill("dealer", 120, "buy", "2000", "E", "20.5", "15")
    # evening in New York is the next day in UTC; a day without a session is of the next
    fill("dealer", 140, "buy", "10", "E", "10", "0.5", clock="00:30", days_later=1)
    fill("dealer", 150, "buy", "10", "E", "10.1", "0.5", days_later=1)
    # reported twice, reported wrongly, and busted
    for minutes in (0, 5):
        fill("dealer", 160, "buy", "5", "E", "10.2", "0.1", key="twice", minutes_later=minutes)
    fill("dealer", 165, "buy", "900", "E", "10.2", "0.1", key="wrong")
    fill("dealer", 165, "buy", "9", "E", "10.3", "0.2", key="wrong", minutes_later=60)
    fill("dealer", 170, "sell", "9", "E", "10.4", "0.2", key="never")
    fill("dealer", 170, "sell", "0", "E", "10.4", "0", key="never", minutes_later=90)
    # all out, and much later in again
    fill("flat", 300, "buy", "40", "E", "10", "3")
    fill("flat", 310, "sell", "40", "E", "11", "3")
    fill("flat", 700, "sell", "40", "A", "100", "3")
    # holds C, which has no close on some days and none at the end
    fill("stuck", 190, "buy", "100", "C", "100", "3")
    fill("stuck", 190, "buy", "10", "A", "100", "3")
    fill("stuck", 210, "sell", "100", "C", "101", "3")
    fill("stuck", 510, "buy", "10", "C", "102", "3")
    fill(BUST, 30, "buy", "1", "E", "300000", "3")
    # of an account that is no portfolio
    fill("stranger", 10, "buy", "1", "E", "90", "0")
    return fills


def reference_closes() -> dict[str, Series]:
    """Return closes whose returns are the reference's, and one session after them."""
    closes: dict[str, Series] = {
        symbol: 100.0 * np.cumprod(np.concatenate([[1.0], 1 + returns, [1.0]]))
        for symbol, returns in reference_returns().items()
    }
    for name, returns in manager_returns().items():
        closes[name] = np.full(SESSION_COUNT, np.nan)
        closes[name][: len(returns) + 1] = 100.0 * np.cumprod(np.concatenate([[1.0], 1 + returns]))
    return closes


def built_portfolio_fixture(factory: pytest.TempPathFactory) -> PortfolioFixture:
    """Return the fixture, built by the first process of the test run that asks for it."""
    portfolio_fixture = made_up_portfolio_fixture(run_folder(factory) / "portfolio_fixture")
    made_once(factory, "portfolio_fixture", lambda _: build_portfolio_fixture(portfolio_fixture))
    return portfolio_fixture


@cache
def made_up_portfolio_fixture(folder: Path) -> PortfolioFixture:
    sessions = [date(2015, 1, 1) + timedelta(days=2 * number) for number in range(SESSION_COUNT)]
    references = reference_closes()
    made_up = made_up_closes()
    return PortfolioFixture(
        sandbox=Sandbox(folder),
        sessions=sessions,
        closes=made_up | adjusted(made_up_quotes()) | references,
        weights=WEIGHTS | {symbol: {1: {symbol: 1.0}} for symbol in references},
        quotes=made_up | made_up_quotes(),
        fills=made_up_fills(sessions),
    )


def build_portfolio_fixture(portfolio_fixture: PortfolioFixture) -> None:
    """Build both layers over the fixture with all data tests, without the unit tests."""
    sandbox = Sandbox.create(portfolio_fixture.sandbox.folder)
    sandbox.copy(
        "data/raw/cash",
        "data/raw/fills",
        *(f"functions/{name}.sql" for name in FUNCTIONS),
        "macros/exact",
        "macros/performance",
        "macros/risk",
        "macros/statistics",
        "models/_groups.yml",
        "models/columns.md",
        "models/portfolio",
        "models/risk",
        "models/staging/_sources.yml",
        "models/staging/stg_journal__cash.sql",
        "models/staging/stg_journal__cash.yml",
        "models/staging/stg_journal__fills.sql",
        "models/staging/stg_journal__fills.yml",
        "seeds/calendars/calendars.csv",
        "seeds/calendars/calendars.yml",
        "seeds/reference/corporate_actions.yml",
        "seeds/reference/covariance_settings.yml",
        "seeds/reference/instruments.yml",
        "seeds/reference/portfolio_weights.yml",
        "tests/generic/names_what_exists.sql",
        "tests/generic/names_what_exists.yml",
        "seeds/reference/portfolio_windows.yml",
        "seeds/reference/portfolios.yml",
        "seeds/reference/var_settings.yml",
        *(
            f"seeds/reference/{seed}.{kind}"
            for seed in ("var_periods", "stress_windows", "stress_shocks")
            for kind in ("csv", "yml")
        ),
        "tests/portfolio",
        "tests/risk",
    )
    described = yaml.safe_load((PROJECT / "functions/functions.yml").read_text())["functions"]
    copied = [function for function in described if function["name"] in FUNCTIONS]
    sandbox.write("functions/functions.yml", yaml.safe_dump({"functions": copied}))
    write_seeds(sandbox, portfolio_fixture.sessions, portfolio_fixture.weights)
    write_bars(
        sandbox, portfolio_fixture.sessions, portfolio_fixture.closes, portfolio_fixture.quotes
    )
    write_fills(sandbox, portfolio_fixture.fills)
    write_cash(sandbox, portfolio_fixture.sessions)
    write_reference_figures(sandbox)
    with mock.patch.dict(os.environ, {"BOURSE_DATA_DIR": str(sandbox.folder / "data")}):
        outcomes = sandbox.run("build", "--exclude-resource-types", "unit_test")
    unwell = {name: end for name, end in outcomes.items() if end not in ("success", "pass")}
    # the stranger's account is no portfolio: the build continues with a warning
    warned = [name for name in unwell if "stg_journal__fills_account" in name]
    assert unwell == dict.fromkeys(warned[:1], "warn"), unwell


def write_seeds(sandbox: Sandbox, sessions: list[date], weights: Weights) -> None:
    portfolios = [
        "portfolio,description,source,cost_bps,capital_amount,currency,calendar,"
        "benchmark,risk_free_return,min_acceptable_return,has_cash_interest"
    ]
    rates = f"{BENCHMARK},{RISK_FREE},{MIN_ACCEPTABLE}"
    portfolios += [
        f"{name},Made up,weights,{COST_BPS},{CAPITAL},USD,XNYS,"
        + (rates if name in WEIGHTS else f"{REFERENCE_BENCHMARK},0,0")
        + f",{str(name == SAVING).lower()}"
        for name in weights
    ]
    portfolios += [
        f"{name},Made up,fills,{COST_BPS},{CAPITAL},USD,XNYS,{rates},false"
        for name in [*ACCOUNTS, BUST]
    ]
    portfolios = [
        row.replace(rates, rates.replace(BENCHMARK, FLAT_BENCHMARK, 1))
        if row.startswith(f"{FLATLY},")
        else row
        for row in portfolios
    ]
    sandbox.write("seeds/reference/portfolios.csv", "\n".join(portfolios) + "\n")
    rows = ["portfolio,effective_from,symbol,weight"]
    for name, rebalances in weights.items():
        for number, targets in rebalances.items():
            # half of them are set for the day before, which is no session here
            day = sessions[number] - timedelta(days=number % 2)
            rows += [f"{name},{day},{symbol},{weight}" for symbol, weight in targets.items()]
    sandbox.write("seeds/reference/portfolio_weights.csv", "\n".join(rows) + "\n")
    actions = ["symbol,ex_date,action,old_shares,new_shares,dividend_amount,note"]
    for action in ACTIONS:
        split = action.old != action.new
        what = f"split,{action.old},{action.new}," if split else f"dividend,,,{action.dividend}"
        actions.append(f"{action.symbol},{sessions[action.session]},{what},")
    sandbox.write("seeds/reference/corporate_actions.csv", "\n".join(actions) + "\n")
    instruments = [
        "symbol,name,kind,sector,currency,tick_size,lot_size,freeze_quantity,price_band_pct"
    ]
    instruments += [
        f"{symbol},{symbol},share,{name},USD,0.01,1,," for symbol, name in SECTORS.items()
    ]
    # sectors that the shocks name and that no symbol here belongs to
    instruments += [f"NONE {name},None,share,{name},USD,0.01,1,," for name in SHOCKED_SECTORS]
    sandbox.write("seeds/reference/instruments.csv", "\n".join(instruments) + "\n")
    windows = ["window_sessions", *map(str, WINDOWS)]
    sandbox.write("seeds/reference/portfolio_windows.csv", "\n".join(windows) + "\n")
    methods = ["method,window_sessions,decay"]
    methods += [f"{method},{window},{decay or ''}" for method, window, decay in COVARIANCES]
    sandbox.write("seeds/reference/covariance_settings.csv", "\n".join(methods) + "\n")
    settings = ["method,confidence,horizon_sessions,lookback_sessions"]
    settings += [
        ",".join(map(str, (method, *setting))) for method in METHODS for setting in SETTINGS
    ]
    settings += [
        f"{method},{confidence},1,{months}"
        for method in ("historical", "normal", "cornish_fisher")
        for confidence in (0.95, 0.99)
        for months in {len(returns) for returns in manager_returns().values()}
    ]
    sandbox.write("seeds/reference/var_settings.csv", "\n".join(settings) + "\n")


def write_bars(
    sandbox: Sandbox,
    sessions: list[date],
    closes: dict[str, Series],
    quotes: dict[str, Series],
) -> None:
    """Write the relations of `bars` that portfolios read, as models over files."""
    loose = "{{ config(contract={'enforced': false}) }}\n"
    with duckdb.connect() as connection:
        tables = {
            "bars__sessions": "create table bars__sessions"
            " (calendar varchar, session_date date, session_number bigint)",
            "bars__total_return_closes": "create table bars__total_return_closes"
            " (symbol varchar, session_date date, total_return_close double, calendar varchar)",
            "bars__ohlcv": "create table bars__ohlcv"
            " (symbol varchar, timeframe varchar, session_date date, close double)",
            "bars__symbols": "create table bars__symbols (symbol varchar)",
            "bars__adjustment_factors": "create table bars__adjustment_factors"
            " (symbol varchar, effective_from date, adjustment_factor double)",
        }
        for table, statement in tables.items():
            connection.execute(statement)
            model = f"{loose}select * from read_parquet('{sandbox.folder / table}.parquet')\n"
            sandbox.write(f"models/bars/{table}.sql", model)
        to_come = sessions[-1] + timedelta(days=2)
        connection.executemany(
            "insert into bars__sessions values ('XNYS', ?, ?)",
            [(day, number + 1) for number, day in enumerate([*sessions, to_come])],
        )
        connection.executemany(
            "insert into bars__total_return_closes values (?, ?, ?, 'XNYS')",
            [
                (symbol, day, float(close))
                for symbol, series in closes.items()
                for day, close in zip(sessions, series, strict=True)
                if not np.isnan(close)
            ],
        )
        connection.executemany(
            "insert into bars__ohlcv values (?, '1d', ?, ?)",
            [
                (symbol, day, float(close))
                for symbol, series in quotes.items()
                for day, close in zip(sessions, series, strict=True)
                if not np.isnan(close)
            ],
        )
        connection.executemany(
            "insert into bars__symbols values (?)",
            [(symbol,) for symbol in [*(closes | quotes), *SHOCKED_SYMBOLS]],
        )
        connection.executemany(
            "insert into bars__adjustment_factors values (?, ?, ?)",
            [(symbol, sessions[start], factor) for symbol, start, factor in adjustment_factors()],
        )
        for table in tables:
            connection.execute(f"copy {table} to '{sandbox.folder / table}.parquet'")


def write_fills(sandbox: Sandbox, fills: list[Fill]) -> None:
    """Write fills as a trading session does, into two files beside the one without rows."""
    with duckdb.connect() as connection:
        empty = sandbox.folder / "data" / "raw" / "fills" / "zz_empty.parquet"
        connection.execute(f"create table fills as from '{empty}'")
        connection.executemany(
            "insert into fills values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'crp.standard')",
            [
                (
                    *(f.account, f.key, f"order {f.key}", f.symbol, f.side),
                    *(Decimal(f.quantity), Decimal(f.price), Decimal(f.charges)),
                    *(f.at, f.recorded),
                )
                for f in fills
            ],
        )
        for name, condition in (("first", "even"), ("second", "odd")):
            rest = int(condition == "odd")
            connection.execute(
                f"copy (from fills where length(fill_key) % 2 = {rest})"
                f" to '{empty.with_name(name)}.parquet'"
            )


def write_cash(sandbox: Sandbox, sessions: list[date]) -> None:
    """Write the cash movements as an export does; a corrected one was ten times as much before."""
    empty = sandbox.folder / "data" / "raw" / "cash" / "zz_empty.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"create table cash as from '{empty}'")
        for number, moved in enumerate(CASH):
            day = sessions[moved.session] + timedelta(days=moved.days_later)
            noon = datetime.combine(day, time(12))
            amounts = [Decimal(moved.amount)]
            if moved.is_corrected:
                amounts.insert(0, 10 * amounts[0])
            connection.executemany(
                "insert into cash values (?, ?, ?, ?, ?, '', ?)",
                [
                    (
                        *(moved.account, f"cash-{number}", moved.kind, amount),
                        *(day, noon + timedelta(minutes=minute)),
                    )
                    for minute, amount in enumerate(amounts)
                ],
            )
        connection.execute(f"copy cash to '{empty.with_name('moved')}.parquet'")


def write_reference_figures(sandbox: Sandbox) -> None:
    """Write a model of the project's figures of monthly returns, where they are available."""
    if not MANAGERS.exists():
        return
    sandbox.write(
        "models/portfolio/portfolio__managers.sql",
        f"""
        {{{{ config(contract={{'enforced': false}}) }}}}
        with managers as (
            unpivot (from read_csv('{MANAGERS}', nullstr = 'NA')) -- leaves out what is null
            on columns('^HAM|^SP500') into name manager value session_return
        ),
        benchmarks as (select date, session_return from managers where manager = 'SP500 TR'),
        session_returns as (
            select
                managers.manager,
                managers.date as session_date,
                lag(managers.date, 1, managers.date - 30) over (
                    partition by managers.manager order by managers.date
                ) as prior_session_date,
                0 as stale_price_count,
                managers.session_return::double as session_return,
                benchmarks.session_return::double as benchmark_return,
                0.0::double as risk_free_return,
                0.0::double as min_acceptable_return
            from managers
            inner join benchmarks using (date)
        ),
        {{{{ performance_figures('session_returns', 'manager', 12) }}}}
        select * from final
        """,
    )
