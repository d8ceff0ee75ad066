"""
What a vendor's stamps say: their format, what the bars are, and which end of a minute they name.

Everything here decides from counts that SQL has made. Nothing is guessed: where the counts do not
settle a thing, the answer is None and the caller asks.
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
    """What a stamp is worth without a calendar."""

    LOCAL = "as read on a clock whose zone is not said"
    OFFSET = "as read on a clock, and its offset from UTC"
    INSTANT = "a moment, the same everywhere"


@dataclass(frozen=True)
class Format:
    """How a stamp is written: `pattern` is strptime's, or None for what DuckDB's cast reads."""

    name: str
    meaning: Meaning
    pattern: str | None = None
    # a count since 1970, each of the unit that its number of digits says
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
# seconds, milliseconds, microseconds or nanoseconds, of 1973 to 2286
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

# Of the stamps looked at, the part that a format must read to be the file's.
MIN_READABLE = 0.5
# Regular hours: the part of sessions that must show a bar at one end, and may at the other.
MIN_SESSIONS = 0.2
MAX_CONTRADICTION = 0.1
# Fewer of a file's minutes within the calendar's hours than this, and it may be the wrong one.
FEW_INSIDE = 0.5
# By so much more of them within the hours, another zone than the one taken is the likelier.
MORE_WHOLE, MORE_END, MORE = 0.1, 0.25, 0.75
# Days between neighbors from which dates are of no daily bars, and the dates that tell it.
COARSE = 6
MIN_SPREAD = 6


def epoch(texts: Sequence[str]) -> Format | None:
    """Return the format of counts since 1970, if most texts are such."""
    counts = [
        EPOCH_TEXT.fullmatch(text.strip()) and not COMPACT.fullmatch(text.strip()) for text in texts
    ]
    return EPOCH if sum(map(bool, counts)) >= MIN_READABLE * len(texts) else None


def zoned(texts: Sequence[str]) -> Format | None:
    """Return the format of stamps with the name of their zone behind, if most texts are such."""
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
    How a file's dates lie as one order of day, month and year reads them.

    `dates` counts each once, `weekend` those of a Saturday or Sunday, `apart` is the median of the
    days between neighbors, and `future` whether one is later than the file.
    """

    pattern: str
    dates: int
    weekend: int
    apart: float
    future: bool

    @property
    def side_by_side(self) -> bool:
        """
        Tell whether these are sessions one after the other.

        Months taken for days are side by side too, but six in a row meet a weekend.
        """
        return (
            self.dates >= MIN_SPREAD
            and self.apart < COARSE
            and self.weekend <= MAX_CONTRADICTION * self.dates
        )

    @property
    def coarse(self) -> bool:
        """Tell whether the dates are a week or more apart, as no bars of ours are."""
        return self.dates >= MIN_SPREAD and self.apart >= COARSE


def likely(spreads: Sequence[Spread]) -> list[str]:
    """
    Return the orders that the spread of dates does not rule out, all of them if it tells nothing.

    What is later than the file is not in it; and where one order makes sessions side by side, those
    that make weeks, months or years of them are wrong.
    """
    past = [one for one in spreads if not one.future] or list(spreads)
    if any(one.side_by_side for one in past):
        past = [one for one in past if not one.coarse]
    return [one.pattern for one in past]


@dataclass(frozen=True)
class Spacing:
    """
    How far the bars of a symbol are apart: seconds → how often.

    `longest` is the most bars that one symbol has, `dated` whether no stamp has a time of day.
    """

    gaps: Mapping[float, int]
    longest: int
    dated: bool

    @property
    def commonest(self) -> float:
        """The gap that is seen most often, the shorter of two."""
        return min(self.gaps, key=lambda gap: (-self.gaps[gap], gap))

    @property
    def median(self) -> float:
        """The gap in the middle."""
        half = sum(self.gaps.values()) / 2
        for gap in sorted(self.gaps):
            half -= self.gaps[gap]
            if half <= 0:
                return gap
        raise ValueError("there are no gaps")


def bars_are(spacing: Spacing) -> Kind | str | None:
    """
    Return what the bars are, or the name of a timeframe that is not ours, or None.

    None is for bars without any gap whose stamps have a time of day: one moment of each symbol.
    """
    if not spacing.gaps:
        return Kind.DAILY if spacing.dated else None
    gap = spacing.commonest
    count = sum(spacing.gaps.values())
    if gap >= DAY * 5 / 6 or spacing.dated:
        # a symbol's two dates of a drop may be a Friday and a Monday: that is not weekly
        if spacing.longest >= 4 and spacing.median >= COARSE * DAY:
            return f"{spacing.median / DAY:.0f}-day"
        return Kind.DAILY
    off_minute = sum(n for seconds, n in spacing.gaps.items() if seconds % MINUTE)
    if off_minute > count / 20:
        return "second or tick"
    if gap == MINUTE:
        return Kind.MINUTE
    # a symbol that seldom trades has few minutes side by side, but is on no coarser grid either; a
    # last bar of half an hour after hours is
    off_grid = sum(
        n for seconds, n in spacing.gaps.items() if seconds % gap and seconds % (5 * MINUTE)
    )
    if off_grid > count / 5:
        return Kind.MINUTE
    return f"{gap / MINUTE:.0f}-minute"


@dataclass(frozen=True)
class Edges:
    """
    Where minute stamps lie against a calendar's regular hours, counted by symbol and session.

    `at_open` is sessions with a stamp at the minute of the open, `at_close` at that of the close,
    `before_close` one minute before it, `after_open` one after the open; `at_noon` between 12
    and 13. Of all stamps, `inside` lie from open to close.
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
        """The part of the stamps that lies within the hours."""
        return self.inside / self.stamps if self.stamps else 0.0

    @property
    def whole(self) -> bool:
        """
        Tell whether most sessions have both ends of the hours, and their noon.

        Noon tells New York from Hong Kong, which has the same hours and a pause.
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
        """Tell whether enough sessions have one end of the hours at least."""
        ends = max(self.at_open, self.after_open, self.before_close, self.at_close)
        return ends >= max(1, MIN_SESSIONS * self.sessions)


def label(edges: Edges) -> str | None:
    """
    Return which end of its minute a stamp names, told by the hours, or None.

    Labelled by start there is a bar at the open and none at the close; by end, the other way round.
    """
    enough = max(1, MIN_SESSIONS * edges.sessions)
    if edges.at_open >= enough and edges.at_close <= MAX_CONTRADICTION * edges.at_open:
        return "start"
    if edges.at_close >= enough and edges.at_open <= MAX_CONTRADICTION * edges.at_close:
        return "end"
    return None


def keeps_hours(edges: Edges, calendar: Calendar) -> bool:
    """Tell whether most sessions run from this calendar's open to its close, and no further."""
    return not calendar.always_open and edges.whole and edges.inside >= 0.95 * edges.stamps


def likelier(taken: Edges, other: Edges) -> bool:
    """
    Tell whether minutes are rather those of another zone than those of the one they are taken for.

    Clearly more of them lie within the hours. By how many more is enough depends on what else
    there is: whole sessions; an end of the hours; or nothing, as the half hour from an auction
    before the open on is within the hours of many a zone.
    """
    more = MORE_WHOLE if other.whole and not taken.whole else MORE_END if other.has_end else MORE
    return other.share >= FEW_INSIDE and other.share > taken.share + more
