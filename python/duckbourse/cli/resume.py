"""`./bourse resume`: resume trading after a halt."""

from __future__ import annotations

from typing import Annotated

import typer

from duckbourse.cli.output import results
from duckbourse.cli.session_options import Account, Day, chosen_session
from duckbourse.trading.commands import send


def resume(
    account: Account = None,
    day: Day = None,
    reason: Annotated[str, typer.Option(help="Reason, for the journal.")] = "requested",
) -> None:
    """
    Resume trading on a halted account, unless its book differs from the broker.

    A running loop handles it at its next tick; otherwise the loop handles it when it starts.

    Examples:

    - `./bourse resume`
    """
    session = chosen_session(account, day)
    send(session.path, "resume", reason)
    results.print(f"{session.account} on {session.session_date}: resume requested")
