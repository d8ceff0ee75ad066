"""One answer of a page: the rows of its panels, each with the SQL that found them."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import duckdb

from duckbourse.errors import BourseError
from duckbourse.names import did_you_mean
from duckbourse.warehouse import quoted

Row = dict[str, Any]
Columns = dict[str, list[Any]]

PARAMETER = re.compile(r"\$(\w+)")
# significant digits of a DOUBLE: more than a page shows, and of what is drawn more than is seen
DIGITS = 9
DRAWN_DIGITS = 7
# of a name in a message: nobody publishes a longer one
MOST_LETTERS = 100
# values of a panel, rows times columns
MOST_VALUES = 2_000_000


class TooMuch(BourseError):
    """A panel with more values than a page may hold."""


class NotHere(BourseError, ValueError):
    """An address that names nothing. The message is one line with the nearest name."""

    exit_code = 2


class NotUsable(NotHere):
    """A parameter of an address with a value that it cannot have."""


class Panels:
    """
    The queries of one answer, asked of a publication.

    Values are bound as parameters of DuckDB. `sql` keeps the query of each panel with its values
    written in, so that it can be pasted into `./bourse sql`.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.sql: dict[str, str] = {}

    def rows(self, panel: str, query: str, /, **values: object) -> list[Row]:
        """Return the rows of a panel as objects: for few rows with many columns."""
        names, rows = self._ask(panel, query, values)
        return [dict(zip(names, map(plain, row), strict=True)) for row in rows]

    def row(self, panel: str, query: str, /, **values: object) -> Row | None:
        """Return the first row of a panel, or None."""
        return next(iter(self.rows(panel, query, **values)), None)

    def columns(self, panel: str, query: str, /, **values: object) -> Columns:
        """Return the columns of a panel as lists: for many rows, which are drawn."""
        names, rows = self._ask(panel, query, values)
        return {
            name: [plain(row[place], DRAWN_DIGITS) for row in rows]
            for place, name in enumerate(names)
        }

    def values(self, query: str, /, **values: object) -> list[Any]:
        """Return the first column of a query that belongs to no panel."""
        return [row[0] for row in self._connection.execute(query, values or None).fetchall()]

    def _ask(
        self, panel: str, query: str, values: dict[str, object]
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        text = textwrap.dedent(query).strip()
        self.sql[panel] = PARAMETER.sub(lambda match: _literal(values[match[1]]), text)
        cursor = self._connection.execute(text, values or None)
        names = [str(column[0]) for column in cursor.description or []]
        rows = cursor.fetchmany(MOST_VALUES // max(1, len(names)) + 1)
        if len(rows) * len(names) > MOST_VALUES:
            raise TooMuch(
                f"{panel} has more than {MOST_VALUES:,} values, which no page can show",
                "ask for its rows in pages: GET /api/v1/openapi.json lists them",
            )
        return names, rows


def one_of(kind: str, wanted: str, known: Iterable[str], of: str = "") -> str:
    """Return a name that is known, or raise NotHere with the nearest one."""
    known = list(known)
    if wanted in known:
        return wanted
    shown = wanted if len(wanted) <= MOST_LETTERS else wanted[:MOST_LETTERS] + "…"
    raise NotHere(
        f"there is no {kind} {shown!r}{of}{did_you_mean(shown, known)}",
        f"there are {len(known):,}"
        if len(known) > 12
        else f"{'it is' if len(known) == 1 else 'they are'} {', '.join(known)}"
        if known
        else "nothing of the kind is published",
    )


def plain(value: Any, digits: int = DIGITS) -> Any:
    """
    Return a value as JSON has it.

    A DOUBLE keeps so many significant digits, a DECIMAL all; NaN and infinities are None, since
    JSON has neither. Dates and times are ISO text, with a blank between them.
    """
    match value:
        case bool() | int() | str() | None:
            return value
        case float():
            return _short(float(f"{value:.{digits}g}")) if math.isfinite(value) else None
        case Decimal():
            return _short(float(value)) if value.is_finite() else None
        case datetime():
            return value.replace(microsecond=0).isoformat(sep=" ")
        case date() | time():
            return value.isoformat()
        case list() | tuple():
            return [plain(each, digits) for each in value]
        case dict():
            return {str(name): plain(each, digits) for name, each in value.items()}
        case _:
            return str(value)


def _short(number: float) -> float | int:
    # 12 and not 12.0: shorter, and the same number to JavaScript
    return int(number) if number.is_integer() and abs(number) < 1e15 else number


def _literal(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case list() | tuple():
            return "[" + ", ".join(map(_literal, value)) + "]"
        case datetime():
            return f"timestamp {quoted(value)}"
        case date():
            return f"date {quoted(value)}"
        case _:
            return quoted(value)
