"""
What a full build costs: `.venv/bin/python python/benchmarks/bench_build.py --bars 1000000`.

Makes that many one-minute bars in a scratch folder, builds and publishes them with the sample,
and prints wall clock, CPU, the most memory that dbt's process held, and the share of publication.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from duckbourse import clock
from duckbourse.settings import PROJECT

BARS_OF_A_SESSION = {"XNYS": 390, "XNSE": 375}
SESSIONS = 20


def bourse(data: Path, *words: str) -> str:
    """Run a command of the project on the scratch folder and return what it says."""
    environment = {
        **os.environ,
        "BOURSE_DATA_DIR": str(data),
        "DBT_TARGET_PATH": "target/bench",
        "PYTHONPATH": str(PROJECT / "python"),
    }
    command = [sys.executable, "-m", "duckbourse.cli", *words]
    return subprocess.run(
        command, cwd=PROJECT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def measure(bars: int, calendar: str, folder: Path) -> dict[str, str]:
    """Build so many minute bars from nothing and return a row of the table."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    symbols = -(-bars // (SESSIONS * BARS_OF_A_SESSION[calendar]))
    made = ("--symbols", str(symbols), "--sessions", str(SESSIONS), "--calendar", calendar)
    bourse(folder, "sample-minutes", *made)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = clock.elapsed_seconds()
    answer = json.loads(bourse(folder, "build", "--full-refresh", "--json"))
    wall = clock.elapsed_seconds() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    minutes = next(row["bar_count"] for row in answer["bars"] if row["timeframe"] == "1m")
    publishing = answer["published"]["seconds"]
    return {
        "minute bars": f"{minutes:,}",
        "wall s": f"{wall:.1f}",
        "CPU s": f"{after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime:.1f}",
        "peak MB": f"{after.ru_maxrss / 1024:,.0f}",
        "publish s": f"{publishing:.2f}",
        "publish share": f"{100 * publishing / wall:.1f} %",
        "published MB": f"{answer['published']['bytes'] / 1e6:,.1f}",
    }


def main() -> None:
    """Measure each size asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--calendar", choices=BARS_OF_A_SESSION, default="XNYS")
    parser.add_argument("--folder", type=Path, default=PROJECT / "target" / "bench-data")
    arguments = parser.parse_args()
    rows = [measure(bars, arguments.calendar, arguments.folder) for bars in arguments.bars]
    table = Table(box=None)
    for name in rows[0]:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*row.values())
    Console().print(table)


if __name__ == "__main__":
    main()
