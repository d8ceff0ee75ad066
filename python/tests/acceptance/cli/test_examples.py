"""The examples in the help of every command: those that only read are run, and all others parse."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from duckbourse.cli.main import COMMANDS, app
from tests.support.commands import bourse
from tests.support.warehouse import Warehouse, empty_store

# They change nothing but the folder of the test. Without deliveries, `deliveries withdraw` and
# `restore` do not run, and doctor may find something.
RUN = {
    *("status", "tables", "list", "sql", "scan", "backtest", "risk", "report"),
    *("orders", "positions", "pnl", "halt", "resume", "square-off", "reconcile", "journal"),
}


def commands() -> Iterator[tuple[str, Any]]:
    group: Any = get_command(app)
    for name in COMMANDS:
        command = group.get_command(None, name)
        yield name, command
        for below, found in getattr(command, "commands", {}).items():
            yield f"{name} {below}", found


def examples() -> Iterator[tuple[str, Any, list[str]]]:
    """Return the words of each example after the command's name, as a shell makes them."""
    for name, command in commands():
        found = re.findall(r"^\s*- `\./bourse ([^`]+)`$", command.help or "", re.MULTILINE)
        assert found, f"{name} has no example"
        for text in found:
            # a comment, a pipe and $(…) are for the shell
            words = shlex.split(re.split(r"\s+#|\s\|\s", text)[0])
            if "$(" not in text:
                yield name, command, words


def test_each_example_parses(tmp_path: Path) -> None:
    for name, command, words in examples():
        if words[: len(name.split())] == name.split() and "--help" not in words:
            command.make_context(name, words[len(name.split()) :])


@pytest.fixture
def data(sample: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with the sample's publication, and a session that was traded."""
    folder = empty_store(tmp_path / "data")
    (folder / "duckbourse.duckdb").symlink_to(sample.file)
    monkeypatch.chdir(tmp_path)  # where --to writes
    return folder


@pytest.mark.some_day
def test_each_example_that_reads_runs_when_pasted(data: Path) -> None:
    done = bourse(data, "trade", "--scanner", "crp.high_probability", "--json")
    assert done.returncode == 0, done.stderr
    ran = set()
    for name, _, words in examples():
        if name in RUN and not {"--all", "--open"} & {*words}:  # neither a loop nor a browser
            ended = bourse(data, *words)
            assert ended.returncode == 0, (words, ended.stderr)
            assert ended.stdout or "--to" in words, words
            ran.add(name)
    assert ran == RUN
