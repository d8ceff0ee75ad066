"""`./bourse journal export`: export fills from the journal for dbt."""

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
    Write the fills of an account's session to `data/raw/fills`, where dbt reads them as a
    portfolio.

    The same fills give the same file. An account is a portfolio if `portfolios.csv` has a row for
    it with `source` `fills`.

    Examples:

    - `./bourse journal export`
    - `./bourse journal export --account paper_us --date 2010-05-28`
    """
    session = chosen_session(account, day)
    _, recorded = read(session)
    path, count = export_fills(session, recorded)
    results.print(f"{count:,} fills of {session.account} on {session.session_date}: {path}")
    notes.print("`./bourse build` loads them")
