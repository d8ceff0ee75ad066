"""Which ticks trading acts on: one bad print, or one that comes late, must move nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from duckbourse.streaming.feed import Records, column, millionths, places_of

# by how many microseconds the exchange's clock may be ahead of ours
MAX_AHEAD = 5_000_000
MAX_SHORT = 2**15


class TickFilter:
    """
    Passes the ticks that are believed; it knows the last of each symbol, at first the prior close.

    `closes` are the prior closes, and `bands` the lowest and highest price of the day, by symbol.

    A price outside the price band, or further than `max_move_pct` from the last one, waits until
    the next trade is no further from it than that: the two confirm each other. The same trade that
    is reported again, at the same time and volume of the day, confirms nothing. A trade that is
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
        # two prices no further than this from a third are within the move of each other
        self._nearness = self._move / (2 + self._move)
        count = len(symbols)
        self._price = np.zeros(count, np.int64)
        self._traded_at = np.zeros(count, np.int64)
        self._waiting = np.zeros(count, np.int64)
        # when the trade that waits was made, and the volume of the day with it
        self._waiting_at = np.zeros(count, np.int64)
        self._waiting_volume = np.zeros(count, np.int64)
        self._has_waiting = False
        self._low = np.ones(count, np.int64)
        self._high = np.full(count, np.iinfo(np.int64).max)
        # between these each price is usual after any other; the last one is between them
        self._near_low = np.ones(count, np.int64)
        self._near_high = np.zeros(count, np.int64)
        for place, symbol in enumerate(symbols):
            low, high = bands.get(symbol, (None, None))
            if low is not None and high is not None:
                self._low[place], self._high[place] = millionths(low), millionths(high)
            if close := closes.get(symbol):
                self._price[place] = millionths(close)
                self._center(place)
        self.unbelieved_count = 0

    def believed(self, records: Records) -> Records:
        """Return the ticks that are believed, in their order."""
        places = places_of(records)
        price, traded_at = column(records, "price"), column(records, "traded_at")
        latest = records["received_at"] + MAX_AHEAD
        if (
            ((price >= self._near_low[places]) & (price <= self._near_high[places])).all()
            and ((traded_at >= self._traded_at[places]) & (traded_at <= latest)).all()
            and _is_in_order(places, traded_at)
        ):  # almost always
            self._price[places] = price
            self._traded_at[places] = traded_at
            if self._has_waiting:
                self._waiting[places] = 0
            return records
        mask = np.fromiter(
            (
                self._is_believed(*each)
                for each in zip(
                    places.tolist(),
                    price.tolist(),
                    traded_at.tolist(),
                    records["cumulative_volume"].tolist(),
                    (traded_at > latest).tolist(),
                    strict=True,
                )
            ),
            bool,
            len(records),
        )
        if mask.all():
            return records
        self.unbelieved_count += int(len(records) - mask.sum())
        found: Records = records[mask]
        return found

    def _is_believed(
        self, place: int, price: int, traded_at: int, volume: int, is_ahead: bool
    ) -> bool:
        stated_at = traded_at
        if is_ahead:
            traded_at = int(self._traded_at[place])
        if traded_at < self._traded_at[place]:
            return False
        known, waiting = int(self._price[place]), int(self._waiting[place])
        is_usual = not known or abs(price - known) <= self._move * known
        is_usual &= bool(self._low[place] <= price <= self._high[place])
        is_other = price != waiting or stated_at > self._waiting_at[place]
        is_other |= volume > self._waiting_volume[place]
        if not is_usual and waiting and not is_other:
            return False
        if not is_usual and not (waiting and abs(price - waiting) <= self._move * waiting):
            self._waiting[place] = price
            self._waiting_at[place], self._waiting_volume[place] = stated_at, volume
            self._has_waiting = True
            return False
        self._price[place] = price
        self._traded_at[place] = traded_at
        self._waiting[place] = 0
        if not self._near_low[place] <= price <= self._near_high[place]:
            self._center(place)
        return True

    def _center(self, place: int) -> None:
        """Let the usual prices lie around the last one."""
        price = int(self._price[place])
        reach = int(price * self._nearness) - 1
        self._near_low[place] = max(price - reach, self._low[place])
        self._near_high[place] = min(price + reach, self._high[place])


def _is_in_order(places: Any, traded_at: Any) -> bool:
    """Return whether the trades of each symbol are in the order of their times."""
    if (traded_at[1:] >= traded_at[:-1]).all():
        return True
    if len(places) and places.max() < MAX_SHORT:
        places = places.astype(np.int16)  # which sorts faster
    order = np.argsort(places, kind="stable")
    places, traded_at = places[order], traded_at[order]
    return bool(((traded_at[1:] >= traded_at[:-1]) | (places[1:] != places[:-1])).all())
