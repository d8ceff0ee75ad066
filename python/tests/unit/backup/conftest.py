"""A data folder with one file of each kind, a small project, and a folder for backups."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from duckbourse.backup import restoration, run
from tests.support.commands import Ended, bourse

# a token, wherever somebody may have put it
SECRET = "TOP-SECRET"
OLD = 1_700_000_000


@dataclass(frozen=True)
class Place:
    """The data folder, the project and the folder of backups."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def backups(self) -> Path:
        return self.folder / "backups"

    def write(self, path: str, content: str = "", *, age: int = OLD) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content or f"the content of {path}")
        os.utime(file, (age, age))
        return file

    def run(self, *words: str) -> Ended:
        return bourse(self.data, *words, BOURSE_SAMPLE="false")

    def back_up(self, *words: str) -> Ended:
        done = self.run("backup", str(self.backups), *words)
        assert done.returncode == 0, done.stderr
        return done

    def clutter(self) -> None:
        """Write what commands at work have, and what nobody may read."""
        self.write("data/raw/.incoming/two/daily/two.parquet")
        self.write("data/raw/fills/paper_us-2024-01-03.draft")
        for path in ("data/.env", "project/.env", "project/seeds/.env", "data/raw/.env.old"):
            self.write(path, SECRET)

    def snapshots(self) -> list[str]:
        return sorted(path.stem for path in (self.backups / "snapshots").glob("*.json"))

    def objects(self) -> list[Path]:
        return sorted(path for path in (self.backups / "objects").glob("*/*"))


def contents(folder: Path, *without: str) -> dict[str, bytes]:
    """Return the content of each file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in without
    }


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    place = Place(tmp_path)
    for path in (
        "data/raw/daily/month=2024-01/one.parquet",
        "data/raw/deliveries/one.parquet",
        "data/raw/ticks/2024-01-02/paper-1.log",
        "data/raw/fills/paper_us-2024-01-02.parquet",
        "data/duckbourse.duckdb",
        "data/publications/20240101.duckdb",
        "data/trading/paper_us/session.json",
        "data/trading/paper_us/trade.log",
        "project/seeds/reference/portfolios.csv",
        "project/models/bars/bars__ohlcv.sql",
        "project/dbt_project.yml",
    ):
        place.write(path)
    place.write("data/build/duckbourse.duckdb")
    monkeypatch.setattr(run, "PROJECT", place.project)
    monkeypatch.setattr(restoration, "PROJECT", place.project)
    return place


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[str], None]) -> None:
    """Call this at each step of a backup, with the path of the file that is being read."""
    from duckbourse.cli.bar import Display

    real = Display.at

    def at(self: Display, file: str, done: float) -> None:
        act(file)
        real(self, file, done)

    monkeypatch.setattr(Display, "at", at)
