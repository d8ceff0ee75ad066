"""`./bourse tables`: the layers of the published file, their tables, and the columns of one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Annotated, Any

import duckdb
import typer

from duckbourse.cli.export import check_export, export, print_csv_of
from duckbourse.cli.options import Csv, Json, To, one_format
from duckbourse.cli.output import notes, print_json, results
from duckbourse.cli.tables import Column, columns_of, print_folded
from duckbourse.errors import BourseError, ConfigurationError
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
# those of indicators have the schema in their names
MACROS = """
    select
        if(schema_name = 'main', '', schema_name || '.') || function_name as macro,
        max(parameters) as parameters,
        max(comment) as description,
    from duckdb_functions()
    where database_name = current_database() and function_type = 'table_macro'
    group by schema_name, function_name
    order by schema_name != 'main', macro
"""
PARAMETERS = f"select unnest(parameters) as parameter from ({MACROS}) where macro = {{}}"
COLUMNS = """
    select column_name as column, lower(data_type) as type, comment as description,
    from duckdb_columns()
    where
        database_name = current_database()
        and schema_name || '.' || table_name = {}
    order by column_index
"""


def _known_names() -> Iterator[str]:
    try:
        connection = open_published()
    except BourseError:
        return
    try:
        yield from _names(fetch_rows(connection, OF_LAYERS), fetch_rows(connection, MACROS))
    except duckdb.Error:
        return
    finally:
        connection.close()


def _completed(incomplete: str) -> list[str]:
    return sorted(name for name in _known_names() if name.startswith(incomplete))


def tables(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A layer, a table or a table macro, such as bars, bars.ohlcv or crp_scan.",
            show_default="all",
            autocompletion=_completed,
        ),
    ] = None,
    to: To = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """
    List the tables and table macros of the published file, or what one of them has.

    A table has its columns, and a macro its parameters. Each has the words of its properties file:
    what one row is, units, and what NULL means.

    Examples:

    - `./bourse tables`
    - `./bourse tables risk`
    - `./bourse tables bars.ohlcv`
    - `./bourse tables crp_scan`
    - `./bourse tables indicators.rsi`
    - `./bourse tables serving.publication --json`
    """
    one_format(json=json, csv=csv)
    if to:
        check_export(to)
    connection = open_published()
    try:
        known = fetch_rows(connection, OF_LAYERS)
        macros = fetch_rows(connection, MACROS)
        relation = next((row for row in known if row["relation"] == name), None)
        macro = next((row for row in macros if row["macro"] == name), None)
        if relation:
            sql = COLUMNS.format(quoted(name))
        elif macro:
            sql = PARAMETERS.format(quoted(name))
        else:
            _check(name, known, macros)
            sql = f"from ({OF_LAYERS}) where layer = {quoted(name)}" if name else OF_LAYERS
        if to:
            export(connection, sql, to)
        if csv:
            print_csv_of(connection, sql)
            return
        rows = fetch_rows(connection, sql)
    finally:
        connection.close()
    if json:
        print_json(macro or (relation | {"columns": rows} if relation else rows))
    elif relation:
        _print_columns(relation, rows)
    elif macro:
        results.print(_call(macro), style="bold", markup=False)
        results.print(macro["description"] or "", markup=False)
    else:
        _print_layers(rows, [] if name else macros)


def _names(known: list[dict[str, Any]], macros: list[dict[str, Any]]) -> set[str]:
    names = {str(row[column]) for row in known for column in ("layer", "relation")}
    return names | {str(row["macro"]) for row in macros}


def _call(macro: dict[str, Any]) -> str:
    return f"{macro['macro']}({', '.join(macro['parameters'])})"


def _check(name: str | None, known: list[dict[str, Any]], macros: list[dict[str, Any]]) -> None:
    names = _names(known, macros)
    if name is None or name in names:
        return
    # without its layer too: ohlcv is bars.ohlcv, and rsi is indicators.rsi
    short = {each.rpartition(".")[2]: each for each in sorted(names, reverse=True)}
    near = nearest(name, sorted(names | short.keys()))
    meant = f"; did you mean {short.get(near, near)!r}?" if near else ""
    raise ConfigurationError(
        f"the published file has no layer, table or table macro {name!r}{meant}",
        "`./bourse tables` lists all of them",
    )


def _print_layers(rows: list[dict[str, Any]], macros: list[dict[str, Any]]) -> None:
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
    # those of indicators are one kind, with their names in a list of its own
    answers = [
        {"macro": _call(row), "what it answers": _first_sentence(row["description"])}
        for row in macros
        if "." not in row["macro"]
    ]
    if answers:
        print_folded(columns_of(answers), answers, "table macros")
        results.print()
    notes.print(
        "`./bourse tables bars.ohlcv` shows the columns of a table, and `./bourse tables crp_scan`"
        " the parameters of a macro; `./bourse list indicators` lists indicators, each a table"
        " macro such as indicators.rsi",
        markup=False,
    )


def _first_sentence(description: str | None) -> str | None:
    return description and description.partition("\n")[0].partition(". ")[0].removesuffix(".")


def _print_columns(relation: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    count = relation["row_count"]
    rows_of = "" if count is None else f"  {counted(count, 'row')}"
    results.print(f"[bold]{relation['relation']}[/]{rows_of}")
    if relation["description"]:
        results.print(relation["description"], markup=False)
    shown = [
        row | {"description": row["description"] and " ".join(row["description"].split())}
        for row in rows
    ]
    has_words = any(row["description"] for row in shown)
    names = ["column", "type", "description"] if has_words else ["column", "type"]
    print_folded(columns_of(shown, names), shown)
