"""
How a text file is laid out: its delimiter, its header and where the rows begin.

DuckDB can sniff this too, but its best guess for a file with some bad rows is one column, and it
takes ten times as long as the reading of a small file.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace

from duckbourse.errors import BadInput, NotBars
from duckbourse.ingest.columns import NAMES, Role, plain
from duckbourse.ingest.options import Options

DELIMITERS = (",", ";", "\t", "|")
KNOWN = {name for role, names in NAMES.items() if role is not Role.SYMBOL for name in names}


@dataclass(frozen=True)
class Dialect:
    """`rows_at` is how many lines there are before the first row; `rows` are the first ones."""

    delimiter: str
    names: tuple[str, ...]
    rows_at: int
    rows: tuple[tuple[str, ...], ...] = ()
    symbol: str | None = None


def dialect(head: str, options: Options, file: str) -> Dialect:
    """
    Return the layout of a text file from its first lines.

    Raise NotBars where it is no table of bars, or BadInput where only a mapping can tell.
    """
    lines = head.splitlines()[options.skip_lines :]
    if "\0" in head:
        raise BadInput(
            f"{file} is no CSV: it holds binary data", "name a CSV, JSON, Parquet or Feather file"
        )
    first = next((place for place, line in enumerate(lines) if line.strip()), None)
    if first is None:
        raise NotBars(f"{file} holds no lines", "delete it, or ask the vendor for it again")
    delimiter = options.delimiter or max(DELIMITERS, key=lines[first].count)
    body = [next(csv.reader([line], delimiter=delimiter)) for line in lines[first : first + 50]]
    if options.names:
        layout = Dialect(delimiter, options.names, options.skip_lines + first)
        return fitted(layout, body, file)
    header = [name.strip() for name in body[0]]
    if yahoo := single_ticker(body):
        layout = Dialect(delimiter, ("Date", *header[1:]), options.skip_lines + first + 3)
        return replace(fitted(layout, body[3:], file), symbol=yahoo)
    stated = {name.lower() for name in options.columns.values()}
    if not any(plain(name) in KNOWN or name.lower() in stated for name in header):
        if any(is_number(field) for field in header):
            raise BadInput(
                f"{file} does not name its columns: it begins with {lines[first][:60]!r}",
                "name them in a mapping: names = ['date', 'open', 'high', 'low', 'close']",
            )
        raise NotBars(
            f"{file} is no table of bars: it begins with {lines[first][:60]!r}",
            "name a file with a close in it, or say its columns in a mapping",
        )
    layout = Dialect(delimiter, distinct(header), options.skip_lines + first + 1)
    return fitted(layout, body[1:], file)


def fitted(layout: Dialect, rows: list[list[str]], file: str) -> Dialect:
    """Return the layout with room for a comma at the end of every row, or raise BadInput."""
    widths = {len(row) for row in rows if row}
    named = len(layout.names)
    if widths == {named + 1} and all(row[-1] == "" for row in rows if row):
        layout = replace(layout, names=(*layout.names, "after"))
        named += 1
    if not widths or named in widths:
        return replace(layout, rows=tuple(tuple(row) for row in rows if len(row) == named))
    raise BadInput(
        f"{file} names {named} columns and its rows have {max(widths)}",
        f"name them all in a mapping: names = ['date', 'time', …], skip_lines = {layout.rows_at}",
    )


def single_ticker(body: list[list[str]]) -> str | None:
    """Return the symbol of what yfinance writes since 2024, with three lines of header."""
    if len(body) < 3 or [row[:1] for row in body[:3]] != [["Price"], ["Ticker"], ["Date"]]:
        return None
    tickers = set(body[1][1:])
    return tickers.pop() if len(tickers) == 1 else None


def distinct(names: list[str]) -> tuple[str, ...]:
    """Return the names, a number behind those that came before."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        count = seen.get(name.lower(), 0)
        seen[name.lower()] = count + 1
        result.append(f"{name}_{count}" if count else name)
    return tuple(result)


def is_number(text: str) -> bool:
    """Tell whether a field is data and not a name."""
    try:
        float(text.replace(",", ""))
    except ValueError:
        return False
    return True
