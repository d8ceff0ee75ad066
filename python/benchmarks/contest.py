"""
Compares several ways to compute the same result, each in its own process, in one run.

A benchmark defines its ways and calls `run`. A way is a function of the input folder that returns
two functions: the one to time, and one that extracts figures from its result, which must agree with
those of the first way. Time and CPU cover input to result without imports, and are the median of
several repetitions after a warm-up; memory is the peak of the process, imports included.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
THREADS = 2
Figures = dict[str, float]
Way = Callable[[Path], tuple[Callable[[], Any], Callable[[Any], Figures]]]


def compiled(folder: Path, *names: str, **variables: object) -> dict[str, str]:
    """Return the SQL that dbt compiles for models or functions, for an in-memory database."""
    target = folder / "target"
    dbt = [str(Path(sys.executable).parent / "dbt"), "--quiet", "compile", "--target", "lint"]
    subprocess.run(
        [*dbt, "--target-path", str(target), "--vars", json.dumps(variables), "--select", *names],
        cwd=PROJECT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    paths = {path.stem: path for path in (target / "compiled").rglob("*.sql")}
    return {name: paths[name].read_text() for name in names}


def run(
    script: str,
    title: str,
    folder: Path,
    ways: Mapping[str, Way],
    differ: Callable[[Figures, Figures], bool],
    repeat: int,
) -> dict[str, dict[str, Any]]:
    """Measure every way and return its cost; stop the benchmark if a result differs."""
    from benchmarks.measured import measured

    rows: dict[str, dict[str, Any]] = {}
    wanted: Figures | None = None
    for way in ways:
        command = [sys.executable, script, "--child", way, "--folder", str(folder)]
        took = measured([*command, "--repeat", str(repeat)], PYTHONPATH=str(PROJECT / "python"))
        row = json.loads(took.output.splitlines()[-1])
        found = row.pop("figures")
        wanted = wanted or found
        if differ(found, wanted):
            raise SystemExit(f"{title}: {way} differs from {next(iter(ways))}")
        rows[way] = {**row, "peak_mb": took.peak_mb}
    return rows


def run_child(ways: Mapping[str, Way], way: str, folder: Path, repeat: int) -> None:
    """Run as the process of one way: print its cost and its figures."""
    compute, figures = ways[way](folder)
    found = compute()
    walls, cpus = [], []
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        found = compute()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    took = {"wall_s": statistics.median(walls), "cpu_s": statistics.median(cpus)}
    print(json.dumps({**took, "figures": figures(found)}))


def parser(description: str | None, folder: str) -> argparse.ArgumentParser:
    """Return a parser with the options common to these benchmarks."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=PROJECT / "target" / folder)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser


def show(title: str, rows: Mapping[str, Mapping[str, float]]) -> None:
    """Print a table with the CPU of each way relative to the first."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None)
    for name in ("", "CPU s", "ratio", "wall s", "peak MB"):
        table.add_column(name, justify="right" if name else "left")
    first = next(iter(rows.values()))["cpu_s"]
    for way, row in rows.items():
        table.add_row(
            way,
            f"{row['cpu_s']:.2f}",
            f"{row['cpu_s'] / first:.2f}",
            f"{row['wall_s']:.2f}",
            f"{row['peak_mb']:,.0f}",
        )
    Console().print(table)
