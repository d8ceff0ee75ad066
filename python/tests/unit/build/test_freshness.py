"""What is said of a calendar that ends, or whose holidays do."""

from __future__ import annotations

from datetime import UTC, date, datetime

import duckdb
import pytest

from duckbourse import clock
from duckbourse.freshness import Delivered, calendar_warnings, calendars, checks
from duckbourse.summary import summary


@pytest.mark.parametrize(
    ("today", "warnings"),
    [
        (date(2027, 3, 15), []),
        (
            date(2027, 3, 16),
            ["the holidays of XNSE end on 2027-04-14: later sessions may be holidays"],
        ),
        (
            date(2027, 11, 2),
            [
                "the sessions of ALWAYS end on 2027-12-31",
                "the sessions of XNSE end on 2027-12-31",
            ],
        ),
    ],
)
def test_a_calendar_in_use_that_ends_soon_is_named(today: date, warnings: list[str]) -> None:
    """Also the second one; not XNYS, of which there are no bars."""
    with duckdb.connect() as connection:
        connection.execute("""
            create schema seeds;
            create schema bars;
            create table seeds.calendars as
            select unnest(['ALWAYS', 'XNSE', 'XNYS']) as calendar;
            create table bars.sessions as
            select calendar, date '2027-12-31' as session_date from seeds.calendars;
            create table seeds.holidays as
            select 'XNSE' as calendar, date '2027-04-14' as session_date
            union all select 'XNYS', date '2027-01-01';
            create table bars.staleness as select unnest(['ALWAYS', 'XNSE']) as calendar;
        """)
        with clock.driven_by(lambda: datetime(today.year, today.month, today.day, tzinfo=UTC)):
            assert calendar_warnings(calendars(connection)) == warnings
            assert summary(connection)["calendar_warnings"] == [
                {"warning": each} for each in warnings
            ]


def test_a_calendar_in_use_without_sessions_is_named() -> None:
    row = {"calendar": "XNSE", "calendar_end": None, "last_holiday": None, "is_used": True}
    with clock.driven_by(lambda: datetime(2027, 3, 15, tzinfo=UTC)):
        assert calendar_warnings([row]) == ["XNSE has no sessions"]


def test_of_two_deliveries_that_reach_equally_far_the_newest_is_named() -> None:
    due = {
        "calendar": "XNSE",
        "due_session": date(2026, 11, 27),
        "due_ts": datetime(2026, 11, 27, 15, 30),
        "is_calendar_over": False,
    }
    delivered = [
        Delivered("XNSE", "1d", source, date(2026, 11, day))
        for source, day in (("newest", 26), ("before", 26), ("first", 25))
    ]
    [check] = checks({"XNSE": due}, [], delivered, [], None, None)
    assert check.source == "newest"
    assert "the last delivery, from newest, ends on 2026-11-26" in check.found
