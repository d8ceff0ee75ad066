"""`./bourse scan` shows the rows of the scanners' tables, and those of any other cutoff."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from duckbourse.settings import PROJECT
from tests.support.warehouse import Warehouse

DAY = "2010-05-06"


@pytest.fixture
def folder(sample: Warehouse, tmp_path: Path) -> Path:
    (tmp_path / "duckbourse.duckdb").symlink_to(sample.file)
    return tmp_path


def scan(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "duckbourse.cli", "scan", *words],
        env={
            **os.environ,
            "BOURSE_DATA_DIR": str(folder),
            "PYTHONPATH": str(PROJECT / "python"),
            "COLUMNS": "80",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def rows(folder: Path, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(scan(folder, *words, "--json").stdout)
    return found


def test_a_day_is_the_signals_of_that_day(folder: Path, sample: Warehouse) -> None:
    keys = ("scanner", "preset", "symbol", "direction", "signal_rank")
    found = {tuple(row[key] for key in keys) for row in rows(folder, "--date", DAY)}
    assert found == set(
        sample.query(f"select {', '.join(keys)} from scanners.signals where session_date = '{DAY}'")
    )
    assert found


def test_the_last_session_is_scanned_by_default(folder: Path) -> None:
    assert {row["session_date"] for row in rows(folder, "--scanner", "crp")} == {"2010-05-28"}


def test_a_filter_has_candidates_and_no_signals(folder: Path, sample: Warehouse) -> None:
    found = rows(folder, "--scanner", "sideways", "--date", DAY)
    assert [(row["symbol"],) for row in found] == sample.query(
        f"select symbol from scanners.sideways where session_date = '{DAY}' "
        "and rejected_by is null order by score desc, symbol"
    )
    assert found
    shown = scan(folder, "--scanner", "sideways", "--date", DAY).stdout
    assert shown.splitlines()[0] == f"sideways standard  {DAY} 09:50"


def test_another_cutoff_gives_other_rows(folder: Path) -> None:
    chosen = ("--scanner", "crp", "--preset", "standard", "--date", DAY, "--all")
    early, late = rows(folder, *chosen), rows(folder, *chosen, "--cutoff", "14:45")
    assert {row["cutoff_time"] for row in early} == {"09:50"}
    assert {row["cutoff_time"] for row in late} == {"14:45"}
    volumes = {row["symbol"]: row["volume_to_cutoff"] for row in early}
    later = {row["symbol"]: row["volume_to_cutoff"] for row in late if row["symbol"] in volumes}
    assert later
    assert all(later[symbol] > volumes[symbol] for symbol in later)
    # the fall of that afternoon, as far as 14:45
    shown = scan(folder, *chosen[:-1], "--cutoff", "14:45").stdout
    assert shown.startswith(f"crp standard  {DAY} 14:45  stop 2%, target 6%")
    assert max(map(len, shown.splitlines()[1:])) <= 80


def test_a_stop_of_the_scanner_is_shown_in_its_row(folder: Path, sample: Warehouse) -> None:
    done = scan(folder, "--scanner", "opening_range.standard", "--date", DAY)
    title, heading, *shown = done.stdout.splitlines()
    assert "  stop per row, target 6%, position 10%," in title
    assert heading.split()[:5] == ["#", "symbol", "direction", "price", "stop"]
    stops = sample.query(
        "select symbol, stop_price from scanners.signals where scanner = 'opening_range'"
        f" and preset = 'standard' and session_date = '{DAY}' order by signal_rank"
    )
    assert stops
    assert [(line.split()[1], line.split()[4]) for line in shown if line] == [
        (symbol, f"{stop:.2f}") for symbol, stop in stops
    ]


def test_made_up_minutes_are_said_to_be(folder: Path) -> None:
    made_up = f"the minutes of {DAY} are synthetic: what is found or earned in them means nothing"
    assert made_up in scan(folder, "--scanner", "crp", "--date", DAY).stderr.splitlines()
    assert scan(folder, "--scanner", "crp", "--date", DAY, "--json").stderr == ""


@pytest.mark.parametrize("kind", ["csv", "parquet", "json"])
def test_rows_are_written_whole(folder: Path, kind: str) -> None:
    file = folder / f"signals.{kind}"
    done = scan(folder, "--date", DAY, "--to", str(file))
    assert "rows written to" in done.stderr
    read = {"csv": "read_csv", "parquet": "read_parquet", "json": "read_json"}[kind]
    ((count, scanners),) = duckdb.execute(
        f"select count(*), count(distinct scanner) from {read}('{file}')"
    ).fetchall()
    assert count == len(rows(folder, "--date", DAY))
    assert scanners > 1
    assert sorted(path.name for path in folder.iterdir()) == ["duckbourse.duckdb", file.name]


@pytest.mark.parametrize(
    ("words", "said", "remedy"),
    [
        (("--scanner", "crpp"), "there is no scanner 'crpp'; did you mean 'crp'?", "breakout"),
        (
            ("--preset", "conservativ"),
            "there is no preset 'conservativ'; did you mean 'conservative'?",
            "the presets are standard, month, half_year, aggressive, conservative, ",
        ),
        (
            ("--scanner", "gap", "--preset", "wide"),
            "there is no preset 'wide' of gap",
            "the presets of gap are standard",
        ),
        (
            ("--date", "2010-05-08"),
            "error: there are no one-minute bars of 2010-05-08",
            "  remedy: try 2010-05-07 or 2010-05-10",
        ),
        (
            ("--date", "2010-05-06", "--cutoff", "23:30"),
            "error: a cutoff of 23:30 is outside the session of 2010-05-06",
            "  remedy: try a time after 09:30, up to 16:00",
        ),
        (("--cutoff", "quarter past"), "not a time of day", "10:20"),
        (("--to", "signals.xlsx"), "what kind of file", ".parquet"),
        (("--to", "no/such/folder/signals.csv"), "there is no folder", "make it"),
    ],
)
def test_a_mistake_is_one_line_with_a_remedy(
    folder: Path, words: tuple[str, ...], said: str, remedy: str
) -> None:
    done = scan(folder, *words)
    assert done.returncode not in (0, 70)
    assert done.stdout == ""
    error, help_ = done.stderr.splitlines()
    assert said in error
    assert remedy in help_
