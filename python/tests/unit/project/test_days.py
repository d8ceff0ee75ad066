"""Only the clock module reads the date, and tests run on awkward dates."""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from duckbourse.settings import PROJECT
from tests.support.days import DAYS

# how SQL and dbt read the time
ASKS = re.compile(
    r"\b(current_(date|time|timestamp)|localtime(stamp)?|get_current_time(stamp)?"
    r"|transaction_timestamp|run_started_at|utcnow)\b|(?<![\w.])(now|today)\s*\(\s*\)"
    r"|\bmodules\.datetime\.\S*\b(now|today)\b",
    re.IGNORECASE,
)
# one records when it was built; the other, a view, how far a series is behind now
ASKING = {
    "macros/bars/owed_since.sql",  # what `dbt source freshness` runs
    "models/bars/bars__staleness.sql",
    "models/serving/serving__publication.sql",
}


def texts() -> Iterator[tuple[Path, str]]:
    """Return all SQL: its own files, and the strings of the package."""
    for folder in ("analyses", "functions", "macros", "models", "packages", "tests"):
        for file in (PROJECT / folder).rglob("*.sql"):
            yield file, file.read_text()
    for file in (PROJECT / "python" / "duckbourse").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield file, node.value


def test_no_sql_reads_the_current_date() -> None:
    found = {str(file.relative_to(PROJECT)) for file, text in texts() if ASKS.search(text)}
    assert found == ASKING


@pytest.mark.parametrize(
    "sql",
    [
        "select current_date - 1",
        "where bar_ts < now()",
        "select today ()",
        "CURRENT_TIMESTAMP",
        "{{ modules.datetime.datetime.now() }}",
        "{{ modules.datetime.date.today().isoformat() }}",
        "{% set day = run_started_at.date() %}",
    ],
)
def test_sql_that_reads_the_current_date_is_found(sql: str) -> None:
    assert ASKS.search(sql)


NEW_YORK, INDIA = ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata")


def days_of(seed: str, calendar: str) -> dict[date, dict[str, str]]:
    with (PROJECT / "seeds" / "calendars" / f"{seed}.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["calendar"] == calendar]
    return {date.fromisoformat(row["session_date"]): row for row in rows}


def test_the_awkward_days_are_awkward() -> None:
    for zone in (NEW_YORK, INDIA):
        assert DAYS["a Saturday"].astimezone(zone).weekday() == 5

    holiday = DAYS["an exchange holiday"]
    for zone, calendar in ((NEW_YORK, "XNYS"), (INDIA, "XNSE")):
        day = holiday.astimezone(zone).date()
        assert day.weekday() < 5
        assert day in days_of("holidays", calendar)

    # each soon reaches its oddity: a close, an open, a midnight, an hour twice or never
    def soon(name: str, zone: ZoneInfo) -> datetime:
        return (DAYS[name] + timedelta(seconds=0.1)).astimezone(zone)

    half = soon("a half day", NEW_YORK)
    half_day = days_of("special_sessions", "XNYS")[half.date()]
    assert (half_day["kind"], half_day["close_time"]) == ("half_day", f"{half:%H:%M}")
    evening = soon("a Muhurat evening", INDIA)
    muhurat = days_of("special_sessions", "XNSE")[evening.date()]
    assert (muhurat["kind"], muhurat["open_time"]) == ("muhurat", f"{evening:%H:%M}")
    assert evening.weekday() == 6
    leap = DAYS["29 February"]
    assert (leap.month, leap.day) == (2, 29)
    assert (leap + timedelta(seconds=0.1)).day == 1
    last = DAYS["31 December"]
    assert (last.month, last.day) == (12, 31)
    assert (last + timedelta(hours=2)).year == last.year
    assert last.astimezone(INDIA).year == last.year + 1
    for name, step in (("clocks go forward", 1), ("clocks go back", -1)):
        before, after = DAYS[name].astimezone(NEW_YORK), soon(name, NEW_YORK)
        # in local time
        jump = after.replace(tzinfo=None) - before.replace(tzinfo=None)
        assert jump == timedelta(hours=step, seconds=0.1)
