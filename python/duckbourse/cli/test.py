"""`./bourse test`: everything that must hold, in stages, each with its time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from duckbourse import clock
from duckbourse.cli.output import notes
from duckbourse.errors import ChecksFailed, ConfigurationError
from duckbourse.settings import PROJECT

# Tests build here, so that nobody's own data is read or replaced.
SCRATCH = PROJECT / "target" / "test-data"
STAGES = ("lint", "build", "pytest")


def test(
    long: Annotated[bool, typer.Option("--long", help="Run the long proofs too.")] = False,
    keyword: Annotated[
        str | None, typer.Option("-k", help="Only the Python tests of this name.", metavar="NAME")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="lint, build or pytest; more than one is fine."),
    ] = None,
) -> None:
    """
    Lint, build with every dbt test in a scratch folder, and run the Python tests.

    Examples:

    - `./bourse test`
    - `./bourse test --long`
    - `./bourse test --only pytest -k publish`
    """
    wrong = set(only or []) - set(STAGES)
    if wrong:
        raise ConfigurationError(
            f"there is no stage {sorted(wrong)[0]!r}", f"the stages are {', '.join(STAGES)}"
        )
    wanted = only or STAGES
    steps = [step for step in _steps(long, keyword) if step[0] in wanted]
    if "build" in wanted:
        shutil.rmtree(SCRATCH, ignore_errors=True)
    SCRATCH.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "BOURSE_DATA_DIR": str(SCRATCH.relative_to(PROJECT)),
        "BOURSE_SAMPLE": "true",
        "DBT_TARGET_PATH": "target/test",
        "PYTHONPATH": str(PROJECT / "python"),
    }
    failed = []
    timings = []
    for _, name, folder, command in steps:
        notes.print(f"── {name}", style="bold")
        started = clock.elapsed_seconds()
        passed = _run(command, folder, environment)
        seconds = clock.elapsed_seconds() - started
        timings.append(f"{'✓' if passed else '✗'} {name} {seconds:.1f} s")
        if not passed:
            failed.append(name)
    notes.print("── " + ", ".join(timings))
    if failed:
        raise ChecksFailed(f"{', '.join(failed)} did not pass", "what is wrong is said above")


def _steps(long: bool, keyword: str | None) -> list[tuple[str, str, Path, list[str]]]:
    here, python = PROJECT, PROJECT / "python"
    run = [sys.executable, "-m"]
    tools = Path(sys.executable).parent
    # the launcher has no ending that would tell what it is
    ruff_files = ["--config", "pyproject.toml", ".", "../bourse"]
    sql = [name for name in ("models", "tests", "analyses") if any((here / name).rglob("*.sql"))]
    chosen = [*(["--long"] if long else []), *(["-k", keyword] if keyword else [])]
    # tests of one file share what it builds
    spread = ["-n", "auto", "--dist", "loadscope"]
    return [
        ("lint", "dbt deps", here, [str(tools / "dbt"), "deps", "--quiet"]),
        ("lint", "sqlfluff", here, [*run, "sqlfluff", "lint", "--processes", "0", *sql]),
        ("lint", "ruff", python, [*run, "ruff", "check", *ruff_files]),
        ("lint", "ruff format", python, [*run, "ruff", "format", "--check", *ruff_files]),
        ("lint", "mypy", python, [*run, "mypy"]),
        ("lint", "import-linter", python, [str(tools / "lint-imports")]),
        ("build", "build", here, [*run, "duckbourse.cli", "build"]),
        ("pytest", "pytest", here, [*run, "pytest", "python/tests", *spread, *chosen]),
    ]


def _run(command: list[str], folder: Path, environment: Mapping[str, str]) -> bool:
    return subprocess.run(command, cwd=folder, env=environment, check=False).returncode == 0
