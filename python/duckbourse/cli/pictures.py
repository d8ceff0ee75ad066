"""
Pictures of numbers in text: a sparkline of one line, and a curve of braille dots.

They are for eyes: a command draws them on a terminal only, and no figure is only in a picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from duckbourse.cli.output import results

BLOCKS = "▁▂▃▄▅▆▇█"
# a cell of braille has two columns of four dots, from its top down
BLANK = 0x2800
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
MOST_COLUMNS, ROWS = 72, 8


def is_drawn() -> bool:
    """Return whether results go to a terminal, where somebody looks at them."""
    return results.is_terminal


def sparkline(values: Sequence[float], columns: int = 24) -> str:
    """Return values as bars from the least to the greatest, which are all low if they are equal."""
    shown = _thinned([value for value in values if math.isfinite(value)], columns)
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    top = len(BLOCKS) - 1
    return "".join(BLOCKS[round(top * _share(value, low, high))] for value in shown)


def curve(values: Sequence[float], columns: int = MOST_COLUMNS, rows: int = ROWS) -> list[str]:
    """
    Return values as a line of dots, with the greatest, least and last of them at the right.

    Values become as many points as there are dots in a row: of neighbors, the last, and between
    few of them a straight line. Each line is `columns` wide, without the numbers.
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return []
    shown = _stretched(_thinned(finite, 2 * columns), 2 * columns)
    low, high = min(finite), max(finite)
    bottom = 4 * rows - 1
    heights = [round(bottom * (1 - _share(value, low, high))) for value in shown]
    cells = [[BLANK] * columns for _ in range(rows)]
    before = heights[0]
    for x, y in enumerate(heights):
        # from beside the point before it, so that a steep line has no holes
        path = range(before + 1, y + 1) if y > before else range(y, max(before, y + 1))
        for each in path:
            cells[each // 4][x // 2] |= DOTS[x % 2][each % 4]
        before = y
    lines = ["".join(map(chr, line)) for line in cells]
    labels = {rows - 1: low, 0: high, heights[-1] // 4: shown[-1]}
    return [
        f"{line} {labels[place]:+,.2f}" if place in labels else line
        for place, line in enumerate(lines)
    ]


class Curve:
    """A growing series that is kept in a bounded number of points: of neighbors, the last."""

    def __init__(self, most: int = 4 * MOST_COLUMNS) -> None:  # an even number
        self.values: list[float] = []
        self._most, self._each, self._count = most, 1, 0

    def add(self, value: float) -> None:
        """Add the newest value; when there are too many, every other one is dropped."""
        if self._count % self._each:
            self.values[-1] = value
        else:
            if len(self.values) == self._most:
                self.values = self.values[1::2]
                self._each *= 2
                self._count = len(self.values) * self._each
            self.values.append(value)
        self._count += 1


def _thinned(values: Sequence[float], most: int) -> list[float]:
    if len(values) <= most:
        return [*values]
    return [values[(place + 1) * len(values) // most - 1] for place in range(most)]


def _stretched(values: Sequence[float], count: int) -> list[float]:
    if len(values) < 2:
        return [*values] * count
    found = []
    for place in range(count):
        at, part = divmod(place * (len(values) - 1), max(1, count - 1))
        left, right = values[at], values[min(at + 1, len(values) - 1)]
        found.append(left + (right - left) * part / max(1, count - 1))
    return found


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.0
