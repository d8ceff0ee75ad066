"""Detect how the timestamps of a file are written, and build the SQL that reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import duckdb

from duckbourse.errors import BadInput
from duckbourse.ingest.files import VendorFile
from duckbourse.ingest.inference.timestamps import (
    ISO,
    ISO_OFFSET,
    ISO_TEXT,
    OFFSET_AT_END,
    PATTERNS,
    ZONE_AT_END,
    Format,
    Meaning,
    Spread,
    epoch,
    iso,
    plausible_patterns,
    zoned,
)
from duckbourse.warehouse import quoted

OLDEST = "timestamp '1800-01-01'"
# A format that contradicts the file's first one needs at least this share of the rows.
MIN_CONTRARY = 0.01
LOOKED_AT = 200
ISO_PATTERNS = tuple(f"%Y-%m-%d{gap}{clock}" for gap in " T" for clock in ("%H:%M:%S", "%H:%M"))


@dataclass(frozen=True)
class Timestamp:
    """A timestamp as SQL: its text, its TIMESTAMP (UTC for instants), its local time if offset."""

    format: Format
    text: str
    value: str
    written: str | None = None
    # all formats of the file, the first of which is `format`
    formats: tuple[Format, ...] = ()


def infer_format(
    con: duckdb.DuckDBPyConnection,
    every: str,
    sample: Sequence[str],
    file: VendorFile,
) -> Format:
    """
    Return the format that reads most timestamps, or raise BadInput if two could.

    `every` selects all timestamps as `found`.
    """
    if file.options.date_format is not None:
        return stated_format(file.options.date_format)
    if found := epoch(sample) or zoned(sample) or iso(sample):
        if found.zone_behind:
            sample = [re.sub(ZONE_AT_END, "", text.strip()) for text in sample]
            clock = f"regexp_replace(found, {quoted(ZONE_AT_END)}, '')"
            every = f"select {clock} as found from ({every})"
            inner = infer_format(con, every, sample, file)
            return replace(
                inner, name=f"{inner.name} and a zone", meaning=Meaning.OFFSET, zone_behind=True
            )
        return found
    # in a file with several formats, the most common one is detected first
    best = patterns_of(con, values_sql(sample), PATTERNS)
    if len(best) > 1 and not agree(con, best, values_sql(sample)):
        # the first rows may have no day after the 12th, so check all rows
        distinct = f"select distinct trim(found) as found from ({every})"
        best = patterns_by_dates(con, patterns_of(con, distinct, best), distinct, file.known_at)
        if best and not agree(con, best, distinct):
            text, days = two_days(con, best, distinct)
            raise BadInput(
                f"{file}: {text!r} may be {' or '.join(best)}, that is {' or '.join(days)}",
                f"set it in a mapping: date_format = {' or '.join(map(repr, best))}",
            )
    if not best:
        raise BadInput(
            f"{file}: timestamps such as {sample[0]!r} are in no known format",
            "set it in a mapping, in the syntax of strptime: '02-01-2024 09:15:00' has"
            " date_format = '%d-%m-%Y %H:%M:%S'",
        )
    return Format(best[0], Meaning.LOCAL, pattern=best[0])


def stated_format(pattern: str) -> Format:
    """Return the format that a mapping states; with an offset or zone it gives instants."""
    if re.search("%[zZ]", pattern):
        return Format(pattern, Meaning.INSTANT, pattern=pattern)
    return Format(pattern, Meaning.LOCAL, pattern=pattern)


def further_format(
    con: duckdb.DuckDBPyConnection,
    every: str,
    stamp: Timestamp,
    rows: int,
    unread: int,
    known_at: datetime,
) -> Format | None:
    """
    Return a format for the timestamps that the formats to date do not read, if there is one.

    It must have the same meaning: a local time without a zone is not an instant. If it reads a text
    as another day than the first format does, it must hold for many rows, so that a typing error in
    one row does not count.
    """
    missed = (
        f"select distinct found from ({every}) where trim(found) <> ''"
        f" and ({read_sql('found', stamp.formats)}) is null"
    )
    sample = [text.strip() for (text,) in con.execute(f"{missed} limit {LOOKED_AT}").fetchall()]
    if not sample or stamp.format.zone_behind:
        return None
    if stamp.format.meaning is Meaning.INSTANT:
        candidates = [ISO_OFFSET] if any(re.search(OFFSET_AT_END, t) for t in sample) else []
        candidates += [found for text in sample if (found := epoch([text]))][:1]
    elif stamp.format.meaning is Meaning.LOCAL:
        candidates = [ISO] if any(ISO_TEXT.fullmatch(text) for text in sample) else []
        values = values_sql(sample)
        best = patterns_by_dates(con, patterns_of(con, values, PATTERNS), values, known_at)
        if best and agree(con, best, values):
            candidates.append(Format(best[0], Meaning.LOCAL, pattern=best[0]))
    else:
        return None
    for found in candidates:
        if found in stamp.formats:
            continue
        contrary = " or ".join(
            f"{value_sql('found', known)} <> {value_sql('found', found)}" for known in stamp.formats
        )
        [(reads, differs)] = con.execute(
            f"select count(*) filter (where ({read_sql('found', stamp.formats)}) is null"
            f" and {value_sql('found', found)} is not null), coalesce(bool_or({contrary}), false)"
            f" from ({every})"
        ).fetchall()
        if reads and (not differs or unread >= MIN_CONTRARY * rows):
            return found
    return None


def values_sql(sample: Sequence[str]) -> str:
    """Return a query for these texts, as `found`."""
    return f"select * from (values {', '.join(f'({quoted(t)})' for t in sample)}) as sample (found)"


def patterns_of(con: duckdb.DuckDBPyConnection, stamps: str, patterns: Sequence[str]) -> list[str]:
    """Return the patterns that read the most of these timestamps, if any reads one."""
    # %Y reads 24 as the year 24
    counts = ", ".join(
        f"count(*) filter (where try_strptime(found, {quoted(pattern)}) > {OLDEST})"
        for pattern in patterns
    )
    [read] = con.execute(f"select {counts} from ({stamps})").fetchall()
    most = max(read)
    return [pattern for pattern, count in zip(patterns, read, strict=True) if count == most > 0]


def patterns_by_dates(
    con: duckdb.DuckDBPyConnection, patterns: Sequence[str], stamps: str, known_at: datetime
) -> list[str]:
    """Return the patterns that the spread of their dates does not rule out."""
    if len(patterns) < 2:
        return list(patterns)
    # in some zone the next day has begun
    latest = known_at.date() + timedelta(days=1)
    spreads = [
        Spread(pattern, *found)
        for pattern in patterns
        for found in con.execute(f"""
            select
                count(*), count(*) filter (where isodow(day) > 5), coalesce(median(apart), 0),
                coalesce(max(day) > date {quoted(str(latest))}, false)
            from (
                select day, day - lag(day) over (order by day) as apart
                from (
                    select distinct try_strptime(found, {quoted(pattern)})::date as day
                    from ({stamps})
                )
                where day is not null
            )
        """).fetchall()
    ]
    return plausible_patterns(spreads)


def two_days(
    con: duckdb.DuckDBPyConnection, patterns: Sequence[str], stamps: str
) -> tuple[str, list[str]]:
    """Return the first text that these patterns read differently, and its possible days."""
    read = ", ".join(f"try_strptime(found, {quoted(pattern)})" for pattern in patterns)
    days = ", ".join(
        f"try_strptime(found, {quoted(pattern)})::date::varchar" for pattern in patterns
    )
    [(text, found)] = con.execute(
        f"select found, [{days}] from ({stamps})"
        f" where least({read}) <> greatest({read}) order by all limit 1"
    ).fetchall()
    return text, list(dict.fromkeys(day for day in found if day))


def agree(con: duckdb.DuckDBPyConnection, patterns: Sequence[str], stamps: str) -> bool:
    """Return whether these patterns read every text alike."""
    read = ", ".join(f"try_strptime(found, {quoted(pattern)})" for pattern in patterns)
    # least and greatest ignore NULL
    [(count,)] = con.execute(
        f"select count(*) from ({stamps}) where least({read}) <> greatest({read})"
    ).fetchall()
    return bool(count == 0)


def timestamp_sql(text: str, formats: Sequence[Format]) -> Timestamp:
    """Return the SQL that reads timestamps in these formats, which have one meaning."""
    first = formats[0]
    written = None
    if first.zone_behind:
        behind = f"regexp_replace(trim({text}), {quoted(ZONE_AT_END)}, '')"
        written = value_sql(behind, replace(first, meaning=Meaning.LOCAL, zone_behind=False))
    elif first.meaning is Meaning.OFFSET:
        written = f"try_cast({text} as timestamp)"
    return Timestamp(first, text, read_sql(text, formats), written, tuple(formats))


def read_sql(text: str, formats: Sequence[Format]) -> str:
    """Return SQL for a text as TIMESTAMP, NULL if no format or two formats disagree on it."""
    values = [value_sql(text, one) for one in formats]
    if len(values) == 1:
        return values[0]
    # least and greatest ignore NULL
    listed = ", ".join(values)
    return f"case when least({listed}) = greatest({listed}) then least({listed}) end"


def value_sql(text: str, written: Format) -> str:
    """Return SQL for a text as TIMESTAMP, NULL if it is not in this format."""
    if written.is_epoch:
        return epoch_sql(text)
    if written.zone_behind:
        patterns = [written.pattern] if written.pattern else ISO_PATTERNS
        listed = ", ".join(quoted(f"{pattern} %Z") for pattern in patterns)
        return f"timezone('UTC', try_strptime(trim({text}), [{listed}]))"
    if written.pattern is not None:
        value = f"try_strptime(trim({text}), {quoted(written.pattern)})"
        if written.meaning is Meaning.INSTANT:
            value = f"timezone('UTC', {value})"
        return f"case when {value} >= {OLDEST} then {value} end"
    offset = f"regexp_matches({text}, {quoted(OFFSET_AT_END)})"
    if written.meaning is Meaning.OFFSET:
        return f"timezone('UTC', case when {offset} then try_cast({text} as timestamptz) end)"
    # a timestamp with an offset must not be read as if it had none
    longest = len("2020-01-02 09:15:00")
    return (
        f"case when length({text}) > {longest} and {offset} then null"
        f" else try_cast({text} as timestamp) end"
    )


def epoch_sql(text: str) -> str:
    """
    Return SQL for a count since 1970 as TIMESTAMP, its unit inferred from each row's digits.

    Ten digits are seconds (until 2286), thirteen milliseconds, and so on by threes; eight are a
    date. 202401020915 and 20240102091500, which could be milliseconds of 1976 and microseconds of
    1970, are dates too.
    """
    count = f"try_cast(split_part(trim({text}), '.', 1) as bigint)"
    size = f"abs({count})"
    dated = f"{count} between 190001010000 and 209912312359"
    dated += f" or {count} between 19000101000000 and 20991231235959"
    return (
        f"case when {size} < 100000000 or {dated} then null"
        f" when {size} < 10000000000 then make_timestamp({count} * 1000000)"
        f" when {size} < 10000000000000 then make_timestamp({count} * 1000)"
        f" when {size} < 10000000000000000 then make_timestamp({count})"
        f" else make_timestamp({count} // 1000) end"
    )
