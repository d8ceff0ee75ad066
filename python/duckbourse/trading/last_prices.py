"""
The last prices of what an account holds or has ordered, for who looks beside its loop.

The loop writes them about once a second to `prices.json` in the account's folder, with the instants
at which they were traded. They are for display: nothing is traded on them, and no sync is waited
for.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import msgspec

from duckbourse.disk import private
from duckbourse.streaming.prices import Prices

FILE = "prices.json"


class Written(msgspec.Struct, frozen=True):
    """What the file holds."""

    session_date: date
    prices: dict[str, tuple[Decimal, datetime]]


def write(folder: Path, session_date: date, symbols: Iterable[str], prices: Prices) -> None:
    """Write the last prices of these symbols, where there are any; raise OSError if it fails."""
    found = {symbol: prices[symbol] for symbol in symbols if symbol in prices}
    draft = folder / f"{FILE}.draft"
    with open(draft, "wb", opener=private) as file:
        file.write(msgspec.json.encode(Written(session_date, found)))
    draft.replace(folder / FILE)


def read(folder: Path, session_date: date) -> Prices:
    """Return what was written in a session; nothing if it was another one, or never."""
    try:
        written = msgspec.json.decode((folder / FILE).read_bytes(), type=Written)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}
    return written.prices if written.session_date == session_date else {}
