"""
Ingest compared with plain DuckDB: the same files to Parquet, in the same run.

    python benchmarks/bench_ingest.py [--sessions 11] [--repeat 3] [--json]

`plain` is `copy (from read_csv(file)) to file.parquet`: the vendor's rows in one file. `plain, as
stored` also sorts and partitions like the raw store. Ingest does all that and more: it numbers
rows, keeps unreadable ones, finds duplicates and revisions, infers calendar and bar label, and
writes manifests. Each runs in its own process, measured from the end of its imports.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from duckbourse.ingest import Outcome, RawStore, ingest, read_mapping
from duckbourse.settings import settings

SYMBOLS = 500
MINUTES = 375
PARQUET = "format parquet, compression zstd"


def main() -> None:
    """Generate the files, measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument(
        "--sessions", type=int, default=11, help="sessions in the big file, 187,500 rows each"
    )
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measured(*options.child)))
        return
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as folder:
        cases = make_files(Path(folder), options.sessions)
        results = [
            {"case": case, "way": way, **best(way, path, options.repeat)}
            for case, path in cases.items()
            for way in WAYS
            if path.is_dir() or way != "plain, file by file"
        ]
    if options.json:
        print(json.dumps(results, indent=2))
    else:
        show(results)


def make_files(folder: Path, sessions: int) -> dict[str, Path]:
    """Write synthetic minutes to CSV: many sessions, one session, and one session by symbol."""
    big, day, split = folder / "big.csv", folder / "day.csv", folder / "day"
    split.mkdir()
    with duckdb.connect() as con:
        con.execute("select setseed(0.5)")
        con.execute(f"""
            create table bars as
            select
                'SYM' || lpad(symbol::varchar, 3, '0') as symbol,
                timestamp '2024-01-01 09:15' + to_days(day::integer) + to_minutes(minute) as ts,
                round(100 + symbol + random(), 2) as open,
                round(101.5 + symbol + random(), 2) as high,
                round(99 + symbol, 2) as low,
                round(100 + symbol + random(), 2) as close,
                (random() * 10000)::integer as volume
            from range({sessions}) as days (day), range({SYMBOLS}) as symbols (symbol),
                range({MINUTES}) as minutes (minute)
            order by all
        """)
        con.execute(f"copy bars to '{big}' (header)")
        con.execute(f"copy (from bars where ts < '2024-01-02') to '{day}' (header)")
        for (symbol,) in con.execute("select distinct symbol from bars").fetchall():
            con.execute(
                f"copy (select * exclude (symbol) from bars where symbol = '{symbol}'"
                f" and ts < '2024-01-02') to '{split / symbol}.csv' (header)"
            )
    return {
        f"{sessions} sessions of {SYMBOLS} symbols in one file": big,
        f"one session of {SYMBOLS} symbols in one file": day,
        f"one session of {SYMBOLS} symbols in {SYMBOLS} files": split,
    }


def connected() -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection with the settings of ingest."""
    con = duckdb.connect()
    con.execute(f"set threads = {settings().threads}")
    con.execute(f"set memory_limit = '{settings().memory_limit}'")
    return con


def plain(path: Path, into: Path) -> int:
    """Copy what read_csv returns to one Parquet file."""
    files = path / "*.csv" if path.is_dir() else path
    with connected() as con:
        [(rows,)] = con.execute(
            f"copy (from read_csv('{files}')) to '{into}/all.parquet' ({PARQUET})"
        ).fetchall()
    return int(rows)


def plain_file_by_file(path: Path, into: Path) -> int:
    """Copy each file to its own Parquet file, as a delivery does."""
    rows = 0
    with connected() as con:
        for file in sorted(path.glob("*.csv")):
            [(count,)] = con.execute(
                f"copy (from read_csv('{file}')) to '{into}/{file.stem}.parquet' ({PARQUET})"
            ).fetchall()
            rows += count
    return rows


def plain_as_stored(path: Path, into: Path) -> int:
    """Sort and partition like the raw store."""
    files = path / "*.csv" if path.is_dir() else path
    symbol = "filename as symbol, " if path.is_dir() else ""
    name = ", filename = true" if path.is_dir() else ""
    with connected() as con:
        [(rows,)] = con.execute(
            f"copy (select {symbol}*, ts::date as session from read_csv('{files}'{name})"
            f" order by session, symbol, ts) to '{into}/stored' ({PARQUET}, partition_by (session))"
        ).fetchall()
    return int(rows)


def ingested(path: Path, into: Path) -> int:
    """Ingest into a new store."""
    options = read_mapping(None, calendar="XNSE", source="bench")
    reports = list(ingest([path], options, RawStore(into), datetime.now(UTC)))
    assert all(report.outcome is Outcome.DELIVERED for report in reports), reports
    return sum(report.rows_kept for report in reports)


WAYS: dict[str, Callable[[Path, Path], int]] = {
    "plain": plain,
    "plain, file by file": plain_file_by_file,
    "plain, as stored": plain_as_stored,
    "ingest": ingested,
}


def measured(way: str, path: str, into: str) -> dict[str, float]:
    """Run one way in this process and return its cost."""
    wall, cpu = time.perf_counter(), time.process_time()
    rows = WAYS[way](Path(path), Path(into))
    return {
        "rows": rows,
        "wall_seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mb": peak_kilobytes() / 1024,
    }


def peak_kilobytes() -> int:
    """Return the peak memory of this process; on Linux, without that of its parent."""
    status = Path("/proc/self/status")
    if status.exists():
        [peak] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(peak.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def best(way: str, path: Path, repeat: int) -> dict[str, float]:
    """Return the median of several runs, each in its own process and folder."""
    runs: list[dict[str, float]] = []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory(prefix="bench-ingest-") as into:
            done = subprocess.run(
                [sys.executable, __file__, "--child", way, str(path), into],
                capture_output=True,
                text=True,
                check=True,
            )
        runs.append(json.loads(done.stdout))
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def show(results: list[dict[str, Any]]) -> None:
    """Print the table; `times` is CPU relative to `plain`."""
    table = Table(box=None, pad_edge=False)
    table.add_column("case")
    table.add_column("way")
    for name in ("rows", "wall s", "CPU s", "rows/s", "peak MB", "times"):
        table.add_column(name, justify="right")
    reference = {row["case"]: row["cpu_seconds"] for row in results if row["way"] == "plain"}
    for row in results:
        table.add_row(
            row["case"] if row["way"] == "plain" else "",
            row["way"],
            f"{row['rows']:,.0f}",
            f"{row['wall_seconds']:.2f}",
            f"{row['cpu_seconds']:.2f}",
            f"{row['rows'] / row['wall_seconds']:,.0f}",
            f"{row['peak_mb']:.0f}",
            f"{row['cpu_seconds'] / reference[row['case']]:.1f}",
        )
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
