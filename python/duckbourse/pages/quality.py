"""What is wrong with the data, counted and named."""

from __future__ import annotations

from typing import Any

from duckbourse.pages.asking import Panels, plain

# sessions and symbols of the picture of coverage
SESSIONS = 252
SYMBOLS = 60
# the states of a symbol's day, worst first: rejected, a suspect jump, missing, a bar
STATES = "rjmb"

CALENDAR = """
    select calendar, mode(last_session_date order by last_session_date desc)
    from bars.staleness
    where timeframe = '1d'
    group by calendar
    order by count(*) desc, calendar
    limit 1
"""
DAYS = """
with days as (
    select session_date
    from bars.sessions
    where calendar = $calendar and session_date <= $last
    order by session_date desc
    limit $sessions
),

missing as (
    select session_date, count(*) as missing_count
    from bars.missing
    where calendar = $calendar and timeframe = '1d'
    group by session_date
)

select session_date, coalesce(missing_count, 0) as missing_count
from days
left join missing using (session_date)
order by session_date
"""
COVERAGE = """
with elsewhere as (
    select symbol from bars.staleness where calendar <> $calendar
),

days as (
    select symbol, session_date, 'b' as state from bars.ohlcv
    where timeframe = '1d' and calendar = $calendar and session_date between $first and $last
    union all
    select symbol, session_date, 'm' from bars.missing
    where timeframe = '1d' and calendar = $calendar and session_date between $first and $last
    union all
    select symbol, session_date, 'r' from bars.rejected
    anti join elsewhere using (symbol)
    where timeframe = '1d' and session_date between $first and $last
    union all
    select symbol, session_date, 'j' from bars.suspect_jumps
    anti join elsewhere using (symbol)
    where session_date between $first and $last
),

shown as (
    select symbol
    from days
    left join seeds.instruments using (symbol)
    group by symbol
    order by
        count(*) filter (state in ('r', 'j')) desc,
        any_value(name) is null,
        count(*) filter (state = 'm') desc,
        symbol
    limit $symbols
)

select symbol, session_date, string_agg(distinct state order by state) as states
from days
semi join shown using (symbol)
group by all
order by symbol, session_date
"""


def quality(panels: Panels) -> dict[str, Any]:
    """Answer `/quality`; `coverage` has a letter a session for each symbol: b, m, r, j or -."""
    return {
        **_coverage(panels),
        # the sessions by which a series is late are not added to those of another
        "findings": panels.rows(
            "findings",
            """
            select
                finding,
                rule,
                case
                    when finding in ('behind', 'ended') then max(finding_count)
                    else sum(finding_count)
                end::bigint as finding_count,
                count(distinct symbol) as symbol_count,
                min(first_session_date) as first_session_date,
                max(last_session_date) as last_session_date
            from serving.data_quality
            group by finding, rule
            order by finding, rule
            """,
        ),
        # a symbol that breaks several rules is one
        "finding_totals": panels.rows(
            "finding_totals",
            """
            select
                finding,
                case
                    when finding in ('behind', 'ended') then max(finding_count)
                    else sum(finding_count)
                end::bigint as finding_count,
                count(distinct symbol) as symbol_count
            from serving.data_quality
            group by finding
            order by finding
            """,
        ),
        # of these, the lists below have the first ones
        "totals": panels.row(
            "totals",
            """
            select
                (select count(*) from bars.rejected) as rejected,
                (select count(*) from bars.suspect_jumps) as jumps,
                (select count(*) from bars.suspect_extremes) as extremes,
                (select count(distinct (symbol, timeframe)) from bars.missing) as missing,
                (select count(*) from bars.deliveries) as deliveries
            """,
        ),
        "rejected": panels.rows(
            "rejected",
            """
            select
                symbol,
                timeframe,
                session_date,
                rule,
                open,
                high,
                low,
                close,
                volume,
                source_file,
                source_row
            from bars.rejected
            order by session_date desc, symbol, source_row
            limit 200
            """,
        ),
        "jumps": panels.rows(
            "jumps",
            """
            select
                symbol,
                session_date,
                prior_close,
                open,
                close,
                close_ratio,
                nearest_split,
                nearest_split_error_pct,
                explanation
            from bars.suspect_jumps
            order by session_date desc, symbol
            limit 200
            """,
        ),
        "extremes": panels.rows(
            "extremes",
            """
            select symbol, session_date, kind, open, high, low, close, prior_close, outlier_ratio
            from bars.suspect_extremes
            order by outlier_ratio desc, symbol, session_date
            limit 200
            """,
        ),
        "missing": panels.rows(
            "missing",
            """
            select
                symbol,
                timeframe,
                count(*) as session_count,
                sum(missing_bar_count)::bigint as missing_bar_count,
                min(session_date) as first_session_date,
                max(session_date) as last_session_date
            from bars.missing
            group by all
            order by session_count desc, symbol, timeframe
            limit 60
            """,
        ),
        "staleness": panels.rows(
            "staleness",
            """
            select
                timeframe,
                calendar,
                last_session_date,
                sessions_behind,
                any_value(sessions_behind_now) as sessions_behind_now,
                count(*) as symbol_count
            from bars.staleness
            group by all
            order by sessions_behind, timeframe, calendar
            """,
        ),
        "deliveries": panels.rows(
            "deliveries",
            """
            select
                source,
                kind,
                delivered_at,
                symbol_count,
                kept_row_count,
                read_row_count,
                unreadable_row_count,
                first_session_date,
                last_session_date,
                source_file
            from bars.deliveries
            order by delivered_at desc, source, source_file
            limit 200
            """,
        ),
    }


def _coverage(panels: Panels) -> dict[str, Any]:
    found = panels.rows("calendar", CALENDAR)
    if not found:
        return {"calendar": None, "days": {"session_date": [], "missing_count": []}, "coverage": {}}
    calendar, last = found[0].values()
    days = panels.columns("days", DAYS, calendar=calendar, last=last, sessions=SESSIONS)
    places = {day: place for place, day in enumerate(days["session_date"])}
    cells = panels.rows(
        "coverage",
        COVERAGE,
        calendar=calendar,
        first=days["session_date"][0] if places else last,
        last=last,
        symbols=SYMBOLS,
    )
    letters: dict[str, list[str]] = {}
    for cell in cells:
        place = places.get(plain(cell["session_date"]))
        if place is not None:
            worst = next(state for state in STATES if state in cell["states"])
            letters.setdefault(cell["symbol"], ["-"] * len(places))[place] = worst
    return {
        "calendar": calendar,
        "days": days,
        "coverage": {symbol: "".join(line) for symbol, line in letters.items()},
    }
