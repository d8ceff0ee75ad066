"""`./bourse halt`: stop opening positions."""

from __future__ import annotations

from typing import Annotated

import typer

from duckbourse.cli.output import results
from duckbourse.cli.session_options import Account, Day, chosen_session
from duckbourse.trading.commands import send


def halt(
    account: Account = None,
    day: Day = None,
    reason: Annotated[str, typer.Option(help="Reason, for the journal.")] = "requested",
) -> None:
    """
    Halt an account: cancel its open entries and open no positions; stops and targets stay active.

    A running loop handles it at its next tick; otherwise the loop handles it when it starts.

    Examples:

    - `./bourse halt --reason "news at noon"`
    """
    session = chosen_session(account, day)
    send(session.path, "halt", reason)
    results.print(f"{session.account} on {session.session_date}: halt requested")
