"""
How old the published bars are, and which deliveries are late, by the calendar of each market.

A market is a calendar and a timeframe, such as XNSE and 1d. Its bars are of session dates of the
exchange, and the clock is that of the exchange too, so weekends, holidays, half days and the hours
of other time zones never count as late.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, time, timedelta
from typing import Any, Literal

import duckdb

from duckbourse import clock
from duckbourse.warehouse import fetch_rows
from duckbourse.words import counted

# Of each calendar, the last session that is due: the one whose bars must be here by now. A session
# is due when it closes, or at the first `by` of a day after that.
DUE = """
    with calendars as (
        select
            *,
            timezone(calendars.timezone, $now::timestamptz) as local_now,
        from seeds.calendars
    ),
    sessions as (
        select
            *,
            case
                when $by::time is null then close_ts
                when close_ts::date + $by::time >= close_ts then close_ts::date + $by::time
                else (close_ts::date + 1) + $by::time
            end as due_ts,
        from bars.sessions
    )
    select
        calendars.calendar,
        max(sessions.session_date) filter (due_ts <= local_now) as due_session,
        max(sessions.session_number) filter (due_ts <= local_now) as due_number,
        max(due_ts) filter (due_ts <= local_now) as due_ts,
        max(sessions.session_date) as calendar_end,
        coalesce(max(sessions.session_date) < max(local_now::date), true) as is_calendar_over,
    from calendars
    left join sessions using (calendar)
    group by calendars.calendar
"""
# A session is partial if more than this share of the symbols with bars in the sessions before it
# have none of it. Symbols that ended before these sessions are not expected.
MISSING_SHARE = 0.5
RECENT_SESSIONS = 5
MARKETS = f"""
    with due as ({DUE}),
    series as (
        select staleness.*, due.due_number - sessions.session_number as sessions_missing,
        from bars.staleness
        inner join due using (calendar)
        inner join bars.sessions
            on
                sessions.calendar = staleness.calendar
                and sessions.session_date = staleness.last_session_date
    ),
    markets as (
        select
            calendar,
            timeframe,
            max(last_bar_end) as newest_bar_end,
            arg_max(symbol, (last_bar_end, symbol)) as newest_symbol,
            max(last_session_date) as newest_session,
            count(*) as symbol_count,
            count(*) filter (sessions_behind > 0) as late_symbol_count,
            count(*) filter (sessions_missing <= {RECENT_SESSIONS}) as expected_symbol_count,
            count(*) filter (sessions_missing <= 0) as due_symbol_count,
        from series
        group by calendar, timeframe
    )
    select
        markets.calendar,
        markets.timeframe,
        markets.newest_bar_end,
        markets.newest_symbol,
        markets.newest_session,
        due.due_session,
        greatest(due.due_number - sessions.session_number, 0) as sessions_behind,
        markets.symbol_count,
        markets.late_symbol_count,
        markets.expected_symbol_count,
        markets.due_symbol_count,
        due.calendar_end,
        due.is_calendar_over,
    from markets
    inner join due using (calendar)
    inner join bars.sessions
        on
            sessions.calendar = markets.calendar
            and sessions.session_date = markets.newest_session
    order by markets.calendar, markets.timeframe
"""

CALENDARS = """
    select
        calendars.calendar,
        max(sessions.session_date) as calendar_end,
        (
            select max(holidays.session_date)
            from seeds.holidays
            where holidays.calendar = calendars.calendar
        ) as last_holiday,
        calendars.calendar in (select staleness.calendar from bars.staleness) as is_used,
    from seeds.calendars
    left join bars.sessions using (calendar)
    group by calendars.calendar
    order by calendars.calendar
"""
# how long before the end of a calendar, and of its holidays, it should be extended
END_NOTICE = timedelta(days=60)
HOLIDAY_NOTICE = timedelta(days=30)

Row = dict[str, Any]
Status = Literal["fresh", "late", "unpublished", "partial", "unknown"]
EXTEND = "add its next sessions to seeds/calendars/regular_hours.csv and holidays.csv, and build"


def markets(connection: duckdb.DuckDBPyConnection, by: time | None = None) -> list[Row]:
    """Return each published market with its newest bar, the session that is due, and its age."""
    return fetch_rows(connection, MARKETS, {"now": clock.now(), "by": by})


def due_sessions(connection: duckdb.DuckDBPyConnection, by: time | None = None) -> dict[str, Row]:
    """Return the session that is due of each calendar."""
    return {
        row["calendar"]: row for row in fetch_rows(connection, DUE, {"now": clock.now(), "by": by})
    }


def calendars(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """Return each calendar, its last session and holiday, and whether there are bars of it."""
    return fetch_rows(connection, CALENDARS)


def calendar_warnings(calendars: Iterable[Row]) -> list[str]:
    """Return a line for each calendar in use that should be extended soon, or should have been."""
    today = clock.now().date()
    found = []
    for row in calendars:
        name, end, holiday = row["calendar"], row["calendar_end"], row["last_holiday"]
        if not row["is_used"]:
            continue
        if end is None:
            found.append(f"{name} has no sessions")
        elif end < today + END_NOTICE:
            found.append(f"the sessions of {name} end on {end}")
        # one without holidays, such as ALWAYS, has none to come
        elif holiday and holiday < today + HOLIDAY_NOTICE:
            found.append(f"the holidays of {name} end on {holiday}: later sessions may be holidays")
    return found


def newest_bar(market: Row) -> str:
    """Return which bar of a market is the newest, and how many sessions have closed since."""
    calendar, behind, late = (
        market[name] for name in ("calendar", "sessions_behind", "late_symbol_count")
    )
    if market["is_calendar_over"]:
        age = f"its age is unknown, since {calendar}'s calendar ends on {market['calendar_end']}"
    elif not behind:
        age = "up to date"
    else:
        count = counted(behind, "session")
        age = f"{count} behind ({calendar} last closed on {market['due_session']})"
    of = f"of {market['symbol_count']:,} symbols"
    older = f"; {counted(late, f'{of} is older', f'{of} are older')}" if late else ""
    return (
        f"latest bar: {market['newest_symbol']}, {market['newest_bar_end']:%Y-%m-%d %H:%M};"
        f" {age}{older}"
    )


@dataclass(frozen=True)
class Delivered:
    """The last session of a market that a source has delivered."""

    calendar: str
    timeframe: str
    source: str
    last_session: date


@dataclass(frozen=True)
class Check:
    """
    Whether the session that is due of a market was delivered and published.

    `source` and `delivered_session` are of the delivery that reaches farthest, None if nothing was
    ever delivered. Of a market that nobody has delivered, the timeframe is unknown.
    Of the `expected_symbol_count` symbols that had bars in the sessions before, `due_symbol_count`
    have those of the session that is due; both are None if nothing of the market is published.
    """

    calendar: str
    timeframe: str | None
    status: Status
    due_session: date | None
    source: str | None
    delivered_session: date | None
    published_session: date | None
    expected_symbol_count: int | None
    due_symbol_count: int | None
    found: str
    remedy: str = ""

    @property
    def market(self) -> str:
        return f"{self.calendar} {self.timeframe}" if self.timeframe else self.calendar

    @property
    def as_record(self) -> Row:
        return asdict(self)


def checks(
    due: dict[str, Row],
    published: Iterable[Row],
    delivered: Sequence[Delivered],
    calendars: Sequence[str],
    by: time | None,
    source: str | None,
) -> list[Check]:
    """
    Return a check of each market, of these calendars or else of all that have data; deliveries are
    given newest first.

    With a source, only what that one delivers is checked, and no other may stand in for it.
    """
    bars = {(row["calendar"], row["timeframe"]): row for row in published}
    last: dict[tuple[str, str], Delivered] = {}
    for each in delivered:
        key = each.calendar, each.timeframe
        if key not in last or each.last_session > last[key].last_session:
            last[key] = each
    known = last.keys() if source else last.keys() | bars.keys()
    keys: list[tuple[str, str | None]] = sorted(
        key for key in known if not calendars or key[0] in calendars
    )
    empty = set(calendars) - {calendar for calendar, _ in keys}
    keys += [(calendar, None) for calendar in sorted(empty)]
    return [
        _check(
            due[calendar],
            timeframe,
            last.get((calendar, timeframe or "")),
            bars.get((calendar, timeframe or "")),
            by,
            source,
        )
        for calendar, timeframe in keys
    ]


def _check(
    due: Row,
    timeframe: str | None,
    delivered: Delivered | None,
    bars: Row | None,
    by: time | None,
    source: str | None,
) -> Check:
    calendar, session = due["calendar"], due["due_session"]
    reaches = delivered.last_session if delivered else None
    who = source or (delivered.source if delivered else None)
    published, expected, here = (
        bars[name] if bars else None
        for name in ("newest_session", "expected_symbol_count", "due_symbol_count")
    )
    named = f"the {session} {calendar} session"

    def check(status: Status, found: str, remedy: str = "") -> Check:
        return Check(
            calendar,
            timeframe,
            status,
            session,
            who,
            reaches,
            published,
            expected,
            here,
            found,
            remedy,
        )

    if due["is_calendar_over"]:
        return check(
            "unknown",
            f"the {calendar} calendar ends on {due['calendar_end']}, so the session due cannot be"
            " determined",
            EXTEND,
        )
    if session is None:
        return check("fresh", f"no session of {calendar} is due yet")
    # ticks, and whatever else is published, count as delivered, unless a source is asked for
    last = max(filter(None, (reaches, None if source else published)), default=None)
    if last is None or last < session:
        at = due["due_ts"]
        day = "" if at.date() == session else f" on {at.date()}"
        until = f"by {at:%H:%M}{day} " if by else ""
        of_source = f"from {source} " if source else ""
        before = ", and none before it"
        if reaches:
            before = f"; the last delivery, from {who}, ends on {reaches}"
        elif published:
            before = f"; the latest bar is of {published}"
        return check(
            "late",
            f"no delivery {of_source}{until}for {named}{before}",
            "ingest the vendor's file, or ask the vendor; `./bourse deliveries` lists what is here",
        )
    if published is None or published < session:
        bar = f"the latest bar is of {published}" if published else "no bars from it"
        return check(
            "unpublished",
            f"{who} delivered {named}, but it has not been published: {bar}",
            'run `./bourse build`; if it is green, see `./bourse sql "from bars.rejected"`',
        )
    if expected and here is not None and expected - here > MISSING_SHARE * expected:
        return check(
            "partial",
            f"{named} is published for only {here:,} of {expected:,} symbols with bars in the"
            f" {RECENT_SESSIONS} sessions before it",
            "ask the vendor for the rest, unless it is among what was left out:"
            ' `./bourse sql "from bars.rejected"`',
        )
    return check("fresh", f"the session of {session} is published")
