"""Every command is tested on awkward days, or runs without reading the date."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from duckbourse import clock
from duckbourse.cli.main import COMMANDS
from duckbourse.publish import publish
from tests.support.commands import bourse
from tests.support.publications import make
from tests.support.warehouse import Warehouse

# in test_any_day.py, of `notify` in unit/telemetry/test_webhook.py, of `order` in
# unit/cli/test_order.py, of `serve` in unit/cli/test_serve.py and unit/api,
# of `report` in unit/report/test_report.py, of `login` in unit/brokers/zerodha/test_login.py
ON_AWKWARD_DAYS = {
    *("trade", "ingest", "sample-minutes", "publish", "halt", "resume", "square-off"),
    *("orders", "positions", "pnl", "reconcile", "journal", "deliveries", "doctor"),
    *("status", "notify", "backup", "restore", "order", "account", "serve"),
    *("report", "login"),
}
# they run dbt, pytest and linters as child processes, and write no dates themselves
RUN_OTHERS = {"build", "test", "properties", "explain"}
# it serves until it is stopped: its clock is that of its market, in unit/venue and
# acceptance/trading/test_venue.py
SERVE = {"venue"}
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
    "diff": ("diff", "current", "current", "--table", "scanners.signals"),
    "rollback": ("rollback", "previous"),
}


def publish_twice(published: Path) -> None:
    built = published.parent / "build" / published.name
    for generation in (1, 2):
        with clock.driven_by(partial(datetime, 2024, 3, generation, tzinfo=UTC)):
            publish(built, published, make(built, generation))


@pytest.mark.parametrize("command", WITHOUT_A_CLOCK)
def test_it_does_not_read_the_current_date(command: str, sample: Warehouse, tmp_path: Path) -> None:
    published = tmp_path / "duckbourse.duckdb"
    if command == "rollback":
        publish_twice(published)
    else:
        published.symlink_to(sample.file)
    done = bourse(tmp_path, *WITHOUT_A_CLOCK[command])
    assert done.returncode == 0, done.stderr


def test_no_command_is_left_out() -> None:
    assert ON_AWKWARD_DAYS | RUN_OTHERS | SERVE | SET_THE_CLOCK | WITHOUT_A_CLOCK.keys() == set(
        COMMANDS
    )
