"""Tables of rows on stdout: which columns, how each value is written, and on which side."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import time
from decimal import Decimal
from functools import partial
from typing import Any, Literal

from rich.markup import escape
from rich.table import Table

from duckbourse.cli.output import clock_text, notes, results
from duckbourse.words import counted

Row = Mapping[str, Any]
# wider than any row
WIDEST = 100_000
# between two columns
GAP = 2
MOST_PLACES = 8
# for a text that is folded
LEAST_WIDTH = 18


def text(value: Any, whole_from: float = float("inf")) -> str:
    """Return a value as text: numbers with commas and two decimals, none from `whole_from` on."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float() | Decimal():
            return f"{value:z,.0f}" if abs(float(value)) >= whole_from else f"{value:z,.2f}"
        case time():
            return clock_text(value)
        case _:
            return escape(str(value))


def same_in_all(rows: Iterable[Row], name: str, whole_from: float) -> float:
    """Return the `whole_from` of a column: 0 if any number of it is that large, so that all are."""
    numbers = (row[name] for row in rows if isinstance(row[name], float | Decimal))
    return 0 if any(abs(number) >= whole_from for number in numbers) else math.inf


def figure(value: Any, places: int = 2) -> str:
    """Return a value as text without an exponent; a fractional number has `places` decimals."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:z,.{places}f}"
    return text(value)


def places_of(values: Iterable[Any]) -> int:
    """Return the decimals that show each number below 1 with four significant digits, or 2."""
    smallest = min(
        (abs(value) for value in values if isinstance(value, float) and 0 < abs(value) < 1),
        default=1.0,
    )
    return min(3 - math.floor(math.log10(smallest)), MOST_PLACES) if smallest < 1 else 2


def percent(value: float) -> str:
    """Return a fraction in percent."""
    return f"{100 * value:z,.2f}"


def whole(value: float) -> str:
    """Return a number without decimals."""
    return f"{value:z,.0f}"


def probability(value: float) -> str:
    """Return a probability; one that would be rounded to zero is known only to be small."""
    return "<0.01" if value < 0.005 else f"{value:.2f}"


def words(value: str) -> str:
    """Return a value in snake_case with blanks."""
    return escape(value.replace("_", " "))


@dataclass(frozen=True)
class Column:
    """A column of a table. `names` are the values of a row that `format` turns into one cell."""

    title: str
    names: str | Sequence[str]
    format: Callable[..., str] = text
    justify: Literal["left", "right"] = "right"

    def cell(self, row: Row, missing: str) -> str:
        """Return the text of a row's cell; it is `missing` if the first value is NULL."""
        names = (self.names,) if isinstance(self.names, str) else self.names
        return missing if row[names[0]] is None else self.format(*(row[name] for name in names))


def columns_of(
    rows: Sequence[Row],
    names: Iterable[str] | None = None,
    titles: Mapping[str, str] | None = None,
    format: Callable[[Any], str] = text,
) -> list[Column]:
    """Return a column for each value of the rows, or for the named ones; numbers on the right."""
    columns = []
    for name in names or (rows[0] if rows else ()):
        value = next((row[name] for row in rows if row[name] is not None), None)
        is_number = isinstance(value, int | float | Decimal)
        title = (titles or {}).get(name, name.replace("_", " "))
        columns.append(Column(title, name, format, "right" if is_number else "left"))
    return columns


def columns_of_figures(rows: Sequence[Row], names: Sequence[str] | None = None) -> list[Column]:
    """Return columns whose numbers have the same decimals in all rows, as few as `places_of`."""
    return [
        replace(column, format=partial(figure, places=places_of(row[name] for row in rows)))
        for name in names or (rows[0] if rows else ())
        for column in columns_of(rows, [name])
    ]


def table(
    columns: Sequence[Column], rows: Iterable[Row], *, title: str | None = None, missing: str = ""
) -> Table:
    """Return a table of rows with an optional title; `missing` stands for NULL."""
    drawn = Table(
        title=title and escape(title),
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
    )
    for column in columns:
        drawn.add_column(escape(column.title), justify=column.justify)
    for row in rows:
        drawn.add_row(*(column.cell(row, missing) for column in columns))
    return drawn


def width_of(drawn: Table) -> int:
    """Return the width of a table in which nothing is cut or folded."""
    return results.measure(drawn, options=results.options.update(width=WIDEST)).maximum


def print_whole(drawn: Table) -> None:
    """Print a table in full width; a wrapped line is better than a cut figure."""
    results.width = max(width_of(drawn), results.width)
    results.print(drawn)


def print_fitting(
    columns: Sequence[Column], rows: Sequence[Row], shows_all: str, *, at_least: int = 1
) -> None:
    """
    Print the first columns that fit the terminal, `at_least` so many, and say if some do not.

    `shows_all` is what the reader can do to see them.
    """
    widths = [width_of(table([column], rows)) for column in columns]
    shown = len(columns)
    while shown > at_least and sum(widths[:shown]) + GAP * (shown - 1) > results.width:
        shown -= 1
    print_whole(table(columns[:shown], rows))
    if shown < len(columns):
        notes.print(
            f"{shown} of {counted(len(columns), 'column')} fit; {shows_all} shows the others",
            markup=False,
        )


def print_folded(columns: Sequence[Column], rows: Sequence[Row], title: str | None = None) -> None:
    """
    Print a table whose last column has long texts: folded on a terminal, and whole in a pipe.

    No other column is folded or cut; if they leave too little space, the last ones are left out.
    """
    drawn = table(columns, rows, title=title)
    widths = [width_of(table([column], rows)) for column in columns]
    left = results.width - sum(widths[:-1]) - GAP * (len(columns) - 1)
    if not results.is_terminal or widths[-1] <= left:
        print_whole(drawn)
    elif left < LEAST_WIDTH:
        if title:
            results.print(title, style="bold", markup=False)
        print_fitting(columns, rows, "a wider terminal, --json or --csv")
    else:
        for column, width in zip(drawn.columns, [*widths[:-1], left], strict=True):
            column.width = width
        results.print(drawn, soft_wrap=False)


def print_rows(rows: Sequence[Row]) -> None:
    """Print all values of rows, numbers on the right, or "none"."""
    if rows:
        print_folded(columns_of_figures(rows), rows)
    else:
        results.print("none")
