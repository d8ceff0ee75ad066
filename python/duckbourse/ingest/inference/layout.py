"""The layout of a file: what is not stated about it is inferred from its rows or asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from duckbourse.errors import BadInput
from duckbourse.ingest.calendars import Calendar, calendars
from duckbourse.ingest.inference.columns import Role, label_in_name
from duckbourse.ingest.inference.timestamps import (
    FEW_INSIDE,
    MORE_WHOLE,
    Edges,
    Meaning,
    Spacing,
    fits_better,
    keeps_hours,
    kind_by_spacing,
    label_by_hours,
)
from duckbourse.ingest.rows import Rows
from duckbourse.ingest.schema import Kind
from duckbourse.warehouse import quoted

# How many symbols are inspected, and the first rows from which they are taken.
SYMBOLS = 20
FIRST_ROWS = 100_000
INDIA_OFFSET = "5:30:00"
# If every day trades, a seventh of the timestamps are on a Saturday, and as many on a Sunday.
MIN_WEEKEND = 0.1
MIN_WEEKEND_STAMPS = 14
# Zones in which vendors sell and export minutes, besides those of the calendars.
ZONES = (
    *("UTC", "Europe/London", "Europe/Berlin", "America/Chicago", "America/Los_Angeles"),
    *("Asia/Dubai", "Asia/Singapore", "Asia/Tokyo", "Australia/Sydney"),
)


@dataclass(frozen=True)
class Layout:
    """What the bars are, with notes for the report on how we know."""

    kind: Kind
    calendar: Calendar
    # of timestamps without a zone
    timezone: str
    bar_label: str | None
    notes: tuple[str, ...]


def infer_layout(
    con: duckdb.DuckDBPyConnection,
    rows: Rows,
    exchange_calendar: str | None,
    before: str | None,
) -> Layout:
    """
    Return the layout of the bars in `vendor_rows`, or raise BadInput naming the missing option.

    `exchange_calendar` is the calendar of the exchange that the rows name, `before` that of the
    source's last delivery.
    """
    table, file, options = rows.vendor, rows.file, rows.file.options
    some = ""
    if Role.SYMBOL in rows.columns:
        some = (
            " and symbol in (select symbol from (select distinct symbol from"
            f" (select symbol from vendor_rows where rule is null limit {FIRST_ROWS}))"
            f" order by symbol limit {SYMBOLS})"
        )
    con.execute(
        "create or replace temp table sampled as select distinct symbol, stamp,"
        f" {'written' if rows.timestamp.written else 'stamp'} as written from vendor_rows"
        f" where rule is null{some}"
    )
    notes: list[str] = []
    stated = options.calendar or table.calendar or exchange_calendar
    kind = options.kind or rows.columns.kind or infer_kind(con, rows, stated)
    found = infer_calendar(con, rows, exchange_calendar, before, kind)
    if found is None:
        raise BadInput(
            f"{file}: its timestamps do not show which exchange's days these are",
            f"pass --calendar {', '.join(calendars())}, or calendar = '…' in a mapping",
        )
    calendar, reason = found
    if reason:
        notes.append(f"calendar {calendar.name}: {reason}")
    timezone = options.timezone or calendar.timezone
    is_zone_unstated = options.timezone is None and rows.timestamp.format.meaning is Meaning.LOCAL
    if kind is not Kind.MINUTE:
        if is_zone_unstated and not calendar.always_open:
            refuse_other_midnights(con, rows, calendar)
        return Layout(kind, calendar, timezone, None, tuple(notes))
    at = None if calendar.always_open else edges(con, rows, calendar, timezone)
    if is_zone_unstated and at:
        refuse_other_hours(con, rows, calendar, at)
    bar_label, label_notes = infer_bar_label(con, rows, calendar, at)
    return Layout(kind, calendar, timezone, bar_label, (*notes, *label_notes))


def infer_kind(con: duckdb.DuckDBPyConnection, rows: Rows, calendar: str | None) -> Kind:
    """Return the kind of bars from the spacing of timestamps, or raise BadInput if unsupported."""
    clocks = ["written"]
    if rows.timestamp.format.meaning is not Meaning.LOCAL and calendar is not None:
        clocks.append(local_sql("stamp", rows, calendars()[calendar], "UTC"))
    dated = " or ".join(f"bool_and({c} = date_trunc('day', {c}))" for c in clocks)
    [(gaps, longest, midnight)] = con.execute(
        f"select histogram(gap), max(nth), {dated} from ("
        " select stamp, written, epoch(stamp - lag(stamp) over each_symbol) as gap,"
        " row_number() over each_symbol as nth from sampled"
        " window each_symbol as (partition by symbol order by stamp))"
    ).fetchall()
    found = kind_by_spacing(Spacing(gaps or {}, longest, midnight))
    if isinstance(found, Kind):
        return found
    if found is None:
        raise BadInput(
            f"{rows.file} has only one timestamp, which does not show whether its bars are daily",
            "pass --kind daily or --kind minute",
        )
    raise BadInput(
        f"{rows.file} holds {found} bars; only daily and one-minute bars are accepted",
        "ask the vendor for those; the build makes the longer ones"
        + (" (or pass --kind daily if each is one day)" if found.endswith("day") else ""),
    )


def infer_calendar(
    con: duckdb.DuckDBPyConnection,
    rows: Rows,
    exchange_calendar: str | None,
    before: str | None,
    kind: Kind,
) -> tuple[Calendar, str] | None:
    """Return the calendar and how we know it ('' if it was stated)."""
    table, options = rows.vendor, rows.file.options
    known = calendars()
    if options.calendar:
        return known[options.calendar], ""
    if table.calendar:
        calendar = known[table.calendar]
        served = "markets that never close" if calendar.always_open else "Indian exchanges only"
        return calendar, f"{table.shape} serves {served}"
    if exchange_calendar:
        return known[exchange_calendar], "the exchange of its rows"
    if rows.offset == INDIA_OFFSET:
        return known["XNSE"], "its timestamps have the offset +05:30"
    if before:
        return known[before], "as in the last delivery of this source"
    [(stamps, weekend, hours)] = con.execute(
        "select count(*), least(count(*) filter (where isodow(written) = 6),"
        " count(*) filter (where isodow(written) = 7)),"
        " count(distinct hour(written)) from sampled"
    ).fetchall()
    # a Sunday alone is a Monday in another zone
    if stamps >= MIN_WEEKEND_STAMPS and weekend >= MIN_WEEKEND * stamps:
        zoned = rows.timestamp.format.meaning is not Meaning.LOCAL
        if kind is not Kind.MINUTE or (zoned and hours == 24):
            return known["ALWAYS"], "it has bars on every day of the week"
        return None
    if kind is Kind.MINUTE:
        for calendar in known.values():
            zone = options.timezone or calendar.timezone
            if keeps_hours(edges(con, rows, calendar, zone), calendar):
                return calendar, "its minutes run from its open to its close"
    return None


def infer_bar_label(
    con: duckdb.DuckDBPyConnection, rows: Rows, calendar: Calendar, at: Edges | None
) -> tuple[str, list[str]]:
    """
    Return which end of its minute a timestamp gives, with notes for the report.

    `at` compares the minutes with the calendar's hours; None if it has none.
    """
    table, options = rows.vendor, rows.file.options
    notes = []
    by_hours = label_by_hours(at) if at else None
    if at and at.stamps and at.share < FEW_INSIDE:
        notes.append(
            f"only {at.share:.0%} of the minutes inspected are within the hours of"
            f" {calendar.name}: check calendar and timezone"
        )
    if options.bar_label:
        if by_hours not in (None, options.bar_label):
            notes.append(
                f"minutes labeled by {options.bar_label} as stated, although the hours of"
                f" {calendar.name} suggest {by_hours}"
            )
        return options.bar_label, notes
    if table.bar_label:
        return table.bar_label, [*notes, f"minutes labeled by {table.bar_label}: {table.shape}"]
    if Role.BAR_LABEL in rows.columns:
        labels = con.execute(
            "select distinct bar_label from vendor_rows where rule is null limit 3"
        ).fetchall()
        if labels in ([("start",)], [("end",)]):
            return labels[0][0], [
                *notes,
                f"minutes labeled by {labels[0][0]}: its label column says so",
            ]
    stamp = rows.columns.roles[Role.TIMESTAMP]
    called = label_in_name(stamp)
    if called and by_hours in (None, called):
        return called, [*notes, f"minutes labeled by {called}: its column {stamp} says so"]
    if rows.off_minute > rows.kept * (1 - 1 / 60):
        return "start", [
            *notes,
            "timestamps are inside their minutes, so both labels read the same",
        ]
    if by_hours:
        return by_hours, [*notes, f"minutes labeled by {by_hours}: the hours of {calendar.name}"]
    raise BadInput(
        f"{table.file}: it is unclear whether a timestamp is the start or the end of its minute",
        "pass --bar-label start (the first bar of a day has the time of the open) or "
        "--bar-label end (the last one has the time of the close)",
    )


def refuse_other_hours(
    con: duckdb.DuckDBPyConnection, rows: Rows, calendar: Calendar, taken: Edges
) -> None:
    """
    Raise BadInput if the minutes, `taken` as local times of the calendar, fit another zone better.

    For UTC it is enough that clearly more of them are within the hours. A nearby zone would move
    the minutes before the open of a partial day into the hours, so it must show whole sessions.
    """
    if taken.share >= 1 - MORE_WHOLE:
        return
    found: dict[str, float] = {}
    for zone in other_zones(calendar, ZONES):
        at = edges(con, rows, calendar, zone)
        if fits_better(taken, at) and (zone == "UTC" or keeps_hours(at, calendar)):
            found[zone] = at.share
    if not found:
        return
    zone = max(found, key=lambda one: found[one])
    raise BadInput(
        f"{rows.file}: {taken.share:.0%} of the minutes inspected are within the hours of"
        f" {calendar.name} as {calendar.timezone} times, {found[zone]:.0%} as {zone} times",
        f"pass --timezone {zone} if they are {zone} times, else --timezone {calendar.timezone}",
    )


def refuse_other_midnights(con: duckdb.DuckDBPyConnection, rows: Rows, calendar: Calendar) -> None:
    """
    Raise BadInput if daily timestamps are midnights in the calendar's zone, but written in another
    zone, on another date.
    """
    for zone in other_zones(calendar, ["UTC"]):
        local = local_sql("stamp", rows, calendar, zone)
        [(stamps, moved, stamp, day)] = con.execute(
            "select count(*), count(*) filter (where moved), min(stamp) filter (where moved),"
            " min(local) filter (where moved) from (select stamp, local,"
            " local = date_trunc('day', local) and stamp::date <> local::date as moved"
            f" from (select stamp, {local} as local from sampled))"
        ).fetchall()
        if moved > stamps / 2:
            raise BadInput(
                f"{rows.file}: daily bars have timestamps such as {stamp:%Y-%m-%d %H:%M}, which in"
                f" {zone} is midnight of {day:%Y-%m-%d} in {calendar.timezone}",
                f"pass --timezone {zone} if they are in {zone}, or --timezone {calendar.timezone}"
                " to keep the dates as written",
            )


def other_zones(calendar: Calendar, zones: Sequence[str]) -> list[str]:
    """Return these zones and those of all calendars, except the calendar's own."""
    known = dict.fromkeys([*zones, *(one.timezone for one in calendars().values())])
    return [zone for zone in known if zone != calendar.timezone]


def edges(con: duckdb.DuckDBPyConnection, rows: Rows, calendar: Calendar, timezone: str) -> Edges:
    """Compare the sampled minutes with the hours of a calendar."""
    hours = ", ".join(
        f"(date {quoted(h.first_day)}, date {quoted(h.last_day)}, {h.opens}, {h.closes})"
        for h in calendar.hours
    )
    [counts] = con.execute(f"""
        with
        moments as (
            select symbol, {local_sql("stamp", rows, calendar, timezone)} as moment from sampled
        ),
        minutes as (
            select
                symbol, moment::date as day, hour(moment) * 60 + minute(moment) as clock,
                opens, closes
            from moments
            inner join (values {hours}) as hours (first_day, last_day, opens, closes)
                on moment::date between first_day and last_day
        ),
        sessions as (
            select
                symbol, day,
                bool_or(clock = opens) as at_open, bool_or(clock = opens + 1) as after_open,
                bool_or(clock = closes - 1) as before_close, bool_or(clock = closes) as at_close,
                bool_or(clock between 720 and 779) as at_noon,
                count(*) as stamps, count(*) filter (where clock between opens and closes) as inside
            from minutes group by symbol, day
        )
        select
            count(*), count(*) filter (where at_open), count(*) filter (where after_open),
            count(*) filter (where before_close), count(*) filter (where at_close),
            count(*) filter (where at_noon),
            coalesce(sum(stamps), 0)::bigint, coalesce(sum(inside), 0)::bigint
        from sessions
    """).fetchall()
    return Edges(*counts)


def local_sql(stamp: str, rows: Rows, calendar: Calendar, timezone: str) -> str:
    """Return SQL for a timestamp in the exchange's local time."""
    if rows.timestamp.format.meaning is not Meaning.LOCAL:
        timezone = "UTC"
    if timezone == calendar.timezone:
        return stamp
    return f"timezone({quoted(calendar.timezone)}, timezone({quoted(timezone)}, {stamp}))"


def day_sql(rows: Rows, calendar: Calendar, timezone: str) -> str:
    """
    Return SQL for the date of a daily timestamp.

    Midnight, as written or in UTC, stands for that date. Any other instant belongs to the
    exchange's local date.
    """
    local = local_sql("stamp", rows, calendar, timezone)
    clocks = [] if rows.timestamp.written is None else ["written"]
    if local != "stamp":
        clocks.append("stamp")
    dates = [f"when {at} = date_trunc('day', {at}) then {at}::date" for at in clocks]
    return f"(case {' '.join(dates)} else ({local})::date end)" if dates else "stamp::date"
