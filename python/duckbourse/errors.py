"""
The exceptions of this package, as one tree.

    BourseError
    ├── ConfigurationError      a setting, variable or preset that is invalid
    ├── BadArgument             an argument in a notebook that is invalid; a ValueError too
    │   └── NoSuchName          a name that is not published
    ├── BadInput                a file whose content is not what it should be
    │   ├── NotBars             a readable file without bars
    │   │   └── NoRows          an empty one
    │   └── UnreadableRows      a file with too many unreadable rows
    ├── BadQuery                SQL that the published file cannot run; a ValueError too
    ├── BuildFailed             a build that did not end green
    ├── ChecksBusy              another `./bourse test` is running in this folder
    ├── ChecksFailed            a stage of `./bourse test` did not pass
    ├── DataLate                a session that is due was not delivered or not published
    ├── DatabaseLocked          another process holds the build file
    ├── NotNotified             a message did not reach the webhook or the chat
    ├── PublicationError        the build could not be published
    ├── StorageFull             the disk is full
    ├── StoreBusy               another command is writing to the raw store
    └── TradingError            whatever stops one order or all trading
        ├── PositionsLeft       a session ended with an intraday position open
        ├── StrategyStopped     a strategy failed while its session was traded
        ├── BrokerError         a bad answer from a broker, or none
        │   ├── BrokerRejected  the broker refused: nothing was placed
        │   ├── BrokerUnclear   no readable answer: the order may have been placed
        │   └── TokenRefused    the access token is unknown or has expired
        ├── IllegalTransition   an update that does not fit the order's state
        └── JournalError        the journal could not be written or read
            ├── JournalBusy     another process is trading this account
            └── JournalCorrupt  a row that was damaged after it was written
                └── NotApplicable   a row that can be read, and not be applied

Each states in one line what happened, where and why, and in `remedy` what to do. The command line
prints both and exits with `exit_code`; only internal errors have a traceback.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# of a message: what somebody gave may be a file by mistake
MOST_LETTERS = 2_000


def shortened(text: str) -> str:
    """Return a text of at most about 2,000 letters: of a longer one, its beginning and its end."""
    half = MOST_LETTERS // 2
    return text if len(text) <= MOST_LETTERS else f"{text[:half]} … {text[-half:]}"


class BourseError(Exception):
    """
    One line on what happened, where and why; `remedy` is what the user can do.

    `details` are for machines that are notified of it.
    """

    exit_code = 1
    details: Mapping[str, Any] = {}

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(shortened(message))
        self.remedy = remedy
        if remedy:
            # a notebook prints a traceback, and below it the notes
            self.add_note(f"remedy: {remedy}")


class ConfigurationError(BourseError):
    exit_code = 2


class BadArgument(BourseError, ValueError):
    exit_code = 2


class NoSuchName(BadArgument):
    """`near` is the known name that was most likely meant, None if no name is near."""

    def __init__(
        self, message: str, kind: str, wanted: str, near: object, known: Sequence[object]
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.wanted = wanted
        self.near = near
        self.known = known


class BackupBusy(BourseError):
    exit_code = 4


class BackupDamaged(BourseError):
    pass


class BadInput(BourseError):
    exit_code = 3


class NotBars(BadInput):
    pass


class NoRows(NotBars):
    pass


@dataclass(frozen=True)
class BrokenRow:
    """
    A row of a file that breaks a rule.

    `row` counts rows; `line` counts lines, the header included (None if the file is not text).
    `field` is the vendor's column that is at fault, and `value` its text, if it is one column.
    `content` is JSON: the row by its columns, or the line that could not be parsed.
    """

    row: int
    line: int | None
    field: str | None
    value: str | None
    content: str


@dataclass(frozen=True)
class BrokenRule:
    """A rule that rows of a file break, in words, the number of these rows, and the first ones."""

    rule: str
    why: str
    count: int
    rows: tuple[BrokenRow, ...]


class UnreadableRows(BadInput):
    def __init__(self, message: str, remedy: str, broken: tuple[BrokenRule, ...]) -> None:
        super().__init__(message, remedy)
        self.broken = broken


class BadQuery(BourseError, ValueError):
    exit_code = 3


class BuildFailed(BourseError):
    pass


class ChecksBusy(BourseError):
    exit_code = 4


class ChecksFailed(BourseError):
    pass


class DataLate(BourseError):
    exit_code = 8


class DatabaseLocked(BourseError):
    exit_code = 4


class NotNotified(BourseError):
    pass


class PublicationError(BourseError):
    exit_code = 5


class StorageFull(BourseError):
    exit_code = 6


class StoreBusy(BourseError):
    exit_code = 4


class TradingError(BourseError):
    exit_code = 7


class PositionsLeft(TradingError):
    exit_code = 9


class StrategyStopped(TradingError):
    exit_code = 10


class BrokerError(TradingError):
    pass


class BrokerRejected(BrokerError):
    pass


class BrokerUnclear(BrokerError):
    pass


class TokenRefused(BrokerError):
    pass


class FeedFailed(TradingError):
    pass


class IllegalTransition(TradingError):
    pass


class JournalError(TradingError):
    pass


class JournalBusy(JournalError):
    exit_code = 4


class JournalCorrupt(JournalError):
    pass


class NotApplicable(JournalCorrupt):
    """The event of this number, from 1, cannot be applied to the book of an account."""

    def __init__(self, number: int, kind: str, cause: Exception, account: str = "") -> None:
        self.number, self.kind, self.cause = number, kind, cause
        of = f" of {account}" if account else ""
        super().__init__(
            f"event {number:,} of the journal{of}, {kind}, cannot be applied: {cause!r}",
            "`./bourse reconcile` keeps the file and continues with the events before it",
        )

    def of(self, account: str) -> NotApplicable:
        """Return it with the name of the account."""
        return NotApplicable(self.number, self.kind, self.cause, account)
