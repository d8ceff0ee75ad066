"""`./bourse journal export`: fills from the journal to where dbt reads them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from duckbourse.cli.desk_options import Account, Day, desk_of
from duckbourse.cli.output import notes, results
from duckbourse.trading.desk import read
from duckbourse.trading.export import export_fills


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
    desk = desk_of(account, day)
    _, told = read(desk)
    path, count = export_fills(desk, told)
    results.print(f"{count:,} fills of {desk.account} on {desk.session_date}: {path}")
    notes.print("`./bourse build` takes them in")
