"""The calendar seeds, compared with a library and with the days on which stocks traded."""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path

import duckdb
import exchange_calendars  # type: ignore[import-untyped]
import pytest
import yaml

from duckbourse.settings import PROJECT

# the library uses a function of pandas that will change in a future version
pytestmark = pytest.mark.filterwarnings(
    "ignore:Series.values returning an ndarray that drops timezone:pandas.errors.Pandas4Warning"
)

SEEDS = PROJECT / "seeds" / "calendars"
SHARED = Path(os.environ.get("BOURSE_SHARED_DATA", PROJECT.parent / "shared" / "data"))
INDEX = SHARED / "sample" / "daily_index_spx_1950_2015.parquet"
NIFTY_DAYS = SHARED / "market" / "daily_nse_nifty50_2000_2021.parquet"
NIFTY_MINUTES = SHARED / "market" / "minute_nifty_banknifty_2021_2023.parquet"
NIFTY_2009 = SHARED / "market" / "minute_index_nifty_2009.parquet"

# Parts of sessions, as bars.sessions expands them: rows of a date replace its regular hours.
PARTS = """
create table regular_days as
select regular_hours.*, day::date as session_date
from regular_hours,
    lateral (select unnest(generate_series(effective_from, effective_to, interval 1 day)) as day)
where contains(weekdays, isodow(day)::varchar);

create table parts as
select calendar, session_date, 1 as part, open_time, close_time, 'regular' as kind
from regular_days
anti join holidays using (calendar, session_date)
anti join special_sessions using (calendar, session_date)
union all
select calendar, session_date, part, open_time, close_time, kind
from special_sessions;
"""

# With pandas 3, the library loses its holiday rules before the first of these; it has only the
# regular hours since the second.
FIRST_LIBRARY_DAY = date(1970, 1, 1)
FIRST_LIBRARY_HOURS = date(1985, 9, 30)
LAST_DAY = date(2027, 12, 31)
LAST_LIBRARY_DAY_OF_BOMBAY = date(2026, 12, 31)

# The library closes early on every Christmas Eve before 1993; the exchange did so from 1990.
LIBRARY_ONLY_HOURS = {"1985-12-24", "1986-12-24", "1987-12-24"}
# The library does not have changes on the day itself, or after the crash of 1987.
SEED_ONLY_HOURS = {
    *(f"1987-10-{day}" for day in (23, 26, 27, 28, 29, 30)),
    *(f"1987-11-{day:02}" for day in (2, 3, 4, 5, 6, 9, 10, 11)),
    "1989-11-10",
    "1994-02-11",
    "1995-12-18",
    "1996-01-08",
    "1997-10-27",
    "2002-09-11",
}

# Bombay was closed on two New Year's Days, and kept Muharram of 2013 a day early.
NOT_IN_BOMBAY = {"2001-01-01", "2004-01-01", "2013-11-14"}
ONLY_IN_BOMBAY = {"2013-11-15"}

Seeds = duckdb.DuckDBPyConnection


@pytest.fixture(scope="module")
def seeds() -> Seeds:
    connection = duckdb.connect()
    for seed in ("calendars", "regular_hours", "holidays", "special_sessions"):
        properties = yaml.safe_load((SEEDS / f"{seed}.yml").read_text())["seeds"][0]
        types = properties["config"]["column_types"]
        file = SEEDS / f"{seed}.csv"
        connection.execute(
            f"create table {seed} as from read_csv('{file}', columns = {types}, header = true)"
        )
    connection.execute(PARTS)
    return connection


def days(seeds: Seeds, condition: str) -> set[str]:
    found = seeds.sql(f"select distinct session_date::varchar from parts where {condition}")
    return {day for (day,) in found.fetchall()}


def library_days(calendar: str, first: date, last: date) -> set[str]:
    """The library's calendar from `first`, which is after all its errors."""
    return {
        str(day.date())
        for day in exchange_calendars.get_calendar(calendar, start=first, end=last).sessions
    }


def traded_days(seeds: Seeds, file: Path, column: str, condition: str = "true") -> set[str]:
    found = seeds.sql(
        f"select distinct {column}::date::varchar from '{file}' where {condition}"
    ).fetchall()
    return {day for (day,) in found}


def needs(file: Path) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not file.exists(), reason=f"{file.name} is not on this machine")


def test_new_york_sessions_are_those_of_the_library(seeds: Seeds) -> None:
    ours = days(seeds, f"calendar = 'XNYS' and session_date >= '{FIRST_LIBRARY_DAY}'")
    assert ours == library_days("XNYS", FIRST_LIBRARY_DAY, LAST_DAY)


@needs(INDEX)
def test_new_york_sessions_are_the_days_of_its_index(seeds: Seeds) -> None:
    """The vendor of the index left out Saturdays, which are tested below."""
    ours = days(
        seeds,
        "calendar = 'XNYS' and isodow(session_date) < 6"
        " and session_date between '1950-01-03' and '2015-12-31'",
    )
    assert ours == traded_days(seeds, INDEX, "date")


def test_new_york_traded_on_saturdays_until_1952(seeds: Seeds) -> None:
    saturdays = days(seeds, "calendar = 'XNYS' and isodow(session_date) = 6")
    assert (min(saturdays), max(saturdays), len(saturdays)) == ("1950-01-07", "1952-05-24", 87)
    assert not {day for day in saturdays if "06" <= day[5:7] <= "09"}
    assert not days(seeds, "calendar = 'XNYS' and isodow(session_date) = 7")


def test_new_york_hours_are_those_of_the_library(seeds: Seeds) -> None:
    calendar = exchange_calendars.get_calendar("XNYS", start=FIRST_LIBRARY_HOURS, end=LAST_DAY)
    schedule = calendar.schedule[["open", "close"]].apply(
        lambda instants: instants.dt.tz_convert(str(calendar.tz)).dt.strftime("%H:%M")
    )
    theirs = {
        str(day.date()): hours
        for day, hours in zip(
            schedule.index, schedule.itertuples(index=False, name=None), strict=True
        )
    }
    found = seeds.sql(f"""
        select session_date::varchar, left(open_time::varchar, 5), left(close_time::varchar, 5)
        from parts
        where calendar = 'XNYS' and session_date >= '{FIRST_LIBRARY_HOURS}'
    """).fetchall()
    ours = {day: hours for day, *hours in found}
    differ = {day for day in theirs if theirs[day] != tuple(ours[day])}
    assert differ == LIBRARY_ONLY_HOURS | SEED_ONLY_HOURS


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        ("1950-01-07", ("10:00", "12:00")),
        ("1952-09-26", ("10:00", "15:00")),
        ("1952-09-29", ("10:00", "15:30")),
        ("1969-02-12", ("10:00", "14:00")),
        ("1974-09-30", ("10:00", "15:30")),
        ("1974-10-01", ("10:00", "16:00")),
        ("1985-09-26", ("10:00", "16:00")),
        ("1985-09-30", ("09:30", "16:00")),
        ("1999-12-31", ("09:30", "13:00")),
        ("2010-05-06", ("09:30", "16:00")),
        ("2010-11-26", ("09:30", "13:00")),
    ],
)
def test_new_york_hours_of_a_day(seeds: Seeds, day: str, hours: tuple[str, str]) -> None:
    assert hours_of(seeds, "XNYS", day) == [hours]


def hours_of(seeds: Seeds, calendar: str, day: str) -> list[tuple[str, str]]:
    return seeds.sql(f"""
        select left(open_time::varchar, 5), left(close_time::varchar, 5) from parts
        where calendar = '{calendar}' and session_date = '{day}' order by part
    """).fetchall()


@needs(NIFTY_DAYS)
def test_indian_sessions_are_the_days_that_stocks_traded(seeds: Seeds) -> None:
    traded = traded_days(seeds, NIFTY_DAYS, "date")
    assert days(seeds, f"calendar = 'XNSE' and session_date <= '{max(traded)}'") == traded


def test_indian_sessions_are_those_of_bombay_except_for_named_days(seeds: Seeds) -> None:
    """The library has at most two weekend sessions, depending on pandas."""
    last = LAST_LIBRARY_DAY_OF_BOMBAY
    bombay = library_days("XBOM", date(2000, 1, 1), last)
    weekdays = days(
        seeds, f"calendar = 'XNSE' and session_date <= '{last}' and isodow(session_date) < 6"
    )
    weekends = days(seeds, "calendar = 'XNSE' and isodow(session_date) > 5")
    # the library has Diwali as a holiday since 2014, and as a full day before
    evenings = {day for day in days(seeds, "kind = 'muhurat'") & weekdays if day >= "2014"}
    assert weekdays - bombay == NOT_IN_BOMBAY | evenings
    assert bombay - weekdays - weekends == ONLY_IN_BOMBAY


def test_a_year_has_as_many_sessions_as_its_calendar(seeds: Seeds) -> None:
    """The rounded mean of the years 2005 to 2026."""
    means = dict(
        seeds.execute(
            "select calendar, count(distinct session_date) / count(distinct year(session_date))"
            " from parts where year(session_date) between 2005 and 2026 group by calendar"
        ).fetchall()
    )
    years = dict(seeds.execute("select calendar, sessions_per_year from calendars").fetchall())
    assert {name: round(mean) for name, mean in means.items()} == years


def test_there_is_one_muhurat_evening_a_year(seeds: Seeds) -> None:
    evenings = sorted(days(seeds, "kind = 'muhurat'"))
    assert [day[:4] for day in evenings] == [str(year) for year in range(2000, 2027)]
    assert {day[5:7] for day in evenings} == {"10", "11"}


@needs(NIFTY_MINUTES)
def test_minutes_of_the_index_lie_in_the_parts_of_its_sessions(seeds: Seeds) -> None:
    """
    Labels are ends; the first of a part is its pre-open print, and three follow the close.

    On 2021-02-24 the index froze at 10:08, long before trading stopped.
    """
    found = seeds.sql(f"""
        with minutes as (
            select distinct ts - interval 1 minute as bar_ts from '{NIFTY_MINUTES}'
            where symbol = 'NIFTY'
        ),
        inside as (
            select
                parts.session_date,
                parts.part,
                parts.kind,
                parts.session_date + open_time as open_ts,
                parts.session_date + close_time as close_ts,
                count(*) as bars,
                min(bar_ts) as first_bar,
                max(bar_ts) as last_bar
            from parts
            inner join minutes
                on minutes.bar_ts::date = parts.session_date
                and minutes.bar_ts >= parts.session_date + open_time
                and minutes.bar_ts < parts.session_date + close_time
            where calendar = 'XNSE'
            group by all
        )
        select session_date::varchar, part, kind,
            datediff('minute', open_ts, close_ts) - bars as absent,
            datediff('minute', open_ts, first_bar) as late,
            datediff('minute', last_bar, close_ts) as early
        from inside
    """).fetchall()
    traded = traded_days(seeds, NIFTY_MINUTES, "ts", "symbol = 'NIFTY'")
    assert {day for day, *_ in found} == traded
    span = f"session_date between '{min(traded)}' and '{max(traded)}'"
    assert days(seeds, f"calendar = 'XNSE' and {span}") == traded
    late_or_early = {(day, part) for day, part, _, _, late, early in found if late or early > 1}
    assert late_or_early <= {("2021-02-24", 1)}
    muhurat = [(day, absent) for day, _, kind, absent, *_ in found if kind == "muhurat"]
    assert sorted(muhurat) == [("2021-11-04", 0), ("2022-10-24", 0)]
    assert [absent for day, part, _, absent, *_ in found if (day, part) == ("2021-02-24", 2)] == [0]
    whole = sum(absent == 0 for *_, absent, _, _ in found)
    assert whole > 0.97 * len(found)


@needs(NIFTY_2009)
def test_minutes_of_2009_open_at_five_to_ten(seeds: Seeds) -> None:
    first, last = seeds.sql(f"""
        select mode(first_bar), mode(last_bar) from (
            select strftime(min(ts), '%H:%M') as first_bar, strftime(max(ts), '%H:%M') as last_bar
            from '{NIFTY_2009}' where ts::date < '2009-10-23' group by ts::date
        )
    """).fetchall()[0]
    assert (first, last) == ("09:55", "15:30")
    assert hours_of(seeds, "XNSE", "2009-10-22") == [("09:55", "15:30")]
    bars = seeds.sql(
        f"select strftime(ts, '%H:%M') from '{NIFTY_2009}' where ts::date = '2009-05-18'"
    )
    assert {minute for (minute,) in bars.fetchall()} == {
        opening for opening, _ in hours_of(seeds, "XNSE", "2009-05-18")
    }


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        ("2010-01-04", [("09:00", "15:30")]),
        ("2010-10-15", [("09:00", "15:30")]),
        ("2010-10-18", [("09:15", "15:30")]),
        ("2021-02-24", [("09:15", "11:40"), ("15:45", "17:00")]),
        ("2024-01-20", [("09:15", "15:30")]),
        ("2024-01-22", []),
        ("2024-03-02", [("09:15", "10:00"), ("11:30", "12:30")]),
        ("2024-05-18", [("09:15", "10:00"), ("11:30", "12:30")]),
        ("2025-10-21", [("13:45", "14:45")]),
    ],
)
def test_indian_hours_of_a_day(seeds: Seeds, day: str, hours: list[tuple[str, str]]) -> None:
    assert hours_of(seeds, "XNSE", day) == hours


def test_always_is_every_minute_of_every_day(seeds: Seeds) -> None:
    always = sorted(days(seeds, "calendar = 'ALWAYS'"))
    span = date.fromisoformat(always[-1]) - date.fromisoformat(always[0])
    assert span + timedelta(days=1) == timedelta(days=len(always))
    assert hours_of(seeds, "ALWAYS", "2024-02-29") == [("00:00", "24:00")]


@pytest.mark.parametrize(
    ("rule", "broken_by"),
    [
        (
            "no day has two regular hours",
            "from regular_days select calendar, session_date group by all having count(*) > 1",
        ),
        (
            "a holiday removes a session",
            "from holidays anti join regular_days using (calendar, session_date)",
        ),
        (
            "a day is not both a holiday and a special session",
            "from holidays semi join special_sessions using (calendar, session_date)",
        ),
        (
            "a holiday is listed once",
            "from holidays select calendar, session_date group by all having count(*) > 1",
        ),
        (
            "a special session changes the hours",
            "from special_sessions as s semi join regular_days using"
            " (calendar, session_date, open_time, close_time)",
        ),
        (
            "hours are whole minutes and a part ends after it begins",
            "from parts where open_time::varchar not like '%:00'"
            " or close_time::varchar not like '%:00' or open_time >= close_time",
        ),
        (
            "parts are numbered from one, and the next begins after the last",
            "from (from special_sessions select *, row_number() over day as number,"
            " lag(close_time) over day as ended"
            " window day as (partition by calendar, session_date order by open_time))"
            " where part <> number or open_time <= ended",
        ),
        (
            "a weekend session is on a weekend",
            "from special_sessions where calendar = 'XNSE' and kind <> 'muhurat'"
            " and (kind = 'weekend') <> (isodow(session_date) > 5)",
        ),
        (
            "hours hold from one day to a later one, and end with the calendar",
            "from regular_hours where effective_from > effective_to or effective_to > '2027-12-31'",
        ),
    ],
)
def test_the_seeds_hold_together(seeds: Seeds, rule: str, broken_by: str) -> None:
    assert seeds.sql(broken_by).fetchall() == [], rule
