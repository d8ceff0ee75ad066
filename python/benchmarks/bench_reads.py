"""
The cost of a read: an indicator over one symbol's full history, and the latest values.

    .venv/bin/python python/benchmarks/bench_reads.py [--bars 67500000] [--seconds 4] [--all]

Writes the minute bars of 500 symbols to one file, in the order and format of a build, with the
project's own table macros. Queries indicators of random symbols, each compared with the same by
hand: bars to numpy by SQL, then TA-Lib. Then computes an EMA of all bars, compared with reading
them, each in its own process; and queries the latest values of a symbol from the file of `./bourse
build`.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import duckdb
import numpy as np
import talib
from rich.console import Console
from rich.table import Table

from benchmarks.bench_indicators import SYMBOLS, family_sql, make_bars
from benchmarks.measured import measured
from duckbourse.settings import PROJECT, settings

LIMITS_MS = {"indicator": 20.0, "latest": 1.0}
BY_HAND: dict[str, Callable[..., object]] = {
    "ema": lambda high, low, close: talib.EMA(close, 20),
    "rsi": lambda high, low, close: talib.RSI(close, 14),
    "macd": lambda high, low, close: talib.MACD(close, 12, 26, 9),
    "bollinger": lambda high, low, close: talib.BBANDS(close, 20, 2.0, 2.0),
    "atr": talib.ATR,
    "stochastic": talib.STOCH,
    "linear_regression": lambda high, low, close: talib.LINEARREG_SLOPE(close, 14),
    "psar": lambda high, low, close: talib.SAR(high, low),
    "supertrend": talib.SUPERTREND,
}


def make_file(folder: Path, bars: int) -> Path:
    """Write the bars as `bars.ohlcv`, with the table macros of all indicators."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    make_bars(folder, bars)
    dbt = [str(Path(sys.executable).parent / "dbt"), "--quiet", "compile", "--target", "lint"]
    macros = subprocess.run(
        [*dbt, "--inline", "{{ table_macros() }}"],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    file = folder / "warehouse.duckdb"
    format_of_builds: dict[str, str | bool | int | float | list[str]] = {
        "storage_compatibility_version": "v1.0.0"
    }
    with duckdb.connect(str(file), config=format_of_builds) as connection:
        connection.execute("create schema bars; create schema indicators; create schema serving")
        connection.execute(f"create table bars.ohlcv as from '{folder}/bars.parquet'")
        connection.execute(
            "create table serving.latest_bars as select distinct symbol, timeframe from bars.ohlcv;"
            "create table bars.symbols as select distinct symbol from bars.ohlcv"
        )
        connection.execute(macros)
    return file


def milliseconds(ask: Callable[[], object], seconds: float) -> list[float]:
    """Repeat a query for this many seconds, at least three times; return each duration."""
    took: list[float] = []
    end = time.monotonic() + seconds
    while len(took) < 3 or time.monotonic() < end:
        started = time.perf_counter()
        ask()
        took.append(1000 * (time.perf_counter() - started))
    return took


def percentiles(took: list[float]) -> tuple[str, str, str]:
    middle, most = np.percentile(took, [50, 99])
    return f"{len(took):,}", f"{middle:,.2f}", f"{most:,.2f}"


def on_read(file: Path, names: Iterable[str], seconds: float) -> Table:
    """Query each indicator of random symbols, by table macro and by hand."""
    table = Table(box=None, title="one symbol's whole history, ms")
    for head in ("indicator", "reads", "p50", "p99", "by hand p50", "by hand p99", "p50 ratio"):
        table.add_column(head, justify="left" if head == "indicator" else "right")
    chosen = random.Random(1)
    with duckdb.connect(str(file), read_only=True) as connection:

        def symbol() -> str:
            return f"SYM{chosen.randrange(SYMBOLS):03}"

        def ask(name: str) -> object:
            sql = f"select * exclude (symbol, timeframe) from indicators.{name}($symbol, '1m')"
            return connection.execute(sql, {"symbol": symbol()}).fetchnumpy()

        def by_hand(name: str) -> object:
            bars = connection.execute(
                "select bar_ts, adjusted_high, adjusted_low, adjusted_close from bars.ohlcv "
                "where symbol = $symbol and timeframe = '1m' order by bar_ts",
                {"symbol": symbol()},
            ).fetchnumpy()
            return BY_HAND[name](*(bars[f"adjusted_{n}"] for n in ("high", "low", "close")))

        for name in names:
            ours = milliseconds(lambda name=name: ask(name), seconds)  # type: ignore[misc]
            theirs = (
                milliseconds(lambda name=name: by_hand(name), seconds)  # type: ignore[misc]
                if name in BY_HAND
                else None
            )
            table.add_row(
                name,
                *percentiles(ours),
                *(percentiles(theirs)[1:] if theirs else ("", "")),
                f"{np.median(ours) / np.median(theirs):.1f}" if theirs else "",
            )
    return table


def latest(seconds: float) -> Table:
    """Query the published file for the latest values of random symbols."""
    table = Table(box=None, title="latest values of a symbol, ms")
    for head in ("", "reads", "p50", "p99"):
        table.add_column(head, justify="right" if head else "left")
    chosen = random.Random(1)
    with duckdb.connect(str(settings().published_database), read_only=True) as connection:
        found = connection.execute("select distinct symbol from serving.latest_indicators")
        symbols = [symbol for (symbol,) in found.fetchall()]
        for columns in ("close, rsi_14, atr_14, ema_20", "*"):
            sql = f"select {columns} from serving.latest_indicators where symbol = $symbol"

            def ask(sql: str = sql) -> object:
                return connection.execute(sql, {"symbol": chosen.choice(symbols)}).fetchall()

            what = "all columns" if columns == "*" else columns
            table.add_row(f"{what}, all timeframes", *percentiles(milliseconds(ask, seconds)))
    return table


def run(way: str, file: Path) -> None:
    """Run as one of the processes that read all bars."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("set threads = 2; set memory_limit = '3GB'")
        connection.execute("set preserve_insertion_order = false")
        connection.execute((file.parent / f"{way}.sql").read_text())


def over_all(file: Path) -> Table:
    """Compute an EMA of all bars, read them and copy them, each in its own process."""
    middle = f"'SYM{SYMBOLS // 2:03}'"
    halves = [f" where symbol < {middle}", f" where symbol >= {middle}"]
    calls = {"ema": {"ema(20)": ["ema_20"]}}
    ema = family_sql(halves, "bars.ohlcv", calls)["ema"]
    close = "select symbol, timeframe, bar_ts, adjusted_close from bars.ohlcv"
    # hash every value, since a maximum or a count needs no reading
    checked = "select bit_xor(hash(columns(*)))"
    ways = {
        "reading the closes": f"{checked} from ({close})",
        "EMA, read": f"{checked} from ({ema})",
        "copying the closes": f"create or replace table copied as {close}",
        "EMA, stored": f"create or replace table copied as {ema}",
    }
    table = Table(box=None, title="all bars")
    for head in ("", "CPU s", "ratio", "wall s", "peak MB"):
        table.add_column(head, justify="right" if head else "left")
    before = 0.0
    for way, sql in ways.items():
        (file.parent / f"{way}.sql").write_text(sql)
        command = [sys.executable, __file__, "--child", way, "--folder", str(file.parent)]
        took = measured(command, PYTHONPATH=str(PROJECT / "python"))
        ratio = f"{took.cpu_s / before:.1f}" if way.startswith("EMA") else ""
        before = took.cpu_s
        table.add_row(way, f"{took.cpu_s:.1f}", ratio, f"{took.wall_s:.1f}", f"{took.peak_mb:,.0f}")
    return table


def main() -> None:
    """Write the file and print a table for each kind of query."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bars", type=int, default=67_500_000)
    parser.add_argument("--seconds", type=float, default=4.0, help="seconds per query")
    parser.add_argument("--all", action="store_true", help="every indicator instead of a selection")
    parser.add_argument("--keep", action="store_true", help="reuse the file of the last run")
    parser.add_argument("--folder", type=Path, default=PROJECT / "target" / "bench-reads")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    file = options.folder / "warehouse.duckdb"
    if options.child:
        run(options.child, file)
        return
    if not options.keep or not file.exists():
        file = make_file(options.folder, options.bars)
    names: list[str] = list(BY_HAND)
    if options.all:
        with duckdb.connect(str(file), read_only=True) as connection:
            found = connection.execute(
                "select distinct function_name from duckdb_functions() "
                "where schema_name = 'indicators' order by all"
            )
            names = [name for (name,) in found.fetchall()]
    screen = Console()
    screen.print(on_read(file, names, options.seconds))
    screen.print(over_all(file))
    screen.print(latest(options.seconds))


if __name__ == "__main__":
    main()
