"""
Commands to a loop that is running, or will be: a file each, written whole and taken once.

They lie in `commands/` of the account's folder, named by when they were given.
"""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import msgspec
import structlog

from duckbourse import clock

log = structlog.get_logger()

FOLDER = "commands"


class Command(msgspec.Struct, frozen=True):
    """`name` is halt, resume or square-off; `by` is who gave it."""

    name: str
    reason: str
    by: str


def send(folder: Path, name: str, reason: str) -> Path:
    """Leave a command for the loop of an account."""
    commands = folder / FOLDER
    commands.mkdir(parents=True, exist_ok=True)
    told = msgspec.json.encode(Command(name, reason, getpass.getuser()))
    path = commands / f"{clock.now():%Y%m%dT%H%M%S%f}-{os.getpid()}.json"
    draft = path.with_suffix(".draft")
    draft.write_bytes(told)
    draft.rename(path)
    return path


def pending(folder: Path) -> list[Command]:
    """Take the commands that lie there, in the order they were given; what is none is put aside."""
    commands = folder / FOLDER
    if not commands.exists():
        return []
    found = []
    for path in sorted(commands.glob("*.json")):
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=Command))
        except msgspec.DecodeError as error:
            log.error("not a command", file=path.name, said=str(error))
            path.rename(path.with_suffix(".refused"))
        else:
            path.unlink()
    return found
