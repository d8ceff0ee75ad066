"""What is stated about a file: options of the command and mapping files."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from duckbourse.errors import BadInput, ConfigurationError
from duckbourse.ingest.calendars import calendar_meant, calendars
from duckbourse.ingest.inference.columns import Role
from duckbourse.ingest.schema import Kind


def known_zone(name: str) -> str:
    """Return the name of a time zone, or raise ValueError if there is none of that name."""
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"no time zone is called {name!r}; one is 'Asia/Kolkata'") from error
    return name


def known_calendar(name: str) -> str:
    """Return the name of a calendar, or raise ValueError if seeds/calendars does not have it."""
    if name not in calendars():
        known = list(calendars())
        raise ValueError(
            f"no calendar is called {name!r} (there are {', '.join(known)}){calendar_meant(name)}"
        )
    return name


def known_encoding(name: str) -> str:
    """Return the name of a text encoding, or raise ValueError if there is none of that name."""
    try:
        "".encode(name)
    except LookupError as error:
        raise ValueError(f"no encoding is called {name!r}; one is 'cp1252'") from error
    return name


def known_pattern(pattern: str) -> str:
    """Return a regular expression with a group for the symbol, or raise ValueError."""
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        raise ValueError(f"it is not a regular expression: {error}") from error
    if "symbol" not in groups:
        raise ValueError("it has no group (?P<symbol>…)")
    return pattern


class Options(BaseModel):
    """
    What is stated about a file. The rest (None) is inferred and reported, or asked for.

    Each field is a key of a mapping file. Fields at their defaults do not affect the delivery's
    name, so that a new field does not change the names of old deliveries.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str | None = Field(default=None, min_length=1)
    symbol: Annotated[str, AfterValidator(str.strip)] | None = Field(default=None, min_length=1)
    calendar: Annotated[str, AfterValidator(known_calendar)] | None = None
    # zone of timestamps without one; default: the calendar's
    timezone: Annotated[str, AfterValidator(known_zone)] | None = None
    bar_label: Literal["start", "end"] | None = None
    kind: Kind | None = None
    # the part of the file's name (no folders or format) that is the symbol: '(?P<symbol>[A-Z]+)_.*'
    symbol_pattern: Annotated[str, AfterValidator(known_pattern)] | None = None
    # precedes each symbol, such as 'US:', where other vendors have the same symbols
    symbol_prefix: str = ""
    # if the file has a bar twice with different values, the last row counts
    last_row_wins: bool = False
    # role = the vendor's column; '' if the file has none
    columns: dict[Role, str] = Field(default_factory=dict)
    # column names for a CSV without a header
    names: tuple[str, ...] = ()
    # lines of a CSV before its header, or before its rows if `names` is given
    skip_lines: int = Field(default=0, ge=0)
    # encoding of a CSV or JSON file: 'cp1252'
    encoding: Annotated[str, AfterValidator(known_encoding)] | None = None
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    # strptime format of the whole timestamp: '%d-%m-%Y %H:%M'
    date_format: str | None = Field(default=None, pattern="%")
    decimal: Literal[".", ","] | None = None
    thousands: Literal[",", ".", " ", "'", "_"] | None = None
    # 100 if the vendor counts volume in hundreds
    volume_scale: float = Field(default=1, gt=0)
    # 1e-9 if the vendor counts prices in billionths; 1 confirms that prices are as large as written
    price_scale: float | None = Field(default=None, gt=0)
    # the year from which start_Time of Dhan's first API counts its seconds
    epoch: Annotated[Literal["1970", "1980"], BeforeValidator(str)] | None = None
    # percentage of rows that may be unreadable; it does not change what is read
    max_unreadable_pct: float = Field(default=1, ge=0, le=100)

    @model_validator(mode="after")
    def marks_differ(self) -> Options:
        """Raise ValueError if decimal and thousands marks are the same."""
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}")
        return self

    def fingerprint(self) -> bytes:
        """Return what is stated as bytes, the same for the same statements."""
        stated = self.model_dump(
            mode="json", exclude_defaults=True, exclude_none=True, exclude={"max_unreadable_pct"}
        )
        return json.dumps(stated, sort_keys=True).encode()


def read_mapping(path: Path | None, **stated: Any) -> Options:
    """Return the options of a mapping file, overridden by the stated ones that are not None."""
    keys: dict[str, Any] = {}
    if path is not None:
        try:
            keys = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(
                f"the mapping {path} cannot be read: {error.strerror}", "check --mapping"
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadInput(
                f"the mapping {path} is not TOML: {error}", "correct it there"
            ) from error
    keys |= {key: value for key, value in stated.items() if value is not None}
    try:
        return Options.model_validate(keys)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else "thousands"
        is_stated = path is None or stated.get(key) is not None
        if is_stated:
            where, option = "", f"--{key.replace('_', '-')}"
        else:
            where, option = f" of the mapping {path}", key
        if first["type"] == "extra_forbidden":
            raise BadInput(
                f"there is no key {key!r}{where}", f"the keys are {', '.join(Options.model_fields)}"
            ) from error
        reason = first["msg"].removeprefix("Value error, ")
        raise (ConfigurationError if is_stated else BadInput)(
            f"{option} = {first['input']!r}{where} is not usable: {reason}", f"correct {option}"
        ) from error
