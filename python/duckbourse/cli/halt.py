"""`./bourse halt`: let nothing be opened any more."""

from __future__ import annotations

from typing import Annotated

import typer

from duckbourse.cli.output import results
from duckbourse.cli.session_options import Account, Day, chosen_session
from duckbourse.trading.commands import send


def halt(
    account: Account = None,
    day: Day = None,
    reason: Annotated[str, typer.Option(help="Why; it is written down.")] = "asked for",
) -> None:
    """
    Halt an account: cancel its open entries and let nothing be opened; stops and targets go on.

    A loop that is running obeys at its next tick; one that is not, when it is started again.

    Examples:

    - `./bourse halt --reason "news at noon"`
    """
    session = chosen_session(account, day)
    send(session.path, "halt", reason)
    results.print(f"{session.account} on {session.session_date}: halt is asked for")
