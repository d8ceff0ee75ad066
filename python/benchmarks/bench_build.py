"""
The cost of a full build and of one new session: `python/benchmarks/bench_build.py --bars 1000000`.

Generates that many one-minute bars in a scratch folder (500 symbols, or fewer with `--symbols`,
which then have a longer history) from the daily bars of the project's published file, builds and
publishes them with the sample, then delivers one more session of all symbols and builds again.
Prints wall clock, CPU, peak memory of the dbt process, the share of publishing, and the time spent
in the models of some layers.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from datetime import timedelta
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from benchmarks.measured import Measured, measured
from duckbourse import clock
from duckbourse.settings import PROJECT, settings

BARS_OF_A_SESSION = {"XNYS": 390, "XNSE": 375}
LAYERS = ("bars", "indicators", "scanners", "backtests")
TARGET = PROJECT / "target" / "bench"


def bourse(data: Path, *words: str) -> Measured:
    """Run a `./bourse` command on the scratch folder."""
    return measured(
        [sys.executable, "-m", "duckbourse.cli", *words],
        cwd=PROJECT,
        BOURSE_DATA_DIR=str(data),
        DBT_TARGET_PATH=str(TARGET),
        PYTHONPATH=str(PROJECT / "python"),
    )


def seconds_at(layer: str) -> float:
    """Return the seconds that the last build spent on the models of a layer."""
    results = json.loads((TARGET / "run_results.json").read_text())["results"]
    models = f"model.duckbourse.{layer}__"
    return sum(
        float(one["execution_time"]) for one in results if one["unique_id"].startswith(models)
    )


def measured_build(folder: Path, what: str, *words: str) -> dict[str, str]:
    """Build and return one row of the table."""
    took = bourse(folder, "build", *words, "--json")
    answer = json.loads(took.output)
    minutes = next(row["bar_count"] for row in answer["bars"] if row["timeframe"] == "1m")
    publishing = answer["published"]["seconds"]
    return {
        "": what,
        "minute bars": f"{minutes:,}",
        "wall s": f"{took.wall_s:.1f}",
        "CPU s": f"{took.cpu_s:.1f}",
        "peak MB": f"{took.peak_mb:,.0f}",
        **{f"{layer} s": f"{seconds_at(layer):.1f}" for layer in LAYERS},
        "publish s": f"{publishing:.2f}",
        "publish share": f"{100 * publishing / took.wall_s:.1f}%",
        "published MB": f"{answer['published']['bytes'] / 1e6:,.1f}",
    }


def measure(bars: int, symbols: int, calendar: str, folder: Path) -> list[dict[str, str]]:
    """Build from scratch, then with one more session; return two rows of the table."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sessions = max(1, round(bars / symbols / BARS_OF_A_SESSION[calendar]))
    last = clock.now().date() - timedelta(days=7)
    made = (
        *("sample-minutes", "--symbols", str(symbols), "--calendar", calendar),
        *("--into", str(folder / "raw")),
    )
    bourse(settings().data, *made, "--sessions", str(sessions), "--until", str(last))
    first = measured_build(folder, "all", "--full-refresh")
    with duckdb.connect(str(folder / "duckbourse.duckdb"), read_only=True) as connection:
        [(following,)] = connection.execute(
            "select min(session_date) from bars.sessions "
            "where calendar = $calendar and session_date > $last",
            {"calendar": calendar, "last": last},
        ).fetchall()
    bourse(settings().data, *made, "--since", str(following), "--until", str(following))
    return [first, measured_build(folder, "one session more")]


def main() -> None:
    """Measure each requested size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--symbols", type=int, default=500)
    parser.add_argument("--calendar", choices=BARS_OF_A_SESSION, default="XNYS")
    parser.add_argument("--folder", type=Path, default=PROJECT / "target" / "bench-data")
    arguments = parser.parse_args()
    rows = [
        row
        for bars in arguments.bars
        for row in measure(bars, arguments.symbols, arguments.calendar, arguments.folder)
    ]
    table = Table(box=None)
    for name in rows[0]:
        table.add_column(name, justify="right" if name else "left")
    for row in rows:
        table.add_row(*row.values())
    Console().print(table)


if __name__ == "__main__":
    main()
