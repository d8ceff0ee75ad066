"""Options that several commands share: the same name, for the same thing, in the same words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, time
from pathlib import Path
from typing import Annotated

import typer

from duckbourse.errors import ConfigurationError
from duckbourse.settings import MEMORY, bytes_of

LEAST_BYTES, MOST_BYTES = 16 * 10**6, 2**50

Json = Annotated[bool, typer.Option("--json", help="Print everything as JSON.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print the rows as CSV with a header.")]
To = Annotated[
    Path | None,
    typer.Option("--to", help="Write the rows to a file: .csv, .parquet or .json.", dir_okay=False),
]
Day = Annotated[
    datetime | None,
    typer.Option("--date", formats=["%Y-%m-%d"], help="Session.", show_default="the last"),
]


def time_of_day(option: str, text: str) -> time:
    """Return an option's time of day; raise ConfigurationError if it is not one."""
    try:
        return time.fromisoformat(text.rjust(5, "0"))  # 9:50 is 09:50
    except ValueError as error:
        raise ConfigurationError(
            f"{option} {text!r} is not a time of day", "give hours and minutes, such as 10:20"
        ) from error


def check_memory(size: str) -> None:
    """Raise ConfigurationError for a --memory that is no size, or that no query can have."""
    if not re.fullmatch(MEMORY, size) or not LEAST_BYTES <= bytes_of(size) <= MOST_BYTES:
        raise ConfigurationError(
            f"--memory {size!r} is no size of 16MB or more", "give one such as 500MB or 2GB"
        )


def one_preset(scanners: Iterable[str], preset: str | None) -> None:
    """Raise ConfigurationError if a scanner is named with one preset, and --preset is another."""
    for name in scanners:
        scanner, _, own = name.partition(".")
        if own and preset not in (None, own):
            raise ConfigurationError(
                f"{name} and --preset {preset} contradict each other",
                f"omit --preset, or the preset of {scanner}",
            )


def one_format(*, json: bool, csv: bool) -> None:
    """Raise ConfigurationError if two formats are wanted on stdout."""
    if json and csv:
        raise ConfigurationError("--json and --csv cannot be used together", "choose one")
