"""Awkward dates: code that reads the clock must work on each of them."""

from __future__ import annotations

from datetime import UTC, datetime

# Shortly before the time that makes each of them awkward, so that a test reaches it.
DAYS = {
    # in New York and in India
    "a Saturday": datetime(2026, 11, 28, 15, 0, tzinfo=UTC),
    # Christmas, a Friday: neither New York nor India trades
    "an exchange holiday": datetime(2026, 12, 25, 15, 0, tzinfo=UTC),
    # the day after Thanksgiving: New York closes at 13:00
    "a half day": datetime(2026, 11, 27, 17, 59, 59, 900_000, tzinfo=UTC),
    # India trades for one evening hour, on a Sunday
    "a Muhurat evening": datetime(2026, 11, 8, 12, 29, 59, 900_000, tzinfo=UTC),
    "29 February": datetime(2024, 2, 29, 23, 59, 59, 900_000, tzinfo=UTC),
    # for hours yet; in India it is the new year already
    "31 December": datetime(2026, 12, 31, 19, 0, tzinfo=UTC),
    "clocks go forward": datetime(2026, 3, 8, 6, 59, 59, 900_000, tzinfo=UTC),
    "clocks go back": datetime(2026, 11, 1, 5, 59, 59, 900_000, tzinfo=UTC),
}
