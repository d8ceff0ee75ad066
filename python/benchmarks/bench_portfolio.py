"""
Rolling covariances of 50 assets compared with the alternatives.

    .venv/bin/pip install polars
    .venv/bin/python python/benchmarks/bench_portfolio.py

Computes all 1,275 pairs over 250 sessions, at each of 2,500 sessions with a full window. Each
contender runs in its own process, reads the same Parquet file of closes and keeps the result in
memory:

    duckbourse   the published table macro rolling_covariances; a row per pair and session
    duckdb       covar_samp over a window, written directly; a row per pair and session
    pandas       DataFrame.rolling(250).cov(), a column per symbol
    polars       rolling_cov of each pair, a column per pair

The sums of every pair must agree to 1e-9 relative, or nothing is printed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.contest import THREADS, Figures, Way, compiled, parser, run, run_child, show

ASSETS, SESSIONS, WINDOW = 50, 2500, 250
SYMBOLS = [f"S{number:02d}" for number in range(ASSETS)]
PAIRS = [(a, b) for i, a in enumerate(SYMBOLS) for b in SYMBOLS[i:]]


def make_closes(file: Path) -> None:
    """Write random walks with correlated moves."""
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


def sums_of(connection: duckdb.DuckDBPyConnection, table: str) -> Figures:
    rows = connection.execute(
        f"select symbol || other_symbol, sum(covariance) from {table} group by all"
    ).fetchall()
    return {pair: float(total) for pair, total in rows}


def duckdb_way(setup: str, query: str) -> tuple[Callable[[], Any], Callable[[Any], Figures]]:
    connection = duckdb.connect()
    connection.execute(f"set threads = {THREADS}")
    connection.execute(setup)

    def compute() -> None:
        connection.execute(f"create or replace temp table found as {query}")

    return compute, lambda _: sums_of(connection, "found")


def duckbourse(folder: Path) -> tuple[Callable[[], Any], Callable[[Any], Figures]]:
    setup = f"""
        create schema bars;
        create view bars.total_return_closes as from '{folder}/closes.parquet';
        create macro rolling_covariances(p_symbols, p_window_sessions) as table (
        {(folder / "macro.sql").read_text()}
        )
    """
    return duckdb_way(setup, f"from rolling_covariances({SYMBOLS}, {WINDOW})")


def plain_duckdb(folder: Path) -> tuple[Callable[[], Any], Callable[[Any], Figures]]:
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
                count(one.change * other.change) over in_window as return_count
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
        where return_count = {WINDOW}
    """
    return duckdb_way("select 1", query)


def pandas_way(folder: Path) -> tuple[Callable[[], Any], Callable[[Any], Figures]]:
    import pandas as pd

    connection = duckdb.connect()
    connection.execute(f"set threads = {THREADS}")

    def compute() -> Any:
        closes = connection.execute(f"from '{folder}/closes.parquet'").df()
        wide = closes.pivot(index="session_date", columns="symbol", values="total_return_close")
        return wide.pct_change(fill_method=None).rolling(WINDOW).cov()

    def sums(found: Any) -> Figures:
        totals = found.groupby(level=1).sum()
        assert isinstance(found, pd.DataFrame)
        return {a + b: float(totals.loc[a, b]) for a, b in PAIRS}

    return compute, sums


def polars_way(folder: Path) -> tuple[Callable[[], Any], Callable[[Any], Figures]]:
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


WAYS: dict[str, Way] = {
    "duckbourse": duckbourse,
    "duckdb": plain_duckdb,
    "pandas": pandas_way,
    "polars": polars_way,
}


def differ(found: Figures, wanted: Figures) -> bool:
    sizes = {a + b: (wanted[a + a] * wanted[b + b]) ** 0.5 for a, b in PAIRS}
    return any(abs(found[pair] - wanted[pair]) > 1e-9 * size for pair, size in sizes.items())


def main() -> None:
    """Generate closes, measure each contender, compare the results, and print a table."""
    options = parser(__doc__, "bench-portfolio").parse_args()
    if options.child:
        run_child(WAYS, options.child, options.folder, options.repeat)
        return
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    make_closes(options.folder / "closes.parquet")
    (options.folder / "macro.sql").write_text(
        compiled(options.folder, "rolling_covariances")["rolling_covariances"]
    )
    count = len(PAIRS) * (SESSIONS - WINDOW + 1)
    title = f"{ASSETS} assets, {SESSIONS:,} sessions, {WINDOW} back: {count:,} equal covariances"
    rows = run(__file__, title, options.folder, WAYS, differ, options.repeat)
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        show(title, rows)


if __name__ == "__main__":
    main()
