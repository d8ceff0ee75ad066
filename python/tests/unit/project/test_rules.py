"""The rules for every test, checked on tests that break them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest

from duckbourse.settings import PROJECT

# Except for the first two, each breaks the rule in its name. Those expected to fail do not fail the
# run: only open resources do.
PLANTED = """
import socket, subprocess, sys, threading, time, warnings
import pytest, structlog
from duckbourse import clock

def test_keeps_the_rules(): pass
def test_works_for_a_while():
    started = time.process_time()
    while time.process_time() < started + 0.3: pass

@pytest.mark.xfail
def test_reads_the_clock_unmarked(): clock.now()
@pytest.mark.xfail
def test_reads_the_clock_unmarked_in_a_thread():
    thread = threading.Thread(target=clock.now)
    thread.start()
    thread.join()
@pytest.mark.xfail
@pytest.mark.any_day
def test_counts_on_a_saturday(): assert clock.now().weekday() == 5
@pytest.mark.xfail
def test_warns(): warnings.warn("of old age", DeprecationWarning)
@pytest.mark.xfail
def test_dies_in_a_thread():
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
@pytest.mark.xfail
def test_leaves_the_log_configured():
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

def test_leaves_a_socket(): socket.socket()
def test_leaves_a_process():
    subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
async def nothing(): pass
def test_leaves_a_coroutine(): nothing()
def test_leaves_a_file_in_a_circle():
    circle = [open(__file__)]
    circle.append(circle)
"""
# the file is the one in the reference cycle, not the pipe of the process
LEFT_OPEN = ("unclosed <socket", "subprocess ", "coroutine 'nothing'", "test_planted.py' mode=")


def run_planted(folder: Path, tests: str) -> subprocess.CompletedProcess[str]:
    file = folder / "tests" / "unit" / "test_planted.py"
    file.parent.mkdir(parents=True)
    file.write_text(tests)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    ours = ("-c", str(PROJECT / "python" / "pyproject.toml"), "-p", "tests.conftest")
    here = ("--rootdir", ".", "--costs", "costs.json", "-rA", str(file))
    return subprocess.run(
        [sys.executable, "-m", "pytest", *ours, *here],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(PROJECT / "python")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_tests_that_break_a_rule_fail(tmp_path: Path) -> None:
    run = run_planted(tmp_path, PLANTED)
    expected = re.findall(r"xfail\n(?:@.*\n)?def (test_\w+)", PLANTED)
    failed = re.findall(r"^XFAIL (?:at teardown of )?\S+::(test_\w+)", run.stdout, re.MULTILINE)
    assert set(failed) == set(expected), run.stdout
    # on a Saturday it passes
    assert failed.count("test_counts_on_a_saturday") == 7

    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout
    _, _, left_open = run.stdout.partition("left open, which fails the run")
    assert [what for what in LEFT_OPEN if what not in left_open] == [], run.stdout

    assert json.loads((tmp_path / "costs.json").read_text())["unit"] >= 0.3


def test_a_failure_is_printed_when_it_happens(tmp_path: Path) -> None:
    run = run_planted(tmp_path, "def test_sum(): assert 1 + 1 == 3\n")
    at_once, _, _ = run.stdout.partition("= FAILURES =")
    assert "test_planted.py::test_sum" in at_once and "assert (1 + 1) == 3" in at_once, run.stdout


def test_examples_have_no_deadline_and_are_not_random(
    pytestconfig: pytest.Config,
) -> None:
    assert hypothesis.settings.default is not None
    assert hypothesis.settings.default.deadline is None
    assert hypothesis.settings.default.derandomize != pytestconfig.getoption("--long")
