"""`./bourse tables`: the layers of the published file, their tables, and the columns of one."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated, Any

import typer

from duckbourse.cli.export import check_export, export, print_csv_of
from duckbourse.cli.options import Csv, Json, To, one_format
from duckbourse.cli.output import notes, print_json, results
from duckbourse.cli.tables import Column, columns_of, print_folded
from duckbourse.errors import ConfigurationError
from duckbourse.market import TABLES as RELATIONS
from duckbourse.names import nearest
from duckbourse.warehouse import fetch_rows, open_published, quoted
from duckbourse.words import counted

# in the order in which one builds on the other; other schemas follow
LAYERS = ["bars", "indicators", "scanners", "backtests", "portfolio", "risk", "serving"]
OF_LAYERS = f"""
    select
        split_part(relation, '.', 1) as layer,
        relation,
        row_count,
        comment as description,
    from ({RELATIONS})
    order by list_position({LAYERS}, layer) nulls last, relation
"""
COLUMNS = """
    select column_name as column, lower(data_type) as type, comment as description,
    from duckdb_columns()
    where
        database_name = current_database()
        and schema_name || '.' || table_name = {}
    order by column_index
"""
MACROS = """
    select distinct
        function_name || '(' || array_to_string(parameters, ', ') || ')' as macro
    from duckdb_functions()
    where
        database_name = current_database()
        and function_type = 'table_macro'
        and schema_name = 'main'
    order by all
"""


def tables(
    name: Annotated[
        str | None,
        typer.Argument(help="A layer or a table, such as bars or bars.ohlcv.", show_default="all"),
    ] = None,
    to: To = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """
    List the tables of the published file by layer, or the columns of one table.

    Each has the words of its properties file: what one row is, units, and what NULL means.

    Examples:

    - `./bourse tables`
    - `./bourse tables risk`
    - `./bourse tables bars.ohlcv`
    - `./bourse tables serving.publication --json`
    """
    one_format(json=json, csv=csv)
    if to:
        check_export(to)
    connection = open_published()
    try:
        known = fetch_rows(connection, OF_LAYERS)
        relation = next((row for row in known if row["relation"] == name), None)
        if relation:
            sql = COLUMNS.format(quoted(name))
        else:
            _check(name, known)
            sql = f"from ({OF_LAYERS}) where layer = {quoted(name)}" if name else OF_LAYERS
        if to:
            export(connection, sql, to)
        if csv:
            print_csv_of(connection, sql)
            return
        rows = fetch_rows(connection, sql)
        macros = [] if name else [row["macro"] for row in fetch_rows(connection, MACROS)]
    finally:
        connection.close()
    if json:
        print_json(relation | {"columns": rows} if relation else rows)
    elif relation:
        _print_columns(relation, rows)
    else:
        _print_layers(rows, macros)


def _check(name: str | None, known: list[dict[str, Any]]) -> None:
    names = {str(row[column]) for row in known for column in ("layer", "relation")}
    if name is None or name in names:
        return
    # without its layer too: ohlcv is bars.ohlcv
    short = {row["relation"].partition(".")[2]: row["relation"] for row in known}
    near = nearest(name, sorted(names | short.keys()))
    meant = f"; did you mean {short.get(near, near)!r}?" if near else ""
    raise ConfigurationError(
        f"the published file has no layer or table {name!r}{meant}",
        "`./bourse tables` lists all of them",
    )


def _print_layers(rows: list[dict[str, Any]], macros: list[str]) -> None:
    for layer, found in groupby(rows, lambda row: row["layer"]):
        tables = [row | {"what it holds": _first_sentence(row["description"])} for row in found]
        columns = [
            Column("table", "relation", justify="left"),
            Column("rows", "row_count"),
            Column("what it holds", "what it holds", justify="left"),
        ]
        has_words = any(row["description"] for row in tables)
        print_folded(columns if has_words else columns[:2], tables, layer)
        results.print()
    if macros:
        results.print("table macros", style="bold")
        results.print("\n".join(macros), markup=False)
    notes.print(
        "`./bourse tables bars.ohlcv` shows the columns of a table;"
        " `./bourse list indicators` lists indicators, each a table macro too",
        markup=False,
    )


def _first_sentence(description: str | None) -> str | None:
    return description and " ".join(description.split()).partition(". ")[0].removesuffix(".")


def _print_columns(relation: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    count = relation["row_count"]
    rows_of = "" if count is None else f"  {counted(count, 'row')}"
    results.print(f"[bold]{relation['relation']}[/]{rows_of}")
    if relation["description"]:
        results.print(" ".join(relation["description"].split()), markup=False)
    shown = [
        row | {"description": row["description"] and " ".join(row["description"].split())}
        for row in rows
    ]
    has_words = any(row["description"] for row in shown)
    names = ["column", "type", "description"] if has_words else ["column", "type"]
    print_folded(columns_of(shown, names), shown)
