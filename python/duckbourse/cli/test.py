"""`./bourse test`: all checks, in stages, with the cost of each."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from duckbourse import clock, state
from duckbourse.build import install_packages, reuse_parse
from duckbourse.cli.affected_tests import affected_tests
from duckbourse.cli.output import notes
from duckbourse.errors import ChecksBusy, ChecksFailed, ConfigurationError
from duckbourse.settings import PROJECT

TARGET = PROJECT / "target"
# Tests build here, so that no user's data is read or replaced.
SCRATCH = TARGET / "test-data"
BUILT = SCRATCH / "build" / "duckbourse.duckdb"
# CPU seconds of each folder of tests
COSTS = TARGET / "costs.json"
# locked by the run in this folder
RUN = TARGET / "test.run"
# in the order in which they run: the longest tests first, so that no worker is left with one
FOLDERS = ("acceptance", "warehouse", "unit")
# folders that run in the stage of another
BESIDE = {"brokers": "unit", "browser": "warehouse"}
# the browser of tests, which npm installs
BROWSER = PROJECT / "python" / "tests" / "browser"
STAGES = ("lint", "build", *FOLDERS)
# The maximum CPU time of a stage, as a multiple of the build's in the same run, so that neither the
# machine's speed nor its load matters. A much cheaper build needs new limits.
BUDGETS = {"lint": 1.5, "unit": 3.75, "warehouse": 5.5, "acceptance": 6.5}


# what --fast does not test: data, data tests, settings of dbt, and tests that need a build
NOT_FAST = (
    *("analyses/", "data/", "functions/", "seeds/", "tests/"),
    *("dbt_project.yml", "packages.yml", "profiles.yml", "bourse", "python/requirements"),
    *("python/tests/warehouse/", "python/tests/acceptance/"),
)
# The folders of macros that sqlfluff does not read: in materializations/ are dbt's own tags, and in
# series/ lines of generated SQL that are longer.
UNLINTED_MACROS = ("materializations", "series")
# A fifth of sqlfluff's time is Python's search for reference cycles, of which it leaves few.
SEARCHING_RARELY = (
    "import gc; gc.set_threshold(200_000); from sqlfluff.cli.commands import cli; cli()"
)
SQLFLUFF = (
    *(sys.executable, "-c", SEARCHING_RARELY, "lint"),
    *("--disable-progress-bar", "--processes", "1"),
)
# pytest's exit code if no test was found, and that of a step that never began
NO_TEST = 5
STOPPED = -signal.SIGTERM


@dataclass(frozen=True)
class Step:
    """One command of a stage."""

    stage: str
    name: str
    command: list[str]
    folder: Path = PROJECT
    # stages of dbt have one each, since they run in parallel
    target: Path = TARGET / "test"


@dataclass(frozen=True)
class Cost:
    """The cost of a step: wall-clock seconds, and CPU seconds with its children's."""

    stage: str
    name: str
    exit_code: int
    seconds: float
    cpu_seconds: float

    @property
    def is_passed(self) -> bool:
        return self.exit_code == 0


def test(
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="After an edit: Python linters, and sqlfluff and unit tests for what changed.",
        ),
    ] = False,
    long: Annotated[bool, typer.Option("--long", help="Run the long tests too.")] = False,
    keyword: Annotated[
        str | None,
        typer.Option("-k", help="Only Python tests whose name contains this.", metavar="NAME"),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            help=f"{', '.join(STAGES)}; may be repeated. With --mutants, layers of its table.",
        ),
    ] = None,
    mutants: Annotated[
        bool,
        typer.Option(
            "--mutants",
            help="Plant faults in a copy of the project, and check that tests catch them. Takes"
            " hours; resumes where it was stopped.",
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="With --mutants: print the table as JSON, with every fault."),
    ] = False,
) -> None:
    """
    Lint, build with every dbt test in a scratch folder, and run the Python tests.

    Examples:

    - `./bourse test`
    - `./bourse test --fast    # after each edit: what changed since the last commit`
    - `./bourse test --long`
    - `./bourse test --only acceptance -k publish`
    - `./bourse test --mutants --only bars --only serving`
    """
    if mutants or as_json:
        if not mutants or fast or long or keyword:
            raise ConfigurationError(
                "--json requires --mutants, which can only be combined with --only",
                "leave out one or the other",
            )
        with state.held_by_one(RUN, _busy):
            _plant_mutants(only or [], as_json)
        return
    if wrong := set(only or []) - set(STAGES):
        raise ConfigurationError(
            f"there is no stage {sorted(wrong)[0]!r}", f"the stages are {', '.join(STAGES)}"
        )
    if fast and (long or keyword or only):
        raise ConfigurationError(
            "--fast cannot be combined with --long, -k or --only", "leave out one or the other"
        )
    with state.held_by_one(RUN, _busy):
        COSTS.unlink(missing_ok=True)
        SCRATCH.mkdir(parents=True, exist_ok=True)
        install_packages()
        if not fast and "warehouse" in (only or STAGES):
            install_browser()
        costs = _fast() if fast else _run_stages(only or STAGES, long, keyword)
        stages = cost_of_stages(costs)
    _print(costs, stages)
    if any(cost.stage == "pytest" and cost.exit_code == NO_TEST for cost in costs):
        raise ChecksFailed(
            f"no Python test there matches -k {keyword}",
            "it is matched against names of functions, files and folders below python/tests;"
            " long tests are found only with --long",
        )
    if failed := [cost.name for cost in costs if not cost.is_passed]:
        raise ChecksFailed(f"{', '.join(failed)} did not pass", "see the output above")
    if not (fast or long or keyword or only) and (over := over_budget(stages)):
        raise ChecksFailed(
            "; ".join(over),
            "make that stage cheaper, or raise its entry in BUDGETS (duckbourse/cli/test.py)",
        )


def install_browser() -> None:
    """Install headless Chromium with npm if the lock has changed; without npm, ChecksFailed."""
    lock, installed = BROWSER / "package-lock.json", BROWSER / "node_modules"
    stamp = installed / ".lock"
    if stamp.is_file() and stamp.read_bytes() == lock.read_bytes():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise ChecksFailed(
            "there is no npm, which installs the browser that tests the pages",
            "install Node 20 or later, with npm; or choose other stages: "
            "./bourse test --only lint --only unit",
        )
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=BROWSER, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ChecksFailed(
            f"npm ci failed in {BROWSER}: {' '.join(done.stderr.split())[:500]}",
            "see what npm says, and run `./bourse test` again",
        )
    stamp.write_bytes(lock.read_bytes())


def _busy(process: str) -> ChecksBusy:
    return ChecksBusy(
        f"another `./bourse test` is running in {PROJECT}: process {process}",
        f"wait until it has ended, end it with `kill {process}`, or test in another clone",
    )


def _plant_mutants(layers: Collection[str], as_json: bool) -> None:
    SCRATCH.mkdir(parents=True, exist_ok=True)
    install_packages()
    if not state.is_recorded(BUILT):
        built = _side_by_side([_build()])
        if not all(cost.is_passed for cost in built):
            raise ChecksFailed(
                "the build did not pass even without a fault", "see the output above"
            )
    command = _module("tests.mutants.proof", *layers, *(["--json"] if as_json else []))
    if not all(cost.is_passed for cost in _side_by_side([Step("mutants", "mutants", command)])):
        raise ChecksFailed(
            "not every fault is caught, or the table is out of date",
            "see the output above; a fault that no test catches needs a test, and one whose text is"
            " gone must be rewritten in python/tests/mutants/mutants.yml",
        )


def over_budget(stages: Mapping[str, float]) -> list[str]:
    """Return a sentence for each stage that exceeded its CPU time or was not measured."""
    return [f"{stage} was not measured" for stage in STAGES if not stages.get(stage)] or [
        f"{stage} took {stages[stage] / stages['build']:.2f} times the build's CPU time;"
        f" its limit is {most:g}"
        for stage, most in BUDGETS.items()
        if stages[stage] > most * stages["build"]
    ]


def cost_of_stages(costs: Iterable[Cost]) -> dict[str, float]:
    """Return CPU seconds by stage; pytest has measured those of the folders of tests."""
    stages: dict[str, float] = {}
    for cost in costs:
        if cost.stage != "pytest":
            stages[cost.stage] = stages.get(cost.stage, 0) + cost.cpu_seconds
    if COSTS.exists():
        stages |= json.loads(COSTS.read_text())
    return stages


def _run_stages(wanted: Collection[str], long: bool, keyword: str | None) -> list[Cost]:
    if "build" in wanted:
        shutil.rmtree(SCRATCH)
        SCRATCH.mkdir()
    folders = [folder for folder in FOLDERS if folder in wanted]
    needs_build = bool({"warehouse", "acceptance"} & set(folders)) and not state.is_recorded(BUILT)
    build = [_build()] if "build" in wanted or needs_build else []
    tests = [_pytest(folders, long, keyword)] if folders else []
    return _side_by_side([*(_lint() if "lint" in wanted else []), *build, *tests])


def _fast() -> list[Cost]:
    changed = _changed_files()
    needs_build = _has_models(changed) and not state.is_recorded(BUILT)
    costs = _side_by_side([_build()]) if needs_build else []
    tests = affected_tests(changed)
    steps = [*_lint(changed), *_dbt_unit_tests(changed)]
    if tests is None or tests:
        steps.append(_pytest(["unit"] if tests is None else tests))
    costs += _side_by_side(steps)
    if left_out := [path for path in changed if path.startswith(NOT_FAST)]:
        notes.print(
            f"changed, but tested only by `./bourse test`: {', '.join(left_out)}", style="yellow"
        )
    return costs


def _has_models(changed: Iterable[str]) -> bool:
    return any(path.startswith(("models/", "macros/", "packages/")) for path in changed)


def _changed_files() -> list[str]:
    """Return the paths of files changed, deleted or added since the last commit."""
    commands = (
        ("diff", "--name-only", "--no-renames", "--relative", "-z", "HEAD"),
        ("ls-files", "--others", "--exclude-standard", "-z"),
    )
    try:
        return [path for words in commands for path in _git(*words).split("\0") if path]
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConfigurationError(
            f"git cannot list the changes in {PROJECT}: {error}", "run `./bourse test`"
        ) from error


def _git(*words: str) -> str:
    return subprocess.check_output(["git", *words], cwd=PROJECT, text=True)


def _lint(changed: Iterable[str] | None = None) -> list[Step]:
    folders = ("models/", "tests/", "analyses/")
    sql: list[str] = [*folders]
    if changed is not None:
        sql = [path for path in changed if path.endswith(".sql") and path.startswith(folders)]
        sql = [path for path in sql if (PROJECT / path).is_file()]
    # `bourse` is named because it has no .py suffix
    ruff = ["--config", "pyproject.toml", ".", "../analyses", "../bourse"]
    python = PROJECT / "python"
    steps = [
        Step("lint", "ruff", _module("ruff", "check", *ruff), python),
        Step("lint", "ruff format", _module("ruff", "format", "--check", *ruff), python),
        Step("lint", "mypy", _module("mypy"), python),
        Step("lint", "import-linter", [_tool("lint-imports")], python),
    ]
    if sql:
        steps.append(Step("lint", "sqlfluff", [*SQLFLUFF, *sql], target=TARGET / "lint"))
    macros = linted_macros()
    if changed is None or any(path.startswith(tuple(macros)) for path in changed):
        # of a macro's file, sqlfluff sees lines and Jinja, but no SQL before it is rendered
        rules = ("--templater", "jinja", "--rules", "LT05,LT12,JJ01", "--disregard-sqlfluffignores")
        steps.append(Step("lint", "sqlfluff of macros", [*SQLFLUFF, *rules, *macros]))
    return steps


def linted_macros() -> list[str]:
    """Return the folders of macros that sqlfluff reads."""
    folders = sorted(path.name for path in (PROJECT / "macros").iterdir() if path.is_dir())
    return [f"macros/{name}/" for name in folders if name not in UNLINTED_MACROS]


def _build() -> Step:
    return Step("build", "build", _module("duckbourse.cli", "build"))


def _dbt_unit_tests(changed: Iterable[str]) -> list[Step]:
    """Return the steps that unit-test models changed since HEAD, directly or through macros."""
    if not _has_models(changed):
        return []
    revision = _git("rev-parse", "HEAD").strip()
    committed = TARGET / "committed" / revision
    steps = []
    if not (committed / "target" / "manifest.json").exists():
        shutil.rmtree(committed.parent, ignore_errors=True)
        committed.mkdir(parents=True)
        archive = subprocess.check_output(["git", "archive", revision], cwd=PROJECT)
        subprocess.run(["tar", "-x"], cwd=committed, input=archive, check=True)
        place = ["--project-dir", str(committed), "--profiles-dir", str(committed)]
        target = committed / "target"
        deps = [_tool("dbt"), "--quiet", "deps", *place]
        parse = [_tool("dbt"), "--quiet", "parse", *place]
        steps.append(Step("dbt", "dbt deps of HEAD", deps, target=target))
        steps.append(Step("dbt", "dbt parse of HEAD", parse, target=target))
    chosen = ["--select", "state:modified,test_type:unit", "--state", str(committed / "target")]
    reuse_parse(TARGET / "test", TARGET / "fast")
    # not `dbt build`, which skips tests of models that it does not build; they read the last
    # build
    test = [_tool("dbt"), "test", "--target", "build", *chosen]
    return [*steps, Step("dbt", "dbt unit tests", test, target=TARGET / "fast")]


def _pytest(tests: Collection[str], long: bool = False, keyword: str | None = None) -> Step:
    chosen = [*(["--long"] if long else []), *(["-k", keyword] if keyword else [])]
    # keep each file on one worker
    spread = ["-n", "auto", "--dist", "loadscope", "--no-loadscope-reorder"]
    costs = ["--costs", str(COSTS)]
    paths = [f"python/tests/{folder}" if folder in FOLDERS else folder for folder in tests]
    paths += [f"python/tests/{folder}" for folder, stage in BESIDE.items() if stage in tests]
    command = _module("pytest", *paths, *spread, "--durations", "20", *costs, *chosen)
    return Step("pytest", "pytest", command)


def _module(*words: str) -> list[str]:
    return [sys.executable, "-m", *words]


def _tool(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _side_by_side(steps: Iterable[Step]) -> list[Cost]:
    """
    Run the steps of a stage in order, and the stages in parallel.

    Tests wait for a build, and run only if it passes; the linters go on beside both.
    """
    stages: dict[str, list[Step]] = {}
    for step in steps:
        stages.setdefault(step.stage, []).append(step)
    if "build" in stages:
        stages["build"] += stages.pop("pytest", [])
    running = Running()
    with ThreadPoolExecutor(max(1, len(stages))) as pool:
        try:
            found = [pool.submit(running.in_turn, stage) for stage in stages.values()]
            return [cost for costs in found for cost in costs.result()]
        except BaseException:
            running.stop()
            raise


class Running:
    """The running steps; once stopped, they are ended and no other begins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[str]] = set()
        self._is_stopped = False

    def stop(self) -> None:
        """End all running steps with their children, and let no other begin."""
        with self._lock:
            self._is_stopped = True
            for process in self._processes:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)

    def in_turn(self, steps: Iterable[Step]) -> list[Cost]:
        """Run steps one after the other; no tests after a build that did not pass."""
        costs: list[Cost] = []
        for step in steps:
            if step.stage == "pytest" and not all(cost.is_passed for cost in costs):
                break
            costs.append(self._run(step))
        return costs

    def _run(self, step: Step) -> Cost:
        environment = {
            **os.environ,
            "BOURSE_DATA_DIR": str(SCRATCH.relative_to(PROJECT)),
            "BOURSE_SAMPLE": "true",
            "DBT_TARGET_PATH": str(step.target),
            "PYTHONPATH": str(PROJECT / "python"),
        }
        # these run in parallel with others, so their output is printed only on failure
        is_quiet = step.stage in ("lint", "dbt")
        started = clock.elapsed_seconds()
        with self._lock:
            if self._is_stopped:
                return Cost(step.stage, step.name, STOPPED, 0.0, 0.0)
            notes.print(f"── {step.name} …", style="bold")
            process = subprocess.Popen(
                step.command,
                cwd=step.folder,
                env=environment,
                stdout=subprocess.PIPE if is_quiet else None,
                stderr=subprocess.STDOUT if is_quiet else None,
                text=True,
                process_group=0,
            )
            self._processes.add(process)
        with process:
            printed = process.stdout.read() if process.stdout else ""
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        with self._lock:
            self._processes.discard(process)
        seconds = clock.elapsed_seconds() - started
        if process.returncode and printed:
            notes.print(printed, markup=False)
        mark = "✗" if process.returncode else "✓"
        notes.print(f"── {mark} {step.name} {seconds:.1f} s", style="bold")
        cpu_seconds = usage.ru_utime + usage.ru_stime
        return Cost(step.stage, step.name, process.returncode, seconds, cpu_seconds)


def _print(costs: Iterable[Cost], stages: Mapping[str, float]) -> None:
    steps = Table("step", "seconds", "CPU seconds", box=None, pad_edge=False)
    for cost in costs:
        mark = "✓" if cost.is_passed else "✗"
        steps.add_row(f"{mark} {cost.name}", f"{cost.seconds:.1f}", f"{cost.cpu_seconds:.1f}")
    notes.print(steps)
    if not stages:
        return
    table = Table("stage", "CPU seconds", "of the build", "limit", box=None, pad_edge=False)
    build = stages.get("build")
    for stage, seconds in stages.items():
        builds = f"{seconds / build:.2f}" if build else ""
        most = f"{BUDGETS[stage]:g}" if stage in BUDGETS else ""
        table.add_row(stage, f"{seconds:.1f}", builds, most)
    notes.print(table)
