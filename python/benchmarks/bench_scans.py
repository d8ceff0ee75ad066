"""
The cost of a scan on read: the whole market, any session, any cutoff.

    .venv/bin/python python/benchmarks/bench_scans.py [--bars 67500000] [--seconds 10] [--keep]

Writes the minute and daily bars of 500 symbols to one file in the order and format of a build, has
dbt build the session minutes, then runs the CRP scan of random sessions and cutoffs, with a
lookback of 20 sessions, by its table macro: first cold in a new process, then repeatedly. For
comparison runs the same from the bars alone, in hand-written SQL without the session minutes.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.bench_indicators import make_bars
from benchmarks.measured import measured
from duckbourse.settings import PROJECT

LOOKBACK = 20
# the session up to the cutoff, and the same for each prior session
BY_HAND = f"""
    with to_cutoff as (
        select
            symbol,
            session_date,
            arg_min(open, bar_ts) as open_price,
            max(high) as high_to_cutoff,
            min(low) as low_to_cutoff,
            arg_max(close, bar_ts) as last_price,
            sum(volume) as volume_to_cutoff
        from bars.ohlcv
        where
            timeframe = '1m'
            and session_date between $day::date - {LOOKBACK} and $day::date
            and bar_end <= session_date + $cutoff::time
        group by symbol, session_date
    )
    select
        symbol,
        arg_max(last_price, session_date) as last_price,
        arg_max(high_to_cutoff, session_date) as high,
        arg_max(low_to_cutoff, session_date) as low,
        arg_max(volume_to_cutoff, session_date)
        / avg(volume_to_cutoff) filter (where session_date < $day::date) as relative_volume
    from to_cutoff
    group by symbol
"""


def dbt(data: Path, *words: str) -> str:
    """Run dbt on the benchmark's file and return its output."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "dbt"), "--quiet", *words],
        cwd=PROJECT,
        env={
            **os.environ,
            "BOURSE_DATA_DIR": str(data),
            "DBT_TARGET_PATH": str(data / "target"),
            "DBT_LOG_PATH": str(data / "logs"),
        },
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def make_file(folder: Path, bars: int) -> Path:
    """Write bars, sessions and days as a build does, with the scanner's table macro."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "build").mkdir(parents=True)
    make_bars(folder, bars)
    file = folder / "build" / "duckbourse.duckdb"
    format_of_builds: dict[str, str | bool | int | float | list[str]] = {
        "storage_compatibility_version": "v1.0.0"
    }
    prices = ("open", "high", "low", "close", "volume")
    with duckdb.connect(str(file), config=format_of_builds) as connection:
        connection.execute("set memory_limit = '3GB'; create schema bars")
        connection.execute(f"""
            create table bars.ohlcv as
            select
                *,
                bar_ts + interval 1 minute as bar_end,
                bar_ts::date as session_date,
                {", ".join(f"adjusted_{name} as {name}" for name in prices)},
                1::double as adjustment_factor,
                'XNSE' as calendar
            from '{folder}/bars.parquet'
        """)
        connection.execute("""
            create table bars.sessions as
            select
                'XNSE' as calendar,
                session_date,
                row_number() over (order by session_date) as session_number,
                session_date + time '09:15' as open_ts,
                session_date + time '15:30' as close_ts
            from (select distinct session_date from bars.ohlcv)
        """)
        connection.execute("""
            create table bars.day_minute_conflicts as
            select
                null::varchar as symbol,
                null::date as session_date,
                null::date as agreed_date
            where false
        """)
        connection.execute("""
            create table bars.symbol_days as
            select
                symbol,
                session_date,
                'XNSE' as calendar,
                1::double as adjustment_factor,
                (select max(close_ts) from bars.sessions) as known_until,
                true as is_week_over,
                hash(symbol, session_date) as version
            from (select distinct symbol, session_date from bars.ohlcv)
        """)
        connection.execute("""
            create table bars.day_changes as
            select
                symbol,
                session_date,
                is_week_over,
                version,
                1::bigint as version_changed_in,
                1::bigint as changed_in
            from bars.symbol_days
        """)
    (folder / "bars.parquet").unlink()
    return file


def percentiles(took: list[float]) -> tuple[str, str, str]:
    middle, most = np.percentile(took, [50, 99])
    return f"{len(took):,}", f"{middle:,.1f}", f"{most:,.1f}"


def asked(file: Path, seconds: float) -> tuple[list[float], list[float]]:
    """Run random scans, on read and by hand; return the milliseconds of each."""
    chosen = random.Random(1)
    with duckdb.connect(str(file), read_only=True) as connection:
        days = [day for (day,) in connection.execute("select session_date from bars.sessions "
                "order by session_date").fetchall()][LOOKBACK:]  # fmt: skip

        def repeated(ask: Callable[[dict[str, object]], object]) -> list[float]:
            took: list[float] = []
            end = time.monotonic() + seconds
            while len(took) < 3 or time.monotonic() < end:
                cutoff = f"{chosen.randrange(10, 15)}:{chosen.randrange(60):02}"
                question = {"day": chosen.choice(days), "cutoff": cutoff}
                started = time.perf_counter()
                ask(question)
                took.append(1000 * (time.perf_counter() - started))
            return took

        scan = "from crp_scan($day, $cutoff, 'twenty')"
        return (
            repeated(lambda question: connection.execute(scan, question).fetchall()),
            repeated(lambda question: connection.execute(BY_HAND, question).fetchall()),
        )


def main() -> None:
    """Write the file and print the cost of building it and of the scans."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bars", type=int, default=67_500_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--keep", action="store_true", help="reuse the file of the last run")
    parser.add_argument("--folder", type=Path, default=PROJECT / "target" / "bench-scans")
    parser.add_argument("--cold", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    file = options.folder / "build" / "duckbourse.duckdb"
    if options.cold:
        with duckdb.connect(str(file), read_only=True) as connection:
            day = "(select max(session_date) from bars.sessions)"
            started = time.perf_counter()
            rows = connection.execute(f"from crp_scan({day}, '09:50', 'twenty')").fetchall()
            print(len(rows), 1000 * (time.perf_counter() - started))
        return
    screen = Console()
    if not options.keep or not file.exists():
        make_file(options.folder, options.bars)
        command = [str(Path(sys.executable).parent / "dbt"), "--quiet", "build"]
        chosen = [
            "-s",
            "crp_presets",
            # what the histories of daily bars read
            "breakout_presets",
            "new_high_presets",
            "relative_volume_presets",
            "score_tiers",
            "scanners__session_minutes",
            "scanners__sessions",
            "scanners__histories",
            "crp_scan",
        ]
        took = measured(
            [*command, *chosen, "--exclude-resource-types", "test", "unit_test"],
            cwd=PROJECT,
            BOURSE_DATA_DIR=str(options.folder),
            DBT_TARGET_PATH=str(options.folder / "target"),
            DBT_LOG_PATH=str(options.folder / "logs"),
        )
        screen.print(
            f"building the session minutes: {took.cpu_s:.1f} s CPU, {took.wall_s:.1f} s wall, "
            f"peak {took.peak_mb:,.0f} MB; file {file.stat().st_size / 1e6:,.0f} MB"
        )
        with duckdb.connect(str(file)) as connection:
            connection.execute("insert into seeds.crp_presets by name select * replace ("
                f"'twenty' as preset, {LOOKBACK} as history_sessions) from seeds.crp_presets "
                "where preset = 'standard'")  # fmt: skip
    os.sync()
    cold = measured([sys.executable, __file__, "--cold", "--folder", str(options.folder)])
    candidates, milliseconds = cold.output.split()
    screen.print(f"first scan of a process: {float(milliseconds):,.0f} ms, {candidates} candidates")
    on_read, by_hand = asked(file, options.seconds)
    table = Table(box=None, title="a scan of the market, ms")
    for head in ("", "scans", "p50", "p99"):
        table.add_column(head, justify="right" if head else "left")
    table.add_row("crp_scan", *percentiles(on_read))
    table.add_row("from the bars, by hand", *percentiles(by_hand))
    screen.print(table)


if __name__ == "__main__":
    main()
