"""The session that pages show."""

from __future__ import annotations

from datetime import date
from typing import Any

from duckbourse.market import IS_SCANNED, NEAREST_SESSIONS
from duckbourse.pages.asking import NotHere, NotUsable, Panels


def session_of(panels: Panels, given: str | None) -> date | None:
    """
    Return the session that is asked for, or the newest one.

    The newest session is that of the newest signal; without signals, that of the newest bar;
    without bars, None. A session that no scanner looked at raises NotHere with its neighbors.
    """
    if given is None:
        [newest] = panels.values(
            """
            select coalesce(
                (select max(session_date) from scanners.signals),
                (select max(session_date) from serving.latest_bars)
            )
            """
        )
        return newest  # type: ignore[no-any-return]
    session = date_of(given, "date")
    if not panels.values(IS_SCANNED, of=session):
        near = [str(day) for day in panels.values(NEAREST_SESSIONS, of=session) if day]
        raise NotHere(
            f"no scanner looked at {session}",
            f"the nearest sessions are {' and '.join(near)}" if near else "scanners need minutes",
        )
    return session


def date_of(text: str, parameter: str) -> date:
    """Return the date of a parameter; raise NotUsable if it is none."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise NotUsable(
            f"{parameter} {text[:40]!r} is not a date", "write it as in 2010-05-28"
        ) from error


def sessions(panels: Panels) -> list[Any]:
    """Return the sessions that have signals, newest first."""
    return panels.columns(
        "sessions",
        "select distinct session_date from scanners.signals order by session_date desc",
    )["session_date"]
