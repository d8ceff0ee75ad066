"""The last price of every symbol, as cheap to bring up to date as ticks are many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from duckbourse.streaming.feed import Records, decimal_price, instant, millionths

# A price that is further from the close before than so many times is none of that share: no split
# goes beyond it. What is between is for the exchange's bands.
MAX_PRICE_RATIO = 50
# a price, and when it came
Prices = Mapping[str, tuple[Decimal, datetime]]


def price_bounds(
    symbols: tuple[str, ...], closes: Mapping[str, Decimal | None]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """
    Return the least and the most that a tick of each symbol may say, in millionths.

    `closes` are of the session before; where there is none, any price above 0 may be.
    """
    least = np.ones(len(symbols), np.int64)
    most = np.full(len(symbols), np.iinfo(np.int64).max)
    for place, symbol in enumerate(symbols):
        close = closes.get(symbol)
        if close is not None and close > 0:
            least[place] = max(1, millionths(close / MAX_PRICE_RATIO))
            most[place] = millionths(close * MAX_PRICE_RATIO)
    return least, most


class LastPrices(Mapping[str, tuple[Decimal, datetime]]):
    """Of each symbol of a feed that had a tick, its last price and when that came."""

    def __init__(self, symbols: tuple[str, ...]) -> None:
        self._places = {symbol: place for place, symbol in enumerate(symbols)}
        self._price = np.zeros(len(symbols), np.int64)
        self._received_at = np.zeros(len(symbols), np.int64)

    def update(self, records: Records) -> None:
        """Take in priced ticks, in the order in which they came."""
        places = records["symbol"]
        # of a symbol that is there twice, the later one stays
        self._price[places] = records["price"]
        self._received_at[places] = records["received_at"]

    def __getitem__(self, symbol: str) -> tuple[Decimal, datetime]:
        place = self._places[symbol]
        price = int(self._price[place])
        if not price:
            raise KeyError(symbol)
        return decimal_price(price), instant(int(self._received_at[place]))

    def __contains__(self, symbol: object) -> bool:
        place = self._places.get(symbol) if isinstance(symbol, str) else None
        return place is not None and bool(self._price[place])

    def __iter__(self) -> Iterator[str]:
        return (symbol for symbol in self._places if symbol in self)

    def __len__(self) -> int:
        return int(np.count_nonzero(self._price))
