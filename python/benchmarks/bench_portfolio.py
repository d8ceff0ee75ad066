"""
Rolling covariances of 50 assets beside what one would use instead.

    .venv/bin/pip install polars
    .venv/bin/python python/benchmarks/bench_portfolio.py

All 1,275 pairs over 250 sessions, at each of 2,500 sessions that has as many behind it. Each
contender is a process of its own that reads the same Parquet file of closes and keeps the result in
memory:

    duckbourse   the table macro rolling_covariances, as it is published; a row a pair and session
    duckdb       covar_samp over a window, as one would write it; a row a pair and session
    pandas       DataFrame.rolling(250).cov(), a column a symbol
    polars       rolling_cov of each pair, a column a pair

The sums of every pair must be the same to 1e-9 of its size, or nothing is printed. Time and CPU are
from the file to the result, imports left out, and the median of some repetitions after a first one;
memory is the peak of the process, imports and all.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

PROJECT = Path(__file__).resolve().parents[2]
ASSETS, SESSIONS, WINDOW = 50, 2500, 250
SYMBOLS = [f"S{number:02d}" for number in range(ASSETS)]
PAIRS = [(a, b) for i, a in enumerate(SYMBOLS) for b in SYMBOLS[i:]]
THREADS = 2
# by pair, the sum of its covariances
Sums = dict[str, float]


def make_closes(file: Path) -> None:
    """Write walks that share a part of their moves."""
    with duckdb.connect() as connection:
        connection.execute("set threads = 1; select setseed(0.5)")
        connection.execute(f"""
            copy (
                with moves as (
                    select
                        session,
                        printf('S%02d', symbol) as symbol,
                        0.02 * (random() - 0.5) as move
                    from range({SESSIONS + 1}) as sessions (session)
                    cross join range({ASSETS}) as symbols (symbol)
                ),
                shared as (
                    select *, avg(move) over (partition by session) as market
                    from moves
                )
                select
                    symbol,
                    date '2010-01-01' + session::integer as session_date,
                    100 * exp(sum(move + 5 * market) over (partition by symbol order by session))
                        as total_return_close
                from shared
                order by symbol, session_date
            ) to '{file}' (format parquet)
        """)


def macro_sql(folder: Path) -> str:
    """Return the body of the table macro, as dbt compiles it."""
    dbt = [str(Path(sys.executable).parent / "dbt"), "--quiet", "compile", "--target", "lint"]
    target = folder / "target"
    subprocess.run(
        [*dbt, "--target-path", str(target), "--select", "rolling_covariances"],
        cwd=PROJECT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (path,) = (target / "compiled").rglob("rolling_covariances.sql")
    return path.read_text()


def sums_of(connection: duckdb.DuckDBPyConnection, table: str) -> Sums:
    rows = connection.execute(
        f"select symbol || other_symbol, sum(covariance) from {table} group by all"
    ).fetchall()
    return {pair: float(total) for pair, total in rows}


def duckdb_way(setup: str, query: str) -> tuple[Callable[[], Any], Callable[[Any], Sums]]:
    connection = duckdb.connect()
    connection.execute(f"set threads = {THREADS}")
    connection.execute(setup)

    def compute() -> None:
        connection.execute(f"create or replace temp table found as {query}")

    return compute, lambda _: sums_of(connection, "found")


def duckbourse(folder: Path) -> tuple[Callable[[], Any], Callable[[Any], Sums]]:
    setup = f"""
        create schema bars;
        create view bars.total_return_closes as from '{folder}/closes.parquet';
        create macro rolling_covariances(p_symbols, p_window_sessions) as table (
        {(folder / "macro.sql").read_text()}
        )
    """
    return duckdb_way(setup, f"from rolling_covariances({SYMBOLS}, {WINDOW})")


def plain_duckdb(folder: Path) -> tuple[Callable[[], Any], Callable[[Any], Sums]]:
    query = f"""
        with returns as (
            select
                symbol,
                session_date,
                total_return_close / lag(total_return_close) over in_order - 1 as change
            from '{folder}/closes.parquet'
            window in_order as (partition by symbol order by session_date)
        ),
        pairs as (
            select
                one.session_date,
                one.symbol,
                other.symbol as other_symbol,
                covar_samp(one.change, other.change) over in_window as covariance,
                count(one.change * other.change) over in_window as known_count
            from returns as one
            inner join returns as other using (session_date)
            where one.symbol <= other.symbol
            window in_window as (
                partition by one.symbol, other.symbol
                order by one.session_date
                rows between {WINDOW - 1} preceding and current row
            )
        )
        select session_date, symbol, other_symbol, covariance
        from pairs
        where known_count = {WINDOW}
    """
    return duckdb_way("select 1", query)


def pandas_way(folder: Path) -> tuple[Callable[[], Any], Callable[[Any], Sums]]:
    import pandas as pd

    connection = duckdb.connect()
    connection.execute(f"set threads = {THREADS}")

    def compute() -> Any:
        closes = connection.execute(f"from '{folder}/closes.parquet'").df()
        wide = closes.pivot(index="session_date", columns="symbol", values="total_return_close")
        return wide.pct_change(fill_method=None).rolling(WINDOW).cov()

    def sums(found: Any) -> Sums:
        totals = found.groupby(level=1).sum()
        assert isinstance(found, pd.DataFrame)
        return {a + b: float(totals.loc[a, b]) for a, b in PAIRS}

    return compute, sums


def polars_way(folder: Path) -> tuple[Callable[[], Any], Callable[[Any], Sums]]:
    import polars as pl

    def compute() -> Any:
        closes = pl.read_parquet(folder / "closes.parquet")
        wide = closes.pivot("symbol", index="session_date", values="total_return_close")
        changes = wide.sort("session_date").select(
            pl.col(symbol) / pl.col(symbol).shift(1) - 1 for symbol in SYMBOLS
        )
        return changes.select(
            pl.rolling_cov(a, b, window_size=WINDOW, min_samples=WINDOW).alias(a + b)
            for a, b in PAIRS
        )

    return compute, lambda found: {a + b: float(found[a + b].sum()) for a, b in PAIRS}


WAYS: dict[str, Callable[[Path], tuple[Callable[[], Any], Callable[[Any], Sums]]]] = {
    "duckbourse": duckbourse,
    "duckdb": plain_duckdb,
    "pandas": pandas_way,
    "polars": polars_way,
}


def run_child(way: str, folder: Path, repeat: int) -> None:
    compute, sums = WAYS[way](folder)
    found = compute()
    walls, cpus = [], []
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        found = compute()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    figures = {"wall_s": statistics.median(walls), "cpu_s": statistics.median(cpus)}
    print(json.dumps({**figures, "sums": sums(found)}))


def main() -> None:
    """Make the closes, measure each contender in turn, compare what they found, print a table."""
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("--repeat", type=int, default=5)
    words.add_argument("--folder", type=Path, default=PROJECT / "target" / "bench-portfolio")
    words.add_argument("--json", action="store_true")
    words.add_argument("--child", help=argparse.SUPPRESS)
    said = words.parse_args()
    if said.child:
        run_child(said.child, said.folder, said.repeat)
        return
    from benchmarks.measured import measured

    shutil.rmtree(said.folder, ignore_errors=True)
    said.folder.mkdir(parents=True)
    make_closes(said.folder / "closes.parquet")
    (said.folder / "macro.sql").write_text(macro_sql(said.folder))
    rows: dict[str, dict[str, Any]] = {}
    for way in WAYS:
        command = [sys.executable, __file__, "--child", way, "--folder", str(said.folder)]
        took = measured(
            [*command, "--repeat", str(said.repeat)], PYTHONPATH=str(PROJECT / "python")
        )
        rows[way] = {**json.loads(took.said.splitlines()[-1]), "peak_mb": took.peak_mb}
    wanted = rows["pandas"]["sums"]
    for way, row in rows.items():
        found = row.pop("sums")
        for a, b in PAIRS:
            size = (wanted[a + a] * wanted[b + b]) ** 0.5
            if abs(found[a + b] - wanted[a + b]) > 1e-9 * size:
                raise SystemExit(f"{way} and pandas differ on {a} and {b}")
    if said.json:
        print(json.dumps(rows, indent=2))
        return
    show(rows)


def show(rows: dict[str, dict[str, float]]) -> None:
    from rich.console import Console
    from rich.table import Table

    count = len(PAIRS) * (SESSIONS - WINDOW + 1)
    title = f"{ASSETS} assets, {SESSIONS:,} sessions, {WINDOW} back: {count:,} equal covariances"
    table = Table(title=title, title_justify="left", box=None)
    for name in ("", "CPU s", "wall s", "peak MB"):
        table.add_column(name, justify="right" if name else "left")
    for way, row in rows.items():
        figures = (f"{row['cpu_s']:.2f}", f"{row['wall_s']:.2f}", f"{row['peak_mb']:,.0f}")
        table.add_row(way, *figures)
    Console().print(table)


if __name__ == "__main__":
    main()
