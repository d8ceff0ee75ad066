"""The rows of a seed, as its CSV file has them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from duckbourse.names import did_you_mean, nearest
from duckbourse.seeds.properties import Seed
from duckbourse.words import counted


@dataclass(frozen=True)
class Row:
    """
    A row of a CSV file by its columns, None where it is empty, and the line it starts on.

    A slip in a column is named once: `slipped` are the columns that have one.
    """

    line: int
    values: Mapping[str, str | None]
    slipped: set[str] = field(default_factory=set)


@dataclass
class File:
    """A seed's file, what is wrong in it by line, and whether all of its rows could be read."""

    path: Path
    seed: Seed
    columns: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    slips: list[tuple[int, str]] = field(default_factory=list)
    is_whole: bool = True

    @property
    def name(self) -> str:
        """The name of the seed."""
        return self.path.stem


def read(path: Path, seed: Seed) -> File:
    """Read a CSV file; what cannot be read is a slip."""
    file = File(path, seed)
    file.slips += _unread(file)
    file.is_whole = not file.slips
    return file


def _unread(file: File) -> Iterator[tuple[int, str]]:
    try:
        text = file.path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        yield error.object.count(b"\n", 0, error.start) + 1, "it is not UTF-8: save it as UTF-8"
        return
    lines, unread = _lines(text, file.seed.delimiter)
    if unread:
        yield unread, "a quoted value has no closing quote, or something after it"
    if not lines:
        return
    (_, header), *records = lines
    file.columns = header
    of_header = list(_of_header(header, file.seed))
    yield from ((1, problem) for problem in of_header)
    is_readable = len(set(header)) == len(header)
    if of_header and not (is_readable and any(len(v) == len(header) for _, v in records)):
        return  # the header alone is wrong
    for line, values in records:
        if len(values) == len(header):
            named = dict(zip(header, (v or None for v in values), strict=True))
            file.rows.append(Row(line, named))
            continue
        comma = "; quote any value that contains a comma" if len(values) > len(header) else ""
        yield line, f"{counted(len(values), 'value')}, but {counted(len(header), 'column')}{comma}"


def _lines(text: str, delimiter: str) -> tuple[list[tuple[int, list[str]]], int | None]:
    """Return the rows, each with the line that it starts on, and the line that ends the reading."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines = []
    start = 1
    try:
        for values in reader:
            if values:
                lines.append((start, values))
            start = reader.line_num + 1
    except csv.Error:
        return lines, start
    return lines, None


def _of_header(header: list[str], seed: Seed) -> Iterator[str]:
    expected = list(dict.fromkeys([*seed.columns, *seed.types]))
    if len(header) == 1 and len(expected) > 1 and (other := re.search(r"[;\t|]", header[0])):
        yield f"the columns are separated by {other[0]!r}: separate them by {seed.delimiter!r}"
        return
    missing = [name for name in expected if name not in header]
    for place, name in enumerate(header):
        if not name.strip():
            yield f"column {place + 1} has no name"
        elif name in header[:place]:
            yield f"there are two columns {name!r}"
        elif name not in expected:
            meant = [each for each in (nearest(name, missing),) if each]
            missing = [each for each in missing if each not in meant]
            # a seed whose columns are not described may have any
            if seed.columns or meant:
                yield f"there is no column {name!r}{did_you_mean(name, meant)}"
    if missing:
        yield f"there is no {', '.join(missing)}: add {counted(len(missing), 'column')}"
