"""
What a pass need not look at: no price that came since has changed anything about it.

Most ticks move no exit, and to look at one position costs as much as to read many ticks. So each
position says once what has to happen first, and all of them are compared at once, as arrays of
whole numbers: prices in millionths, instants in microseconds. Whatever is in doubt is looked at.
"""

from __future__ import annotations

from decimal import Decimal
from operator import mul
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from duckbourse.orders.book import Book
from duckbourse.streaming.feed import Places, decimal_price
from duckbourse.streaming.prices import LastPrices

NEVER = 2**62


class Zone(NamedTuple):
    """
    When nothing about the exits of an entry has changed since they were last looked at.

    One: before `exit_at`, while the last price is fresh and lies between `low` and `high`, which
    are outside. Two: in the update of `revision`, from `since` on and before `until`.
    """

    place: int
    low: int
    high: int
    exit_at: int
    revision: int
    since: int
    until: int


class Zones:
    """The zones of the entries of an account, by their ids."""

    def __init__(self, prices: LastPrices) -> None:
        self._prices = prices
        self._zones: dict[str, Zone] = {}
        self._columns: NDArray[np.int64] | None = None

    def clear(self) -> None:
        self._zones.clear()
        self._columns = None

    def __setitem__(self, entry_id: str, zone: Zone) -> None:
        self._zones[entry_id] = zone
        self._columns = None

    def quiet(self, now: int, max_silence: int) -> set[str]:
        """
        Return the entries that are in their zone.

        A last price is fresh if it was traded no more than `max_silence` microseconds ago.
        """
        if not self._zones:
            return set()
        if self._columns is None:
            self._columns = np.array(list(self._zones.values()), np.int64).T
        place, low, high, exit_at, revision, since, until = self._columns
        known = self._prices.latest(place)
        is_quiet = (known.price > low) & (known.price < high)
        is_quiet &= (known.traded_at >= now - max_silence) & (exit_at > now)
        if not is_quiet.all():
            is_quiet |= (known.revision == revision) & (since <= now) & (until > now)
        found = zip(self._zones, is_quiet.tolist(), strict=True)
        return {entry_id for entry_id, is_in_zone in found if is_in_zone}


class Holdings:
    """
    What an account holds, kept as arrays until its book changes.

    It answers as the book and the last prices do, only without looking at each position again.
    """

    def __init__(self, prices: LastPrices) -> None:
        self._prices = prices
        self._seen: tuple[Book, int] | None = None
        self.symbols: set[str] = set()
        self._places: Places = np.empty(0, np.intp)
        self._are_all_fed = True
        self._priced: Places = np.empty(0, np.intp)
        self._quantities: list[int] = []
        self._is_plain = True
        # cash and what has no last price in this feed
        self._fixed_amount = Decimal(0)

    def _follow(self, book: Book) -> None:
        if self._seen is not None and self._seen[0] is book and self._seen[1] == book.event_count:
            return
        place = self._prices.place
        self.symbols = book.held_symbols()
        places = [found for each in self.symbols if (found := place(each)) is not None]
        self._places = np.array(places, np.intp)
        self._are_all_fed = len(places) == len(self.symbols)
        # of trades that were not what was ordered, a gain does not count
        self._is_plain = not book.has_odd_trades
        held = [(place(each.symbol), each) for each in book.open_positions()]
        self._fixed_amount = book.cash_amount + sum(
            (book.amount(each, {}) for found, each in held if found is None), Decimal(0)
        )
        priced = [(found, each.quantity) for found, each in held if found is not None]
        self._priced = np.array([found for found, _ in priced], np.intp)
        self._quantities = [quantity for _, quantity in priced]
        self._seen = book, book.event_count

    def equity_amount(self, book: Book) -> Decimal:
        """Return what `Book.equity_amount` does at the last prices."""
        self._follow(book)
        prices = self._prices.latest(self._priced).price.tolist()
        if not self._is_plain or not all(prices):  # a mark, or the cost, takes the place of a price
            return book.equity_amount(self._prices)
        return self._fixed_amount + decimal_price(sum(map(mul, self._quantities, prices)))

    def may_be_silent(self, book: Book, max_seconds: int) -> bool:
        """Return whether a symbol that is held may have had no tick for so long."""
        self._follow(book)
        if not self._are_all_fed:
            return True
        received_at = self._prices.latest(self._places).received_at
        oldest = int(received_at.min(initial=NEVER))
        return oldest == 0 or self._prices.newest() - oldest > max_seconds * 1_000_000
