"""What a price is when it comes, and what brings it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

# instants are microseconds of UTC since 1970, prices millionths; 0 is a price that was not told,
# and a cumulative volume of -1 is none
RECORD = np.dtype(
    [
        ("symbol", "<i4"),
        ("traded_at", "<i8"),
        ("received_at", "<i8"),
        ("price", "<i8"),
        ("quantity", "<i8"),
        ("cumulative_volume", "<i8"),
        ("bid", "<i8"),
        ("ask", "<i8"),
    ]
)
PRICE_DECIMALS = 6
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
Records = NDArray[Any]


class Tick(msgspec.Struct, frozen=True):
    """
    A price that was told: when it came, in UTC; of the last trade; how many shares were traded.

    `is_made_up` is a tick that no exchange told, such as one that was taken from a bar.
    """

    symbol: str
    at: datetime
    price: Decimal
    quantity: int
    is_made_up: bool = False


class Feed(Protocol):
    """
    Ticks in the order in which they came, as records, until the end of the session or of the feed.

    A record's `symbol` is the place in `symbols`. Ticks of a feed that `is_made_up` were told by no
    exchange: they may be traded on with paper money, and are not recorded.
    """

    @property
    def name(self) -> str:
        """Return what is fed, in a few words."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return whose ticks there may be."""

    @property
    def is_made_up(self) -> bool:
        """Return whether the ticks are made up."""

    def figures(self) -> dict[str, int]:
        """Return what came and went wrong so far, by name, for who watches; it may be nothing."""

    def ticks(self) -> AsyncIterator[Records]:
        """Return the batches: of one instant in a replay, of all that is there in a live feed."""


def conflated(records: Records, symbols: tuple[str, ...], is_made_up: bool) -> list[Tick]:
    """Return one tick for each symbol: its last price, and the shares of all its ticks."""
    quantities: Counter[int] = Counter()
    last: dict[int, tuple[int, int]] = {}
    for symbol, _, at, price, quantity, *_ in records.tolist():
        last[symbol] = at, price
        quantities[symbol] += quantity
    return [
        Tick(symbols[symbol], instant(at), decimal_price(price), quantities[symbol], is_made_up)
        for symbol, (at, price) in sorted(last.items())
    ]


def instant(microseconds: int) -> datetime:
    """Return a record's instant as one in UTC."""
    return EPOCH + timedelta(microseconds=microseconds)


def microseconds(at: datetime) -> int:
    """Return an instant as records have it."""
    return (at - EPOCH) // MICROSECOND


def decimal_price(millionths: int) -> Decimal:
    """Return a record's price exactly."""
    return Decimal(millionths).scaleb(-PRICE_DECIMALS)


def millionths(price: Decimal) -> int:
    """Return a price as records have it."""
    return int(price.scaleb(PRICE_DECIMALS))
