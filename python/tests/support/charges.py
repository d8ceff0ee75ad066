"""The schedule of charges from its seed."""

from __future__ import annotations

import csv

import msgspec

from duckbourse.orders.charges import Charges
from duckbourse.settings import PROJECT

SEED = PROJECT / "seeds" / "reference" / "charges.csv"


def rows() -> list[dict[str, str | None]]:
    """Return the rows of the seed, with None for empty fields."""
    with SEED.open() as file:
        return [
            {name: value or None for name, value in row.items()} for row in csv.DictReader(file)
        ]


def schedule(segment: str) -> tuple[Charges, ...]:
    """Return the charges of a segment, each with the day from which it applies."""
    return tuple(
        msgspec.convert(row, Charges, strict=False) for row in rows() if row["segment"] == segment
    )
