"""`./bourse resume`: trade on after a halt."""

from __future__ import annotations

from typing import Annotated

import typer

from duckbourse.cli.output import results
from duckbourse.cli.session_options import Account, Day, chosen_session
from duckbourse.trading.commands import send


def resume(
    account: Account = None,
    day: Day = None,
    reason: Annotated[str, typer.Option(help="Why; it is written down.")] = "asked for",
) -> None:
    """
    Let a halted account trade on, unless its broker and its book differ.

    A loop that is running obeys at its next tick; one that is not, when it is started again.

    Examples:

    - `./bourse resume`
    """
    session = chosen_session(account, day)
    send(session.path, "resume", reason)
    results.print(f"{session.account} on {session.session_date}: resume is asked for")
