"""The last price of every symbol, vectorized to keep up with the tick rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from duckbourse.streaming.feed import Records, decimal_price, instant, millionths

# A price further from the prior close than this factor cannot be valid: no split is larger. Prices
# within it are left to the exchange's price bands.
MAX_PRICE_RATIO = 50
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
    """The best bid and ask of a symbol, each None without one, those before, and their receipt."""

    bid: Decimal | None
    ask: Decimal | None
    bid_before: Decimal | None
    ask_before: Decimal | None
    received_at: datetime


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
        # the newest quote, and the one before it
        self._bid = np.zeros((2, len(symbols)), np.int64)
        self._ask = np.zeros((2, len(symbols)), np.int64)

    def update(self, records: Records) -> None:
        """Update from ticks with a price, in the order received."""
        places = records["symbol"]
        # if a symbol occurs twice, the later tick wins
        self._price[places] = records["price"]
        self._traded_at[places] = np.minimum(records["traded_at"], records["received_at"])
        self._received_at[places] = records["received_at"]
        self._quote(records)

    def update_quotes(self, records: Records) -> None:
        """Update the quotes alone, of symbols that have no price yet; their prices are not used."""
        records = records[self._price[records["symbol"]] == 0]
        places = records["symbol"]
        self._quote(records)
        is_quoted = (records["bid"] > 0) | (records["ask"] > 0)
        self._received_at[places[is_quoted]] = records["received_at"][is_quoted]

    def _quote(self, records: Records) -> None:
        places = records["symbol"]
        for side, quoted in ((self._bid, records["bid"]), (self._ask, records["ask"])):
            side[1, places] = side[0, places]
            side[0, places] = quoted

    def quote(self, symbol: str) -> Quote | None:
        """Return the newest quote; None before the first tick."""
        place = self._places.get(symbol)
        if place is None or not self._received_at[place]:
            return None
        bid, ask = (
            tuple(decimal_price(int(price)) if price else None for price in side[:, place])
            for side in (self._bid, self._ask)
        )
        return Quote(bid[0], ask[0], bid[1], ask[1], instant(int(self._received_at[place])))

    def seconds_of_silence(self, symbol: str) -> float | None:
        """Return how long other symbols had ticks since the last of this one; None without any."""
        place = self._places.get(symbol)
        if place is None or not self._received_at[place]:
            return None
        return float(self._received_at.max() - self._received_at[place]) / 1e6

    def last_receipt(self) -> datetime | None:
        """Return when the last tick of any symbol was received; None without any."""
        newest = int(self._received_at.max(initial=0))
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
