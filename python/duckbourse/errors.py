"""
Every exception of ours, as one tree.

    BourseError
    ├── ConfigurationError      a setting, variable or preset that cannot be right
    ├── BadInput                a file that cannot be read as what it should be
    │   ├── NotBars             a file that can be read and holds no bars
    │   └── UnreadableRows      a file of whose rows too many cannot be read
    ├── BadQuery                SQL that the published file cannot answer
    ├── BuildFailed             dbt did not end green
    ├── ChecksBusy              another `./bourse test` runs in this folder
    ├── ChecksFailed            a stage of `./bourse test` did not pass
    ├── DatabaseLocked          another process holds the build file
    ├── PublicationError        the build could not be published
    ├── StorageFull             the disk has no room left
    ├── StoreBusy               another command is writing to the raw store
    └── TradingError            what stops an order, or all of them
        ├── BrokerError         what a broker said, or did not
        │   ├── BrokerRejected  it refused: nothing was placed
        │   ├── BrokerUnclear   no answer, or none that can be read: it may have been placed
        │   └── TokenRefused    it does not know our token, or no longer
        ├── IllegalTransition   an order cannot become what an update says
        └── JournalError        the journal could not be written or read
            ├── JournalBusy     another process trades this account
            └── JournalCorrupt  a row is not what was written

Each says in one line what happened, where and why, and in `remedy` what to do. The command line
prints both and ends with `exit_code`; a traceback is for our own mistakes only.
"""

from __future__ import annotations

from dataclasses import dataclass


class BourseError(Exception):
    """Say in one line what happened, where and why; `remedy` is what the reader can do."""

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class ConfigurationError(BourseError):
    exit_code = 2


class BadInput(BourseError):
    exit_code = 3


class NotBars(BadInput):
    pass


@dataclass(frozen=True)
class Unreadable:
    """
    The first row of a file that breaks a rule, and how many do.

    `row` counts the file's rows, `line` its lines with the header (None where it is no text);
    `content` is JSON: the row by its columns, or the line that is no row.
    """

    rule: str
    count: int
    row: int
    line: int | None
    content: str


class UnreadableRows(BadInput):
    def __init__(self, message: str, remedy: str, first: tuple[Unreadable, ...]) -> None:
        super().__init__(message, remedy)
        self.first = first


class BadQuery(BourseError):
    exit_code = 3


class BuildFailed(BourseError):
    pass


class ChecksBusy(BourseError):
    exit_code = 4


class ChecksFailed(BourseError):
    pass


class DatabaseLocked(BourseError):
    exit_code = 4


class PublicationError(BourseError):
    exit_code = 5


class StorageFull(BourseError):
    exit_code = 6


class StoreBusy(BourseError):
    exit_code = 4


class TradingError(BourseError):
    exit_code = 7


class BrokerError(TradingError):
    pass


class BrokerRejected(BrokerError):
    pass


class BrokerUnclear(BrokerError):
    pass


class TokenRefused(BrokerError):
    pass


class IllegalTransition(TradingError):
    pass


class JournalError(TradingError):
    pass


class JournalBusy(JournalError):
    exit_code = 4


class JournalCorrupt(JournalError):
    pass
