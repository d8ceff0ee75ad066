"""Every command is tested on awkward days, or runs without reading the date."""

from __future__ import annotations

from pathlib import Path

import pytest

from duckbourse.cli.main import COMMANDS
from tests.support.commands import bourse
from tests.support.warehouse import Warehouse

# in test_any_day.py, and of `notify` in unit/telemetry/test_webhook.py
ON_AWKWARD_DAYS = {
    *("trade", "ingest", "sample-minutes", "publish", "halt", "resume", "square-off"),
    *("orders", "positions", "pnl", "reconcile", "journal", "deliveries", "doctor"),
    *("status", "notify", "backup", "restore"),
}
# they run dbt, pytest and linters as child processes, and write no dates themselves
RUN_OTHERS = {"build", "test", "properties", "explain"}
# with a clock that acceptance/build/test_freshness.py sets
SET_THE_CLOCK = {"freshness"}
WITHOUT_A_CLOCK = {
    "sql": ("sql", "select 1 as one"),
    "scan": ("scan", "--scanner", "crp", "--date", "2010-05-28"),
    "backtest": ("backtest", "crp", "--preset", "standard", "--settings", "us_fixed"),
    "risk": ("risk", "equal_20"),
    "tables": ("tables",),
    "list": ("list", "symbols"),
    "publications": ("publications",),
    "diff": ("diff", "current", "current"),
    "rollback": ("rollback", "current"),
}


@pytest.mark.parametrize("command", WITHOUT_A_CLOCK)
def test_it_does_not_read_the_current_date(command: str, sample: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "duckbourse.duckdb").symlink_to(sample.file)
    done = bourse(tmp_path, *WITHOUT_A_CLOCK[command])
    assert done.returncode == 0, done.stderr


def test_no_command_is_left_out() -> None:
    assert ON_AWKWARD_DAYS | RUN_OTHERS | SET_THE_CLOCK | WITHOUT_A_CLOCK.keys() == set(COMMANDS)
