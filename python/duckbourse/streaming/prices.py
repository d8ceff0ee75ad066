"""The last price of every symbol, as cheap to bring up to date as ticks are many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal

import numpy as np

from duckbourse.streaming.feed import Records, decimal_price, instant

# a price, and when it came
Prices = Mapping[str, tuple[Decimal, datetime]]


class LastPrices(Mapping[str, tuple[Decimal, datetime]]):
    """Of each symbol of a feed that had a tick, its last price and when that came."""

    def __init__(self, symbols: tuple[str, ...]) -> None:
        self._places = {symbol: place for place, symbol in enumerate(symbols)}
        self._price = np.zeros(len(symbols), np.int64)
        self._received_at = np.zeros(len(symbols), np.int64)

    def take(self, records: Records) -> None:
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
