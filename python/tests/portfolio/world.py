"""
A small world of made-up prices, and the portfolio and risk rooms built over it.

It is built once a test run; the models, seeds' pages and laws are the project's own. Prices come
from a seeded generator, or from the reference returns where those are at hand.
"""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from tests.sandbox import PROJECT, Sandbox

SHARED = Path(os.environ.get("BOURSE_SHARED_DATA", PROJECT.parent / "shared" / "data"))
REFERENCE = SHARED / "reference"
REFERENCE_RETURNS = REFERENCE / "risk_daily_returns_input.csv"

Series = NDArray[np.floating]
Weights = dict[str, dict[int, dict[str, float]]]

SESSION_COUNT = 1260
COST_BPS = 7.0
CAPITAL = 250_000.0

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
    "unbought": {150: {"A": 0.5, "C": 0.5}, 202: {"A": 0.25, "C": 0.5}, 300: {"B": 0.8}},
}

# C trades for a while only, and not on every day of it
LAST_SESSION_OF_C = 520
GAPS_OF_C = {200, 201, 499}


@dataclass(frozen=True)
class World:
    sandbox: Sandbox
    sessions: list[date]
    closes: dict[str, Series]
    weights: Weights


def reference_returns() -> dict[str, Series]:
    """Return what published figures were computed from; nothing where that is not at hand."""
    if not REFERENCE_RETURNS.exists():
        return {}
    with REFERENCE_RETURNS.open() as file:
        rows = list(csv.DictReader(file))
    symbols = [name for name in rows[0] if name != "date"]
    return {symbol: np.array([float(row[symbol]) for row in rows]) for symbol in symbols}


def made_up_closes() -> dict[str, Series]:
    generator = np.random.default_rng(20261123)
    closes: dict[str, Series] = {}
    for symbol in "ABCD":
        returns = 0.0005 + 0.012 * generator.standard_t(4, SESSION_COUNT)
        closes[symbol] = 100.0 * np.cumprod(1 + returns)
    closes["C"][[*GAPS_OF_C]] = np.nan
    closes["C"][LAST_SESSION_OF_C + 1 :] = np.nan
    return closes


def reference_closes() -> dict[str, Series]:
    """Return closes whose returns are the reference's, and one session after them."""
    return {
        symbol: 100.0 * np.cumprod(np.concatenate([[1.0], 1 + returns, [1.0]]))
        for symbol, returns in reference_returns().items()
    }


@cache
def built_world(folder: Path) -> World:
    sessions = [date(2015, 1, 1) + timedelta(days=2 * number) for number in range(SESSION_COUNT)]
    references = reference_closes()
    closes = made_up_closes() | references
    weights = WEIGHTS | {symbol: {1: {symbol: 1.0}} for symbol in references}

    sandbox = Sandbox.create(folder / "world")
    sandbox.copy(
        "macros/risk",
        "models/_groups.yml",
        "models/columns.md",
        "models/portfolio",
        "models/risk",
        "seeds/calendars/calendars.csv",
        "seeds/calendars/calendars.yml",
        "seeds/reference/portfolios.yml",
        "seeds/reference/portfolio_weights.yml",
        "seeds/reference/var_settings.yml",
        "tests/portfolio",
        "tests/risk",
    )
    write_seeds(sandbox, sessions, weights)
    write_bars(sandbox, sessions, closes)
    outcomes = sandbox.run("build")
    unwell = {name: end for name, end in outcomes.items() if end not in ("success", "pass")}
    assert unwell == {}
    return World(sandbox, sessions, closes, weights)


def write_seeds(sandbox: Sandbox, sessions: list[date], weights: Weights) -> None:
    portfolios = ["portfolio,description,cost_bps,capital_amount,currency,calendar"]
    portfolios += [f"{name},Made up,{COST_BPS},{CAPITAL},USD,XNYS" for name in weights]
    sandbox.write("seeds/reference/portfolios.csv", "\n".join(portfolios) + "\n")
    rows = ["portfolio,effective_from,symbol,weight"]
    for name, rebalances in weights.items():
        for number, targets in rebalances.items():
            # half of them are set for the day before, which is no session here
            day = sessions[number] - timedelta(days=number % 2)
            rows += [f"{name},{day},{symbol},{weight}" for symbol, weight in targets.items()]
    sandbox.write("seeds/reference/portfolio_weights.csv", "\n".join(rows) + "\n")
    settings = ["confidence,horizon_days,lookback_days"]
    settings += [",".join(map(str, setting)) for setting in SETTINGS]
    sandbox.write("seeds/reference/var_settings.csv", "\n".join(settings) + "\n")


def write_bars(sandbox: Sandbox, sessions: list[date], closes: dict[str, Series]) -> None:
    """Write the two relations of the bars room that portfolios read, as models over files."""
    loose = "{{ config(contract={'enforced': false}) }}\n"
    with duckdb.connect() as connection:
        tables = {
            "bars__sessions": "create table bars__sessions"
            " (calendar varchar, session_date date, session_number bigint)",
            "bars__total_return_closes": "create table bars__total_return_closes"
            " (symbol varchar, session_date date, total_return_close double)",
        }
        for table, statement in tables.items():
            connection.execute(statement)
            model = f"{loose}select * from read_parquet('{sandbox.folder / table}.parquet')\n"
            sandbox.write(f"models/bars/{table}.sql", model)
        connection.executemany(
            "insert into bars__sessions values ('XNYS', ?, ?)",
            [(day, number + 1) for number, day in enumerate(sessions)],
        )
        connection.executemany(
            "insert into bars__total_return_closes values (?, ?, ?)",
            [
                (symbol, day, float(close))
                for symbol, series in closes.items()
                for day, close in zip(sessions, series, strict=True)
                if not np.isnan(close)
            ],
        )
        for table in tables:
            connection.execute(f"copy {table} to '{sandbox.folder / table}.parquet'")
