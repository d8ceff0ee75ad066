"""
Tables with a column per field and symbol, as yfinance and pandas write them.

Their header has one line (`Close_AAPL`, `('Close', 'AAPL')`), or two or three: the fields and the
symbols in either order, and a line that names only the index.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from duckbourse.ingest.inference.columns import NAMELESS, NAMES, Role, normalized, quoted_name
from duckbourse.warehouse import quoted

FIELDS = {
    *("open", "high", "low", "close", "adjclose", "volume", "dividends", "stocksplits"),
    *("capitalgains", "repaired"),
}
BARS = {"open", "high", "low", "close"}
# The names of the two levels themselves, in the first column.
LEVELS = (*NAMELESS, "price", "ticker", "tickers", "symbol", "symbols", "attributes", "field")
TICKER = r"[A-Z0-9^][A-Z0-9.^=&-]*"
FIELD = "Open|High|Low|Close|Adj ?Close|Adj_Close|Volume"
FLAT = (
    re.compile(r"\('(?P<field>[^']*)', '(?P<symbol>[^']+)'\)"),
    re.compile(rf"(?P<field>(?i:{FIELD}))[ _|-](?P<symbol>{TICKER})"),
    re.compile(rf"(?P<symbol>{TICKER})[ _|-](?P<field>(?i:{FIELD}))"),
)
NO_TICKERS = ("BID", "ASK", "MID", "ADJ", "ADJUSTED", "RAW", "PREV", "INTEREST", "TIME")
# The column of an unpivoted row with the number of its row in the file.
ROW = "row_of_file"


@dataclass(frozen=True)
class Wide:
    """
    The columns without a symbol, and each symbol's columns by field.

    `lines` is the number of header lines of a text file, and `names` are its column names.
    """

    index: tuple[str, ...]
    symbols: dict[str, dict[str, str]]
    names: tuple[str, ...] = ()
    lines: int = 1

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that any symbol has."""
        return tuple(dict.fromkeys(field for own in self.symbols.values() for field in own))

    def unpivoted(self, rows: str) -> str:
        """
        Return the query with one row per symbol, without rows in which all its fields are empty,
        as on a day when only other symbols traded.
        """
        structs = []
        for symbol, own in self.symbols.items():
            values = [f"{quoted_name(Role.SYMBOL)}: {quoted(symbol)}"]
            values += [
                f"{quoted_name(name)}: {quoted_name(own[name]) if name in own else 'null'}"
                for name in self.fields
            ]
            structs.append("{" + ", ".join(values) + "}")
        index = ", ".join(quoted_name(name) for name in (ROW, *self.index))
        taken = [*self.index, *(name for own in self.symbols.values() for name in own.values())]
        columns = ", ".join(quoted_name(name) for name in taken)
        has = " or ".join(
            f"coalesce({quoted_name(name)}::varchar, '') not in ('', 'NaN', 'nan')"
            for name in self.fields
        )
        # row numbers follow the file's order, which neither query changes
        return (
            f"select * from (select {index}, unnest([{', '.join(structs)}], recursive := true)"
            f" from (select row_number() over () as {ROW}, {columns} from ({rows}))) where {has}"
        )


def stacked(body: Sequence[Sequence[str]]) -> Wide | None:
    """Return the columns of a header of two or three lines, or None."""
    if len(body) < 3:
        return None
    body = [["" if f.startswith("Unnamed:") else f.strip() for f in row] for row in body[:3]]
    width = len(body[0])
    if width < 5 or any(len(row) != width for row in body):
        return None
    for fields, symbols in ((body[0], body[1]), (body[1], body[0])):
        own = [at for at in range(1, width) if symbols[at]]
        if (
            not {normalized(fields[at]) for at in own} >= BARS
            or not all(normalized(fields[at]) in FIELDS for at in own)
            or any(is_data(symbols[at]) for at in own)
            or is_data(body[1][0])
        ):
            continue
        third = body[2]
        named = not any(third[at] for at in own) and normalized(third[0]) not in NAMELESS
        lines = 3 if named and normalized(third[0]) in NAMES[Role.TIMESTAMP] else 2
        names = [fields[at] or body[0][at] for at in range(width)]
        names[0] = third[0] if lines == 3 else body[0][0] or body[1][0]
        if normalized(names[0]) in LEVELS:
            names[0] = "nameless"
        of: dict[str, dict[str, str]] = {}
        for at in own:
            names[at] = f"('{fields[at]}', '{symbols[at]}')"
            of.setdefault(symbols[at], {})[fields[at]] = names[at]
        index = tuple(name for at, name in enumerate(names) if at not in own)
        return Wide(index, of, tuple(names), lines)
    return None


def flat(names: Sequence[str]) -> Wide | None:
    """Return the columns whose names combine a field and a symbol, or None."""
    if any(normalized(name) in NAMES[Role.CLOSE] for name in names):
        return None
    index: list[str] = []
    of: dict[str, dict[str, str]] = {}
    for name in names:
        match = next((match for form in FLAT if (match := form.fullmatch(name.strip()))), None)
        if match and normalized(match["field"]) in FIELDS and match["symbol"] not in NO_TICKERS:
            of.setdefault(match["symbol"], {})[match["field"]] = name
        else:
            index.append(name)
    if not any({normalized(field) for field in own} >= BARS for own in of.values()):
        return None
    return Wide(tuple(index), of)


def is_data(text: str) -> bool:
    """Return whether a field is a number or a date, and not a symbol."""
    return bool(re.fullmatch(r"[-+]?[\d.,:/\s-]+(e[-+]?\d+)?", text, re.IGNORECASE))
