"""`./bourse list`: the names that other commands take, as they are published."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

import duckdb
import typer

from duckbourse.cli.export import check_export, export, print_csv_of
from duckbourse.cli.options import Csv, Json, To, one_format
from duckbourse.cli.output import print_json
from duckbourse.cli.tables import print_rows
from duckbourse.errors import BourseError, PublicationError
from duckbourse.lists import Kind, query_of
from duckbourse.warehouse import fetch_rows, open_published


def list(
    kind: Annotated[Kind, typer.Argument(help="What to list.", show_default=False)],
    to: To = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """
    List what is published: symbols, presets, portfolios, indicators, accounts or scanners.

    These are the names that the other commands and the table macros take.

    Examples:

    - `./bourse list symbols`
    - `./bourse list presets`
    - `./bourse list indicators --csv`
    - `./bourse list portfolios --json`
    """
    one_format(json=json, csv=csv)
    if to:
        check_export(to)
    connection = open_published()
    try:
        sql = query_of(connection, kind)
        if to:
            export(connection, sql, to)
        if csv:
            print_csv_of(connection, sql)
            return
        rows = fetch_rows(connection, sql)
    except duckdb.CatalogException as error:
        raise PublicationError(
            f"the published file has no {kind}", "run `./bourse build` to publish them"
        ) from error
    finally:
        connection.close()
    if json:
        print_json(rows)
    else:
        print_rows(rows)


def completed(kind: str) -> Callable[[str], Iterator[str]]:
    """Return what completes a name in the shell; without a publication, nothing does."""

    def names(incomplete: str) -> Iterator[str]:
        try:
            connection = open_published()
        except BourseError:
            return
        try:
            sql = query_of(connection, Kind(kind))
            rows = fetch_rows(connection, sql)
            # a kind is the plural of the column of its names
            found = {str(row[kind[:-1]]) for row in rows}
            yield from sorted(name for name in found if name.startswith(incomplete))
        except (duckdb.Error, BourseError):
            return
        finally:
            connection.close()

    return names


Account = Annotated[
    str | None,
    typer.Option(
        "--account",
        help="Account.",
        show_default="the last one traded",
        autocompletion=completed("accounts"),
    ),
]
TradingAccount = Annotated[
    str | None,
    typer.Option(
        "--account",
        help="Account.",
        show_default="the one that is trading, or was",
        autocompletion=completed("accounts"),
    ),
]
