"""
Commands to a running or future trading loop, and its answers: one file each, written atomically.

They are in `commands/` of the account's folder. A command is `<request id>.json` until a loop takes
it, `.taken` until the loop has answered it, and its answer is `<request id>.answer`. What a loop
took and did not answer before it died, the next one takes again, so whatever a command asks for may
be asked twice. An answer that is not final is followed by others, if need be of the next loop. A
command that expires is not obeyed afterward, and can be withdrawn until a loop takes it.
"""

from __future__ import annotations

import errno
import getpass
import itertools
import os
import re
import stat
import time
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import structlog
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.disk import private, private_folder, wrap_os_error
from duckbourse.errors import BourseError, ConfigurationError
from duckbourse.orders.book import Book

log = structlog.get_logger()

FOLDER = "commands"
PREPARED = ("halt", "square-off")
HALTS = frozenset(PREPARED)
# the orders by hand for which there is space on a full disk, and how much for each
PREPARED_ORDERS = 8
PREPARED_BYTES = 4096
# how often a command looks for its answer
LOOK_SECONDS = 0.02
# of a command that was prepared, and follows all others
LAST_NUMBER = 2**53
# what a number in a file may be, since larger ones cannot be written
MAX_NUMBER = 2**62
ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
# of a command or an answer, in bytes; a larger file is neither
MOST_BYTES = 1_000_000
T = TypeVar("T")
_sent = itertools.count()


class OrderByHand(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a person orders: buy, sell, cancel, modify or close.

    `target` is a symbol; to cancel and modify, it may be the id of an order. `strategy` limits what
    is closed to that of one; it is empty for what no order opened, and None for all. A price is
    None where the person gives none; a modification leaves it as it is.
    """

    action: str
    target: str
    quantity: int | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    trail_distance: Decimal | None = None
    strategy: str | None = None


class Command(msgspec.Struct, frozen=True):
    """
    `name` is halt, resume, square-off or order; `by` is the user who sent it.

    `expires_at` is by the clock of the machine, also in a replay; None means never. `request_id`
    names the file, and is not in it. `number` is higher than those of all commands that waited when
    it was sent, whatever the clock showed. `lifts` has the ids of the halts in the book when a
    resume was sent, and `lifts_requests` those of the requests to halt and to square off that
    waited then; it lifts no other. If `lifts` is None, it lifts whatever there is.
    """

    name: str
    reason: str
    by: str
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    request_id: str = ""
    order: OrderByHand | None = None
    number: Annotated[int, msgspec.Meta(ge=0, le=MAX_NUMBER)] = 0
    lifts: tuple[str, ...] | None = None
    lifts_requests: tuple[str, ...] = ()


def unseen_halt(book: Book, resume: Command) -> str | None:
    """Return what halted or reduced an account last that a resume does not lift; None if all is."""
    if resume.lifts is None:
        return None
    known, asked = resume.lifts, resume.lifts_requests
    unseen = [
        halt.what
        for halt_id, halt in book.halts.items()
        if halt_id not in known and halt.request_id not in asked
    ]
    return unseen[-1] if unseen else None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a loop did about a command, in a sentence for people.

    One that is not final is followed by others. `figures` are those of the answer to an order.
    """

    is_obeyed: bool
    message: str
    is_final: bool = True
    figures: dict[str, str | int | None] = {}


def prepare(folder: Path) -> None:
    """
    Write the commands that stop trading in advance: a full disk must not keep them back.

    Answers that nobody waits for any more are removed; one that is not final is for the loop.
    """
    commands = folder / FOLDER
    private_folder(commands)
    for path in commands.glob("*.answer"):
        answer = _read_answer(path)
        if answer is None or answer.is_final:
            with suppress(OSError):  # whatever is there, the command was answered
                path.unlink()
    contents = dict.fromkeys((f"order-{number}" for number in range(PREPARED_ORDERS)), b"")
    for name in PREPARED:
        reason = "requested, and the disk is full"
        command = Command(name, reason, getpass.getuser(), number=LAST_NUMBER)
        contents[name] = msgspec.json.encode(command)
    for name, content in contents.items():
        path = commands / f"{name}.prepared"
        # one that is there may be the last that the disk has space for
        if not path.exists() or path.stat().st_size != PREPARED_BYTES:
            _write(path, _padded(content))


def send(
    folder: Path,
    name: str,
    reason: str,
    *,
    request_id: str = "",
    seconds: float | None = None,
    order: OrderByHand | None = None,
    lifts: tuple[str, ...] | None = None,
) -> Path:
    """
    Send a command to the loop of a session; return its file.

    It expires after `seconds`, if given. A request id that was used before is asked again. On a
    full disk it is written over a prepared file; if that needs space too, a prepared halt is sent
    as it is, without the reason.
    """
    commands = folder / FOLDER
    try:
        private_folder(commands)
    except OSError as error:
        raise wrap_os_error(error, commands) from error
    now = clock.machine_now()
    expires_at = None if seconds is None else now + timedelta(seconds=seconds)
    command = Command(name, reason, getpass.getuser(), expires_at, order=order, lifts=lifts)
    waiting = _waiting(commands)
    number = min(1 + max((each.number for each in waiting), default=0), MAX_NUMBER)
    if lifts is not None:
        halts = tuple(each.request_id for each in waiting if each.name in HALTS)
        command = replace(command, lifts_requests=halts)
    content = msgspec.json.encode(replace(command, number=number))
    request_id = request_id or f"{now:%Y%m%dT%H%M%S%f}-{os.getpid()}-{next(_sent):04}"
    if not ID.fullmatch(request_id):
        raise ConfigurationError(
            f"{request_id!r} is not an id of a request", "use up to 40 letters, digits, - and _"
        )
    path = commands / f"{request_id}.json"
    with suppress(OSError):  # the answer to an earlier request of this id
        path.with_suffix(".answer").unlink()
    draft = path.with_suffix(".draft")
    try:
        _write(draft, content)
    except OSError as error:
        draft.unlink(missing_ok=True)
        prepared = next(iter(sorted(commands.glob(f"{name}*.prepared"))), None)
        if error.errno != errno.ENOSPC or prepared is None:
            raise _unsent(error, commands, name) from error
        try:
            _write_over(prepared, content)
        except OSError as again:
            if name not in PREPARED:
                raise _unsent(again, commands, name) from again
        draft = prepared
    draft.rename(path)
    return path


def _unsent(error: OSError, commands: Path, name: str) -> BourseError:
    found = wrap_os_error(error, commands)
    if error.errno != errno.ENOSPC or name in PREPARED:
        return found
    remedy = "`./bourse square-off` works on a full disk, and closes all"
    return type(found)(str(found), f"{found.remedy}; {remedy}")


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb", opener=private) as file:
        file.write(content)


def _write_over(path: Path, content: bytes) -> None:
    """Write over what a file has, which takes no space that it does not have already."""
    if len(content) > PREPARED_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with path.open("r+b") as file:
        file.write(_padded(content))
        file.truncate()


def _padded(content: bytes) -> bytes:
    return content.ljust(PREPARED_BYTES)


def _read_answer(path: Path) -> Answer | None:
    """Return an answer, or None if there is none that can be read."""
    with suppress(Exception):
        return _decoded(path, Answer)
    return None


def _decoded(path: Path, kind: type[T]) -> T:
    """Return the content of a file; what it raises depends on the file, and may be anything."""
    # of a pipe or a device, nothing is awaited and nothing read
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is not a regular file")
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
    return msgspec.json.decode(content, type=kind)


def _command(path: Path) -> Command:
    path.stem.encode()  # the journal and the log have it
    return replace(_decoded(path, Command), request_id=path.stem)


def answer_to(path: Path, seconds: float) -> Answer | None:
    """
    Wait for the answer to the command that `send` wrote; return None if there is none by then.

    An answer that is not final is returned if no other follows in time.
    """
    file = path.with_suffix(".answer")
    ends = clock.elapsed_seconds() + seconds
    while True:
        is_over = clock.elapsed_seconds() >= ends
        answer = _read_answer(file)
        if is_over or (answer is not None and answer.is_final):
            if answer is not None:
                file.unlink(missing_ok=True)
            return answer
        time.sleep(LOOK_SECONDS)


def withdraw(path: Path) -> bool:
    """Take a command back; return False if a loop has taken it, and then may have obeyed it."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def listed(folder: Path) -> list[Command]:
    """Return the valid commands that no loop has answered yet and that hold, oldest first."""
    return [each for each in _waiting(folder / FOLDER) if not _has_expired(each)]


def _waiting(commands: Path) -> list[Command]:
    found = []
    for path in [*commands.glob("*.json"), *commands.glob("*.taken")]:
        with suppress(Exception):  # a loop sets it aside
            found.append(_command(path))
    return sorted(found, key=_order)


def _order(command: Command) -> tuple[int, str]:
    return command.number, command.request_id


def _has_expired(command: Command) -> bool:
    return command.expires_at is not None and clock.machine_now() >= command.expires_at


class Inbox:
    """The commands to one loop."""

    def __init__(self, folder: Path) -> None:
        self._commands = folder / FOLDER
        self._is_first = True

    def take(self) -> list[Command]:
        """
        Return the commands that hold, oldest first, each once; answer those that expired.

        The first call returns those again that an earlier loop took and did not answer. A file that
        is invalid or cannot be read is set aside.
        """
        suffixes = (".json", ".taken") if self._is_first else (".json",)
        found = []
        waiting: list[Path] = []
        with suppress(FileNotFoundError):  # nothing was sent yet
            waiting = [path for path in self._commands.iterdir() if path.suffix in suffixes]
        self._is_first = False
        for path in sorted(waiting):
            taken = path.with_suffix(".taken")
            try:
                path.rename(taken)
                command = _command(taken)
            except FileNotFoundError:
                continue  # it was withdrawn
            except Exception as error:  # of this file alone: the others are obeyed
                log.error("invalid command", file=repr(path.name), error=repr(error))
                with suppress(OSError):
                    taken.rename(path.with_suffix(".refused"))
                continue
            if _has_expired(command):
                message = f"not obeyed: it expired at {command.expires_at:%F %T} UTC"
                self.answer(command, Answer(is_obeyed=False, message=message))
            else:
                found.append(command)
        return sorted(found, key=_order)

    def unfinished(self) -> list[tuple[Command, Answer]]:
        """Return the requests whose last answer is not final; nothing else of them is known."""
        found = []
        for path in sorted(self._commands.glob("*.answer")):
            answer = _read_answer(path)
            if answer is not None and not answer.is_final:
                found.append((Command("order", "", "", request_id=path.stem), answer))
        return found

    def answer(self, command: Command, answer: Answer) -> None:
        """
        Answer a command; one that cannot be answered is done too.

        On a full disk, the answer is written over the command.
        """
        log.info(
            "command",
            command=command.name,
            by=command.by,
            request_id=command.request_id,
            is_obeyed=answer.is_obeyed,
            answer=answer.message,
        )
        path = self._commands / f"{command.request_id}.answer"
        draft = path.with_suffix(".answering")
        taken, content = path.with_suffix(".taken"), msgspec.json.encode(answer)
        try:
            _write(draft, content)
            draft.rename(path)
        except OSError as error:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            if not _answered_over(taken, path, content):
                log.warning("command not answered", error=str(error))
        with suppress(OSError):
            taken.unlink(missing_ok=True)


def _answered_over(taken: Path, answer: Path, content: bytes) -> bool:
    """Write an answer over the command, or over the one before; return whether that was done."""
    try:
        if taken.exists():
            _write_over(taken, content)
            taken.rename(answer)
        else:
            _write_over(answer, content)
    except OSError:
        return False
    return True
