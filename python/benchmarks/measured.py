"""
The cost of a command: wall-clock time, CPU time, and peak memory.

A process starts with the peak memory of the process it was forked from. So this file, run as a
program, stands between them as a process with almost none.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measured:
    """The output and the cost of a command."""

    output: str
    wall_s: float
    cpu_s: float
    peak_mb: float


def measured(command: list[str], cwd: Path | None = None, **environment: str) -> Measured:
    """Run a command to its end; stop the benchmark if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        took = Path(folder) / "took.json"
        done = subprocess.run(
            [sys.executable, __file__, str(took), *command],
            cwd=cwd,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
        return Measured(output=done.stdout, **json.loads(took.read_text()))


def show_figures(rows: Mapping[str, Mapping[str, float]], as_json: bool) -> None:
    """Print rows, each with its own set of figures."""
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    for name in ("", "figures"):
        table.add_column(name)
    for name, row in rows.items():
        table.add_row(name, ", ".join(f"{key} {value:,.2f}" for key, value in row.items()))
    Console(soft_wrap=True).print(table)


def _stand_between(took: Path, command: list[str]) -> int:
    started = time.monotonic()
    child = subprocess.Popen(command)
    _, status, used = os.wait4(child.pid, 0)
    wall = time.monotonic() - started
    figures = {
        "wall_s": wall,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / 1024,
    }
    took.write_text(json.dumps(figures))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(_stand_between(Path(sys.argv[1]), sys.argv[2:]))
