"""Which ticks trading acts on: one bad print, or one that comes late, must move nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from duckbourse.streaming.feed import Records, millionths

# by how many microseconds the exchange's clock may be ahead of ours
MAX_AHEAD = 5_000_000


class TickFilter:
    """
    Passes the ticks that are believed; it knows the last of each symbol, at first the prior close.

    `closes` are the prior closes, and `bands` the lowest and highest price of the day, by symbol.

    A price outside the price band, or further than `max_move_pct` from the last one, waits until
    the next tick is no further from it than that: the two confirm each other. A trade that is
    older than the last of its symbol comes late and is not believed. The time of a trade that is
    more than MAX_AHEAD after its receipt is not believed, so that it makes no later tick late.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        closes: Mapping[str, Decimal | None],
        bands: Mapping[str, tuple[Decimal, Decimal | None]],
        max_move_pct: Decimal,
    ) -> None:
        self._move = float(max_move_pct) / 100
        count = len(symbols)
        self._price = np.zeros(count, np.int64)
        self._traded_at = np.zeros(count, np.int64)
        self._waiting = np.zeros(count, np.int64)
        self._low = np.ones(count, np.int64)
        self._high = np.full(count, np.iinfo(np.int64).max)
        for place, symbol in enumerate(symbols):
            if close := closes.get(symbol):
                self._price[place] = millionths(close)
            low, high = bands.get(symbol, (None, None))
            if low is not None and high is not None:
                self._low[place], self._high[place] = millionths(low), millionths(high)
        self.unbelieved_count = 0

    def believed(self, records: Records) -> Records:
        """Return the ticks that are believed, in their order."""
        places, price, traded_at = records["symbol"], records["price"], records["traded_at"]
        # what each is compared with: the tick of its symbol before it, here or in earlier batches
        known, known_at = self._price[places], self._traded_at[places]
        order = np.argsort(places, kind="stable")
        is_next = np.diff(places[order]) == 0
        known[order[1:][is_next]] = price[order[:-1][is_next]]
        known_at[order[1:][is_next]] = traded_at[order[:-1][is_next]]
        is_usual = (np.abs(price - known) <= self._move * known) | (known == 0)
        is_usual &= (price >= self._low[places]) & (price <= self._high[places])
        is_usual &= traded_at >= known_at
        latest = records["received_at"] + MAX_AHEAD
        is_usual &= traded_at <= latest
        if is_usual.all():
            self._keep(places, price, traded_at)
            return records
        mask = np.fromiter(
            (
                self._is_believed(int(place), int(each), int(when), is_ahead)
                for place, each, when, is_ahead in zip(
                    places, price, traded_at, (traded_at > latest).tolist(), strict=True
                )
            ),
            bool,
            len(records),
        )
        self.unbelieved_count += int(len(records) - mask.sum())
        found: Records = records[mask]
        return found

    def _is_believed(self, place: int, price: int, traded_at: int, is_ahead: bool) -> bool:
        if is_ahead:
            traded_at = int(self._traded_at[place])
        if traded_at < self._traded_at[place]:
            return False
        known, waiting = int(self._price[place]), int(self._waiting[place])
        is_usual = not known or abs(price - known) <= self._move * known
        is_usual &= bool(self._low[place] <= price <= self._high[place])
        if not is_usual and not (waiting and abs(price - waiting) <= self._move * waiting):
            self._waiting[place] = price
            return False
        self._keep(place, price, traded_at)
        return True

    def _keep(self, places: Any, price: Any, traded_at: Any) -> None:
        self._price[places] = price
        self._traded_at[places] = traded_at
        self._waiting[places] = 0
