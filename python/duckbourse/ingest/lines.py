"""
The lines of a text file, and what is done where a quote runs from one into the next.

A reader of CSV takes all that is between two quotes for one field. A note may have two lines, but a
quote that is astray takes up rows. So the lines are counted apart from the reader, and where it
has found fewer records, each line that a quote leaves open is looked at: see `mended`.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from duckbourse.errors import BadInput

BLOCK = 1 << 20
DAMAGED = "it is damaged or cut short: copy or download it again"
# Of the lines that a reader of CSV ends there; Python has ten more for str.splitlines.
LINE_END = re.compile(r"\r\n|\n|\r")
# More lines than this are no note in a field.
MAX_LINES_IN_FIELD = 1000
QUOTED = re.compile(r' *"((?:[^"]|"")*+)" *')
OPENED = re.compile(r' *"')
# Bytes that are no UTF-8 are written as they were read.
ESCAPED = "surrogateescape"


def lines_in(text: str) -> list[str]:
    """Return the lines of a text without what ends them."""
    lines = LINE_END.split(text)
    return lines[:-1] if not lines[-1] else lines


@contextmanager
def unpacking(file: str) -> Iterator[None]:
    """Turn what is said of gzip that cannot be read into one line of ours."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BadInput(f"{file} is damaged gzip: {error}", DAMAGED) from error


@dataclass(frozen=True)
class Survey:
    """How many quotes a text has, and whether its lines end in more than one way."""

    quotes: int
    mixed: bool


@dataclass(frozen=True)
class Record:
    """A record of a file: the line it begins on, its number among all below the header, its text.

    `place` counts records and blank lines from the file's first line on, as DuckDB does.
    """

    line: int
    place: int
    row: int
    text: str


@dataclass(frozen=True)
class TextFile:
    """
    A text file, to look a line up in.

    `spans` has the first line of each record of several lines, and how many; `broken` the lines
    that no reading of their quotes makes rows.
    """

    path: Path
    packed: bool
    rows_at: int = 0
    spans: Mapping[int, int] = field(default_factory=dict)
    broken: frozenset[int] = frozenset()

    @contextmanager
    def opened(self) -> Iterator[TextIO]:
        """Open it as text whose lines all end in \\n; bytes that are no UTF-8 are not lost."""
        with (
            gzip.open(self.path) if self.packed else self.path.open("rb") as raw,
            io.TextIOWrapper(raw, "utf-8-sig", errors=ESCAPED, newline=None) as text,
        ):
            yield text

    def survey(self) -> Survey:
        """Count what tells whether DuckDB can read it as it is."""
        newlines = returns = both = quotes = 0
        before = b""
        with gzip.open(self.path) if self.packed else self.path.open("rb") as file:
            while block := file.read(BLOCK):
                quotes += block.count(b'"')
                newlines += block.count(b"\n")
                if before == b"\r" or b"\r" in block:
                    returns += block.count(b"\r")
                    both += block.count(b"\r\n") + (before == b"\r" and block[:1] == b"\n")
                before = block[-1:]
        ends = (both, newlines - both, returns - both)
        return Survey(quotes, sum(map(bool, ends)) > 1)

    def line_count(self) -> int:
        """Return how many lines there are below the header, without blank ones."""
        with self.opened() as text:
            for _ in range(self.rows_at):
                next(text, None)
            return sum(line != "\n" for line in text)

    def records(self) -> Iterator[Record]:
        """Yield the records below the header; blank lines are none."""
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
        """Return the line on which each of these rows begins; both count from one."""
        wanted = set(rows)
        found: dict[int, int] = {}
        for record in self.records():
            if record.row in wanted:
                found[record.row] = record.line
                if len(found) == len(wanted):
                    break
        return found

    def records_at(self, places: Iterable[int]) -> Iterator[Record]:
        """Yield the records at these of DuckDB's places."""
        wanted = set(places)
        return (record for record in self.records() if record.place in wanted)


def fields_of(text: str, delimiter: str) -> tuple[list[str] | None, bool]:
    """
    Return the fields of a record and whether a quote is left open at its end.

    They are None where one is open, or where there is more behind a quote that closes a field.
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
    """Return fields as a record that has one reading."""
    special = (delimiter, '"', "\n")
    return delimiter.join(
        '"' + one.replace('"', '""') + '"' if any(mark in one for mark in special) else one
        for one in fields
    )


def spanned(text: str, following: Iterable[str], delimiter: str) -> tuple[list[str], list[str]]:
    """Return the lines up to that which closes the quote left open, and the record's fields."""
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


def mended(source: TextFile, copy: Path, delimiter: str, width: int) -> TextFile:
    """
    Write a copy that has one reading, and return what of the file's lines became of what.

    Of lines that a quote joins, one record is made where that is of `width` columns and no two of
    the lines are rows by themselves. Otherwise the quote is astray, and the first of them stands
    alone: its quotes are letters if so it has these columns, and else it is broken. The lines of
    the copy are those of the file; above the rows they are blank.
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
