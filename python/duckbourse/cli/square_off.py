"""`./bourse square-off`: close everything."""

from __future__ import annotations

from typing import Annotated

import typer

from duckbourse.cli.output import results
from duckbourse.cli.session_options import Account, Day, chosen_session
from duckbourse.trading.commands import send


def square_off(
    account: Account = None,
    day: Day = None,
    reason: Annotated[str, typer.Option(help="Why; it is written down.")] = "asked for",
) -> None:
    """
    Close everything an account holds, and let nothing be opened after it.

    A loop that is running obeys at its next tick; one that is not, when it is started again.

    Examples:

    - `./bourse square-off --account paper_us`
    """
    session = chosen_session(account, day)
    send(session.path, "square-off", reason)
    results.print(f"{session.account} on {session.session_date}: square-off is asked for")
