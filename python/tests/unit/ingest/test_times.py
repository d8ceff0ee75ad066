"""Timestamps become the exchange-local start of their minute, or the file is refused."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from duckbourse.ingest.calendars import calendars
from tests.support.stores import HEADER, Shop, minutes

DAY = "2024-01-02"
WINTER, SUMMER = "2024-01-08", "2024-07-08"
NSE_START = minutes(DAY, "09:15", 375)
NSE_END = minutes(DAY, "09:16", 375)


@pytest.mark.parametrize("stated", [None, "start"])
def test_labeled_by_start(shop: Shop, stated: str | None) -> None:
    report = shop.deliver(shop.csv("T.csv", NSE_START), calendar="XNSE", bar_label=stated)
    assert report.bar_label == "start"
    assert shop.rows("minute", "min(bar_ts), max(bar_ts), count(*)") == [
        (datetime(2024, 1, 2, 9, 15), datetime(2024, 1, 2, 15, 29), 375)
    ]


@pytest.mark.parametrize("stated", [None, "end"])
def test_labeled_by_end(shop: Shop, stated: str | None) -> None:
    report = shop.deliver(shop.csv("T.csv", NSE_END), calendar="XNSE", bar_label=stated)
    assert report.bar_label == "end"
    assert shop.rows("minute", "min(bar_ts), max(bar_ts), count(*)") == [
        (datetime(2024, 1, 2, 9, 15), datetime(2024, 1, 2, 15, 29), 375)
    ]
    assert shop.rows("deliveries", "bar_label, timezone") == [("end", "Asia/Kolkata")]


def test_what_was_inferred_is_reported(shop: Shop) -> None:
    report = shop.deliver(shop.csv("T.csv", NSE_END))
    assert "calendar XNSE: its minutes run from its open to its close" in report.notes
    assert "minutes labeled by end: the hours of XNSE" in report.notes


def test_a_stated_label_against_the_hours_is_used_and_reported(shop: Shop) -> None:
    report = shop.deliver(shop.csv("T.csv", NSE_END), calendar="XNSE", bar_label="start")
    assert any("suggest end" in note for note in report.notes)
    assert shop.rows("minute", "max(bar_ts)") == [(datetime(2024, 1, 2, 15, 30),)]


@pytest.mark.parametrize(
    "rows",
    [
        minutes(DAY, "11:00", 60),
        minutes(DAY, "08:00", 600),  # beyond both ends
    ],
    ids=["neither end", "both ends"],
)
def test_an_undecidable_label_is_asked_for(shop: Shop, rows: list[str]) -> None:
    report = shop.refuse(shop.csv("T.csv", rows), calendar="XNSE")
    assert "whether a timestamp is the start or the end" in report.notes[0]
    assert "--bar-label" in report.remedy


def test_hours_decide_nothing_in_a_market_that_never_closes(shop: Shop) -> None:
    rows = minutes(DAY, "00:00", 24 * 60 - 1)
    assert "--bar-label" in shop.refuse(shop.csv("T.csv", rows), calendar="ALWAYS").remedy
    shop.deliver(shop.csv("T.csv", rows), calendar="ALWAYS", bar_label="end")
    # the bar that ends at midnight belongs to the day before
    assert shop.rows("minute", "bar_ts, session_date")[0] == (
        datetime(2024, 1, 1, 23, 59),
        date(2024, 1, 1),
    )


@pytest.mark.parametrize("label", ["start", "end"])
def test_a_column_of_labels_is_believed(shop: Shop, label: str) -> None:
    rows = [f"{row},{label}" for row in minutes(DAY, "11:00", 60)]
    report = shop.deliver(shop.csv("T.csv", rows, f"{HEADER},ts_label"), calendar="XNSE")
    assert report.bar_label == label


def test_timestamps_inside_their_minute_need_no_label(shop: Shop) -> None:
    rows = [row.replace(":00,", ":59,", 1) for row in minutes(DAY, "11:00", 60)]
    shop.deliver(shop.csv("T.csv", rows), calendar="XNSE")
    assert shop.rows("minute", "min(bar_ts)") == [(datetime(2024, 1, 2, 11, 0),)]


def test_hours_of_their_day_count(shop: Shop) -> None:
    # until 2010 the exchange opened at 09:55
    report = shop.deliver(shop.csv("T.csv", minutes("2009-01-01", "09:55", 335)), calendar="XNSE")
    assert report.bar_label == "start"


@pytest.mark.parametrize(
    ("day", "hour"), [("2024-01-02", 14), ("2024-07-02", 13)], ids=["winter", "summer"]
)
def test_instants_become_exchange_local_times(shop: Shop, day: str, hour: int) -> None:
    rows = [row.replace(":00,", ":00Z,", 1) for row in minutes(day, f"{hour}:30", 390)]
    report = shop.deliver(shop.csv("T.csv", rows))
    assert report.calendar == "XNYS"
    [(first, last, session)] = shop.rows("minute", "min(bar_ts), max(bar_ts), max(session_date)")
    assert (first.hour, first.minute, last.hour, last.minute) == (9, 30, 15, 59)
    assert session == date.fromisoformat(day)


def test_a_stated_zone_is_converted(shop: Shop) -> None:
    rows = minutes(DAY, "03:45", 375)
    shop.deliver(shop.csv("T.csv", rows), calendar="XNSE", timezone="UTC")
    assert shop.rows("minute", "min(bar_ts), max(bar_ts)") == [
        (datetime(2024, 1, 2, 9, 15), datetime(2024, 1, 2, 15, 29))
    ]


def test_minutes_outside_the_hours_are_doubted(shop: Shop) -> None:
    report = shop.deliver(
        shop.csv("T.csv", minutes(DAY, "00:00", 375)), calendar="XNSE", bar_label="start"
    )
    assert any("check calendar and timezone" in note for note in report.notes)


def test_indian_offsets_are_indian_sessions(shop: Shop) -> None:
    rows = [row.replace(":00,", ":00+05:30,", 1) for row in minutes(DAY, "11:00", 5)]
    report = shop.deliver(shop.csv("T.csv", rows), bar_label="start")
    assert report.calendar == "XNSE"
    assert shop.rows("minute", "min(bar_ts)") == [(datetime(2024, 1, 2, 11, 0),)]


def test_a_daily_timestamp_belongs_to_the_date_as_written(shop: Shop) -> None:
    # midnight in Tokyo is the day before in New York
    rows = [f"2024-01-0{day} 00:00:00+09:00,1,1,1,1,1" for day in (3, 4, 5)]
    shop.deliver(shop.csv("T.csv", rows), calendar="XNYS")
    assert [day.day for (day,) in shop.rows("daily", "session_date")] == [3, 4, 5]


def test_a_daily_instant_belongs_to_the_exchange_local_date(shop: Shop) -> None:
    rows = [f"{symbol},2024-01-01T18:30:00Z,1,1,1,1,1" for symbol in "ABC"]
    shop.deliver(shop.csv("T.csv", rows, f"symbol,{HEADER}"), calendar="XNSE")
    assert shop.rows("daily", "distinct session_date") == [(date(2024, 1, 2),)]


@pytest.mark.parametrize(
    ("stated", "first"), [("UTC", date(2024, 1, 2)), ("Asia/Kolkata", date(2024, 1, 1))]
)
def test_days_at_another_zones_midnight_are_asked_for(shop: Shop, stated: str, first: date) -> None:
    rows = [f"2024-01-{day:02d} 18:30:00,1,1,1,1,1" for day in (1, 2, 3, 4, 7, 8)]
    path = shop.csv("T.csv", rows)
    asked = shop.refuse(path, calendar="XNSE")
    assert "which in UTC is midnight of 2024-01-02 in Asia/Kolkata" in asked.notes[0]
    assert f"--timezone {stated}" in asked.remedy
    shop.deliver(path, calendar="XNSE", timezone=stated)
    assert shop.rows("daily", "min(session_date)") == [(first,)]


@pytest.mark.parametrize("clock", ["00:00", "09:15", "15:30", "18:00", "23:59"])
def test_days_with_a_local_hour_belong_to_their_date(shop: Shop, clock: str) -> None:
    rows = [f"2024-01-{day:02d} {clock}:00,1,1,1,1,1" for day in (2, 3, 4, 5)]
    shop.deliver(shop.csv("T.csv", rows), calendar="XNSE")
    assert [day.day for (day,) in shop.rows("daily", "session_date")] == [2, 3, 4, 5]


def test_sundays_without_saturdays_are_not_open_weekends(shop: Shop) -> None:
    # midnight of Monday to Friday in India
    nights = [date(2024, 1, 7 + week + day) for week in (0, 7, 14) for day in range(5)]
    rows = [f"{day} 18:30:00Z,1,1,1,1,1" for day in nights]
    report = shop.refuse(shop.csv("T.csv", rows))
    assert "--calendar XNYS, XNSE, ALWAYS" in report.remedy


def shifted(day: str, first: str, count: int, zone: str, to: str) -> list[str]:
    """Return minutes of one zone as local times of another, without a zone."""
    at = datetime.fromisoformat(f"{day} {first}").replace(tzinfo=ZoneInfo(zone))
    stamps = [
        (at.astimezone(UTC) + timedelta(minutes=minute)).astimezone(ZoneInfo(to))
        for minute in range(count)
    ]
    return [f"{stamp:%Y-%m-%d %H:%M:%S},1,2,1,2,5" for stamp in stamps]


@pytest.mark.parametrize(
    ("calendar", "day", "first", "count", "of"),
    [
        ("XNYS", WINTER, "09:30", 390, "UTC"),
        ("XNYS", SUMMER, "09:30", 390, "UTC"),
        ("XNYS", SUMMER, "08:00", 540, "UTC"),
        ("XNYS", SUMMER, "09:30", 390, "Europe/London"),
        ("XNYS", SUMMER, "09:30", 390, "America/Chicago"),
        ("XNYS", WINTER, "09:30", 390, "Asia/Kolkata"),
        ("XNSE", WINTER, "09:15", 375, "UTC"),
        ("XNSE", WINTER, "09:15", 375, "Asia/Dubai"),
        ("XNYS", SUMMER, "07:00", 600, "UTC"),
        ("XNYS", SUMMER, "09:30", 330, "UTC"),  # until an hour before the close
        ("XNSE", WINTER, "11:00", 60, "UTC"),
    ],
)
def test_minutes_of_another_zone_are_asked_for(
    shop: Shop, calendar: str, day: str, first: str, count: int, of: str
) -> None:
    zone = calendars()[calendar].timezone
    path = shop.csv("T.csv", shifted(day, first, count, zone, of))
    asked = shop.refuse(path, calendar=calendar, bar_label="start")
    shares = rf"\d+% of the minutes .* as {zone} times, \d+% as {of} times"
    assert re.search(shares, asked.notes[0])
    assert f"--timezone {of} if they are {of} times, else --timezone {zone}" in asked.remedy
    shop.deliver(path, calendar=calendar, bar_label="start", timezone=of)
    [(at,)] = shop.rows("minute", "min(bar_ts)")
    assert at == datetime.fromisoformat(f"{day} {first}")


@pytest.mark.parametrize(
    ("calendar", "day", "first", "count"),
    [
        ("XNYS", WINTER, "04:00", 960),
        ("XNYS", SUMMER, "04:00", 960),
        ("XNYS", SUMMER, "07:00", 540),
        ("XNYS", SUMMER, "09:30", 630),  # with the hours after the close
        ("XNYS", WINTER, "04:00", 330),  # before the open only
        ("XNYS", SUMMER, "07:00", 180),  # this morning, to date
        ("XNSE", WINTER, "09:00", 435),  # from the call auction to the end of the closing session
        ("XNSE", WINTER, "09:00", 30),
        ("XNSE", WINTER, "09:00", 60),  # as UTC, up to the close
    ],
)
def test_minutes_outside_the_regular_hours_may_be_the_exchanges_own(
    shop: Shop, calendar: str, day: str, first: str, count: int
) -> None:
    path = shop.csv("T.csv", minutes(day, first, count))
    shop.deliver(path, calendar=calendar, bar_label="start")
    assert shop.rows("minute", "min(bar_ts)") == [(datetime.fromisoformat(f"{day} {first}"),)]


@pytest.mark.parametrize(
    "rows",
    [
        ["2024-01-02,1,1,1,1,1", "2024-01-03,1,1,1,1,1"],
        minutes(DAY, "09:30", 200),  # Hong Kong, New York, Toronto: half a day decides nothing
        minutes(DAY, "09:30", 150) + minutes(DAY, "13:00", 181),  # Hong Kong
    ],
    ids=["dates", "a morning", "a pause at noon"],
)
def test_an_undecidable_calendar_is_asked_for(shop: Shop, rows: list[str]) -> None:
    report = shop.refuse(shop.csv("T.csv", rows))
    assert "do not show which exchange" in report.notes[0]
    assert "--calendar XNYS, XNSE, ALWAYS" in report.remedy


def test_the_calendar_of_a_source_is_remembered(shop: Shop) -> None:
    first, second = (shop.csv(f"{day}.csv", [f"2024-01-0{day},1,1,1,1,1"]) for day in (2, 3))
    shop.deliver(first, source="feed", symbol="T", calendar="XNYS")
    report = shop.deliver(second, source="feed", symbol="T")
    assert report.calendar == "XNYS"
    assert "calendar XNYS: as in the last delivery of this source" in report.notes


def test_bars_on_every_day_of_the_week_are_in_no_exchange_calendar(shop: Shop) -> None:
    rows = [f"2024-01-{day:02d},1,1,1,1,1" for day in range(1, 29)]
    assert shop.deliver(shop.csv("BTC.csv", rows)).calendar == "ALWAYS"


def test_a_single_timestamp_needs_its_kind(shop: Shop) -> None:
    rows = [f"{name},2024-01-02 15:30:00,1,1,1,1,1" for name in "ABC"]
    path = shop.csv("T.csv", rows, f"symbol,{HEADER}")
    assert "--kind" in shop.refuse(path, calendar="XNSE").remedy
    assert shop.deliver(path, calendar="XNSE", kind="daily").rows_kept == 3
