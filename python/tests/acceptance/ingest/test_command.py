"""The command reports the outcome of each file, as a table and as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from duckbourse.cli import bar
from duckbourse.cli import ingest as command
from duckbourse.errors import BadInput, ConfigurationError
from duckbourse.settings import PROJECT
from tests.support.stores import Shop, minutes

pytestmark = pytest.mark.some_day
app = typer.Typer()
app.command()(command.ingest)


def bourse(shop: Shop, *arguments: object) -> Result:
    words = [str(word) for word in (*arguments, "--into", shop.store.root)]
    return CliRunner().invoke(app, words, catch_exceptions=True)


def days(count: int, close: object = 1) -> list[str]:
    return [f"2024-01-{day:02d},1,2,1,{close},5" for day in range(1, count + 1)]


def test_a_table_for_people(shop: Shop) -> None:
    shop.csv("M.csv", [f"{row}" for row in minutes("2024-01-02", "09:15", 375)] * 4)
    shop.csv("D.csv", [*days(3), "2024-01-04,x,1,1,1,1"])
    allowed = ("--max-unreadable-pct", "25")
    result = bourse(shop, shop.folder / "vendor", "--calendar", "XNSE", *allowed)
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["file", "kind", "calendar", *WORDS]
    assert lines[1] == ["D.csv", "daily", "XNSE", "4", "3", "1", "0", "0", "0", "delivered"]
    assert lines[2] == [
        "M.csv",
        "minute",
        "XNSE",
        "1,500",
        "1,500",
        "0",
        "0",
        "1,125",
        "0",
        "delivered",
    ]
    assert lines[3] == ["2", "files", "1,504", "1,503", "1", "0", "1,125", "0", "2", "delivered"]
    assert "minutes labeled by start: the hours of XNSE" in result.stderr
    assert "D.csv: 1 row is unreadable_open, not a number: line 5: open 'x'" in result.stderr
    assert "2 files: symbol D, M: from the file's name" in result.stderr


WORDS = ["read", "kept", "unreadable", "rejected", "duplicate", "revised"]


def test_json_for_machines(shop: Shop) -> None:
    path = shop.csv("D.csv", days(3))
    arguments = (path, "--calendar", "XNYS", "--json", "--delivered-at", "2026-11-01T00:00:00Z")
    first: dict[str, Any] = json.loads(bourse(shop, *arguments).stdout)
    assert first["total"]["rows_kept"] == 3
    [report] = first["files"]
    assert (report["outcome"], report["first_session_date"]) == ("delivered", "2024-01-01")
    again = json.loads(bourse(shop, *arguments).stdout)
    assert again["total"]["files_already_there"] == 1
    assert again["files"][0]["delivery"] == report["delivery"]


def test_a_second_ingest_reports_that_nothing_changed(shop: Shop) -> None:
    path = shop.csv("D.csv", days(3))
    assert bourse(shop, path, "--calendar", "XNYS").exit_code == 0
    result = bourse(shop, path, "--calendar", "XNYS")
    assert result.exit_code == 0
    assert "nothing has changed" in result.stderr


def test_one_failure_is_raised_unchanged_and_several_are_counted(shop: Shop) -> None:
    good, bad = shop.csv("D.csv", days(3)), shop.file("B.csv", "")
    one = bourse(shop, good, bad, "--calendar", "XNYS")
    assert isinstance(one.exception, BadInput)
    assert str(one.exception) == "B.csv is empty: 0 bytes"
    two = bourse(shop, good, bad, shop.folder / "missing", "--calendar", "XNYS")
    assert str(two.exception) == "2 of 3 files could not be delivered"
    assert "B.csv is empty: 0 bytes; delete it" in two.stderr
    assert "already there" in two.stdout


def test_json_is_printed_before_a_failure_is_raised(shop: Shop) -> None:
    result = bourse(shop, shop.file("B.csv", ""), "--json")
    assert json.loads(result.stdout)["total"]["files_failed"] == 1
    assert isinstance(result.exception, BadInput)


def test_many_files_are_summed_up(shop: Shop) -> None:
    for number in range(40):
        shop.csv(f"S{number:02d}.csv", days(3, close="x" if number == 7 else 1))
    shop.csv("S07.csv", [*days(3), "2024-01-09,x,1,1,1,1"])
    allowed = ("--max-unreadable-pct", "25")
    result = bourse(shop, shop.folder / "vendor", "--calendar", "XNYS", *allowed)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 4
    assert "39 other files" in result.stdout
    symbols = "S00, S01, S02, S03, S04 and 35 more"
    assert f"40 files: symbol {symbols}: from the file's name" in result.stderr


@pytest.mark.parametrize("given", ["yesterday", "2026-13-01"])
def test_an_invalid_instant(shop: Shop, given: str) -> None:
    result = bourse(shop, shop.csv("D.csv", days(1)), "--delivered-at", given)
    assert isinstance(result.exception, ConfigurationError)
    assert "is not a timestamp" in str(result.exception)


def test_an_instant_is_kept_in_utc(shop: Shop) -> None:
    path = shop.csv("D.csv", days(2))
    bourse(shop, path, "--calendar", "XNSE", "--delivered-at", "2026-11-01T18:00:00+05:30")
    [(at,)] = shop.rows("deliveries", "delivered_at::varchar")
    assert at == "2026-11-01 12:30:00"


def test_the_bar_is_for_terminals(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [shop.csv(f"S{number}.csv", days(3)) for number in range(3)]
    quiet = bourse(shop, *paths, "--calendar", "XNYS", "--dry-run")
    assert "%" not in quiet.stderr
    seen: list[float] = []
    with (shop.folder / "screen").open("w") as screen:
        terminal = Console(file=screen, force_terminal=True, width=100)
        monkeypatch.setattr(bar, "notes", terminal)
        real = bar.Display.at

        def at(self: bar.Display, file: str, done: float) -> None:
            seen.append(done)
            real(self, file, done)

        monkeypatch.setattr(bar.Display, "at", at)
        bourse(shop, *paths, "--calendar", "XNYS", "--dry-run")
    assert seen == sorted(seen)
    assert seen[-1] == sum(path.stat().st_size for path in paths)
    assert "100%" in (shop.folder / "screen").read_text()


def test_through_the_launcher(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "duckbourse.cli", "ingest", "no such file", "--into", tmp_path],
        cwd=PROJECT / "python",
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == ConfigurationError.exit_code
    assert "error: no such file does not exist" in run.stderr
    assert "remedy: check the path" in run.stderr
    assert "Traceback" not in run.stderr
