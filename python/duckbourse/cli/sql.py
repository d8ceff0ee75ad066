"""`./bourse sql`: query the published file and print the result."""

from __future__ import annotations

import os
from decimal import Decimal
from itertools import islice
from typing import Annotated, Any

import duckdb
import typer
from rich.markup import escape

from duckbourse.cli.export import as_texts, check_export, export, half_of, rows_of
from duckbourse.cli.options import Csv, Json, To, check_memory, one_format
from duckbourse.cli.output import notes, print_csv, print_json_rows, results, say_error
from duckbourse.cli.tables import Column, print_fitting, print_whole, table, width_of
from duckbourse.errors import BadQuery
from duckbourse.settings import settings
from duckbourse.warehouse import (
    Limits,
    confine,
    interrupted_after,
    one_statement,
    open_published,
    process_within,
    quoted,
    wrap_query_error,
)
from duckbourse.words import counted

# numbers between these are shown without an exponent
SMALLEST, LARGEST = 1e-9, 1e18
# what can be in parentheses; a pivot is MULTI
QUERIES = duckdb.StatementType.SELECT, duckdb.StatementType.MULTI
# rows of a table, unless --limit is given
MOST_ROWS = 100


def sql(
    query: Annotated[str, typer.Argument(help="SQL, in DuckDB's dialect.", show_default=False)],
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            min=1,
            help="Maximum number of rows to print.",
            show_default=f"{MOST_ROWS}; all with --json or --csv",
        ),
    ] = None,
    to: To = None,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout", min=0.001, max=1_000_000, help="Seconds that the query may take."
        ),
    ] = 600,
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory",
            metavar="SIZE",
            help="Memory that the query may use, such as 500MB.",
            show_default="BOURSE_MEMORY_LIMIT",
        ),
    ] = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """
    Query the published file in SQL. A query can change nothing and read no other file.

    --csv, --json and the file of --to have all rows; a table has the first 100, unless --limit
    says otherwise. `./bourse tables` lists the tables. A query that takes longer than --timeout is
    stopped; one that needs more than --memory writes to disk if it can, and is refused if not.

    Examples:

    - `./bourse sql "from serving.publication"`
    - `./bourse sql "select * from bars.ohlcv where symbol = 'AAPL' order by bar_ts desc" --limit 5`
    - `./bourse sql "from serving.latest_indicators" --limit 1`
    - `./bourse sql "from scanners.signals" --to signals.parquet`
    """
    one_format(json=json, csv=csv)
    if memory is not None:
        check_memory(memory)
    if limit is None and not (json or csv):
        limit = MOST_ROWS
    if to:
        check_export(to)
    connection = open_published()
    limits = Limits(memory or settings().memory_limit, settings().threads, True)

    def give_up() -> None:
        # the query looks at no interrupt, so nothing else ends it
        if to:
            half_of(to).unlink(missing_ok=True)
        error = wrap_query_error(duckdb.InterruptException(), query)
        say_error(str(error), error.remedy)
        os._exit(error.exit_code)

    try:
        if to:
            connection.execute(f"set allowed_paths = [{quoted(half_of(to))}]")
        confine(connection, limits)
        query = one_statement(connection, query)
        [kind] = [statement.type for statement in connection.extract_statements(query)]
        is_of_rows = kind in QUERIES
        if to and not is_of_rows:
            raise BadQuery(
                f"--to writes the rows of a query, and this is {kind.name}",
                "omit --to, or write a query",
            )
        with process_within(limits.memory), interrupted_after(connection, timeout, give_up):
            if is_of_rows and (to or csv):
                connection.sql(query)  # so that an error is one of the query as it was written
            if to:
                export(connection, query, to)
                return
            cursor = connection.execute(as_texts(query) if csv and is_of_rows else query)
            names = [str(column[0]) for column in cursor.description or []]
            rows = rows_of(cursor)
            shown = islice(rows, limit)
            if json:
                print_json_rows(dict(zip(names, row, strict=True)) for row in shown)
            elif csv:
                print_csv(names, shown)
            else:
                found = [*shown]
                _print_table(names, found)
                if is_of_rows and not found:
                    notes.print("no rows: the query is right, and nothing meets it")
            is_cut = next(rows, None) is not None
    except (duckdb.Error, MemoryError) as error:
        raise wrap_query_error(error, query) from error
    finally:
        connection.close()
    if limit and is_cut:
        notes.print(
            f"there are more than {counted(limit, 'row')}; --limit shows more, --to writes all"
        )


def _print_table(names: list[str], rows: list[tuple[Any, ...]]) -> None:
    places = [str(place) for place in range(len(names))]  # two columns may have one name
    columns = [
        Column(name, place, _shown, justify="left")
        for name, place in zip(names, places, strict=True)
    ]
    found = [dict(zip(places, row, strict=True)) for row in rows]
    drawn = table(columns, found)
    if not results.is_terminal or width_of(drawn) <= results.width:
        print_whole(drawn)  # in a pipe, each row stays on one line
    elif len(rows) != 1:
        print_fitting(columns, found, "--csv, --json or --to, or --limit 1 for one row,")
    else:
        label = max(map(len, names))
        for column in columns:
            value = column.cell(found[0], "")
            results.print(f"{escape(column.title.ljust(label))}  {value}")


def _shown(value: Any) -> str:
    match value:
        case float():
            shown = f"{value:.10g}"
            # 12345678901.5 and 0.000042, but not three hundred digits
            if "e" in shown and SMALLEST < abs(value) < LARGEST:
                shown = f"{Decimal(repr(value)):f}".removesuffix(".0")
            return shown
        case _:
            return escape(str(value))
