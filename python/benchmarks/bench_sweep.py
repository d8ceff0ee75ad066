"""
A sweep of 1,000 presets over 250 sessions compared with the alternatives.

    .venv/bin/python -m venv target/vectorbt && target/vectorbt/bin/pip install vectorbt duckdb
    .venv/bin/python python/benchmarks/bench_sweep.py --vectorbt target/vectorbt/bin/python

Three signals per session, each with 10 stops, 10 targets and 10 exit times: 750,000 trades. Each
contender runs in its own process, reads the same Parquet files and totals the result of every
preset:

    duckbourse   the models minutes, excursions and sweep of a build, into a DuckDB file
    vectorbt     Portfolio.from_signals, a column per signal, stop and target; one call per exit
                 time, with one bar prepended, since it checks stops from the bar after the entry
    numpy        first touches by argmax, level by level: the same method as ours without a database

The totals must agree to a hundred-millionth per trade, or nothing is printed. vectorbt is
compiled beforehand. CPU and wall clock cover the whole process; memory is its peak.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

PROJECT = Path(__file__).resolve().parents[2]
STOPS = [0.25 * n for n in range(1, 11)]
TARGETS = [0.5 * n for n in range(1, 11)]
EARLIER = [20 * n for n in range(10)]
SYMBOLS = 50
SIGNALS_A_SESSION = 3
CUTOFF, EXIT = "09:50", "15:15"
CHARGES = (
    "brokerage_pct",
    "buy_tax_pct",
    "sell_tax_pct",
    "exchange_pct",
    "buy_regulator_pct",
    "sell_regulator_pct",
    "sell_share_amount",
    "max_sell_share_amount",
    "gst_pct",
    "buy_stamp_pct",
    "sell_depository_amount",
)
# the total return of each preset in percent, ordered by stop, target and exit time
Sums = list[float]


def make_bars(folder: Path, sessions: int) -> None:
    """Write random walks without gaps and with a tick of 0.05, and signals at the 09:50 price."""
    with duckdb.connect() as connection:
        connection.execute("set threads = 1; select setseed(0.5)")
        connection.execute(f"""
            copy (
                with moves as (
                    select
                        'SYM' || lpad(symbol::varchar, 3, '0') as symbol,
                        date '2024-01-01' + session::integer as session_date,
                        minute,
                        0.0016 * (random() + random() + random() - 1.5) as move,
                        0.001 * random() as above,
                        0.001 * random() as below
                    from range({SYMBOLS}) as symbols (symbol)
                    cross join range({sessions}) as sessions (session)
                    cross join range(375) as minutes (minute)
                ),
                closes as (
                    select *, round(20 * 500 * exp(sum(move) over bars_to_date)) / 20 as close
                    from moves
                    window bars_to_date as (
                        partition by symbol, session_date order by minute rows unbounded preceding
                    )
                ),
                opens as (
                    select *, coalesce(lag(close) over bars_in_order, close) as open
                    from closes
                    window bars_in_order as (partition by symbol, session_date order by minute)
                )
                select
                    symbol,
                    '1m' as timeframe,
                    session_date + time '09:15' + to_minutes(minute) as bar_ts,
                    session_date + time '09:16' + to_minutes(minute) as bar_end,
                    session_date,
                    'XNSE' as calendar,
                    open,
                    round(20 * greatest(open, close) * (1 + above)) / 20 as high,
                    round(20 * least(open, close) * (1 - below)) / 20 as low,
                    close,
                    1000.0 as volume
                from opens
                order by symbol, bar_ts
            ) to '{folder}/bars.parquet' (format parquet, compression zstd)
        """)
        connection.execute(f"""
            copy (
                select
                    md5(symbol || session_date) as signal_id,
                    'made' as scanner,
                    'up' as preset,
                    session_date,
                    bar_ts as known_ts,
                    symbol,
                    'XNSE' as calendar,
                    'long' as direction,
                    50.0 as score,
                    row_number() over (
                        partition by session_date order by hash(symbol, session_date)
                    ) as signal_rank,
                    open as entry_price,
                    time '{EXIT}' as exit_time
                from '{folder}/bars.parquet'
                where bar_ts = session_date + time '{CUTOFF}'
                qualify signal_rank <= {SIGNALS_A_SESSION}
                order by session_date, signal_rank
            ) to '{folder}/signals.parquet' (format parquet)
        """)


def compiled(folder: Path) -> dict[str, str]:
    """Return the SQL that dbt compiles for the three models, for an in-memory database."""
    models = {name: f"backtests__{name}" for name in ("minutes", "excursions", "sweep")}
    dbt = [str(Path(sys.executable).parent / "dbt"), "--quiet", "compile", "--target", "lint"]
    target = folder / "target"
    subprocess.run(
        [*dbt, "--target-path", str(target), "--select", *models.values()],
        cwd=PROJECT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    found = {}
    for name, model in models.items():
        (path,) = (target / "compiled").rglob(f"{model}.sql")
        found[name] = path.read_text().replace('"memory".', '"swept".')
    return found


def run_duckbourse(folder: Path, threads: int) -> Sums:
    (folder / "swept.duckdb").unlink(missing_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"set threads = {threads}; set memory_limit = '3GB'")
        connection.execute(f"attach '{folder}/swept.duckdb' as swept (storage_version 'v1.0.0')")
        connection.execute("create schema swept.bars; create schema swept.scanners")
        connection.execute("create schema swept.seeds; create schema swept.backtests")
        for relation, file in (("bars.ohlcv", "bars"), ("scanners.signals", "signals")):
            connection.execute(f"create view swept.{relation} as from '{folder}/{file}.parquet'")
        grid = {
            "min_score": (0, 0, 1),
            "max_signals": (SIGNALS_A_SESSION, SIGNALS_A_SESSION, 1),
            "stop_loss_pct": (STOPS[0], STOPS[-1], STOPS[0]),
            "take_profit_pct": (TARGETS[0], TARGETS[-1], TARGETS[0]),
            "minutes_before_exit": (EARLIER[0], EARLIER[-1], EARLIER[1]),
        }
        rows = ", ".join(str((name, *map(float, ends))) for name, ends in grid.items())
        connection.execute(
            "create table swept.seeds.sweep_grid as from "
            f"(values {rows}) as grid (parameter, lowest, highest, step)"
        )
        connection.execute(
            "create table swept.seeds.outcome_settings as select 'XNSE' as calendar, "
            "'free' as segment, 1e5 as notional_amount, 0.0 as slippage_bps"
        )
        free = ", ".join(f"0.0 as {name}" for name in CHARGES)
        connection.execute(
            "create table swept.seeds.charges as select 'free' as segment, "
            "date '2020-01-01' as effective_from, null::double as max_brokerage_amount, "
            f"null::double as tax_unit_amount, {free}"
        )
        for model, sql in json.loads((folder / "sql.json").read_text()).items():
            connection.execute(f"create table swept.backtests.{model} as {sql}")
        found = connection.execute(
            "select total_trade_return from swept.backtests.sweep "
            "order by stop_loss_pct, take_profit_pct, minutes_before_exit"
        ).fetchall()
        return [float(total) for (total,) in found]


def windows(folder: Path) -> dict[str, Any]:
    """Return prices from each signal onward: a row per minute, a column per signal."""
    import numpy as np

    with duckdb.connect() as connection:
        connection.execute("set threads = 1")
        found = connection.execute(f"""
            select bars.open, bars.high, bars.low, bars.close
            from '{folder}/signals.parquet' as signals
            inner join '{folder}/bars.parquet' as bars using (symbol, session_date)
            where bars.bar_ts >= signals.known_ts
                and bars.bar_end <= signals.session_date + signals.exit_time
            order by signals.session_date, signals.signal_rank, bars.bar_ts
        """).fetchnumpy()
    minutes = 325
    return {
        name: np.ascontiguousarray(np.asarray(values).reshape(-1, minutes).T)
        for name, values in found.items()
    }


def run_vectorbt(folder: Path, threads: int) -> Sums:
    import numpy as np
    import vectorbt as vbt

    bars = windows(folder)
    # the entry bar can already touch a level, so the entry is on the bar before
    first = bars["open"][:1]
    frames = {name: np.vstack([first, values]) for name, values in bars.items()}
    minutes, signals = frames["close"].shape
    levels = [(stop, target) for stop in STOPS for target in TARGETS]
    stops = np.repeat([stop / 100 for stop, _ in levels], signals)
    targets = np.repeat([target / 100 for _, target in levels], signals)
    entries = np.zeros((minutes, 1), dtype=bool)
    entries[0] = True
    sums: dict[tuple[float, float, int], float] = {}
    wide = {name: np.tile(values, len(levels)) for name, values in frames.items()}
    for earlier in EARLIER:
        last = minutes - earlier
        exits = np.zeros((last, 1), dtype=bool)
        exits[-1] = True
        portfolio = vbt.Portfolio.from_signals(
            wide["close"][:last],
            entries=entries[:last],
            exits=exits,
            open=wide["open"][:last],
            high=wide["high"][:last],
            low=wide["low"][:last],
            sl_stop=stops[None, :],
            tp_stop=targets[None, :],
            init_cash=100.0,
            size=np.inf,
            freq="1min",
        )
        returns = portfolio.trades.records["return"].to_numpy().reshape(len(levels), signals)
        for (stop, target), made in zip(levels, returns.sum(axis=1), strict=True):
            sums[stop, target, earlier] = float(made)
    return [sums[s, t, e] for s in STOPS for t in TARGETS for e in EARLIER]


def run_numpy(folder: Path, threads: int) -> Sums:
    import numpy as np

    bars = windows(folder)
    minutes, signals = bars["close"].shape
    entry = bars["open"][0]

    def touched(hit: Any, price: Any) -> tuple[Any, Any]:
        place = np.where(hit.any(axis=0), hit.argmax(axis=0), minutes)
        opening = bars["open"][np.minimum(place, minutes - 1), np.arange(signals)]
        return place, price(opening)

    lows, highs = {}, {}
    for stop in STOPS:
        level = entry * (1 - stop / 100)
        lows[stop] = touched(bars["low"] <= level, lambda o, at=level: np.minimum(o, at))
    for target in TARGETS:
        level = entry * (1 + target / 100)
        highs[target] = touched(bars["high"] >= level, lambda o, at=level: np.maximum(o, at))
    sums = []
    for stop in STOPS:
        for target in TARGETS:
            (stopped, stop_price), (hit, hit_price) = lows[stop], highs[target]
            for earlier in EARLIER:
                last = minutes - earlier
                price = np.where(
                    (hit < stopped) & (hit < last),
                    hit_price,
                    np.where(stopped < last, stop_price, bars["close"][last - 1]),
                )
                sums.append(float((price / entry - 1).sum()))
    return sums


WAYS: dict[str, Callable[[Path, int], Sums]] = {
    "duckbourse": run_duckbourse,
    "duckbourse on one core": run_duckbourse,
    "vectorbt": run_vectorbt,
    "numpy": run_numpy,
}


def run(way: str, folder: Path, python: str) -> dict[str, Any]:
    """Run one contender in its own process."""
    from benchmarks.measured import measured

    command = [python, __file__, "--child", way, "--folder", str(folder)]
    took = measured(command, PYTHONPATH=str(PROJECT / "python"))
    figures = {"wall_s": took.wall_s, "cpu_s": took.cpu_s, "peak_mb": took.peak_mb}
    return {**figures, "sums": json.loads(took.output.splitlines()[-1])}


def main() -> None:
    """Generate bars, measure each contender, compare the results, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=250)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--vectorbt", metavar="PYTHON", help="A Python with vectorbt installed.")
    parser.add_argument("--folder", type=Path, default=PROJECT / "target" / "bench-sweep")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        threads = 1 if options.child.endswith("one core") else 2
        print(json.dumps(WAYS[options.child](options.folder, threads)))
        return
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    make_bars(options.folder, options.sessions)
    (options.folder / "sql.json").write_text(json.dumps(compiled(options.folder)))
    ways = [way for way in WAYS if options.vectorbt or way != "vectorbt"]
    pythons = {way: options.vectorbt if way == "vectorbt" else sys.executable for way in ways}
    if options.vectorbt:
        run("vectorbt", options.folder, options.vectorbt)
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    for _ in range(options.repeat):
        for way in ways:
            runs[way].append(run(way, options.folder, pythons[way]))
    trades = options.sessions * SIGNALS_A_SESSION
    wanted = runs["duckbourse"][0]["sums"]
    for way in ways:
        found = runs[way][0]["sums"]
        apart = max(abs(a - b) for a, b in zip(wanted, found, strict=True))
        if apart > trades * 1e-8:
            raise SystemExit(f"returns of {way} differ from duckbourse by {apart}")
    rows = {
        way: {
            name: statistics.median(r[name] for r in found) for name in found[0] if name != "sums"
        }
        for way, found in runs.items()
    }
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    show(rows, trades)


def show(rows: dict[str, dict[str, float]], trades: int) -> None:
    from rich.console import Console
    from rich.table import Table

    presets = len(STOPS) * len(TARGETS) * len(EARLIER)
    title = f"{presets:,} presets, {trades:,} signals, {presets * trades:,} trades: the same P&L"
    table = Table(title=title, title_justify="left", box=None)
    for name in ("", "CPU s", "wall s", "peak MB"):
        table.add_column(name, justify="right" if name else "left")
    for way, row in rows.items():
        figures = (f"{row['cpu_s']:.2f}", f"{row['wall_s']:.2f}", f"{row['peak_mb']:,.0f}")
        table.add_row(way, *figures)
    Console().print(table)


if __name__ == "__main__":
    main()
