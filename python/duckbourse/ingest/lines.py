"""
The lines of a text file, and the repair of quotes that run from one line into the next.

A CSV reader takes everything between two quotes as one field. A note may span lines, but a stray
quote swallows rows. Lines are therefore counted independently of the reader; if it finds fewer
records, each line with an open quote is examined: see `repaired`.
"""

from __future__ import annotations

import gzip
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np

# Small enough for the arrays of a block to stay in a processor's cache.
BLOCK = 1 << 18
# Line ends of a CSV reader; Python's str.splitlines has ten more.
LINE_END = re.compile(r"\r\n|\n|\r")
# A field with more lines than this is not a note.
MAX_LINES_IN_FIELD = 1000
QUOTED = re.compile(r' *"((?:[^"]|"")*+)" *')
OPENED = re.compile(r' *"')
# Bytes that are not UTF-8 are written unchanged.
ESCAPED = "surrogateescape"


def lines_in(text: str) -> list[str]:
    """Return the lines of a text without their line ends."""
    lines = LINE_END.split(text)
    return lines[:-1] if not lines[-1] else lines


@dataclass(frozen=True)
class Survey:
    """The number of quotes of a text and of its lines, and whether its line ends are mixed."""

    quotes: int
    # blank ones excluded
    lines: int
    mixed: bool


@dataclass(frozen=True)
class Record:
    """
    A record of a file: its first line, its number below the header, its text.

    `place` counts records and blank lines from the file's first line, as DuckDB does.
    """

    line: int
    place: int
    row: int
    text: str


@dataclass(frozen=True)
class TextFile:
    """
    A text file in which lines can be looked up.

    `spans` maps the first line of each multi-line record to its number of lines; `broken` are the
    lines that are not rows under any reading of their quotes.
    """

    path: Path
    packed: bool
    rows_at: int = 0
    spans: Mapping[int, int] = field(default_factory=dict)
    broken: frozenset[int] = frozenset()

    @contextmanager
    def opened(self) -> Iterator[TextIO]:
        """Open it as text with \\n line ends, keeping bytes that are not UTF-8."""
        with (
            gzip.open(self.path) if self.packed else self.path.open("rb") as raw,
            io.TextIOWrapper(raw, "utf-8-sig", errors=ESCAPED, newline=None) as text,
        ):
            yield text

    def survey(self) -> Survey:
        """Count what decides whether DuckDB can read the file unrepaired."""
        quotes = lines = newlines = returns = both = np.intp(0)
        before = b"\n"
        with gzip.open(self.path) if self.packed else self.path.open("rb") as file:
            while block := file.read(BLOCK):
                codes = np.frombuffer(before + block, np.uint8)
                ended = newline = codes == ord("\n")
                newlines += np.count_nonzero(newline[1:])
                if before == b"\r" or b"\r" in block:
                    returned = codes == ord("\r")
                    returns += np.count_nonzero(returned[1:])
                    both += np.count_nonzero(returned[:-1] & newline[1:])
                    ended = newline | returned
                # a line that is not blank begins where a line end is followed by something else
                lines += np.count_nonzero(ended[:-1] > ended[1:])
                if b'"' in block:
                    quotes += np.count_nonzero(codes[1:] == ord('"'))
                before = block[-1:]
        ends = (both, newlines - both, returns - both)
        return Survey(int(quotes), int(lines), sum(map(bool, ends)) > 1)

    def records(self) -> Iterator[Record]:
        """Yield the records below the header; blank lines are not records."""
        place = line = row = 0
        with self.opened() as text:
            for content in text:
                line += 1
                place += 1
                if line <= self.rows_at or content == "\n":
                    continue
                row += 1
                first = line
                more = [next(text, "") for _ in range(self.spans.get(first, 1) - 1)]
                line += len(more)
                whole = "".join([content, *more]).removesuffix("\n")
                yield Record(first, place, row, whole)

    def lines_of(self, rows: Iterable[int]) -> dict[int, int]:
        """Return the first line of each of these rows; both count from one."""
        wanted = set(rows)
        found: dict[int, int] = {}
        for record in self.records():
            if record.row in wanted:
                found[record.row] = record.line
                if len(found) == len(wanted):
                    break
        return found

    def records_at(self, places: Iterable[int]) -> Iterator[Record]:
        """Return the records at these places, counted as DuckDB does."""
        wanted = set(places)
        return (record for record in self.records() if record.place in wanted)


def fields_of(text: str, delimiter: str) -> tuple[list[str] | None, bool]:
    """
    Return the fields of a record and whether a quote is open at its end.

    The fields are None if one is open, or if text follows the closing quote of a field.
    """
    fields = []
    at = 0
    while True:
        if match := QUOTED.match(text, at):
            end = match.end()
            if end < len(text) and text[end] != delimiter:
                return None, False
            fields.append(match[1].replace('""', '"'))
        elif OPENED.match(text, at):
            return None, True
        else:
            end = text.find(delimiter, at)
            end = len(text) if end < 0 else end
            fields.append(text[at:end])
        if end == len(text):
            return fields, False
        at = end + 1


def written(fields: Iterable[str], delimiter: str) -> str:
    """Return fields as an unambiguous record."""
    special = (delimiter, '"', "\n")
    return delimiter.join(
        '"' + one.replace('"', '""') + '"' if any(mark in one for mark in special) else one
        for one in fields
    )


def spanned(text: str, following: Iterable[str], delimiter: str) -> tuple[list[str], list[str]]:
    """Return the lines up to the one that closes an open quote, and the record's fields."""
    lines = [text]
    for line in following:
        lines.append(line)
        if '"' in line:
            fields, is_open = fields_of("\n".join(lines), delimiter)
            if not is_open:
                return lines, fields or []
        if len(lines) == MAX_LINES_IN_FIELD:
            break
    return lines, []


def repaired(source: TextFile, copy: Path, delimiter: str, width: int) -> TextFile:
    """
    Write an unambiguous copy, and return the text file with its spans and broken lines.

    Lines joined by a quote become one record if that has `width` columns and fewer than two of the
    lines are rows by themselves. Otherwise the quote is stray and the first line stands alone: its
    quotes are ordinary characters if it then has `width` columns, else the line is broken. The copy
    has the lines of the file, blank above the rows.
    """
    spans: dict[int, int] = {}
    broken: set[int] = set()
    ahead: deque[str] = deque()
    with source.opened() as lines, copy.open("w", encoding="utf-8", errors=ESCAPED) as out:

        def following() -> Iterator[str]:
            yield from tuple(ahead)
            for line in lines:
                ahead.append(line.removesuffix("\n"))
                yield ahead[-1]

        def alone(text: str) -> list[str] | None:
            fields, is_open = fields_of(text, delimiter)
            if is_open:
                fields = text.split(delimiter)
            return fields if fields and len(fields) == width else None

        number = 0
        while True:
            text = ahead.popleft() if ahead else next(lines, None)
            if text is None:
                break
            text = text.removesuffix("\n")
            number += 1
            if number <= source.rows_at:
                out.write("\n")
                continue
            if '"' not in text:
                out.write(f"{text}\n")
                continue
            fields, is_open = fields_of(text, delimiter)
            if is_open:
                joined, fields = spanned(text, following(), delimiter)
                if len(fields) == width and sum(map(bool, map(alone, joined))) < 2:
                    spans[number] = len(joined)
                    number += len(joined) - 1
                    for _ in joined[1:]:
                        ahead.popleft()
                else:
                    fields = alone(text)
            if fields is None:
                broken.add(number)
                fields = [text]
            out.write(f"{written(fields, delimiter)}\n")
    return TextFile(source.path, source.packed, source.rows_at, spans, frozenset(broken))
