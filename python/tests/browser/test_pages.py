"""Every page of a report of the shipped data, in headless Chromium."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import duckdb

from duckbourse import clock
from duckbourse.report import MOST_BYTES, report, write
from duckbourse.settings import PROJECT
from tests.support.pages import SYMBOL, small_publication
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


def test_a_signal_is_drawn_at_the_prices_of_its_bars_after_a_split(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    with (
        clock.driven_by(lambda: datetime(2024, 3, 29, 12, tzinfo=UTC)),
        small_publication() as connection,
    ):
        # bars of today's shares, at a fourth of what was paid in the session
        connection.execute("update bars.ohlcv set timeframe = '5m' where timeframe = '1m'")
        connection.execute("update serving.latest_bars set timeframe = '5m' where timeframe = '1m'")
        connection.execute(
            "update bars.ohlcv set adjusted_open = 25, adjusted_high = 27, adjusted_low = 24.5, "
            "adjusted_close = 26"
        )
        connection.execute(
            "update serving.signals_with_outcomes set known_ts = '2024-03-28 09:33:00', "
            "entry_ts = '2024-03-28 09:34:00', exit_ts = '2024-03-28 09:38:00', "
            "max_favorable_return = 0.1"
        )
        write(report(connection).html, path)
    # 96 and 110 of the session, four for one
    drawn = ["stop 24.00", "target 27.50", "known 09:33"]
    command = [node(), "adjusted.mjs", str(path), f"#/symbol/{quote(SYMBOL, safe='')}/5m", *drawn]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
