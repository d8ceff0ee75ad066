"""The last price of every symbol, vectorized to keep up with the tick rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from duckbourse.streaming.feed import (
    Places,
    Records,
    column,
    decimal_price,
    instant,
    millionths,
    places_of,
)

# A price further from the prior close than this factor cannot be valid: no split is larger. Prices
# within it are left to the exchange's price bands.
MAX_PRICE_RATIO = 50
# A quote that is repeated within this many microseconds is the same one: a feed sends it again with
# each change of the other side.
REPEATED_WITHIN = 1_000_000
# a price, and when it was traded: a snapshot after a reconnection is as old as its last trade
Prices = Mapping[str, tuple[Decimal, datetime]]


def price_bounds(
    symbols: tuple[str, ...], closes: Mapping[str, Decimal | None]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """
    Return the lowest and highest valid tick price of each symbol, in millionths.

    `closes` are those of the prior session; without one, any price above 0 is valid.
    """
    least = np.ones(len(symbols), np.int64)
    most = np.full(len(symbols), np.iinfo(np.int64).max)
    for place, symbol in enumerate(symbols):
        close = closes.get(symbol)
        if close is not None and close > 0:
            least[place] = max(1, millionths(close / MAX_PRICE_RATIO))
            most[place] = millionths(close * MAX_PRICE_RATIO)
    return least, most


class Quote(NamedTuple):
    """
    The best bid and ask of a symbol, each None without one, those before, and their receipt.

    The one before is another price, or the same one a second or more before.
    """

    bid: Decimal | None
    ask: Decimal | None
    bid_before: Decimal | None
    ask_before: Decimal | None
    received_at: datetime


class Latest(NamedTuple):
    """
    What is known of some symbols, an array each, with 0 for what is not.

    The price in millionths, when it was traded and when anything was received, in microseconds, and
    a number that grows with each update of the symbol.
    """

    price: NDArray[np.int64]
    traded_at: NDArray[np.int64]
    received_at: NDArray[np.int64]
    revision: NDArray[np.int64]


class LastPrices(Mapping[str, tuple[Decimal, datetime]]):
    """
    The last price of each symbol that had a tick, and when it was traded.

    A trade time after the receipt is that of a clock that is ahead; the receipt's counts then.
    """

    def __init__(self, symbols: tuple[str, ...]) -> None:
        self._places = {symbol: place for place, symbol in enumerate(symbols)}
        self._price = np.zeros(len(symbols), np.int64)
        self._traded_at = np.zeros(len(symbols), np.int64)
        self._received_at = np.zeros(len(symbols), np.int64)
        # the newest quote, the one before it, and when the newest came to be
        self._bid = np.zeros((3, len(symbols)), np.int64)
        self._ask = np.zeros((3, len(symbols)), np.int64)
        # the number of the last update that changed anything of a symbol
        self._revision = np.zeros(len(symbols), np.int64)
        self._update_count = 0

    def update(self, records: Records) -> None:
        """Update from ticks with a price, in the order received."""
        places = places_of(records)
        received_at = column(records, "received_at")
        # if a symbol occurs twice, the later tick wins
        self._price[places] = column(records, "price")
        self._traded_at[places] = np.minimum(records["traded_at"], received_at)
        self._received_at[places] = received_at
        self._quote(records, places)

    def update_quotes(self, records: Records) -> None:
        """Update the quotes alone, of symbols that have no price yet; their prices are not used."""
        records = records[self._price[places_of(records)] == 0]
        places = places_of(records)
        self._quote(records, places)
        is_quoted = (records["bid"] > 0) | (records["ask"] > 0)
        self._received_at[places[is_quoted]] = records["received_at"][is_quoted]

    def _quote(self, records: Records, places: Places) -> None:
        self._update_count += 1
        self._revision[places] = self._update_count
        received_at = column(records, "received_at")
        for side, name in ((self._bid, "bid"), (self._ask, "ask")):
            newest, before, since = side
            known = newest[places]
            newest[places] = column(records, name)  # of two in a batch, the later one
            is_other = newest[places] != known
            is_other |= received_at - since[places] >= REPEATED_WITHIN
            before[places[is_other]] = known[is_other]
            since[places[is_other]] = received_at[is_other]

    def quote(self, symbol: str) -> Quote | None:
        """Return the newest quote; None before the first tick."""
        place = self._places.get(symbol)
        if place is None or not self._received_at[place]:
            return None
        bid, ask = (
            tuple(decimal_price(int(price)) if price else None for price in side[:2, place])
            for side in (self._bid, self._ask)
        )
        return Quote(bid[0], ask[0], bid[1], ask[1], instant(int(self._received_at[place])))

    def place(self, symbol: str) -> int | None:
        """Return the place of a symbol in the arrays of `latest`; None if the feed lacks it."""
        return self._places.get(symbol)

    def latest(self, places: Places) -> Latest:
        """Return what is known of the symbols at these places."""
        return Latest(
            self._price[places],
            self._traded_at[places],
            self._received_at[places],
            self._revision[places],
        )

    def newest(self) -> int:
        """Return when the last tick of any symbol was received, in microseconds; 0 without any."""
        return int(self._received_at.max(initial=0))

    def seconds_of_silence(self, symbol: str) -> float | None:
        """Return how long other symbols had ticks since the last of this one; None without any."""
        place = self._places.get(symbol)
        if place is None or not self._received_at[place]:
            return None
        return float(self._received_at.max() - self._received_at[place]) / 1e6

    def last_receipt(self) -> datetime | None:
        """Return when the last tick of any symbol was received; None without any."""
        newest = self.newest()
        return instant(newest) if newest else None

    def __getitem__(self, symbol: str) -> tuple[Decimal, datetime]:
        place = self._places[symbol]
        price = int(self._price[place])
        if not price:
            raise KeyError(symbol)
        return decimal_price(price), instant(int(self._traded_at[place]))

    def __contains__(self, symbol: object) -> bool:
        place = self._places.get(symbol) if isinstance(symbol, str) else None
        return place is not None and bool(self._price[place])

    def __iter__(self) -> Iterator[str]:
        return (symbol for symbol in self._places if symbol in self)

    def __len__(self) -> int:
        return int(np.count_nonzero(self._price))
