"""
Every command that reads the clock, on days when clocks, calendars and markets are odd.

Requirements and errors are the same on a Sunday; only whether there is a session today may differ,
and then the error names the next one.
"""

from __future__ import annotations

import getpass
import json
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from duckbourse import clock, state
from duckbourse.settings import PROJECT
from tests.support.commands import bourse
from tests.support.days import DAYS
from tests.support.publications import make
from tests.support.warehouse import Warehouse, empty_store

pytestmark = pytest.mark.any_day

KITE = {"BOURSE_KITE_API_KEY": "key", "BOURSE_KITE_ACCESS_TOKEN": "token"}
FEED = ("trade", "--account", "paper_india", "--feed", "zerodha", "--instruments", "NSE.csv")
# the sessions of India on those days, or the next ones
NEXT = {
    "a Saturday": "2026-11-30",
    "an exchange holiday": "2026-12-28",
    "a half day": "",
    "a Muhurat evening": "",
    "29 February": "",
    # in India it is 1 January, when it trades
    "31 December": "",
    "clocks go forward": "2026-03-09",
    "clocks go back": "2026-11-02",
}
# and the last session before those days, which begin in India in the evening of UTC
BEFORE = {
    "a Saturday": "2026-11-27",
    "an exchange holiday": "2026-12-24",
    "a half day": "2026-11-26",
    "a Muhurat evening": "2026-11-06",
    "29 February": "2024-02-29",
    "31 December": "2026-12-31",
    "clocks go forward": "2026-03-06",
    "clocks go back": "2026-10-30",
}


@pytest.fixture
def data(sample: Warehouse, tmp_path: Path) -> Path:
    """A data folder with the sample's publication and nothing traded."""
    folder = empty_store(tmp_path / "data")
    (folder / "duckbourse.duckdb").symlink_to(sample.file)
    return folder


def test_a_missing_setting_of_a_feed_is_reported_on_any_day(data: Path) -> None:
    done = bourse(data, "trade", "--feed", "zerodha")
    assert (
        done.returncode,
        "the API key for Kite is missing" in done.stderr,
    ) == (2, True)
    done = bourse(data, "trade", "--feed", "zerodha", **KITE)
    assert (done.returncode, "pass it with --instruments" in done.stderr) == (2, True)


def test_a_day_without_a_session_names_the_next(data: Path, day_of_test: datetime) -> None:
    (name,) = (name for name, day in DAYS.items() if day == day_of_test)
    done = bourse(data, *FEED, **KITE)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    if NEXT[name]:
        assert "is not a trading session of XNSE" in done.stderr
        assert f"the next session is {NEXT[name]};" in done.stderr
    else:
        # there is a session, but no instrument list
        assert "NSE.csv" in done.stderr


def test_a_past_session_is_replayed_at_its_own_time(data: Path) -> None:
    words = ("trade", "--dry-run", "--scanner", "crp.standard", "--json")
    orders = json.loads(bourse(data, *words).stdout)
    assert orders
    done = bourse(data, "trade", "--date", "2010-05-29")
    assert "2010-05-29 is not a session of XNYS" in done.stderr


def test_a_delivery_has_the_instant_of_its_ingest(tmp_path: Path, day_of_test: datetime) -> None:
    data = empty_store(tmp_path / "data")
    file = tmp_path / "D.csv"
    file.write_text("date,open,high,low,close,volume\n2024-01-02,1,2,1,1,5\n2024-01-03,1,2,1,1,5\n")
    done = bourse(data, "ingest", str(file), "--calendar", "XNYS", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["total"]["rows_kept"] == 2
    ((stamped,),) = duckdb.execute(
        f"select delivered_at from '{data}/raw/daily/**/*.parquet' group by all "
        "having delivered_at > '2000-01-01'"
    ).fetchall()
    assert day_of_test <= stamped.replace(tzinfo=UTC) <= clock.now()


def test_a_withdrawal_has_the_instant_of_its_command(tmp_path: Path, day_of_test: datetime) -> None:
    data = empty_store(tmp_path / "data")
    (data / "sample").symlink_to(PROJECT / "data" / "sample")
    [*_, oldest] = json.loads(bourse(data, "deliveries", "--json").stdout)
    done = bourse(data, "deliveries", "withdraw", oldest["id"], "--yes", "--json")
    assert done.returncode == 0, done.stderr
    [record] = json.loads(done.stdout)
    stamped = datetime.fromisoformat(record["withdrawn_at"]).replace(tzinfo=UTC)
    assert day_of_test <= stamped <= clock.now()


def test_made_up_minutes_end_with_the_exchanges_last_session(
    data: Path, day_of_test: datetime
) -> None:
    (name,) = (name for name, day in DAYS.items() if day == day_of_test)
    done = bourse(
        data, "sample-minutes", "--symbols", "2", "--sessions", "2", "--calendar", "XNSE", "--json"
    )
    assert done.returncode == 0, done.stderr
    ((last,),) = duckdb.execute(
        f"select max(bar_ts) from '{data}/raw/minute/**/*.parquet'"
    ).fetchall()
    assert f"{last:%Y-%m-%d}" == BEFORE[name]


def test_a_publication_is_stamped(tmp_path: Path, day_of_test: datetime) -> None:
    built = tmp_path / "build" / "duckbourse.duckdb"
    state.save(built, make(built))
    done = bourse(tmp_path, "publish")
    assert done.returncode == 0, done.stderr
    with duckdb.connect(str(tmp_path / "duckbourse.duckdb"), read_only=True) as connection:
        ((stamped,),) = connection.execute(
            "select published_at from serving.publication"
        ).fetchall()
    assert day_of_test <= stamped.replace(tzinfo=UTC) <= clock.now()


def test_the_doctor_compares_the_clock_with_the_file_system(data: Path) -> None:
    done = bourse(data, "doctor", "--json")
    (found,) = (one for one in json.loads(done.stdout) if one["check"] == "clock")
    # the clock of the test is set, and that of the file system is not
    assert (done.returncode, found["level"]) == (1, "fail"), found
    assert "the file system is" in found["found"]
    assert "timedatectl" in found["remedy"]


def test_status_counts_sessions_to_the_day(data: Path, sample: Warehouse) -> None:
    [days, *_] = json.loads(bourse(data, "status", "--json").stdout)["newest_bars"]
    # New York's sessions since that of the bar whose close has passed
    ((behind,),) = sample.query(f"""
        select count(*) from bars.sessions
        where
            calendar = '{days["calendar"]}'
            and session_date > '{days["newest_session"]}'
            and timezone('America/New_York', close_ts) <= timestamptz '{clock.now()}'
    """)
    assert (days["calendar"], days["sessions_behind"]) == ("XNYS", behind)


def test_commands_reach_the_account_that_traded_last(data: Path) -> None:
    assert bourse(data, "trade", "--scanner", "crp.high_probability").returncode == 0
    for name in ("orders", "positions", "pnl"):
        assert bourse(data, name, "--json").returncode == 0
    assert "0 differences" in bourse(data, "reconcile").stdout
    assert bourse(data, "journal", "export").returncode == 0
    by = f"requested (by {getpass.getuser()})"
    for command, also in (
        ("halt", ""),
        ("resume", f"; it lifts what waits too: halt: {by}"),
        ("square-off", ""),
    ):
        done = bourse(data, command)
        assert done.stdout == (
            f"paper_us on 2010-05-28: {command} requested; no loop is running, and the next one"
            f" acts on it at its start{also}\n"
        )
    done = bourse(data, "account", "deposit", "2500.00", "--id", "transfer")
    assert done.returncode == 0, done.stderr
    assert "2,500.00" in bourse(data, "account", "show").stdout


def test_a_former_publication_is_kept_under_its_day(tmp_path: Path, day_of_test: datetime) -> None:
    built = tmp_path / "build" / "duckbourse.duckdb"
    for generation in (1, 2):
        state.save(built, make(built, generation))
        assert bourse(tmp_path, "publish").stderr == ""
    [former] = (tmp_path / "publications").iterdir()
    days = {f"{day:%Y%m%d}" for day in (day_of_test, clock.now())}
    assert former.name[:8] in days


def test_a_backup_has_the_instant_of_its_command(tmp_path: Path, day_of_test: datetime) -> None:
    data, backups = empty_store(tmp_path / "data"), str(tmp_path / "backups")
    made = json.loads(bourse(data, "backup", backups, "--json").stdout)
    taken = datetime.fromisoformat(made["taken_at"])
    assert day_of_test <= taken <= clock.now()
    assert made["snapshot"] == f"{taken:%Y-%m-%dT%H%M%SZ}"
    (data / "raw" / "ticks" / "lost").write_text("since")
    done = bourse(data, "restore", backups, "--replace")
    assert done.returncode == 0, done.stderr
    [aside] = data.glob(f"replaced-{day_of_test:%Y}*")
    assert (aside / "raw" / "ticks" / "lost").exists()
