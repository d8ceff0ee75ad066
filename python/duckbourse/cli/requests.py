"""The requests of a person to trading loops: halt, resume and square off, with their answers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from duckbourse import clock
from duckbourse.cli.listing import TradingAccount
from duckbourse.cli.options import Json
from duckbourse.cli.output import notes, print_json, results
from duckbourse.errors import BourseError, ConfigurationError, TradingError
from duckbourse.trading.commands import answer_to
from duckbourse.trading.requests import LOOP_ANSWER_SECONDS, outcome, send_request
from duckbourse.trading.session_folder import (
    SessionFolder,
    latest,
    readable_sessions,
    trading_now,
)
from duckbourse.words import counted

Everywhere = Annotated[bool, typer.Option("--all", help="All accounts that a loop is trading.")]
Why = Annotated[str, typer.Option("--reason", help="Reason, for the journal.")]
Timeout = Annotated[
    float,
    typer.Option("--timeout", min=0, help="Seconds to wait for the answer of a running loop."),
]


def halt(
    account: TradingAccount = None,
    everywhere: Everywhere = False,
    reason: Why = "requested",
    timeout: Timeout = LOOP_ANSWER_SECONDS,
    json: Json = False,
) -> None:
    """
    Halt an account: cancel its open entries and open no positions; stops and targets stay active.

    A running loop answers what it did. If it does not answer in time, the exit code is 7, and the
    request stands until it does. Without a running loop, the account's next one acts on it when it
    starts. If several accounts are trading, name one, or use --all.

    Examples:

    - `./bourse halt --reason "news at noon"`
    - `./bourse halt --all`
    """
    _request("halt", account, reason, timeout, everywhere=everywhere, json=json)


def resume(
    account: TradingAccount = None,
    everywhere: Everywhere = False,
    reason: Why = "requested",
    timeout: Timeout = LOOP_ANSWER_SECONDS,
    json: Json = False,
) -> None:
    """
    Resume trading on a halted account, unless its book differs from the broker.

    A running loop answers what it did. If it does not answer in time, the exit code is 7, and the
    request is withdrawn. Without a running loop, the account's next one acts on it when it starts.
    If several accounts are trading, name one, or use --all.

    Examples:

    - `./bourse resume`
    """
    _request("resume", account, reason, timeout, everywhere=everywhere, json=json)


def square_off(
    account: TradingAccount = None,
    everywhere: Everywhere = False,
    reason: Why = "requested",
    timeout: Timeout = LOOP_ANSWER_SECONDS,
    json: Json = False,
) -> None:
    """
    Close all positions of an account and open no new ones.

    A running loop answers what it did. If it does not answer in time, the exit code is 7, and the
    request stands until it does. Without a running loop, the account's next one acts on it when it
    starts. If several accounts are trading, name one, or use --all.

    Examples:

    - `./bourse square-off --account paper_us`
    - `./bourse square-off --all`
    """
    _request("square-off", account, reason, timeout, everywhere=everywhere, json=json)


def _request(
    name: str,
    account: str | None,
    reason: str,
    seconds: float,
    *,
    everywhere: bool,
    json: bool,
) -> None:
    addressed, unsent = _all_trading(account) if everywhere else ([_addressed(name, account)], [])
    live = {session.path for session in trading_now()[0]}
    # all are sent before any answer is waited for, and one that cannot be keeps back no other
    sent = []
    for session in addressed:
        try:
            sent.append((session, send_request(session, name, reason)))
        except BourseError as error:
            unsent.append(error)
    ends = clock.elapsed_seconds() + seconds
    rows = []
    for session, path in sent:
        answer = None
        if session.path in live:
            answer = answer_to(path, max(0.0, ends - clock.elapsed_seconds()))
        rows.append(outcome(name, session, path, answer, seconds))
    if json:
        print_json(rows)
    else:
        for row in rows:
            results.print(
                f"{row['account']} on {row['session_date']}: {row['message']}", markup=False
            )
    outcomes = zip(sent, rows, strict=True)
    failed = [session for (session, _), row in outcomes if row["is_obeyed"] is False]
    if unsent and not everywhere:
        raise unsent[0]
    if unsent:
        silent = [session.account for session in failed]
        beside = f"; nor was it obeyed by {', '.join(silent)}" if silent else ""
        raise TradingError(
            f"{name} was not sent to all: {'; '.join(map(str, unsent))}{beside}",
            "; ".join(error.remedy for error in unsent),
        )
    if failed:
        raise TradingError(
            f"{name} was not obeyed by {', '.join(session.account for session in failed)}",
            f"look at `./bourse orders` and {', '.join(str(session.log) for session in failed)},"
            " and at the broker itself",
        )


def _all_trading(
    account: str | None,
) -> tuple[list[SessionFolder], list[BourseError]]:
    if account is not None:
        raise ConfigurationError("--all cannot be used with --account", "omit one of them")
    found, damaged = trading_now()
    if found or damaged:
        return found, [*damaged.values()]
    raise ConfigurationError(
        "no loop is running, so nothing was requested",
        "name an account with --account, and its next loop acts on the request",
    )


def only_trading(name: str, account: str | None) -> SessionFolder | None:
    """
    Return the session that is traded, of this account if it is given; None if no loop runs.

    Ask a person which of several is meant. Raise ConfigurationError if its loop cannot be reached.
    """
    found, damaged = trading_now()
    for broken, error in damaged.items():
        if account in (None, broken):
            raise error
    live = [each for each in found if account in (None, each.account)]
    if len(live) > 1:
        return asked(name, live)
    return live[0] if live else None


def _addressed(name: str, account: str | None) -> SessionFolder:
    """Return the only account that can be meant: one that is traded, or else was."""
    if live := only_trading(name, account):
        return live
    found, damaged = readable_sessions()
    if damaged and account is None:
        raise damaged[0]
    known = [each for each in found if account in (None, each.account)]
    accounts = sorted({each.account for each in known})
    if len(accounts) > 1:
        raise ConfigurationError(
            f"no loop is running, and {counted(len(accounts), 'account')} were traded:"
            f" {', '.join(accounts)}",
            f"name one: `./bourse {name} --account {accounts[0]}`",
        )
    return latest(account, None)


def _is_person() -> bool:
    return sys.stdin.isatty()


def asked(name: str, live: Sequence[SessionFolder]) -> SessionFolder:
    """Ask a person which of the sessions is meant; raise ConfigurationError if nobody is there."""
    shown = [f"{each.account} on {each.session_date}" for each in live]
    # an order is of one account
    or_all = "" if name.startswith("order ") else ", or use --all"
    if not _is_person():
        raise ConfigurationError(
            f"{counted(len(live), 'loop')} are running: {', '.join(shown)}",
            f"name one: `./bourse {name}` again with --account {live[0].account}{or_all}",
        )
    for number, each in enumerate(shown, 1):
        notes.print(f"  {number}  {each}", markup=False)
    chosen: int = typer.prompt(f"which one to {name}", type=int, err=True)
    if not 1 <= chosen <= len(live):
        raise ConfigurationError(f"{chosen} is none of them", f"choose 1 to {len(live)}{or_all}")
    return live[chosen - 1]
