"""
Ways to the same answer, beside each other: each in a process of its own, in one run.

A benchmark names its ways and calls `run`. A way is a function of the folder of inputs that returns
two: what is timed, and what makes figures of its result, which must be those of the first way. Time
and CPU are from input to result, imports left out, and the median of some repetitions after a first
one; memory is the peak of the process, imports and all.
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
    """Return the SQL that dbt makes of models or functions, of a database in memory."""
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
    """Measure every way, and return its figures; one that differs is the end of the benchmark."""
    from benchmarks.measured import measured

    rows: dict[str, dict[str, Any]] = {}
    wanted: Figures | None = None
    for way in ways:
        command = [sys.executable, script, "--child", way, "--folder", str(folder)]
        took = measured([*command, "--repeat", str(repeat)], PYTHONPATH=str(PROJECT / "python"))
        row = json.loads(took.said.splitlines()[-1])
        found = row.pop("figures")
        wanted = wanted or found
        if differ(found, wanted):
            raise SystemExit(f"{title}: {way} differs from {next(iter(ways))}")
        rows[way] = {**row, "peak_mb": took.peak_mb}
    return rows


def run_child(ways: Mapping[str, Way], way: str, folder: Path, repeat: int) -> None:
    """Be the process of one way: print what it took and what it found."""
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


def words(description: str | None, folder: str) -> argparse.ArgumentParser:
    """Return what every such benchmark can be told."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=PROJECT / "target" / folder)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser


def show(title: str, rows: Mapping[str, Mapping[str, float]]) -> None:
    """Print a table, with the ratio of each way's CPU to the first one's."""
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
