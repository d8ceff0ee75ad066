"""Words of messages."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a number and what it counts, without `plural` with an s: 1 row, 1,000 rows."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
