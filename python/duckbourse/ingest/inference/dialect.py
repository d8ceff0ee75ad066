"""
Detect the dialect of a text file: its delimiter, its header and where the rows begin.

DuckDB can sniff this too, but it takes several times as long as we need for a small file, and
without `ignore_errors` it guesses a single column if some rows are bad.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from duckbourse.errors import BadInput, NoRows, NotBars
from duckbourse.ingest.files import VendorFile
from duckbourse.ingest.inference.columns import KLINE, LAST_PRICES, NAMES, Role, normalized
from duckbourse.ingest.inference.timestamps import EPOCH_TEXT
from duckbourse.ingest.inference.wide import Wide, flat, stacked
from duckbourse.ingest.lines import fields_of, lines_in, spanned
from duckbourse.ingest.options import Options
from duckbourse.ingest.schema import PRICES

DELIMITERS = (",", ";", "\t", "|")
KNOWN = {name for role, names in NAMES.items() if role is not Role.SYMBOL for name in names}
# There may be some lines of text above a header: an address, a title, `sep=;`.
MAX_LINES_ABOVE = 30
MIN_NAMES = 3
# A date with or without a time of day, or a count since 1970; a time of day in its own column.
IS_STAMP = re.compile(
    rf"(19|20)\d{{2}}[-/.]?[01]\d[-/.]?[0-3]\d([ T].*)?$|\d{{1,2}}[-/. ]\w{{2,9}}[-/. ]\d{{2,4}}"
    rf"|{EPOCH_TEXT.pattern}$"
)
IS_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?|\d{4}|\d{6}").fullmatch


@dataclass(frozen=True)
class Dialect:
    """
    The dialect of a text file, and its first `rows`.

    `rows_at` is the number of lines before the first row. If `quoted`, fields are in quotes and may
    contain the delimiter. `above` is the number of lines skipped above the header.
    """

    delimiter: str
    names: tuple[str, ...]
    rows_at: int
    rows: tuple[tuple[str, ...], ...] = ()
    wide: Wide | None = None
    quoted: bool = False
    above: int = 0


def infer_dialect(head: str, file: VendorFile) -> Dialect:
    """
    Return the dialect of a text file from its first lines.

    Raise NotBars if it is not a table of bars, or BadInput if a mapping has to say more.
    """
    options = file.options
    lines = lines_in(head)[options.skip_lines :]
    if "\0" in head:
        raise BadInput(
            f"{file} is not CSV: it holds binary data", "name a CSV, JSON, Parquet or Feather file"
        )
    top = next((place for place, line in enumerate(lines) if line.strip()), None)
    if top is None:
        raise NoRows(f"{file} holds no lines", "delete it, or ask the vendor for it again")
    first, rows_at = (top, top + 1) if options.names else header_line(lines, top, options)
    delimiter = options.delimiter or max(DELIMITERS, key="".join(lines[first:rows_at]).count)
    # a name that a spreadsheet wrapped over lines is one name
    some = [" ".join(lines[first:rows_at]), *lines[rows_at : first + 50]]
    body = [next(csv.reader([line], delimiter=delimiter)) for line in some]
    dialect = Dialect(
        delimiter,
        options.names,
        options.skip_lines + first,
        quoted=any('"' in line for line in some[1:]),
        above=first - top,
    )
    if options.names:
        return fitted(dialect, body, file)
    header = list(distinct([name.strip() for name in body[0]]))
    dialect = replace(dialect, rows_at=dialect.rows_at + rows_at - first - 1)
    if levels := stacked(body):
        dialect = replace(
            dialect, names=levels.names, rows_at=dialect.rows_at + levels.lines, wide=levels
        )
        return fitted(dialect, body[levels.lines :], file)
    columns = flat(header)
    stated = {name.lower() for name in options.columns.values()}
    if not columns and not any(
        normalized(name) in KNOWN or name.lower() in stated for name in header
    ):
        if any(is_number(field) for field in header):
            # earnings reports in a drop with prices are also rows of numbers
            refusal = BadInput if may_be_bars(body) else NotBars
            raise refusal(
                f"{file} does not name its columns: it begins with {lines[first][:60]!r}",
                f"name them in a mapping: names = {names_of(body)}",
            )
        raise NotBars(
            f"{file} is not a table of bars: it begins with {lines[first][:60]!r}",
            "name a file that has a close, or name its columns in a mapping",
        )
    dialect = replace(dialect, names=tuple(header), rows_at=dialect.rows_at + 1, wide=columns)
    return fitted(dialect, body[1:], file)


def header_line(lines: Sequence[str], top: int, options: Options) -> tuple[int, int]:
    """
    Return the index of the line that names the columns, and that of the line after the header.

    The header is the first line, or the first below shorter lines of text. A line with as many
    fields is a row, not a title, and is never skipped. Quoted names may span several lines, none of
    which is a header by itself.
    """
    known = KNOWN | {normalized(name) for name in options.columns.values()} | set(LAST_PRICES)

    def named(text: str) -> tuple[int, int]:
        delimiter = options.delimiter or max(DELIMITERS, key=text.count)
        fields = next(csv.reader([text], delimiter=delimiter), [])
        filled = sum(bool(field.strip()) for field in fields)
        return sum(normalized(field) in known for field in fields), filled

    most = 0
    for place in range(top, min(top + MAX_LINES_ABOVE, len(lines))):
        names, filled = named(lines[place])
        if names >= MIN_NAMES and most < filled:
            return place, place + 1
        for delimiter in [options.delimiter] if options.delimiter else DELIMITERS:
            if not fields_of(lines[place], delimiter)[1]:
                continue
            joined, fields = spanned(lines[place], lines[place + 1 :], delimiter)
            if (
                sum(normalized(field) in known for field in fields) >= MIN_NAMES
                and max(named(line)[0] for line in joined) < MIN_NAMES
            ):
                return place, place + len(joined)
        most = max(most, filled)
    return top, top + 1


def fitted(dialect: Dialect, rows: list[list[str]], file: VendorFile) -> Dialect:
    """Return the dialect, allowing a delimiter at the end of every row, or raise BadInput."""
    dialect = replace(dialect, names=distinct(dialect.names))
    widths = {len(row) for row in rows if row}
    named = len(dialect.names)
    if widths == {named + 1} and all(row[-1] == "" for row in rows if row):
        dialect = replace(dialect, names=distinct([*dialect.names, "after"]))
        named += 1
    if not widths or named in widths:
        return replace(dialect, rows=tuple(tuple(row) for row in rows if len(row) == named))
    raise BadInput(
        f"{file} names {named} columns, but its rows have {max(widths)}",
        f"name them all in a mapping: names = {names_of(rows)}, skip_lines = {dialect.rows_at}",
    )


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names made unique, with a number after each repeated one."""
    names = [name or "nameless" for name in names]
    others = {name.lower() for name in names}
    seen: set[str] = set()
    result = []
    for name in names:
        once, count = name, 1
        while once.lower() in seen or (count > 1 and once.lower() in others):
            once = f"{name}_{count}"
            count += 1
        seen.add(once.lower())
        result.append(once)
    return tuple(result)


def may_be_bars(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether four adjacent columns may be open, high, low and close."""
    return prices_at(rows) is not None


def prices_at(rows: Sequence[Sequence[str]]) -> dict[int, str] | None:
    """Return which of four adjacent columns is which price, or None if none can be."""
    filled = [row for row in rows if any(row)]
    for at in range(max(map(len, filled)) - len(PRICES) + 1):
        fields = [row[at : at + len(PRICES)] for row in filled]
        bars = [
            [float(field.replace(",", "")) for field in four]
            for four in fields
            if len(four) == len(PRICES) and all(map(is_number, four))
        ]
        # a row may lack a price
        if 2 * len(bars) >= len(filled) and all(0 < max(bar) <= 10 * min(bar) for bar in bars):
            places = range(len(PRICES))
            high = {place for place in places if all(bar[place] == max(bar) for bar in bars)}
            low = {place for place in places if all(bar[place] == min(bar) for bar in bars)}
            if high and low:
                # if the bars do not move, the usual order
                top = 1 if 1 in high else min(high)
                bottom = 2 if 2 in low and top != 2 else min(low - {top}, default=None)
                if bottom is None:
                    continue
                first, last = (at + place for place in places if place not in (top, bottom))
                return {first: "open", at + top: "high", at + bottom: "low", last: "close"}
    return None


def names_of(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return names for all columns of a file without a header, inferred from its rows."""
    filled = [[field.strip() for field in row] for row in rows if any(row)]
    width = Counter(map(len, filled)).most_common(1)[0][0]
    filled = [row for row in filled if len(row) == width]
    if width == len(KLINE) and all(EPOCH_TEXT.fullmatch(row[0]) for row in filled):
        return list(KLINE)
    prices = prices_at(filled)
    names = [(prices or {}).get(at, "") for at in range(width)]
    for at in range(width):
        column = [row[at] for row in filled]
        if names[at]:
            continue
        if "timestamp" not in names and all(map(IS_STAMP.match, column)):
            names[at] = "timestamp"
        elif "timestamp" in names[:at] and "time" not in names and all(map(IS_CLOCK, column)):
            if at == 1 + names.index("timestamp"):
                names[at] = "time"
        elif "symbol" not in names and not any(map(is_number, column)) and all(column):
            names[at] = "symbol"
    behind = max(prices) + 1 if prices else width
    if behind < width and not names[behind]:
        names[behind] = "volume"
    return [name or f"column{at}" for at, name in enumerate(names, 1)]


def is_number(text: str) -> bool:
    """Return whether a field is data and not a name."""
    try:
        float(text.replace(",", ""))
    except ValueError:
        return False
    return True
