"""Conflation: of each symbol the last tick, with the quantity of all its ticks."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from duckbourse.streaming.feed import RECORD, Tick, conflate, decimal_price, instant

SYMBOLS = ("A", "B", "C")
TICKS = st.tuples(
    st.integers(0, 2), st.integers(0, 2**40), st.integers(1, 2**40), st.integers(0, 9)
)


@given(st.lists(TICKS, max_size=40))
def test_each_symbol_has_its_last_tick(ticks: list[tuple[int, int, int, int]]) -> None:
    rows = [(place, at - 1, at, price, shares, -1, 0, 0) for place, at, price, shares in ticks]
    expected = []
    for place, symbol in enumerate(SYMBOLS):
        of_symbol = [row for row in ticks if row[0] == place]
        if of_symbol:
            _, at, price, _ = of_symbol[-1]
            shares = sum(row[3] for row in of_symbol)
            expected.append(Tick(symbol, instant(at), decimal_price(price), shares, True))
    assert conflate(np.array(rows, RECORD), SYMBOLS, True) == expected
