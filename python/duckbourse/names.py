"""What somebody most likely meant by a name that does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def nearest(wanted: object, known: Iterable[T]) -> T | None:
    """
    Return the known name that is nearest to the wanted one, or None if no name is near.

    Capitals do not count. A name is near if at most a third of its letters differ, or if one is
    part of the other. Of names that are equally near, a slip rarely changes the first letter or
    brings in another: APPL is AAPL, not PPL or APOL. `nearest_name` in macros/dbt is this in SQL.
    """
    text = str(wanted).casefold()
    best: tuple[tuple[int, bool, bool], T] | None = None
    for each in known:
        name = str(each).casefold()
        distance = _distance(text, name)
        rank = (distance, name[:1] != text[:1], set(name) != set(text))
        if _is_near(distance, text, name) and (best is None or rank < best[0]):
            best = rank, each
    return best[1] if best else None


def did_you_mean(wanted: object, known: Iterable[object]) -> str:
    """Return the question that ends an error about a name, empty if no name is near."""
    name = nearest(wanted, known)
    return "" if name is None else f"; did you mean {name!r}?"


def _is_near(distance: int, one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    return distance <= len(longer) // 3 or (len(shorter) > 1 and shorter in longer)


def _distance(one: str, other: str) -> int:
    # Damerau: the letters to add, drop, replace or swap with the next one
    last_but_one: list[int] = []
    last: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        last_but_one, last, row = last, row, [i]
        for j, against in enumerate(other, start=1):
            cost = min(last[j] + 1, row[-1] + 1, last[j - 1] + (letter != against))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == against:
                cost = min(cost, last_but_one[j - 2] + 1)
            row.append(cost)
    return row[-1]
