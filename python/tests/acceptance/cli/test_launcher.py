"""The launcher's set-up: once, complete, and repeated if incomplete; with a fake installer."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest

from duckbourse.settings import PROJECT
from tests.support.waiting import wait_until


class Installer:
    """Creates what an installation leaves behind, and records each call."""

    def __init__(self, launcher: Any) -> None:
        self.launcher = launcher
        self.calls: list[tuple[str, bool]] = []
        self.breaks = False
        self.waits: Callable[[], object] = lambda: None

    def __call__(self, lock: Path, afresh: bool) -> None:
        self.calls.append((lock.name, afresh))
        site = self.launcher.VENV / "lib" / self.launcher.PYTHON / "site-packages"
        site.mkdir(parents=True, exist_ok=True)
        if self.breaks:
            raise KeyboardInterrupt
        self.waits()
        python = self.launcher.VENV / "bin" / "python"
        python.parent.mkdir(exist_ok=True)
        python.touch()


@pytest.fixture
def launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    loader = SourceFileLoader("bourse_launcher", str(PROJECT / "bourse"))
    spec = importlib.util.spec_from_loader("bourse_launcher", loader)
    assert spec is not None
    module: Any = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader.exec_module(module)
    project = tmp_path / "project"
    project.mkdir()
    module.PROJECT = project
    module.VENV = project / ".venv"
    module.RUN_LOCK = project / "requirements.lock"
    module.DEV_LOCK = project / "requirements-dev.lock"
    module.RUN_LOCK.write_text("a==1")
    module.DEV_LOCK.write_text("a==1 b==1")
    return module


@pytest.fixture
def installer(launcher: Any) -> Installer:
    return Installer(launcher)


def test_the_second_run_installs_nothing(launcher: Any, installer: Installer) -> None:
    launcher.set_up(launcher.RUN_LOCK, installer)
    launcher.set_up(launcher.RUN_LOCK, installer)
    assert installer.calls == [("requirements.lock", True)]
    [path] = (launcher.VENV / "lib").rglob("duckbourse.pth")
    assert path.read_text() == f"{launcher.PROJECT / 'python'}\n"


def test_tests_add_their_tools_and_builds_accept_them(launcher: Any, installer: Installer) -> None:
    launcher.set_up(launcher.RUN_LOCK, installer)
    launcher.set_up(launcher.DEV_LOCK, installer)
    launcher.set_up(launcher.RUN_LOCK, installer)
    launcher.set_up(launcher.DEV_LOCK, installer)
    assert installer.calls == [("requirements.lock", True), ("requirements-dev.lock", False)]


@pytest.mark.parametrize("spoil", ["lock", "place", "python", "stamp"])
def test_an_outdated_environment_is_created_again(
    launcher: Any, installer: Installer, spoil: str, tmp_path: Path
) -> None:
    launcher.set_up(launcher.RUN_LOCK, installer)
    match spoil:
        case "lock":
            launcher.RUN_LOCK.write_text("a==2")
        case "place":
            moved = launcher.PROJECT.rename(tmp_path / "moved")
            launcher.PROJECT, launcher.VENV = moved, moved / ".venv"
            launcher.RUN_LOCK = moved / "requirements.lock"
            launcher.DEV_LOCK = moved / "requirements-dev.lock"
        case "python":
            (launcher.VENV / "bin" / "python").unlink()
        case "stamp":
            (launcher.VENV / "stamp").unlink()
    launcher.set_up(launcher.RUN_LOCK, installer)
    assert installer.calls == [("requirements.lock", True)] * 2


def test_an_interrupted_set_up_is_repeated(launcher: Any, installer: Installer) -> None:
    launcher.set_up(launcher.RUN_LOCK, installer)
    installer.breaks = True
    with pytest.raises(KeyboardInterrupt):
        launcher.set_up(launcher.DEV_LOCK, installer)
    installer.breaks = False
    launcher.set_up(launcher.RUN_LOCK, installer)
    assert [afresh for _, afresh in installer.calls] == [True, False, True]


def test_no_folder_is_emptied_through_a_link(launcher: Any, installer: Installer) -> None:
    elsewhere = launcher.PROJECT / "elsewhere"
    elsewhere.mkdir()
    launcher.VENV.symlink_to(elsewhere)
    with pytest.raises(launcher.SetUpFailed, match=f"{re.escape(str(elsewhere))} is not emptied"):
        launcher.set_up(launcher.RUN_LOCK, installer)
    assert installer.calls == []


def test_of_two_first_runs_the_second_waits(
    launcher: Any, installer: Installer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    lock = launcher.fcntl.flock

    def asking(file: Any, how: int) -> None:
        asked.append(how)
        lock(file, how)

    monkeypatch.setattr(launcher.fcntl, "flock", asking)
    # the first is not finished before the second has tried to start
    installer.waits = lambda: wait_until(lambda: len(asked) == 2)
    runs = [
        threading.Thread(target=launcher.set_up, args=(launcher.RUN_LOCK, installer))
        for _ in range(2)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert len(installer.calls) == 1
    assert launcher.satisfied(launcher.RUN_LOCK)


@pytest.mark.parametrize(
    ("says", "remedy"),
    [
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "was locked"),
        ("ERROR: Could not find a version that satisfies the requirement x", "check the network"),
        ("ERROR: No matching distribution found for x", "use CPython"),
        ("WARNING: Retrying (total=0)\nERROR: No matching distribution", "check the network"),
        ("ERROR: Could not install packages due to an OSError: No space left", "free some disk"),
        ("/project/.venv/bin/python: No module named pip", "delete .venv"),
    ],
)
def test_a_failing_installer_becomes_one_line(launcher: Any, says: str, remedy: str) -> None:
    script = f"import sys; print('Looking'); sys.exit({says!r})"
    with pytest.raises(launcher.SetUpFailed) as failed:
        launcher.run([sys.executable, "-c", script])
    message, advice = failed.value.args
    assert says.splitlines()[-1] in message
    assert remedy in advice


@pytest.mark.parametrize(
    ("words", "lock"),
    [
        (["test"], "requirements-dev.lock"),
        (["test", "--fast"], "requirements-dev.lock"),
        (["test", "--help"], "requirements.lock"),
        (["test", "-h"], "requirements.lock"),
        (["build"], "requirements.lock"),
        (["--help"], "requirements.lock"),
        ([], "requirements.lock"),
    ],
)
def test_only_a_run_of_the_tests_needs_their_tools(
    launcher: Any, words: list[str], lock: str
) -> None:
    assert launcher.lock_for(words).name == lock


def test_an_older_python_gets_an_error() -> None:
    script = (
        "import sys, runpy; sys.version_info = (3, 10, 4); sys.version = '3.10.4 (old)';"
        f"runpy.run_path({str(PROJECT / 'bourse')!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: bourse needs Python 3.11 or newer, but this is 3.10.4\n")
    assert "remedy:" in done.stderr


def test_the_launcher_can_be_read_by_an_older_python_and_needs_nothing_installed() -> None:
    tree = ast.parse((PROJECT / "bourse").read_text(), feature_version=(3, 7))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    origins = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported = {alias.name for node in imports for alias in node.names}
    imported |= {(node.module or "").split(".")[0] for node in origins}
    assert imported <= sys.stdlib_module_names
    assert os.access(PROJECT / "bourse", os.X_OK)


def test_the_lock_of_the_tests_has_all_that_a_build_needs_and_no_registry_is_named() -> None:
    def names(lock: str) -> set[str]:
        text = (PROJECT / "python" / lock).read_text()
        assert "://" not in text
        return set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE))

    assert names("requirements.lock") <= names("requirements-dev.lock")


def test_windows_is_sent_to_its_subsystem_for_linux() -> None:
    script = "import runpy, sys; sys.platform = 'win32'; runpy.run_path(sys.argv[1])"
    command = [sys.executable, "-c", script, str(PROJECT / "bourse")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines() == [
        "error: bourse does not run on Windows itself, which has no fcntl",
        "  remedy: run it in WSL, the Windows Subsystem for Linux: `wsl ./bourse build`",
    ]
