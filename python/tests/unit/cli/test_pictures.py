"""Pictures in text: the numbers that they show, their size, and who gets them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duckbourse.cli.pictures import BLANK, DOTS, Curve, curve, sparkline

numbers = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=300)


@pytest.mark.parametrize(
    ("values", "columns", "shown"),
    [
        ([], 8, ""),
        ([1, 2, 3, 4, 5, 6, 7, 8], 8, "▁▂▃▄▅▆▇█"),
        ([2, 1, 2], 8, "█▁█"),
        ([5, 5, 5], 8, "▁▁▁"),
        ([1, math.nan, 2, math.inf], 8, "▁█"),
        # of neighbors the last: 2, 4 and 6
        ([9, 2, 9, 4, 9, 6], 3, "▁▅█"),
    ],
)
def test_a_sparkline_has_a_bar_for_each_value(
    values: list[float], columns: int, shown: str
) -> None:
    assert sparkline(values, columns) == shown


def test_a_curve_rises_from_the_lower_left_and_says_its_ends() -> None:
    lines = curve([0, 1, 2, 3, 4, 5, 6, 7], columns=4, rows=2)
    assert [line[:4] for line in lines] == ["⠀⠀⡠⠊", "⡠⠊⠀⠀"]
    assert [line[4:].strip() for line in lines] == ["+7.00", "+0.00"]
    # the last value is in its row, and the others in theirs
    lines = curve([0, 8, 4.1], columns=4, rows=3)
    assert [line[4:].strip() for line in lines] == ["+8.00", "+4.10", "+0.00"]


@given(numbers, st.integers(1, 80), st.integers(1, 12))
def test_a_curve_has_its_size_and_no_holes(values: list[float], columns: int, rows: int) -> None:
    lines = curve(values, columns, rows)
    assert len(lines) == rows
    cells = [[ord(letter) - BLANK for letter in line[:columns]] for line in lines]
    assert all(0 <= cell < 256 for line in cells for cell in line)
    columns_of_dots = [
        any(line[x // 2] & sum(DOTS[x % 2]) for line in cells) for x in range(2 * columns)
    ]
    assert all(columns_of_dots)


@given(st.integers(1, 2_000))
def test_a_growing_curve_is_bounded_and_ends_with_the_newest(count: int) -> None:
    growing = Curve(most=16)
    for value in range(count):
        growing.add(value)
    assert len(growing.values) <= 16
    assert growing.values[-1] == count - 1
    assert growing.values == sorted(growing.values)
    assert count < 8 or len(growing.values) >= 8


def test_a_curve_says_the_greatest_and_the_least_even_where_it_thins() -> None:
    values = [0.0] * 400
    values[17], values[111] = 9.0, -5.0
    said = [line[4:].strip() for line in curve(values, columns=4, rows=5) if line[4:].strip()]
    assert (said[0], said[-1]) == ("+9.00", "-5.00")
    assert "+0.00" in said
