"""The test runner: costs and budgets of stages, and what an edit requires."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from duckbourse import state
from duckbourse.cli import test as command
from duckbourse.cli.affected_tests import affected_tests
from duckbourse.cli.test import Cost, Running, Step
from duckbourse.errors import ChecksBusy, ChecksFailed, ConfigurationError
from duckbourse.settings import PROJECT
from tests.support.waiting import HANG_SECONDS, wait_until


@pytest.fixture(autouse=True)
def costs_of_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    costs = tmp_path / "costs.json"
    monkeypatch.setattr(command, "COSTS", costs)
    # the run of this test itself holds the real lock
    monkeypatch.setattr(command, "RUN", tmp_path / "test.run")
    return costs


def cost(stage: str, cpu_seconds: float, *, exit_code: int = 0) -> Cost:
    return Cost(stage, f"{stage} step", exit_code, 1.0, cpu_seconds)


def test_a_stage_costs_its_steps_and_a_folder_what_pytest_measured(costs_of_folders: Path) -> None:
    costs_of_folders.write_text(json.dumps({"unit": 8.0, "warehouse": 9.0}))
    steps = [cost("lint", 2), cost("lint", 3), cost("build", 10), cost("pytest", 99)]
    assert command.cost_of_stages(steps) == {
        "lint": 5,
        "build": 10,
        "unit": 8,
        "warehouse": 9,
    }


def test_a_stage_over_its_budget_is_named() -> None:
    allowed = {stage: most * 10 for stage, most in command.BUDGETS.items()}
    assert command.over_budget({**allowed, "build": 10}) == []
    (text,) = command.over_budget({**allowed, "build": 10, "lint": allowed["lint"] + 5})
    assert text == "lint took 2.00 times the build's CPU time; its limit is 1.5"


def test_the_run_fails_over_budget_and_on_a_failed_step(
    costs_of_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = {folder: 1.0 for folder in command.FOLDERS}
    steps = [cost("lint", 1), cost("build", 10), cost("pytest", 1)]

    def run(*_: object) -> list[Cost]:
        costs_of_folders.write_text(json.dumps(costs))
        return steps

    monkeypatch.setattr(command, "install_packages", lambda: None)
    monkeypatch.setattr(command, "install_browser", lambda: None)
    monkeypatch.setattr(command, "_run_stages", run)
    command.test()
    costs["unit"] = 1000.0
    with pytest.raises(ChecksFailed, match=r"unit took 100\.00 times the build's CPU time"):
        command.test()
    # a selection is not a whole run, and has no budget
    command.test(keyword="publish")
    command.test(only=list(command.STAGES))
    command.test(long=True)
    # an unmeasured stage fails its budget
    del costs["unit"]
    with pytest.raises(ChecksFailed, match="unit was not measured"):
        command.test()
    for place, exit_code in ((0, 1), (1, 2), (2, -9)):
        failed = steps.copy()
        failed[place] = cost(steps[place].stage, 1, exit_code=exit_code)
        with monkeypatch.context() as patched:
            patched.setattr(command, "_run_stages", lambda *_, found=failed: found)
            with pytest.raises(ChecksFailed, match=f"{steps[place].stage} step did not pass") as no:
                command.test(only=list(command.STAGES))
            assert no.value.exit_code == 1
    steps[2] = cost("pytest", 1, exit_code=command.NO_TEST)
    with pytest.raises(ChecksFailed, match="no Python test there matches -k publsh"):
        command.test(keyword="publsh")


def test_a_second_run_in_the_same_folder_is_refused_and_touches_nothing(
    costs_of_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs_of_folders.write_text("{}")
    with (
        state.held_by_one(command.RUN, command._busy),
        pytest.raises(ChecksBusy, match=f"(?m)process {os.getpid()}$") as refused,
    ):
        command.test()
    assert f"`kill {os.getpid()}`" in refused.value.remedy
    assert refused.value.exit_code == 4
    assert costs_of_folders.exists()
    # once the first has ended, the second can run
    monkeypatch.setattr(command, "install_packages", lambda: None)
    monkeypatch.setattr(command, "_run_stages", lambda *_: [])
    command.test(only=["lint"])


def test_a_step_is_measured_with_its_children() -> None:
    busy = "import time; s = time.process_time()\nwhile time.process_time() < s + 0.3: pass"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    (of_child, failed) = Running().in_turn(
        [
            Step("lint", "busy", [sys.executable, "-c", child]),
            Step("lint", "failing", [sys.executable, "-c", "raise SystemExit(3)"]),
        ]
    )
    assert (of_child.exit_code, failed.exit_code) == (0, 3)
    assert of_child.is_passed and not failed.is_passed
    assert of_child.cpu_seconds >= 0.3


IN_TURN = Running.in_turn


class Runner:
    """Pretends to run steps, and records them: what runs in parallel is several lists."""

    def __init__(self, exit_codes: Mapping[str, int]) -> None:
        self.runs: list[list[str]] = []
        self.commands: dict[str, list[str]] = {}
        self._exit_codes = exit_codes

    def in_turn(self, running: Running, steps: Iterable[Step]) -> list[Cost]:
        run: list[str] = []
        self.runs.append(run)

        def pretend(step: Step) -> Cost:
            run.append(step.name)
            self.commands[step.name] = step.command
            return Cost(step.stage, step.name, self._exit_codes.get(step.name, 0), 1.0, 1.0)

        running._run = pretend  # type: ignore[method-assign]
        return IN_TURN(running, steps)


@pytest.fixture
def pretended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Runner]:
    """Let the steps pass, or end with other codes; no build exists unless one is run."""
    monkeypatch.setattr(command, "SCRATCH", tmp_path / "scratch")
    monkeypatch.setattr(command, "BUILT", tmp_path / "scratch" / "build" / "duckbourse.duckdb")
    monkeypatch.setattr(command, "TARGET", tmp_path)
    (tmp_path / "scratch").mkdir()

    def pretend(**exit_codes: int) -> Runner:
        runner = Runner(exit_codes)
        monkeypatch.setattr(Running, "in_turn", lambda self, steps: runner.in_turn(self, steps))
        return runner

    return pretend


LINTERS = ["ruff", "ruff format", "mypy", "import-linter", "sqlfluff", "sqlfluff of macros"]


def test_a_whole_run_lints_builds_and_then_runs_every_folder(
    pretended: Callable[..., Runner],
) -> None:
    runner = pretended()
    costs = command._run_stages(command.STAGES, False, None)
    # the tests wait for the build, and not for the linters
    assert sorted(runner.runs) == [["build", "pytest"], LINTERS]
    assert [cost.name for cost in costs] == [*LINTERS, "build", "pytest"]
    assert [word for word in runner.commands["pytest"] if word.startswith("python/tests/")] == [
        f"python/tests/{folder}" for folder in (*command.FOLDERS, *command.BESIDE)
    ]
    assert {"models/", "tests/", "analyses/"} <= set(runner.commands["sqlfluff"])
    assert runner.commands["build"][-2:] == ["duckbourse.cli", "build"]
    assert "--costs" in runner.commands["pytest"]
    # failed linters do not prevent the tests, and fail the run with them
    runner = pretended(mypy=1)
    costs = command._run_stages(command.STAGES, False, None)
    assert "pytest" in runner.commands
    assert [cost.name for cost in costs if not cost.is_passed] == ["mypy"]
    # without a build, nothing is tested
    runner = pretended(build=1)
    costs = command._run_stages(command.STAGES, False, None)
    assert "pytest" not in runner.commands
    assert [cost.name for cost in costs if not cost.is_passed] == ["build"]


def test_a_single_stage_builds_only_if_needed(pretended: Callable[..., Runner]) -> None:
    runner = pretended()
    for stage in ("lint", "unit", "acceptance"):
        command._run_stages([stage], True, "publish")
    assert runner.runs == [LINTERS, ["pytest"], ["build", "pytest"]]
    assert runner.commands["pytest"][-3:] == ["--long", "-k", "publish"]
    assert "python/tests/unit" not in runner.commands["pytest"]
    command.BUILT.parent.mkdir()
    command.BUILT.touch()
    (command.BUILT.parent / "state.json").touch()
    runner = pretended()
    command._run_stages(["acceptance"], False, None)
    assert runner.runs == [["pytest"]]


def test_fast_reports_what_it_leaves_out(
    pretended: Callable[..., Runner],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runner = pretended()
    changed = ["README.md", "python/duckbourse/clock.py", "python/tests/unit/cli/test_stages.py"]
    monkeypatch.setattr(command, "_changed_files", lambda: changed)
    command._fast()
    assert sorted(runner.runs) == [["pytest"], ["ruff", "ruff format", "mypy", "import-linter"]]
    assert "./bourse test" not in capsys.readouterr().err
    left_out = ["seeds/scanners/crp_presets.csv", "python/tests/warehouse/risk/test_var.py"]
    monkeypatch.setattr(command, "_changed_files", lambda: [*changed, *left_out])
    command._fast()
    assert f"tested only by `./bourse test`: {', '.join(left_out)}" in capsys.readouterr().err


def test_fast_runs_the_unit_tests_that_a_change_can_break(
    pretended: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = pretended()
    monkeypatch.setattr(
        command, "_changed_files", lambda: ["python/duckbourse/ingest/inference/wide.py"]
    )
    command._fast()
    tests = [word for word in runner.commands["pytest"] if word.endswith(".py")]
    assert "python/tests/unit/ingest/test_formats.py" in tests
    assert "python/tests/unit/orders/test_journal.py" not in tests
    # nothing imports a benchmark; a change that every test depends on runs all of them
    runner = pretended()
    monkeypatch.setattr(command, "_changed_files", lambda: ["python/benchmarks/bench_reads.py"])
    command._fast()
    assert "pytest" not in runner.commands
    monkeypatch.setattr(command, "_changed_files", lambda: ["python/tests/conftest.py"])
    command._fast()
    assert "python/tests/unit" in runner.commands["pytest"]


@pytest.mark.parametrize(
    ("changed", "test"),
    [
        # a command is imported by name when it is used
        ("python/duckbourse/cli/sample_minutes.py", "project/test_readmes.py"),
        # importing a module imports its package
        ("python/duckbourse/ingest/__init__.py", "ingest/test_rows.py"),
        ("seeds/calendars/holidays.csv", "project/test_calendars.py"),
        ("seeds/reference/vendor_symbols.csv", "ingest/test_formats.py"),
        ("models/bars/bars__ohlcv.sql", "project/test_properties.py"),
        ("python/tests/unit/ingest/test_rows.py", "ingest/test_rows.py"),
        ("python/tests/support/counted_loop.py", "streaming/test_websocket.py"),
    ],
)
def test_tests_that_depend_on_a_change_are_run(changed: str, test: str) -> None:
    assert f"python/tests/unit/{test}" in (affected_tests([changed]) or [])


@pytest.mark.parametrize(
    ("gone", "all_of_them"),
    [
        ("python/duckbourse/ingest/nothing.py", True),
        ("python/duckbourse/nothing/__init__.py", True),
        ("python/tests/support/nothing.py", True),
        ("python/tests/unit/ingest/test_nothing.py", True),
        ("python/tests/warehouse/bars/test_nothing.py", False),
        ("python/tests/acceptance/cli/test_nothing.py", False),
        ("python/benchmarks/bench_nothing.py", False),
    ],
)
def test_the_importers_of_a_deleted_module_are_unknown(gone: str, all_of_them: bool) -> None:
    assert affected_tests([gone]) == (None if all_of_them else [])


def test_a_moved_file_counts_as_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PROJECT", tmp_path)
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    (tmp_path / "old.py").write_text("one = 1\n" * 9)
    command._git("init", "--quiet")
    command._git("add", ".")
    who = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
    command._git(*who, "commit", "--quiet", "--message", "first")
    command._git("mv", "old.py", "new.py")
    assert sorted(command._changed_files()) == ["new.py", "old.py"]


def test_sqlfluff_lints_only_changed_files() -> None:
    changed = ["models/bars/bars__ohlcv.sql", "macros/bars/exact_sum.sql", "README.md"]
    (sqlfluff,) = (step for step in command._lint(changed) if step.name == "sqlfluff")
    assert sqlfluff.command[-1] == "models/bars/bars__ohlcv.sql"
    assert "macros/bars/exact_sum.sql" not in sqlfluff.command
    names = [step.name for step in command._lint(["python/duckbourse/clock.py"])]
    assert names == ["ruff", "ruff format", "mypy", "import-linter"]


def test_the_command_and_the_hook_lint_the_same_macros() -> None:
    (local,) = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text())["repos"]
    (hook,) = [hook for hook in local["hooks"] if hook["id"] == "sqlfluff-macros"]
    macros = [path.relative_to(PROJECT).as_posix() for path in PROJECT.glob("macros/*/*.sql")]
    by_hook = {
        path
        for path in macros
        if re.search(hook["files"], path) and not re.search(hook["exclude"], path)
    }
    assert by_hook == {path for path in macros if path.startswith(tuple(command.linted_macros()))}
    assert "macros/scanners/scanners.sql" in by_hook


def test_dbt_unit_tests_run_if_sql_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "TARGET", tmp_path)
    monkeypatch.setattr(command, "_git", lambda *_: "abc\n")
    manifest = tmp_path / "committed" / "abc" / "target" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.touch()
    assert command._dbt_unit_tests(["python/duckbourse/clock.py", "README.md"]) == []
    *_, step = command._dbt_unit_tests(["macros/bars/exact_sum.sql"])
    assert step.command[1] == "test"
    assert "state:modified,test_type:unit" in step.command


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"only": ["lnt"]}, "there is no stage 'lnt'"),
        ({"fast": True, "long": True}, "--fast cannot be combined"),
        ({"fast": True, "only": ["lint"]}, "--fast cannot be combined"),
        ({"mutants": True, "long": True}, "--json requires --mutants"),
        ({"as_json": True}, "--json requires --mutants"),
    ],
)
def test_an_invalid_combination_is_refused(given: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        command.test(**given)  # type: ignore[arg-type]


def test_every_folder_of_tests_is_a_stage() -> None:
    folder = PROJECT / "python" / "tests"
    found = {path.parent.relative_to(folder).parts[0] for path in folder.rglob("test_*.py")}
    assert found == {*command.FOLDERS, *command.BESIDE}
    assert set(command.BUDGETS) == set(command.STAGES) - {"build"}


def test_changed_files_include_deleted_ones_and_odd_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "PROJECT", tmp_path)
    for name in ("kept.sql", "gone.sql", "edited.sql"):
        (tmp_path / name).write_text("select 1")
    for words in (
        ("init", "-q"),
        ("add", "."),
        ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first"),
    ):
        command._git(*words)
    (tmp_path / "gone.sql").unlink()
    (tmp_path / "edited.sql").write_text("select 2")
    (tmp_path / "café of mine.sql").write_text("select 3")
    assert sorted(command._changed_files()) == ["café of mine.sql", "edited.sql", "gone.sql"]


def test_without_git_the_error_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PROJECT", tmp_path)
    with pytest.raises(ConfigurationError, match="git cannot list the changes"):
        command._changed_files()


def test_a_stop_ends_running_steps_and_starts_no_others(tmp_path: Path) -> None:
    running = Running()
    started = tmp_path / "started"
    hang = (
        f"import pathlib, time; pathlib.Path({str(started)!r}).touch(); time.sleep({HANG_SECONDS})"
    )
    steps = [
        Step("build", "first", [sys.executable, "-c", hang]),
        Step("build", "second", [sys.executable, "-c", "raise AssertionError"]),
    ]
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(running.in_turn, steps)
        wait_until(started.exists)
        running.stop()
        first, second = found.result()
    assert (first.is_passed, second.is_passed, second.seconds) == (False, False, 0)


def test_the_browser_is_installed_when_its_lock_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []

    def run(words: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(words)
        (tmp_path / "node_modules").mkdir(exist_ok=True)
        return subprocess.CompletedProcess(words, 0, "", "")

    monkeypatch.setattr(command, "BROWSER", tmp_path)
    monkeypatch.setattr("subprocess.run", run)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    for lock, count in (("one", 1), ("one", 1), ("two", 2)):
        (tmp_path / "package-lock.json").write_text(lock)
        command.install_browser()
        assert len(ran) == count
    assert ran[0][:2] == ["/usr/bin/npm", "ci"]

    (tmp_path / "package-lock.json").write_text("three")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(ChecksFailed, match="there is no npm") as refused:
        command.install_browser()
    assert "install Node 20" in refused.value.remedy


def test_the_lock_of_the_browser_names_no_registry() -> None:
    lock = json.loads((command.BROWSER / "package-lock.json").read_text())
    packages = [each for name, each in lock["packages"].items() if name]
    assert packages
    assert all("integrity" in each and "resolved" not in each for each in packages)
