"""`./bourse notify`: send a message to the webhook; and what other commands notify it of."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, ParamSpec

import typer

from duckbourse import clock, history
from duckbourse.cli.output import notes, results
from duckbourse.errors import (
    BadInput,
    BourseError,
    ConfigurationError,
    DatabaseLocked,
    NotNotified,
)
from duckbourse.settings import EventKind, settings
from duckbourse.telemetry.webhook import Event, problems, targets

P = ParamSpec("P")


def notify(
    text: Annotated[str | None, typer.Argument(help="What to say.", show_default=False)] = None,
    test: Annotated[bool, typer.Option("--test", help="Send a test message.")] = False,
) -> None:
    """
    Send a message to the webhook and the Telegram chat that are set, and report whether it arrived.

    Builds that fail, late data and trading notify them without this command; it is for schedulers,
    and to test the settings.

    Examples:

    - `./bourse notify --test`
    - `./bourse notify "the backup of $(hostname) failed"`
    """
    if (text is None) == (not test):
        raise ConfigurationError(
            "notify takes either a text or --test", "to test the settings: ./bourse notify --test"
        )
    if not targets(settings()):
        raise ConfigurationError(
            "nobody would be notified: neither a webhook nor a Telegram chat is set",
            "set BOURSE_WEBHOOK_URL in the environment or in .env",
        )
    said = text or f"a test of duckbourse on {socket.gethostname()}"
    event = Event(EventKind.message, said, f"{clock.now().isoformat()} {said}")
    found = problems(event, settings())
    if found:
        raise NotNotified(
            "; ".join(found), "check the address, and whether this machine can reach it"
        )
    results.print(f"notified: {', '.join(to.shown for to in targets(settings()))}", markup=False)


def is_wanted(kind: EventKind) -> bool:
    """Return whether people want to know of such events; nobody does without usable settings."""
    try:
        return kind in settings().webhook_events and bool(targets(settings()))
    except ConfigurationError:
        return False


def announce(kind: EventKind, text: str, key: str, **details: Any) -> None:
    """Notify people of an event, if they want to know it; a failure to do so is only a note."""
    if is_wanted(kind):
        for problem in problems(Event(kind, text, key, details), settings()):
            notes.print(problem, markup=False)


def announces_failure(command: Callable[P, None]) -> Callable[P, None]:
    """Notify people of whatever a build fails with, except slips and that it was not its turn."""

    @wraps(command)
    def announced(*words: P.args, **options: P.kwargs) -> None:
        try:
            command(*words, **options)
        except Exception as error:
            if not is_wanted(EventKind.build_failed) or _is_slip(error):
                raise
            message = " ".join(str(error).split()) or type(error).__name__
            details = dict(error.details) if isinstance(error, BourseError) else {}
            first = f"; first: {details['first_error']}" if details else ""
            announce(
                EventKind.build_failed,
                f"the build on {socket.gethostname()} failed: {message}{first}",
                details.get("invocation_id") or clock.now().isoformat(),
                **{"error": message, **details},
            )
            raise

    return announced


def _is_slip(error: Exception) -> bool:
    """Return whether nothing was built for a reason that only concerns whoever asked for it."""
    if isinstance(error, ConfigurationError):
        # of the command line, unless the disk of the data is gone
        return settings().data.is_dir()
    # of the seeds; or another build is running
    return isinstance(error, BadInput | DatabaseLocked)


def announce_publication(*, again: bool = False) -> None:
    """Notify people of the current publication, which is new or was published again."""
    if not is_wanted(EventKind.published):
        return
    record = history.record_of(settings().published_database)
    announce(
        EventKind.published,
        f"published{' again' * again} on {socket.gethostname()}: build {record['build_id']},"
        f" revision {record['git_revision']}, data {record['data_version']}",
        f"{record['build_id']}{f' again at {clock.now().isoformat()}' if again else ''}",
        # without what it says of each table
        **{name: value for name, value in record.items() if not isinstance(value, dict)},
    )
