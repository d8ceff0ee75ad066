"""Ticks as records, and the feed that delivers them."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

# instants are microseconds of UTC since 1970, prices are in millionths; a price of 0 is missing,
# and so is a cumulative volume of -1
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
# indices of symbols
Places = NDArray[np.intp]


class Tick(msgspec.Struct, frozen=True):
    """
    The last trade price of a symbol, when it was received, in UTC, and the quantity traded.

    `is_synthetic` marks a tick that no exchange sent, such as one derived from a bar.
    """

    symbol: str
    at: datetime
    price: Decimal
    quantity: int
    is_synthetic: bool = False


class Feed(Protocol):
    """
    Ticks as records, in the order received, until the session or the feed ends.

    A record's `symbol` is its index in `symbols`. If the feed `is_synthetic`, no exchange sent its
    ticks: they may be traded with paper money and are not recorded.
    """

    @property
    def name(self) -> str:
        """Return the name of the feed, for messages."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the symbols that may have ticks."""

    @property
    def is_synthetic(self) -> bool:
        """Return whether the ticks are synthetic."""

    def counters(self) -> dict[str, int]:
        """Return the feed's counters by name; may be empty."""

    def ticks(self) -> AsyncIterator[Records]:
        """Return batches: one instant each in a replay, all waiting ticks each in a live feed."""


class TickFollower(Protocol):
    """Follows the ticks of a session that trading acts on, such as a simulated broker."""

    async def on_ticks(self, ticks: list[Tick]) -> None:
        """Act on the ticks of a batch, one per symbol, before the account does."""

    async def on_end(self) -> None:
        """Act on the end of the session."""

    def symbols(self) -> Iterable[str]:
        """Return the symbols whose ticks it needs now."""


class TickRelay:
    """Passes the ticks of a feed that trading acts on to those who follow them."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._places = {symbol: place for place, symbol in enumerate(feed.symbols)}
        self._followers: list[TickFollower] = []

    def follow(self, follower: TickFollower) -> None:
        self._followers.append(follower)

    async def publish(self, records: Records) -> None:
        """Pass a batch of ticks on."""
        for follower in self._followers:
            places = [self._places[each] for each in follower.symbols() if each in self._places]
            if places and len(of_them := records[np.isin(records["symbol"], places)]):
                await follower.on_ticks(
                    conflate(of_them, self._feed.symbols, self._feed.is_synthetic)
                )

    async def end(self) -> None:
        """Report the end of the session."""
        for follower in self._followers:
            await follower.on_end()


def places_of(records: Records) -> Places:
    """Return the indices of the symbols of records, as arrays are indexed fastest."""
    return records["symbol"].astype(np.intp)


def column(records: Records, name: str) -> NDArray[np.int64]:
    """Return one field of records side by side: several times as fast to store elsewhere."""
    return np.ascontiguousarray(records[name])


def conflate(records: Records, symbols: tuple[str, ...], is_synthetic: bool) -> list[Tick]:
    """Return one tick per symbol: its last price and the total quantity of its ticks."""
    quantities: Counter[int] = Counter()
    last: dict[int, tuple[int, int]] = {}
    for symbol, _, at, price, quantity, *_ in records.tolist():
        last[symbol] = at, price
        quantities[symbol] += quantity
    return [
        Tick(symbols[symbol], instant(at), decimal_price(price), quantities[symbol], is_synthetic)
        for symbol, (at, price) in sorted(last.items())
    ]


def instant(microseconds: int) -> datetime:
    """Return a record's instant as an aware datetime in UTC."""
    return EPOCH + timedelta(microseconds=microseconds)


def microseconds(at: datetime) -> int:
    """Return an instant in microseconds, as records store it."""
    return (at - EPOCH) // MICROSECOND


def decimal_price(millionths: int) -> Decimal:
    """Return a record's price as an exact Decimal."""
    return Decimal(millionths).scaleb(-PRICE_DECIMALS)


def millionths(price: Decimal) -> int:
    """Return a price in millionths, as records store it."""
    return int(price.scaleb(PRICE_DECIMALS))
