"""The age of the data: dbt's source freshness, `bars.staleness`, and the summary."""

from __future__ import annotations

import json

import duckdb
import pytest

from duckbourse.summary import newest_bar, summary
from tests.support.deliveries import deliver, shipped
from tests.support.warehouse import Warehouse


def test_dbt_reports_the_freshness_of_deliveries(warehouse: Warehouse) -> None:
    """With a delivery of now, and with only the shipped data, which is from 2026."""
    # dbt reads the time from the database
    [(now,)] = duckdb.execute("select (now() at time zone 'UTC')::varchar").fetchall()
    some = f"from {shipped('daily')} limit 1"
    for at, status in ((now, "pass"), ("2020-01-02 03:04:05", "warn")):
        alone = Warehouse(warehouse.data, warehouse.target, sample=False)
        deliver(alone, "some", "daily", some, at)
        alone.dbt("source", "freshness")
        [result] = json.loads((alone.target / "sources.json").read_text())["results"]
        assert result["unique_id"] == "source.duckbourse.raw.deliveries"
        assert result["status"] == status
        assert result["max_loaded_at"][:19].replace("T", " ") == str(at)[:19]


def test_a_series_is_behind_by_the_sessions_since(sample: Warehouse) -> None:
    wrong = sample.query("""
        select symbol, timeframe, sessions_behind_now, (
            select count(*) from bars.sessions
            inner join seeds.calendars using (calendar)
            where
                sessions.calendar = staleness.calendar
                and session_date > last_session_date
                and close_ts at time zone timezone <= now()
        ) as counted
        from bars.staleness
        where sessions_behind_now != counted
    """)
    assert wrong == []


def test_the_summary_names_the_newest_bar_and_its_age(sample: Warehouse) -> None:
    with duckdb.connect(str(sample.file), read_only=True) as connection:
        found = summary(connection)["newest_bars"]
    assert found is not None
    days, minutes = found
    assert (days["timeframe"], minutes["timeframe"]) == ("1d", "1m")
    assert str(days["newest_bar_end"]) == "2018-12-31 16:00:00"
    assert days["newest_symbol"] == "^IXIC"
    assert str(minutes["newest_bar_end"]) == "2010-05-28 16:00:00"
    assert minutes["sessions_behind"] > days["sessions_behind"] > 1900
    assert newest_bar(found).startswith("the newest bar is of ^IXIC, 1d, and ends at 2018-12-31 ")


@pytest.mark.parametrize(
    ("behind", "text"),
    [
        (None, ""),
        (0, ": up to date"),
        (1, ": 1 session behind (XNSE last closed on 2026-11-27)"),
        (1234, ": 1,234 sessions behind (XNSE last closed on 2026-11-27)"),
    ],
)
def test_an_age_is_in_sessions(behind: int | None, text: str) -> None:
    row = {
        "calendar": "XNSE",
        "timeframe": "1m",
        "newest_bar_end": "2026-11-27 15:30:00",
        "newest_symbol": "INFY",
        "closed_session": "2026-11-27",
        "sessions_behind": behind,
    }
    assert newest_bar([row, row | {"newest_symbol": "TCS"}]) == (
        f"the newest bar is of INFY, 1m, and ends at 2026-11-27 15:30:00{text}"
    )
    assert newest_bar([]) == newest_bar(None) == ""
