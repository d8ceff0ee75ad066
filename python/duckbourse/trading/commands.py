"""
Commands to a running or future trading loop: one file each, written atomically and handled once.

They are stored in `commands/` of the session folder, named by the time at which they were sent.
"""

from __future__ import annotations

import errno
import getpass
import os
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog

from duckbourse import clock
from duckbourse.disk import private, private_folder
from duckbourse.warehouse import wrap_os_error

log = structlog.get_logger()

FOLDER = "commands"
PREPARED = ("halt", "square-off")


class Command(msgspec.Struct, frozen=True):
    """`name` is halt, resume or square-off; `by` is the user who sent it."""

    name: str
    reason: str
    by: str


def prepare(folder: Path) -> None:
    """Write the commands that stop trading in advance: a full disk must not keep them back."""
    commands = folder / FOLDER
    private_folder(commands)
    for name in PREPARED:
        content = Command(name, "requested, and the disk is full", getpass.getuser())
        _write(commands / f"{name}.prepared", msgspec.json.encode(content))


def send(folder: Path, name: str, reason: str) -> Path:
    """
    Send a command to the loop of a session; return its file.

    On a full disk a prepared one is sent instead, without the reason.
    """
    commands = folder / FOLDER
    private_folder(commands)
    content = msgspec.json.encode(Command(name, reason, getpass.getuser()))
    path = commands / f"{clock.now():%Y%m%dT%H%M%S%f}-{os.getpid()}.json"
    draft = path.with_suffix(".draft")
    try:
        _write(draft, content)
    except OSError as error:
        draft.unlink(missing_ok=True)
        prepared = commands / f"{name}.prepared"
        if error.errno != errno.ENOSPC or not prepared.exists():
            raise wrap_os_error(error, commands) from error
        draft = prepared
    draft.rename(path)
    return path


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb", opener=private) as file:
        file.write(content)


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
