"""Output of commands: results on stdout, the rest on stderr, colors on terminals only."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from itertools import chain
from typing import Any

from rich.console import Console

from duckbourse.errors import shortened

TRAILING_BLANKS = re.compile(r" +(?=\n)")
# what DuckDB writes neither of a second's fraction nor of an offset
TRAILING_ZEROS = re.compile(r"(?<=\.\d)(\d*?)0+(?=$|[-+])|(?<=[-+]\d\d):00$")


class Results(Console):
    """A console that, in a pipe, prints no blanks at the ends of lines: rich pads the cells."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as `Console.print` does."""
        if self.is_terminal:
            super().print(*objects, **options)
            return
        with self.capture() as printed:
            super().print(*objects, **options)
        self.file.write(TRAILING_BLANKS.sub("", printed.get()))
        self.file.flush()


# Progress and notes; soft_wrap keeps each line on one line, also in pipes.
notes = Console(stderr=True, soft_wrap=True, highlight=False)
results = Results(soft_wrap=True, highlight=False)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show what takes a while: with a moving sign on a terminal, as a line elsewhere."""
    if notes.is_terminal:
        with notes.status(what):
            yield
    else:
        notes.print(what)
        yield


def say_error(message: str, remedy: str) -> None:
    """Print an error on one line and its remedy on the next."""
    notes.print("[bold red]error:[/] ", end="")
    notes.print(shortened(" ".join(message.split())), markup=False)
    if remedy:
        notes.print("  [bold]remedy:[/] ", end="")
        notes.print(remedy, markup=False)


def print_json(value: object) -> None:
    """Print a value as one JSON document on stdout; NaN and infinities become null."""
    sys.stdout.write(json.dumps(_jsonable(value), allow_nan=False, indent=2) + "\n")


def print_json_rows(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows as `print_json` prints a list of them, one after the other."""
    opening = "["
    for row in rows:
        text = json.dumps(_jsonable(row), allow_nan=False, indent=2)
        # each line break is one of the layout: JSON escapes those inside a text
        sys.stdout.write(f"{opening}\n  " + text.replace("\n", "\n  "))
        opening = ","
    sys.stdout.write("[]\n" if opening == "[" else "\n]\n")


def print_csv_records(records: Sequence[Mapping[str, Any]]) -> None:
    """Print records with the same names as CSV on stdout; of none, not even a header is known."""
    print_csv(records[0] if records else [], (record.values() for record in records))


def print_csv(names: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Print rows as CSV on stdout, in full precision, with a header: as DuckDB writes a file."""
    for row in chain([names], rows):
        sys.stdout.write(",".join(map(_csv_field, row)) + "\n")


def clock_text(of_day: time | str) -> str:
    """Return a time of day as HH:MM, with seconds if it has any; DuckDB returns 24:00 as text."""
    return str(of_day).removesuffix(":00")


def _csv_field(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case datetime() | time():
            text = TRAILING_ZEROS.sub(r"\1", str(value))
        case _:
            text = str(value)
    # a text without letters is quoted, so that it is not NULL, and one that may be a comment
    if text and not set(text) & set(',"\r\n#'):
        return text
    return '"' + text.replace('"', '""') + '"'


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
        case time():
            return clock_text(value)
        case _:
            return str(value)
