"""Words of messages."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Return a number and what it counts: 1 row, 1,000 rows."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
