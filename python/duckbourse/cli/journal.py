"""`./bourse journal export`: fills from the journal to where dbt reads them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from duckbourse.cli.output import notes, results
from duckbourse.cli.session_options import Account, Day, chosen_session
from duckbourse.trading.export import export_fills
from duckbourse.trading.session_folder import read


class What(StrEnum):
    export = "export"


def journal(
    what: Annotated[What, typer.Argument(help="export: write the fills as Parquet.")],
    account: Account = None,
    day: Day = None,
) -> None:
    """
    Write the fills of an account's session to `data/raw/fills`, from where dbt makes them a
    portfolio.

    The same fills make the same file. An account is a portfolio when it is a row of
    `portfolios.csv` with `source` `fills`.

    Examples:

    - `./bourse journal export`
    - `./bourse journal export --account paper_us --date 2010-05-28`
    """
    session = chosen_session(account, day)
    _, told = read(session)
    path, count = export_fills(session, told)
    results.print(f"{count:,} fills of {session.account} on {session.session_date}: {path}")
    notes.print("`./bourse build` takes them in")
