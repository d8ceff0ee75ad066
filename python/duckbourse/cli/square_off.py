"""`./bourse square-off`: close all positions."""

from __future__ import annotations

from typing import Annotated

import typer

from duckbourse.cli.output import results
from duckbourse.cli.session_options import Account, Day, chosen_session
from duckbourse.trading.commands import send


def square_off(
    account: Account = None,
    day: Day = None,
    reason: Annotated[str, typer.Option(help="Reason, for the journal.")] = "requested",
) -> None:
    """
    Close all positions of an account and open no new ones.

    A running loop handles it at its next tick; otherwise the loop handles it when it starts.

    Examples:

    - `./bourse square-off --account paper_us`
    """
    session = chosen_session(account, day)
    send(session.path, "square-off", reason)
    results.print(f"{session.account} on {session.session_date}: square-off requested")
