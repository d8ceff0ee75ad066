"""The runner of the tests: what a stage costs, what it may cost, and what an edit asks for."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from duckbourse import state
from duckbourse.cli import test as command
from duckbourse.cli.test import Cost, Running, Step
from duckbourse.errors import ChecksBusy, ChecksFailed, ConfigurationError
from duckbourse.settings import PROJECT
from tests.support.waiting import HANG_SECONDS, wait_until


@pytest.fixture(autouse=True)
def costs_of_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    costs = tmp_path / "costs.json"
    monkeypatch.setattr(command, "COSTS", costs)
    # what runs this test holds the real one
    monkeypatch.setattr(command, "RUN", tmp_path / "test.run")
    return costs


def cost(stage: str, cpu_seconds: float, *, is_passed: bool = True) -> Cost:
    return Cost(stage, f"{stage} step", is_passed, 1.0, cpu_seconds)


def test_a_stage_costs_its_steps_and_a_folder_what_pytest_measured(costs_of_folders: Path) -> None:
    costs_of_folders.write_text(json.dumps({"unit": 8.0, "warehouse": 9.0}))
    steps = [cost("lint", 2), cost("lint", 3), cost("build", 10), cost("pytest", 99)]
    assert command.cost_of_stages(steps) == {
        "lint": 5,
        "build": 10,
        "unit": 8,
        "warehouse": 9,
    }


def test_a_stage_that_costs_more_builds_than_it_may_is_named() -> None:
    allowed = {stage: most * 10 for stage, most in command.BUDGETS.items()}
    assert command.over_budget({**allowed, "build": 10}) == []
    (said,) = command.over_budget({**allowed, "build": 10, "lint": allowed["lint"] + 5})
    assert said == "lint took 2.25 times the build's CPU time; its limit is 1.75"


def test_the_run_fails_over_budget_and_on_a_failed_step(
    costs_of_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = {folder: 1.0 for folder in command.FOLDERS}
    steps = [cost("lint", 1), cost("build", 10), cost("pytest", 1)]

    def run(*_: object) -> list[Cost]:
        costs_of_folders.write_text(json.dumps(costs))
        return steps

    monkeypatch.setattr(command, "install_packages", lambda: None)
    monkeypatch.setattr(command, "_run_stages", run)
    command.test()
    costs["unit"] = 1000.0
    with pytest.raises(ChecksFailed, match=r"unit took 100\.00 times the build's CPU time"):
        command.test()
    # what was chosen by name is no whole run, and has no budget
    command.test(keyword="publish")
    steps[0] = cost("lint", 1, is_passed=False)
    with pytest.raises(ChecksFailed, match="lint step did not pass"):
        command.test()


def test_a_second_run_in_the_same_folder_is_refused_and_touches_nothing(
    costs_of_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs_of_folders.write_text("{}")
    with (
        state.held_by_one(command.RUN, command._busy),
        pytest.raises(ChecksBusy, match=f"process {os.getpid()}$") as refused,
    ):
        command.test()
    assert f"`kill {os.getpid()}`" in refused.value.remedy
    assert refused.value.exit_code == 4
    assert costs_of_folders.exists()
    # with the first at its end, there is nothing in the way
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
    assert of_child.is_passed and not failed.is_passed
    assert of_child.cpu_seconds >= 0.3


def test_sqlfluff_lints_only_changed_files() -> None:
    changed = ["models/bars/bars__ohlcv.sql", "macros/bars/exact_sum.sql", "README.md"]
    (sqlfluff,) = (step for step in command._lint(changed) if step.name == "sqlfluff")
    assert sqlfluff.command[-1] == "models/bars/bars__ohlcv.sql"
    assert "macros/bars/exact_sum.sql" not in sqlfluff.command
    names = [step.name for step in command._lint(["python/duckbourse/clock.py"])]
    assert names == ["ruff", "ruff format", "mypy", "import-linter"]


def test_unit_tests_of_dbt_are_run_where_sql_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "TARGET", tmp_path)
    monkeypatch.setattr(command, "_git", lambda *_: "abc\n")
    manifest = tmp_path / "committed" / "abc" / "target" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.touch()
    assert command._dbt_unit_tests(["python/duckbourse/clock.py", "README.md"]) == []
    *_, step = command._dbt_unit_tests(["macros/bars/exact_sum.sql"])
    assert "state:modified,test_type:unit" in step.command


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"only": ["lnt"]}, "there is no stage 'lnt'"),
        ({"fast": True, "long": True}, "--fast cannot be combined"),
        ({"fast": True, "only": ["lint"]}, "--fast cannot be combined"),
    ],
)
def test_a_choice_that_is_none_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        command.test(**given)  # type: ignore[arg-type]


def test_every_folder_of_tests_is_a_stage() -> None:
    folder = PROJECT / "python" / "tests"
    found = {path.parent.relative_to(folder).parts[0] for path in folder.rglob("test_*.py")}
    assert found == set(command.FOLDERS)
    assert set(command.BUDGETS) == set(command.STAGES) - {"build"}


def test_what_changed_is_also_what_is_gone_and_what_has_an_odd_name(
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


def test_without_git_it_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PROJECT", tmp_path)
    with pytest.raises(ConfigurationError, match="git cannot say what has changed"):
        command._changed_files()


def test_a_stop_ends_what_runs_and_lets_nothing_begin(tmp_path: Path) -> None:
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
