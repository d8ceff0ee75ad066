"""Tables of rows on stdout: which columns, how each value is written, and on which side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from rich.markup import escape
from rich.table import Table

from duckbourse.cli.output import results

Row = Mapping[str, Any]
# wider than any row
WIDEST = 100_000


def text(value: Any, whole_from: float = float("inf")) -> str:
    """Return a value as text: numbers with commas and two decimals, none from `whole_from` on."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float() | Decimal():
            return f"{value:,.0f}" if abs(float(value)) >= whole_from else f"{value:,.2f}"
        case _:
            return escape(str(value))


def percent(value: float) -> str:
    """Return a fraction in percent."""
    return f"{100 * value:,.2f}"


def whole(value: float) -> str:
    """Return a number without decimals."""
    return f"{value:,.0f}"


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
