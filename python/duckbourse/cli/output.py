"""How commands speak: results on stdout, everything else on stderr, colours on terminals only."""

from __future__ import annotations

import json
import math
import sys
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

# Progress and notes; soft_wrap keeps a line one line wherever it is read.
notes = Console(stderr=True, soft_wrap=True, highlight=False)
results = Console(soft_wrap=True, highlight=False)


# more than any row is wide
WIDEST = 100_000


def width_of(table: Table) -> int:
    """Return how wide a table is when nothing in it is cut or folded."""
    return results.measure(table, options=results.options.update(width=WIDEST)).maximum


def print_whole(table: Table) -> None:
    """Print a table: a figure that is cut off is worse than a line that a terminal breaks."""
    results.width = max(width_of(table), results.width)
    results.print(table)


def say_error(message: str, remedy: str) -> None:
    """Print an error as one line and its remedy as another."""
    notes.print("[bold red]error:[/] ", end="")
    notes.print(" ".join(message.split()), markup=False)
    if remedy:
        notes.print("  [bold]remedy:[/] ", end="")
        notes.print(remedy, markup=False)


def print_json(value: object) -> None:
    """Print a value as one JSON document on stdout; what JSON has no number for is null."""
    sys.stdout.write(json.dumps(_jsonable(value), allow_nan=False, indent=2) + "\n")


def _jsonable(value: Any) -> Any:
    match value:
        case dict():
            return {str(key): _jsonable(item) for key, item in value.items()}
        case list() | tuple():
            return [_jsonable(item) for item in value]
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case Decimal():
            return float(value)
        case datetime() | date():
            return value.isoformat()
        case _:
            return str(value)
