"""The calendars of the warehouse, read from the same seeds that dbt builds them from."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from duckbourse.errors import ConfigurationError
from duckbourse.names import did_you_mean
from duckbourse.settings import PROJECT

SEEDS = PROJECT / "seeds" / "calendars"


@dataclass(frozen=True)
class Hours:
    """Regular hours over a range of days, in minutes since midnight."""

    first_day: str
    last_day: str
    opens: int
    closes: int


@dataclass(frozen=True)
class Calendar:
    name: str
    timezone: str
    hours: tuple[Hours, ...]

    @property
    def always_open(self) -> bool:
        """Whether trading never stops, so that hours of the day decide nothing."""
        return all(hours.closes - hours.opens == 24 * 60 for hours in self.hours)


# markets by the names that people use, and the calendars that they trade on
EXCHANGES = {"NYSE": "XNYS", "NASDAQ": "XNYS", "NSE": "XNSE", "BSE": "XNSE", "24/7": "ALWAYS"}


def calendar_meant(name: str) -> str:
    """Return the question that ends an error about a calendar that does not exist, or ""."""
    known = list(calendars())
    meant = EXCHANGES.get(name.upper())
    return f"; did you mean {meant!r}?" if meant in known else did_you_mean(name, known)


@cache
def calendars() -> dict[str, Calendar]:
    """Return every calendar by name; raise ConfigurationError if the seeds cannot be read."""
    try:
        hours = list(rows(SEEDS / "regular_hours.csv"))
        return {
            row["calendar"]: Calendar(
                name=row["calendar"],
                timezone=row["timezone"],
                hours=tuple(
                    Hours(
                        first_day=other["effective_from"] or "0001-01-01",
                        last_day=other["effective_to"] or "9999-12-31",
                        opens=minutes(other["open_time"]),
                        closes=minutes(other["close_time"]),
                    )
                    for other in hours
                    # the short Saturdays of the past would hide the weekday hours
                    if other["calendar"] == row["calendar"] and "1" in other["weekdays"]
                ),
            )
            for row in rows(SEEDS / "calendars.csv")
        }
    except (OSError, KeyError, ValueError) as error:
        raise ConfigurationError(
            f"the calendars of {SEEDS} cannot be read: {error}", "restore that folder from git"
        ) from error


@cache
def exceptions(calendar: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return a calendar's holidays and special sessions, as ISO dates."""
    holidays, special = (
        frozenset(row["session_date"] for row in rows(SEEDS / name) if row["calendar"] == calendar)
        for name in ("holidays.csv", "special_sessions.csv")
    )
    return holidays, special


def closed_days(calendar: Calendar, days: Iterable[date]) -> int:
    """Return how many of these days had no session: weekends and holidays, minus exceptions."""
    holidays, special = exceptions(calendar.name)
    return sum(
        day.isoformat() not in special and (day.isoweekday() > 5 or day.isoformat() in holidays)
        for day in days
    )


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield a seed's rows."""
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def minutes(clock: str) -> int:
    """Return HH:MM in minutes since midnight; 24:00 is the end of the day."""
    hour, minute = clock.split(":")[:2]
    return int(hour) * 60 + int(minute)
