"""Words of messages."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a number and what it counts, without `plural` with an s: 1 row, 1,000 rows."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def shares(symbol: str, quantity: int) -> str:
    """Return what is held, or would be: A +10, and A -10 of what is sold short."""
    return f"{symbol} {quantity:+}"


def in_words(name: str) -> str:
    """Return a name of ours as it is read: square off of square_off."""
    return name.replace("_", " ")


def priced(price: Decimal) -> str:
    """Return a price with two to four decimals."""
    whole, _, decimals = f"{price:.4f}".partition(".")
    return f"{whole}.{decimals.rstrip('0'):0<2}"


# of a list in a sentence
NAMED = 3


def shortened(names: Sequence[str]) -> str:
    """Return the first names of a list, and whether there are more."""
    return ", ".join(names[:NAMED]) + ", …" * (len(names) > NAMED)


# of a text that others wrote
SHOWN = 200


def printable(text: str, most: int = SHOWN) -> str:
    """Return a text of others on one line: control characters escaped, and cut to `most`."""
    cut = text if len(text) <= most else f"{text[: most - 1]}…"
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in cut
    )


def clock_problem(seconds: int) -> str:
    """Return how a machine's clock differs from the time that has passed; empty if it does not."""
    if not seconds:
        return ""
    more = "more" if seconds > 0 else "less"
    return (
        f"this machine's clock was set, and shows {abs(seconds):,} s {more}"
        " than have passed since the session began, by which it goes on: if the clock is right now,"
        " start the loop again"
    )
