"""Ticks that came together: of each symbol the last, with the shares of all, however many came."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from duckbourse.streaming.feed import RECORD, Tick, conflate, decimal_price, instant

SYMBOLS = ("A", "B", "C")
TOLD = st.tuples(st.integers(0, 2), st.integers(0, 2**40), st.integers(1, 2**40), st.integers(0, 9))


@given(st.lists(TOLD, max_size=40))
def test_of_each_symbol_there_is_the_last(told: list[tuple[int, int, int, int]]) -> None:
    rows = [(place, at - 1, at, price, shares, -1, 0, 0) for place, at, price, shares in told]
    expected = []
    for place, symbol in enumerate(SYMBOLS):
        of_symbol = [row for row in told if row[0] == place]
        if of_symbol:
            _, at, price, _ = of_symbol[-1]
            shares = sum(row[3] for row in of_symbol)
            expected.append(Tick(symbol, instant(at), decimal_price(price), shares, True))
    assert conflate(np.array(rows, RECORD), SYMBOLS, True) == expected
