"""Every page of a report of the shipped data, in headless Chromium."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from duckbourse import clock
from duckbourse.report import MOST_BYTES, report, write
from duckbourse.settings import PROJECT
from tests.support.warehouse import Warehouse

HERE = Path(__file__).parent
SCREENSHOTS = PROJECT / "target" / "screenshots"


def node() -> str:
    """Return the path of Node, with which the browser is driven."""
    found = shutil.which("node")
    assert found, "Node 20 draws the pages: install it, then run `./bourse test`"
    assert (HERE / "node_modules").is_dir(), "run `./bourse test`, or `npm ci` in tests/browser"
    return found


def test_each_page_draws_at_each_size_in_both_themes_and_its_keys_work(
    sample: Warehouse, tmp_path: Path
) -> None:
    path, folder = tmp_path / "report.html", SCREENSHOTS / "report"
    with (
        clock.driven_by(lambda: datetime(2026, 11, 2, 9, tzinfo=UTC)),
        duckdb.connect(str(sample.file), read_only=True) as connection,
    ):
        write(report(connection).html, path)
    assert path.stat().st_size < MOST_BYTES
    shutil.rmtree(folder, ignore_errors=True)
    command = [node(), "pages.mjs", str(path), str(folder)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len([*folder.glob("*.png")]) == 48
