"""The models of the backtests, as dbt compiled them, over bars and signals that a test makes up."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import duckdb
import numpy as np

from tests.support.warehouse import Warehouse
from tests.warehouse.backtests.simulator import Bar, Signal, rounded

FIRST_DAY = datetime(2024, 1, 1)
MINUTE = timedelta(minutes=1)
TICK = 0.05
Case = tuple[str, Signal, list[Bar]]


def compiled(sample: Warehouse, model: str) -> str:
    """Return the SQL that dbt made of a model; beside it lie what unit tests give in its place."""
    folder = sample.target / "compiled" / "duckbourse" / "models" / "backtests"
    return (folder / f"backtests__{model}.sql").read_text()


def made(sample: Warehouse, cases: list[Case], *models: str) -> duckdb.DuckDBPyConnection:
    """Return a database in memory with each case as a signal and its session, and the models."""
    connection = duckdb.connect()
    connection.execute("set threads = 1")
    connection.execute(f"attach '{sample.file}' as built (read_only)")
    connection.execute("attach ':memory:' as duckbourse")
    for schema in ("bars", "scanners", "seeds", "backtests", "indicators"):
        connection.execute(f"create schema duckbourse.{schema}")
    for seed in ("charges", "outcome_settings", "backtest_settings", "sweep_grid"):
        connection.execute(f"create table duckbourse.seeds.{seed} as from built.seeds.{seed}")
    for relation in ("bars.ohlcv", "backtests.signals", "bars.sessions", "indicators.volatility"):
        connection.execute(f"create table duckbourse.{relation} as from built.{relation} limit 0")
    insert(
        connection,
        "bars.ohlcv",
        [
            {"symbol": name, "bar_ts": bar.start, "bar_end": bar.end}
            | {"open": bar.open, "high": bar.high, "low": bar.low, "close": bar.close}
            for name, _, bars in cases
            for bar in bars
        ],
        "'1m' as timeframe, bar_ts::date as session_date, 1000 as volume, 'XNSE' as calendar",
    )
    insert(
        connection,
        "backtests.signals",
        [
            {"signal_id": name, "symbol": name, "known_ts": signal.known_ts}
            | {"direction": "long" if signal.is_long else "short"}
            | {"stop_price": signal.stop, "target_price": signal.target}
            | {"exit_time": f"{signal.exit_at:%H:%M}"}
            for name, signal, _ in cases
        ],
        "'made' as scanner, 'up' as preset, known_ts::date as session_date, 'XNSE' as calendar, "
        "50 as score, 1 as signal_rank, 100 as entry_price, 10 as position_pct",
    )
    connection.execute(
        "insert into duckbourse.bars.sessions by name select distinct 'XNSE' as calendar, "
        "session_date, session_date + time '09:15' as open_ts, session_date + time '15:30' "
        "as close_ts from duckbourse.backtests.signals"
    )
    for model in models:
        sql = compiled(sample, model)
        connection.execute(f"create table duckbourse.backtests.{model} as {sql}")
    return connection


def insert(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    rows: list[dict[str, Any]],
    the_same: str,
) -> None:
    """Insert rows, all of the same columns, with some more columns that are the same for all."""
    kinds = {datetime: "datetime64[us]", float: "float64", int: "float64", str: "object"}
    given = {
        name: np.array([row[name] for row in rows], dtype=kinds[type(value)])
        for name, value in rows[0].items()
    }
    connection.register("given", given)
    connection.execute(f"insert into duckbourse.{relation} by name select *, {the_same} from given")
    connection.unregister("given")


def random_session(dice: random.Random, day: datetime) -> list[Bar]:
    """Return a session that jumps, misses minutes, stands still and may end in a circuit lock."""
    bars: list[Bar] = []
    price = 2000 + dice.randint(-20, 20)
    swing = dice.choice([2, 8, 30])
    start = day + timedelta(hours=9, minutes=15)
    for minute in range(dice.randint(5, 60)):
        if dice.random() < 0.1:
            price += dice.randint(-60, 60)
        first, last = price, price + dice.randint(-swing, swing)
        high = max(first, last) + dice.randint(0, swing)
        low = min(first, last) - dice.randint(0, swing)
        if dice.random() < 0.85:
            ticks = (first, high, low, last)
            bars.append(
                Bar(
                    start + minute * MINUTE,
                    start + (minute + 1) * MINUTE,
                    *(round(TICK * tick, 2) for tick in ticks),
                )
            )
        price = last
    if bars and dice.random() < 0.25:
        extreme = max(b.high for b in bars) + TICK * dice.choice([0, 3])
        if dice.random() < 0.5:
            extreme = min(b.low for b in bars) - TICK * dice.choice([0, 3])
        extreme = round(extreme, 2)
        lock = dice.randrange(len(bars))
        bars = [
            bar if place < lock else Bar(bar.start, bar.end, *(extreme,) * 4)
            for place, bar in enumerate(bars)
        ]
    return bars


def random_cases(count: int, seed: int) -> Iterator[Case]:
    """Yield signals on such sessions, with stops and targets that are often touched together."""
    dice = random.Random(seed)
    for number in range(count):
        day = FIRST_DAY + timedelta(days=number % 300)
        bars = random_session(dice, day)
        known_ts = day + timedelta(hours=9, minutes=15 + dice.randint(0, 40))
        exit_at = known_ts + timedelta(minutes=dice.randint(1, 60))
        is_long = dice.random() < 0.5
        side = 1 if is_long else -1
        stop = rounded(100 * (1 - side * dice.choice([0.25, 0.5, 1, 2, 5]) / 100))
        target = rounded(100 * (1 + side * dice.choice([0.25, 0.5, 1, 2, 5]) / 100))
        yield f"S{number:05}", Signal(known_ts, exit_at, is_long, stop, target), bars
