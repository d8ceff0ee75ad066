"""What `./bourse build` prints while it builds, and what it leaves out of its summary."""

from __future__ import annotations

from pathlib import Path

import pytest

from duckbourse.build import Request, Watch
from duckbourse.cli import build as command
from duckbourse.cli.build import Display
from duckbourse.errors import BuildFailed
from duckbourse.progress import Outcome, Progress
from tests.support.commands import bourse
from tests.support.waiting import wait_until

NODES = [f"model.p.bars__{n}" for n in range(50)]


def progress(done: int) -> Progress:
    return Progress(
        {},
        total=50,
        done=dict.fromkeys(NODES[:done], "success"),
        seconds=dict.fromkeys(NODES[:done], 2.0),
        running={"model.p.bars__ohlcv": "bars.ohlcv"},
    )


def test_in_a_pipe_there_is_a_line_every_ten_seconds_and_none_for_each_node(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.LINE_SECONDS == 10
    with Display() as display:
        for done in range(1, 50):
            display.show(progress(done), NODES[done - 1])
    assert capsys.readouterr().err == "building …\n"


def test_a_line_has_the_place_the_time_left_and_what_is_running(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "LINE_SECONDS", 0.01)
    printed = ""

    def has_lines() -> bool:
        nonlocal printed
        printed += capsys.readouterr().err
        return printed.count("\n") > 2

    with Display() as display:
        display.show(progress(20), NODES[19])
        # also while no node ends
        wait_until(has_lines)
    assert set(printed.splitlines()) == {"building …", "[20/50] ~60 s left bars.ohlcv"}


def test_reading_the_project_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = 0

    def wait(seconds: float) -> bool:
        nonlocal waits
        waits += 1
        return waits > 5

    monkeypatch.setattr(command, "LINE_SECONDS", 0.001)
    with Display() as display:
        monkeypatch.setattr(display._ended, "wait", wait)
        display.show(Progress({}), None)
        wait_until(lambda: waits > 5)
    assert capsys.readouterr().err == "building …\nreading the project …\n"


def test_quiet_prints_only_what_warns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "LINE_SECONDS", 0.01)
    seen = progress(3)
    seen.done[NODES[2]] = "warn"
    with Display(quiet=True) as display:
        for node in NODES[:3]:
            display.show(seen, node)
    assert capsys.readouterr().err == "warning: model bars__2\n"


def test_a_part_that_was_cut_names_the_query_for_all_of_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [{"symbol": "AAPL", "close": 12_345.678}] * 7
    command._print_part("suspect_jumps", rows, ("symbol", "close"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["AAPL", "12,345.68"]
    assert len(lines) == 2 + 5 + 1
    assert lines[-1] == '  the first 5 of 7; all: ./bourse sql "from bars.suspect_jumps"'
    command._print_part("suspect_jumps", rows[:5], ("symbol", "close"))
    assert "the first" not in capsys.readouterr().out


def test_several_names_may_follow_one_select(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Request] = []

    def build(request: Request, watch: Watch) -> Outcome:
        asked.append(request)
        raise BuildFailed("it was only asked")

    monkeypatch.setattr(command, "run_build", build)
    for words in (("-s", "a+", "b"), ("--select", "a+", "-s", "b"), ("-s", "a+ b"), ()):
        done = bourse(tmp_path, "build", *words, "--quiet")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.endswith("error: it was only asked\n")
    assert [request.select for request in asked] == ["a+ b", "a+ b", "a+ b", None]
