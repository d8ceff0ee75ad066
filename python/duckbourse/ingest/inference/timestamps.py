"""
Inference from a vendor's timestamps: format, kind of bars, and the end of a minute that they give.

All decisions are based on counts from SQL. Nothing is guessed: if the counts do not decide, the
result is None and the caller asks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from duckbourse.ingest.calendars import Calendar
from duckbourse.ingest.schema import Kind

MINUTE = 60
DAY = 24 * 60 * MINUTE


class Meaning(Enum):
    """What a timestamp means without a calendar."""

    LOCAL = "local time of an unstated zone"
    OFFSET = "local time with its offset from UTC"
    INSTANT = "an instant, the same everywhere"


@dataclass(frozen=True)
class Format:
    """How a timestamp is written: `pattern` is for strptime, or None if DuckDB's cast reads it."""

    name: str
    meaning: Meaning
    pattern: str | None = None
    # a count since 1970, in the unit that its number of digits implies
    is_epoch: bool = False
    # the name of a time zone follows, as in `20240102 09:30:00 US/Eastern`
    zone_behind: bool = False


EPOCH = Format("counted since 1970", Meaning.INSTANT, is_epoch=True)
ISO = Format("ISO 8601", Meaning.LOCAL)
ISO_OFFSET = Format("ISO 8601 with an offset", Meaning.OFFSET)
TYPED_LOCAL = Format("typed, without a zone", Meaning.LOCAL)
TYPED_INSTANT = Format("typed, with a zone", Meaning.INSTANT)

OFFSET_AT_END = r"\d{2}:\d{2}.*(Z|[+-]\d{2}:?\d{2})$"
ISO_TEXT = re.compile(r"\d{4}([-/])\d{1,2}\1\d{1,2}([ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?)?")
# seconds, milliseconds, microseconds or nanoseconds, from 1973 to 2286
EPOCH_TEXT = re.compile(r"-?(\d{9,10}|\d{12,13}|\d{15,16}|\d{18,19})(\.\d*)?")
# 202401020915 is a date and a time
COMPACT = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])[0-5]\d")
ZONE_AT_END = r"\s+([A-Z][A-Za-z]+(/[A-Za-z_+-]+)+|UTC|GMT|E[SD]T|C[SD]T|M[SD]T|P[SD]T|IST)$"

DATES = (
    *("%Y%m%d", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d-%B-%Y", "%d %B %Y"),
    *("%b %d, %Y", "%B %d, %Y", "%Y.%m.%d", "%d-%m-%Y", "%m-%d-%Y", "%d/%m/%Y"),
    *("%m/%d/%Y", "%d.%m.%Y", "%d-%m-%y", "%m-%d-%y", "%y-%m-%d", "%d/%m/%y"),
    *("%m/%d/%y", "%y/%m/%d", "%d.%m.%y", "%y.%m.%d"),
)
TIMES = (
    *("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %H%M", " %H%M%S", "%H%M", "%H%M%S"),
    *(" %I:%M %p", " %I:%M:%S %p", "T%H:%M", "T%H:%M:%S"),
)
PATTERNS = tuple(date + time for date in DATES for time in TIMES)

# The share of the inspected timestamps that the file's format must read.
MIN_READABLE = 0.5
# Regular hours: the share of sessions that must have a bar at one end, and may at the other.
MIN_SESSIONS = 0.2
MAX_CONTRADICTION = 0.1
# Below this share of minutes within its hours, the calendar may be the wrong one.
FEW_INSIDE = 0.5
# How much larger the share within the hours must be for another zone to be likelier.
MORE_WHOLE, MORE_END, MORE = 0.1, 0.25, 0.75
# The days between dates from which bars are not daily, and how many dates are needed to decide.
COARSE = 6
MIN_SPREAD = 6


def epoch(texts: Sequence[str]) -> Format | None:
    """Return the format of counts since 1970, if most texts are."""
    counts = [
        EPOCH_TEXT.fullmatch(text.strip()) and not COMPACT.fullmatch(text.strip()) for text in texts
    ]
    return EPOCH if sum(map(bool, counts)) >= MIN_READABLE * len(texts) else None


def zoned(texts: Sequence[str]) -> Format | None:
    """Return the format of timestamps followed by the name of a zone, if most texts are."""
    count = sum(bool(re.search(ZONE_AT_END, text.strip())) for text in texts)
    if count < MIN_READABLE * len(texts):
        return None
    return Format("with a zone", Meaning.OFFSET, zone_behind=True)


def iso(texts: Sequence[str]) -> Format | None:
    """Return the format of most texts if it is ISO 8601, with or without an offset."""
    enough = MIN_READABLE * len(texts)
    if sum(bool(re.search(OFFSET_AT_END, text.strip())) for text in texts) >= enough:
        return ISO_OFFSET
    if sum(bool(ISO_TEXT.fullmatch(text.strip())) for text in texts) >= enough:
        return ISO
    return None


@dataclass(frozen=True)
class Spread:
    """
    How a file's dates are spread in one order of day, month and year.

    `dates` counts distinct dates and `weekend` those on a Saturday or Sunday; `apart` is the median
    number of days between consecutive dates; `future` is whether one is later than the file.
    """

    pattern: str
    dates: int
    weekend: int
    apart: float
    future: bool

    @property
    def side_by_side(self) -> bool:
        """
        Whether these are consecutive sessions.

        Months taken for days are consecutive too, but six in a row include a weekend.
        """
        return (
            self.dates >= MIN_SPREAD
            and self.apart < COARSE
            and self.weekend <= MAX_CONTRADICTION * self.dates
        )

    @property
    def coarse(self) -> bool:
        """Whether the dates are about a week or more apart, as no accepted bars are."""
        return self.dates >= MIN_SPREAD and self.apart >= COARSE


def plausible_patterns(spreads: Sequence[Spread]) -> list[str]:
    """
    Return the orders that the spread of dates does not rule out; all of them if it decides nothing.

    No date is later than the file. If one order gives consecutive sessions, those that give weeks,
    months or years are wrong.
    """
    past = [one for one in spreads if not one.future] or list(spreads)
    if any(one.side_by_side for one in past):
        past = [one for one in past if not one.coarse]
    return [one.pattern for one in past]


@dataclass(frozen=True)
class Spacing:
    """
    The gaps between the bars of a symbol: seconds → how often.

    `longest` is the largest number of bars of one symbol; `dated` is whether no timestamp has a
    time of day.
    """

    gaps: Mapping[float, int]
    longest: int
    dated: bool

    @property
    def commonest(self) -> float:
        """The most frequent gap, the shortest if several are."""
        return min(self.gaps, key=lambda gap: (-self.gaps[gap], gap))

    @property
    def median(self) -> float:
        """The median gap."""
        half = sum(self.gaps.values()) / 2
        for gap in sorted(self.gaps):
            half -= self.gaps[gap]
            if half <= 0:
                return gap
        raise ValueError("there are no gaps")


def kind_by_spacing(spacing: Spacing) -> Kind | str | None:
    """
    Return the kind of bars, or the name of an unsupported timeframe, or None.

    None means no gaps, but times of day: each symbol has only one timestamp.
    """
    if not spacing.gaps:
        return Kind.DAILY if spacing.dated else None
    gap = spacing.commonest
    count = sum(spacing.gaps.values())
    if gap >= DAY * 5 / 6 or spacing.dated:
        # two dates of a symbol may be a Friday and a Monday, which is not weekly
        if spacing.longest >= 4 and spacing.median >= COARSE * DAY:
            return f"{spacing.median / DAY:.0f}-day"
        return Kind.DAILY
    off_minute = sum(n for seconds, n in spacing.gaps.items() if seconds % MINUTE)
    if off_minute > count / 20:
        return "second or tick"
    if gap == MINUTE:
        return Kind.MINUTE
    # an illiquid symbol has few consecutive minutes, but does not fit a coarser grid; a last
    # half-hour bar after hours does
    off_grid = sum(
        n for seconds, n in spacing.gaps.items() if seconds % gap and seconds % (5 * MINUTE)
    )
    if off_grid > count / 5:
        return Kind.MINUTE
    return f"{gap / MINUTE:.0f}-minute"


@dataclass(frozen=True)
class Edges:
    """
    Minute timestamps against a calendar's regular hours, in sessions of symbols.

    `at_open` counts sessions with a timestamp at the open, `at_close` at the close, `before_close`
    one minute before it, `after_open` one minute after the open, `at_noon` between 12:00 and 13:00.
    Of all `stamps`, `inside` are from open to close.
    """

    sessions: int
    at_open: int
    after_open: int
    before_close: int
    at_close: int
    at_noon: int
    stamps: int
    inside: int

    @property
    def share(self) -> float:
        """The share of timestamps within the hours."""
        return self.inside / self.stamps if self.stamps else 0.0

    @property
    def whole(self) -> bool:
        """
        Whether most sessions have both ends of the hours, and noon.

        Noon distinguishes New York from Hong Kong, which has the same hours with a lunch break.
        """
        most = self.sessions / 2
        return (
            self.sessions > 0
            and max(self.at_open, self.after_open) >= most
            and max(self.before_close, self.at_close) >= most
            and self.at_noon >= most
        )

    @property
    def has_end(self) -> bool:
        """Whether enough sessions have at least one end of the hours."""
        ends = max(self.at_open, self.after_open, self.before_close, self.at_close)
        return ends >= max(1, MIN_SESSIONS * self.sessions)


def label_by_hours(edges: Edges) -> str | None:
    """
    Infer from the hours which end of its minute a timestamp gives, or return None.

    With start labels there is a bar at the open and none at the close; with end labels, vice versa.
    """
    enough = max(1, MIN_SESSIONS * edges.sessions)
    if edges.at_open >= enough and edges.at_close <= MAX_CONTRADICTION * edges.at_open:
        return "start"
    if edges.at_close >= enough and edges.at_open <= MAX_CONTRADICTION * edges.at_close:
        return "end"
    return None


def keeps_hours(edges: Edges, calendar: Calendar) -> bool:
    """Return whether most sessions run exactly from this calendar's open to its close."""
    return not calendar.always_open and edges.whole and edges.inside >= 0.95 * edges.stamps


def fits_better(taken: Edges, other: Edges) -> bool:
    """
    Return whether another zone is likelier for the minutes than the one `taken`.

    Clearly more of them must be within the hours. How many more depends on what else there is:
    whole sessions, one end of the hours, or nothing, since half an hour from a pre-open auction is
    within the hours of many zones.
    """
    more = MORE_WHOLE if other.whole and not taken.whole else MORE_END if other.has_end else MORE
    return other.share >= FEW_INSIDE and other.share > taken.share + more
