"""`./bourse sql`: query the published file and print the result."""

from __future__ import annotations

import csv as csv_format
import sys
from typing import Annotated, Any

import duckdb
import typer
from rich.markup import escape
from rich.table import Table

from duckbourse.cli.output import notes, print_json, results
from duckbourse.cli.tables import print_whole, width_of
from duckbourse.errors import BadQuery, ConfigurationError
from duckbourse.warehouse import confine, one_line, open_published


def sql(
    query: Annotated[str, typer.Argument(help="SQL, in DuckDB's dialect.", show_default=False)],
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of rows.")] = 100,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON list of objects.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header.")] = False,
) -> None:
    """
    Query the published file in SQL. A query can change nothing and read no other file.

    Examples:

    - `./bourse sql "from serving.publication"`
    - `./bourse sql "select * from bars.ohlcv where symbol = 'AAPL' order by bar_ts desc" --limit 5`
    - `./bourse sql "from scanners.signals" --csv --limit 100000 > signals.csv`
    """
    if json and csv:
        raise ConfigurationError("--json and --csv exclude each other", "choose one")
    if not query.strip():
        raise BadQuery("the query is empty", '`./bourse sql "from serving.publication"` is one')
    connection = open_published()
    try:
        confine(connection)
        cursor = connection.execute(query)
        names = [str(column[0]) for column in cursor.description or []]
        rows = cursor.fetchmany(limit + 1)
    except duckdb.Error as error:
        raise BadQuery(
            one_line(error), '`./bourse sql "show all tables"` lists all tables'
        ) from error
    finally:
        connection.close()
    if json:
        print_json([dict(zip(names, row, strict=True)) for row in rows[:limit]])
    elif csv:
        writer = csv_format.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows[:limit])
    else:
        _print_table(names, rows[:limit])
    if len(rows) > limit:
        notes.print(f"there are more than {limit:,} rows; --limit shows more")


def _print_table(names: list[str], rows: list[tuple[Any, ...]]) -> None:
    cells = [[_shown(value) for value in row] for row in rows]
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, no_wrap=True)
    for row in cells:
        table.add_row(*map(escape, row))
    # each row stays on one line, for pipes; on a narrow terminal, rows are printed as records
    if width_of(table) <= results.width or not results.is_terminal:
        print_whole(table)
        return
    label = max(map(len, names))
    for number, row in enumerate(cells, start=1):
        results.print(f"[bold]row {number:,}[/]")
        for name, value in zip(names, row, strict=True):
            results.print(f"  {name.ljust(label)}  {value}", markup=False)


def _shown(value: Any) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:.10g}"
        case _:
            return str(value)
