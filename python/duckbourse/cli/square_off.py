"""`./bourse square-off`: close everything."""

from __future__ import annotations

from typing import Annotated

import typer

from duckbourse.cli.desk_options import Account, Day, desk_of
from duckbourse.cli.output import results
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
    desk = desk_of(account, day)
    send(desk.folder, "square-off", reason)
    results.print(f"{desk.account} on {desk.session_date}: square-off is asked for")
