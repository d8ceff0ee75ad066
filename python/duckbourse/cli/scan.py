"""`./bourse scan`: what a scanner sees, in any session and at any time of day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any

import duckdb
import typer
from rich.markup import escape
from rich.table import Table

from duckbourse.cli.export import check_export, export
from duckbourse.cli.output import notes, print_json, results, width_of
from duckbourse.errors import ConfigurationError, PublicationError
from duckbourse.warehouse import open_published, quoted

# what a trader reads first; the rest of a row is its evidence
KEY = (
    "scanner",
    "session_date",
    "cutoff_time",
    "preset",
    "symbol",
    "calendar",
    "direction",
    "signal_rank",
)


@dataclass(frozen=True)
class Scan:
    """A scanner with one of its presets, and what it answered."""

    scanner: str
    preset: dict[str, Any]
    sql: str
    rows: list[dict[str, Any]]


def scan(
    scanner: Annotated[
        str | None, typer.Option(help="Name of the scanner, such as crp.", show_default="all")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Name of the preset.", show_default="all")
    ] = None,
    day: Annotated[
        datetime | None,
        typer.Option("--date", formats=["%Y-%m-%d"], help="Session.", show_default="the last"),
    ] = None,
    cutoff: Annotated[
        str | None, typer.Option(help="Time of day, such as 10:20.", show_default="the preset's")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every candidate, not only what is a signal.")
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option(help="Write the rows to a file: .csv, .parquet or .json.", dir_okay=False),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False,
) -> None:
    """
    Scan a session of the published file as of a time of day, with what was known by then.

    Examples:

    - `./bourse scan` the last session, every scanner and preset at its own cutoff
    - `./bourse scan --scanner crp --date 2010-05-06`
    - `./bourse scan --scanner crp --preset standard --date 2010-05-06 --cutoff 11:30 --all`
    - `./bourse scan --date 2010-05-06 --to signals.parquet`
    """
    at = _time_of_day(cutoff) if cutoff else None
    if to:
        check_export(to)
    connection = open_published()
    try:
        session = day.date() if day else _last_session(connection)
        _check_session(connection, session)
        scans = [
            _scanned(connection, name, row, session, at, everything)
            for name in _scanners(connection, scanner)
            for row in _presets(connection, name, preset)
        ]
        if not scans:
            raise ConfigurationError(
                f"no preset of {scanner or 'any scanner'} is called {preset!r}",
                "leave --preset out, and all are shown",
            )
        if to:
            export(connection, " union all by name ".join(one.sql for one in scans), to)
    finally:
        connection.close()
    rows = [row for found in scans for row in found.rows]
    if json:
        print_json(rows)
        return
    for found in scans:
        _print(found, session, at, alone=len(scans) == 1)
    quiet = [f"{found.scanner} {found.preset['preset']}" for found in scans if not found.rows]
    if quiet:
        notes.print(f"nothing found by {', '.join(quiet)}")


def _time_of_day(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(
            f"--cutoff {text!r} is no time of day", "give hours and minutes, such as 10:20"
        ) from error


def _last_session(connection: duckdb.DuckDBPyConnection) -> date:
    [(last,)] = _asked(connection, "select max(session_date) from scanners.session_minutes")
    if last is None:
        raise PublicationError(
            "the published file has no one-minute bars to scan", "ingest some, and build"
        )
    found: date = last
    return found


def _check_session(connection: duckdb.DuckDBPyConnection, session: date) -> None:
    sql = """
        select
            max(session_date) filter (where session_date <= $day),
            min(session_date) filter (where session_date > $day)
        from scanners.session_minutes
    """
    [(before, after)] = _asked(connection, sql, {"day": session})
    if before != session:
        near = " and ".join(str(day) for day in (before, after) if day)
        raise ConfigurationError(
            f"there are no one-minute bars of {session}", f"the nearest sessions are of {near}"
        )


def _scanners(connection: duckdb.DuckDBPyConnection, wanted: str | None) -> list[str]:
    sql = """
        select function_name[:-6] from duckdb_functions()
        where
            database_name = current_database()
            and schema_name = 'main'
            and ends_with(function_name, '_scan')
        order by all
    """
    there = [str(name) for (name,) in _asked(connection, sql)]
    if wanted and wanted not in there:
        raise ConfigurationError(f"there is no scanner {wanted!r}", f"there are {', '.join(there)}")
    return [wanted] if wanted else there


def _presets(
    connection: duckdb.DuckDBPyConnection, scanner: str, wanted: str | None
) -> list[dict[str, Any]]:
    cursor = connection.execute(f"from seeds.{scanner}_presets")
    names = [column[0] for column in cursor.description or []]
    there = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [row for row in there if wanted in (None, row["preset"])]


def _scanned(
    connection: duckdb.DuckDBPyConnection,
    scanner: str,
    preset: dict[str, Any],
    session: date,
    at: time | None,
    everything: bool,
) -> Scan:
    cutoff = at.strftime("%H:%M") if at else preset["cutoff_time"]
    values = ", ".join(quoted(value) for value in (session, cutoff, preset["preset"]))
    sql = f"(select {quoted(scanner)} as scanner, * from {scanner}_scan({values})"
    if not everything:
        sql += f" where signal_rank <= {int(preset['max_signals'])}"
    sql += ")"
    cursor = connection.execute(sql)
    names = [str(column[0]) for column in cursor.description or []]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return Scan(scanner, preset, sql, rows)


def _asked(
    connection: duckdb.DuckDBPyConnection, sql: str, values: dict[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    try:
        return connection.execute(sql, values or {}).fetchall()
    except duckdb.CatalogException as error:
        raise PublicationError(
            "the published file has no scanners", "run `./bourse build` to publish them"
        ) from error


def _print(found: Scan, session: date, at: time | None, *, alone: bool) -> None:
    if not found.rows:
        return
    preset = found.preset
    cutoff = at.strftime("%H:%M") if at else preset["cutoff_time"]
    results.print(
        f"[bold]{escape(found.scanner)} {escape(str(preset['preset']))}[/]  {session} {cutoff}  "
        f"stop {preset['stop_loss_pct']:g} %, target {preset['take_profit_pct']:g} %, "
        f"position {preset['position_pct']:g} %, out by {preset['exit_time']}",
    )
    first = ["signal_rank", "symbol", "direction", "last_price", "score", "relative_volume"]
    columns = [name for name in first if name in found.rows[0]]
    if alone:
        columns += [name for name in found.rows[0] if name not in (*KEY, *columns)]
    shown = len(columns)
    while shown > len(first) and width_of(_table(found, columns[:shown])) > results.width:
        shown -= 1
    results.print(_table(found, columns[:shown]))
    if left_out := columns[shown:]:
        notes.print(f"a wider terminal, --json or --to shows {len(left_out)} more columns")
    results.print()


def _table(found: Scan, columns: list[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    own = {"signal_rank": "#", "last_price": "price"}
    for name in columns:
        is_text = isinstance(found.rows[0].get(name), str)
        title = own.get(name, name).replace("_", " ")
        table.add_column(title, justify="left" if is_text else "right", no_wrap=True)
    for row in found.rows:
        table.add_row(*(_cell(row.get(name)) for name in columns))
    return table


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:,.0f}" if abs(value) >= 1e5 else f"{value:,.2f}"
        case "long":
            return "[green]long[/]"
        case "short":
            return "[red]short[/]"
        case _:
            return escape(str(value))
