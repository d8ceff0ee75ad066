"""
Value at risk compared with the alternatives: rolling historical, and Monte Carlo.

    .venv/bin/pip install pandas polars
    .venv/bin/python python/benchmarks/bench_risk.py

**Historical**: 99% value at risk and expected shortfall of 500 series, over the prior 250 sessions
of each of 2,500 sessions with a full window, from a Parquet file of returns into memory.

    duckbourse   the model risk__var_historical, as dbt compiles it
    pandas       rolling().quantile(), and numpy's partition of the windows for the shortfall
    pandas_apply the same with rolling().apply() for the shortfall, as most would write it
    polars       rolling_quantile(), and top_k() of each window for the shortfall

**Monte Carlo**: 99% value at risk and expected shortfall of 50 assets with a million draws, from
the covariances of 250 sessions of returns.

    duckbourse   the models of draws and losses, as dbt compiles them
    stored       the same with the draws already in a table, as in a build after the first portfolio
    numpy        standard_normal(), cholesky(), quantile()
    pandas       the same in a frame, with one column of draws per asset

Results must agree, or nothing is printed: historical to 1e-9, Monte Carlo to 1%, the sampling
error of a million draws.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.contest import THREADS, Figures, Way, compiled, parser, run, run_child, show

SERIES, SESSIONS, LOOKBACK, CONFIDENCE = 500, 2500, 250, 0.99
WORST = 3  # of 250 losses, the number beyond the 99% quantile
ASSETS, DRAWS = 50, 1_000_000
PERIODS = SESSIONS - LOOKBACK


def make_returns(file: Path) -> None:
    """Write correlated returns, with enough extra sessions for the first lookback."""
    with duckdb.connect() as connection:
        connection.execute("set threads = 1; select setseed(0.5)")
        connection.execute(f"""
            copy (
                with moves as (
                    select
                        printf('S%03d', series) as portfolio,
                        date '2010-01-01' + session::integer as session_date,
                        0.02 * (random() - 0.5) as move
                    from range({SERIES}) as all_series (series)
                    cross join range({SESSIONS}) as sessions (session)
                )
                select
                    portfolio,
                    session_date,
                    1 as horizon_sessions,
                    move + 5 * avg(move) over (partition by session_date) as horizon_return
                from moves
                order by portfolio, session_date
            ) to '{file}' (format parquet)
        """)


def database(folder: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"set threads = {THREADS}")
    connection.execute(f"""
        create schema risk;
        create schema seeds;
        create view risk.horizon_returns as from '{folder}/returns.parquet';
        create table seeds.var_settings as
            select unnest(['historical', 'monte_carlo']) as method,
                {CONFIDENCE}::double as confidence, 1::bigint as horizon_sessions,
                {LOOKBACK}::bigint as lookback_sessions;
    """)
    return connection


def historical_figures(var_sum: float, es_sum: float, count: float) -> Figures:
    return {"var": float(var_sum), "es": float(es_sum), "count": float(count)}


def duckbourse(folder: Path) -> tuple[Callable[[], Any], Callable[[Any], Figures]]:
    connection = database(folder)
    query = (folder / "risk__var_historical.sql").read_text()

    def figures(_: None) -> Figures:
        found = connection.execute(
            "select sum(var_return), sum(es_return), count(var_return) from found"
        )
        return historical_figures(*found.fetchall()[0])

    return (
        lambda: connection.execute(f"create or replace temp table found as {query}") and None,
        figures,
    )


def wide_returns(folder: Path) -> Any:
    with duckdb.connect() as connection:
        connection.execute(f"set threads = {THREADS}")
        frame = connection.execute(f"from '{folder}/returns.parquet'").df()
    return frame.pivot(index="session_date", columns="portfolio", values="horizon_return")


def pandas_way(folder: Path) -> tuple[Callable[[], Any], Callable[[Any], Figures]]:
    import numpy as np

    def compute() -> Any:
        losses = -wide_returns(folder)
        var = losses.rolling(LOOKBACK).quantile(CONFIDENCE).shift(1)
        windows = np.lib.stride_tricks.sliding_window_view(losses.to_numpy(), LOOKBACK, axis=0)
        shortfall = [
            np.partition(windows[:, column], LOOKBACK - WORST, axis=-1)[:-1, -WORST:].mean(axis=-1)
            for column in range(SERIES)
        ]
        return var, np.array(shortfall)

    return compute, lambda found: historical_figures(
        found[0].sum().sum(), found[1].sum(), found[0].count().sum()
    )


def pandas_apply(folder: Path) -> tuple[Callable[[], Any], Callable[[Any], Figures]]:
    import numpy as np

    def worst(window: Any) -> Any:
        return np.partition(window, LOOKBACK - WORST)[-WORST:].mean()

    def compute() -> Any:
        losses = -wide_returns(folder)
        rolling = losses.rolling(LOOKBACK)
        return rolling.quantile(CONFIDENCE).shift(1), rolling.apply(worst, raw=True).shift(1)

    return compute, lambda found: historical_figures(
        found[0].sum().sum(), found[1].sum().sum(), found[0].count().sum()
    )


def polars_way(folder: Path) -> tuple[Callable[[], Any], Callable[[Any], Figures]]:
    import polars as pl

    def compute() -> Any:
        losses = pl.read_parquet(folder / "returns.parquet").select(
            "portfolio",
            pl.int_range(pl.len()).over("portfolio").alias("session"),
            (-pl.col("horizon_return")).alias("loss"),
        )
        var = losses.select(
            pl.col("loss")
            .rolling_quantile(CONFIDENCE, interpolation="linear", window_size=LOOKBACK)
            .shift(1)
            .over("portfolio")
        )
        shortfall = losses.rolling("session", period=f"{LOOKBACK}i", group_by="portfolio").agg(
            pl.col("loss").top_k(WORST).mean().alias("es")
        )
        whole = shortfall.filter(pl.col("session").is_between(LOOKBACK - 1, SESSIONS - 2))
        return var, whole

    return compute, lambda found: historical_figures(
        found[0]["loss"].sum(), found[1]["es"].sum(), found[0]["loss"].count()
    )


def covariances(folder: Path) -> Any:
    import numpy as np

    with duckdb.connect() as connection:
        found = connection.execute(f"""
            select list(horizon_return order by session_date)
            from '{folder}/returns.parquet'
            where portfolio < 'S{ASSETS:03d}' and session_date < date '2010-01-01' + {LOOKBACK}
            group by portfolio order by portfolio
        """)
        return np.cov(np.array([row[0] for row in found.fetchall()]))


def monte_carlo(
    folder: Path, is_stored: bool
) -> tuple[Callable[[], Any], Callable[[Any], Figures]]:
    import numpy as np

    connection = database(folder)
    connection.execute(
        "create table day as select 'all' as portfolio, date '2020-01-01' as session_date"
    )
    loadings = np.linalg.cholesky(covariances(folder)).T @ np.full(ASSETS, 1 / ASSETS)
    connection.execute(
        "create table risk.factor_loadings as"
        " select *, ? ::bigint as lookback_sessions, ? ::double[] as loadings from day",
        [LOOKBACK, loadings.tolist()],
    )
    connection.execute("create table risk.held_weights as from day")
    connection.execute(
        "create or replace view risk.horizon_returns as"
        " select *, 1::bigint as horizon_sessions from day"
    )
    draws = f"create or replace table risk.normal_draws as {(folder / 'draws.sql').read_text()}"
    losses = f"create or replace temp table found as {(folder / 'losses.sql').read_text()}"
    connection.execute(draws)

    def compute() -> None:
        if not is_stored:
            connection.execute(draws)
        connection.execute(losses)

    def figures(_: None) -> Figures:
        ((var, es),) = connection.execute("select var_return, es_return from found").fetchall()
        return {"var": var, "es": es}

    return compute, figures


def simulated(folder: Path, is_frame: bool) -> tuple[Callable[[], Any], Callable[[Any], Figures]]:
    import numpy as np
    import pandas as pd

    matrix = covariances(folder)
    weights = np.full(ASSETS, 1 / ASSETS)

    def compute() -> Figures:
        normal = np.random.default_rng(1).standard_normal((DRAWS, ASSETS))
        factor = np.linalg.cholesky(matrix)
        if is_frame:
            losses = -(pd.DataFrame(normal) @ factor.T @ weights)
            var = losses.quantile(CONFIDENCE)
            return {"var": var, "es": losses[losses >= var].mean()}
        drawn = -(normal @ (factor.T @ weights))
        limit = np.quantile(drawn, CONFIDENCE)
        return {"var": limit, "es": drawn[drawn >= limit].mean()}

    return compute, lambda found: {name: float(value) for name, value in found.items()}


HISTORICAL: dict[str, Way] = {
    "duckbourse": duckbourse,
    "pandas": pandas_way,
    "pandas_apply": pandas_apply,
    "polars": polars_way,
}
MONTE_CARLO: dict[str, Way] = {
    "duckbourse_draws": lambda folder: monte_carlo(folder, is_stored=False),
    "duckbourse_stored": lambda folder: monte_carlo(folder, is_stored=True),
    "numpy": lambda folder: simulated(folder, is_frame=False),
    "pandas_frame": lambda folder: simulated(folder, is_frame=True),
}


def differ_by(tolerance: float) -> Callable[[Figures, Figures], bool]:
    return lambda found, wanted: any(
        abs(found[name] - value) > tolerance * abs(value) for name, value in wanted.items()
    )


def write_inputs(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    make_returns(folder / "returns.parquet")
    names = ("risk__var_historical", "risk__normal_draws", "risk__var_monte_carlo")
    sql = compiled(folder, *names, monte_carlo_draws=DRAWS)
    (folder / "risk__var_historical.sql").write_text(sql["risk__var_historical"])
    # one deck of draws is enough for one session
    (folder / "draws.sql").write_text(one_deck(sql["risk__normal_draws"], "range(1, 20 + 1)"))
    (folder / "losses.sql").write_text(one_deck(sql["risk__var_monte_carlo"], "ceil(20 *"))


def one_deck(sql: str, place: str) -> str:
    assert sql.count(place) == 1, place
    return sql.replace(place, place.replace("20", "1"))


def contests(folder: Path, repeat: int) -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    for title, ways, tolerance in (
        (
            f"{SERIES * PERIODS:,} historical VaR and ES, {LOOKBACK} back",
            HISTORICAL,
            1e-9,
        ),
        (f"Monte Carlo VaR and ES, {ASSETS} assets, {DRAWS:,} draws", MONTE_CARLO, 0.01),
    ):
        yield title, run(__file__, title, folder, ways, differ_by(tolerance), repeat)


def main() -> None:
    """Generate returns, run both comparisons, and print a table of each."""
    options = parser(__doc__, "bench-risk").parse_args()
    if options.child:
        run_child({**HISTORICAL, **MONTE_CARLO}, options.child, options.folder, options.repeat)
        return
    write_inputs(options.folder)
    for title, rows in contests(options.folder, options.repeat):
        if options.json:
            print(json.dumps({title: rows}))
        else:
            show(title, rows)


if __name__ == "__main__":
    main()
