"""The only place that asks what time it is, so that a test can own it."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """Return this instant, aware and in UTC."""
    return datetime.now(UTC)


def elapsed_seconds() -> float:
    """Return a steady count of seconds, for measuring how long a thing took."""
    return time.monotonic()
