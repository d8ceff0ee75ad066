"""
Commands to a running or future trading loop: one file each, written atomically and handled once.

They are stored in `commands/` of the session folder, named by the time at which they were sent.
"""

from __future__ import annotations

import getpass
import os
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog

from duckbourse import clock

log = structlog.get_logger()

FOLDER = "commands"


class Command(msgspec.Struct, frozen=True):
    """`name` is halt, resume or square-off; `by` is the user who sent it."""

    name: str
    reason: str
    by: str


def send(folder: Path, name: str, reason: str) -> Path:
    """Send a command to the loop of a session; return its file."""
    commands = folder / FOLDER
    commands.mkdir(parents=True, exist_ok=True)
    content = msgspec.json.encode(Command(name, reason, getpass.getuser()))
    path = commands / f"{clock.now():%Y%m%dT%H%M%S%f}-{os.getpid()}.json"
    draft = path.with_suffix(".draft")
    draft.write_bytes(content)
    draft.rename(path)
    return path


def listed(folder: Path) -> list[Command]:
    """Return the valid commands that no loop has handled yet, oldest first."""
    found = []
    for path in sorted((folder / FOLDER).glob("*.json")):
        with suppress(FileNotFoundError, msgspec.DecodeError):
            found.append(msgspec.json.decode(path.read_bytes(), type=Command))
    return found


def pending(folder: Path) -> list[Command]:
    """Return and remove the pending commands, oldest first; set an invalid file aside."""
    commands = folder / FOLDER
    if not commands.exists():
        return []
    found = []
    for path in sorted(commands.glob("*.json")):
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=Command))
        except msgspec.DecodeError as error:
            log.error("invalid command", file=path.name, error=str(error))
            path.rename(path.with_suffix(".refused"))
        else:
            path.unlink()
    return found
