"""`./bourse scan`: what a scanner finds, in any session and at any time of day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, time
from functools import partial
from typing import Annotated, Any

import duckdb
import typer
from rich.markup import escape

from duckbourse.cli.export import check_export, export, print_csv_of
from duckbourse.cli.listing import completed
from duckbourse.cli.minutes import note_synthetic
from duckbourse.cli.options import Csv, Day, Json, To, one_format, one_preset, time_of_day
from duckbourse.cli.output import clock_text, notes, print_json, results
from duckbourse.cli.tables import columns_of, print_fitting, same_in_all, text, words
from duckbourse.errors import ConfigurationError, PublicationError
from duckbourse.names import did_you_mean
from duckbourse.warehouse import SCANNERS, fetch_rows, one_line, open_published, quoted

# columns that are shown first or left out; the others are evidence
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
# a volume of this size has no decimals
WHOLE_FROM = 1e5
SNAKE_CASE = ("range_zone", "momentum_class")


@dataclass(frozen=True)
class Scan:
    """A scanner, one of its presets, and the rows that it found."""

    scanner: str
    preset: dict[str, Any]
    sql: str
    rows: list[dict[str, Any]]


def scan(
    scanner: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this scanner or preset, such as crp or crp.standard; may be repeated.",
            show_default="all",
            autocompletion=completed("scanners"),
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Only presets of this name.",
            show_default="all",
            autocompletion=completed("presets"),
        ),
    ] = None,
    day: Day = None,
    cutoff: Annotated[
        str | None, typer.Option(help="Time of day, such as 10:20.", show_default="the preset's")
    ] = None,
    all_candidates: Annotated[
        bool, typer.Option("--all", help="Show every candidate, not only signals; filters too.")
    ] = False,
    to: To = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """
    Scan a session of the published file at a time of day, using only what was known by then.

    Examples:

    - `./bourse scan    # the last session, each scanner and preset at its own cutoff`
    - `./bourse scan --scanner crp --date 2010-05-06`
    - `./bourse scan --scanner crp --preset standard --date 2010-05-06 --cutoff 11:30 --all`
    - `./bourse scan --scanner crp.standard --scanner gap --csv`
    - `./bourse scan --date 2010-05-06 --to signals.parquet`
    """
    one_format(json=json, csv=csv)
    one_preset(scanner or [], preset)
    at = time_of_day("--cutoff", cutoff) if cutoff else None
    if to:
        check_export(to)
    connection = open_published()
    try:
        session = day.date() if day else _last_session(connection)
        scans = [
            _run(connection, name, row, session, at, all_candidates)
            for wanted in scanner or [""]
            for name, row in _chosen(connection, wanted, preset)
            # a filter has candidates only
            if wanted or all_candidates or "max_signals" in row
        ]
        if not scans:
            raise _nothing_to_scan(scanner or [], preset)
        every_row = " union all by name ".join(scanned.sql for scanned in scans)
        if to:
            export(connection, every_row, to)
        if csv:
            print_csv_of(connection, every_row)
            return
        if not json:
            note_synthetic(connection, session)
    finally:
        connection.close()
    rows = [row for scanned in scans for row in scanned.rows]
    if json:
        print_json(rows)
        return
    for scanned in scans:
        _print(scanned, session, at, alone=len(scans) == 1)
    empty = [
        f"{scanned.scanner} {scanned.preset['preset']}" for scanned in scans if not scanned.rows
    ]
    if empty:
        notes.print(f"nothing found by {', '.join(empty)}")


def _last_session(connection: duckdb.DuckDBPyConnection) -> date:
    [(last,)] = _fetched(connection, "select max(session_date) from scanners.session_minutes")
    if last is None:
        raise PublicationError(
            "the published file has no one-minute bars to scan",
            "ingest one-minute bars, then run `./bourse build`",
        )
    session: date = last
    return session


def _scanners(connection: duckdb.DuckDBPyConnection, wanted: str | None) -> list[str]:
    sql = """
        select function_name[:-6] from duckdb_functions()
        where
            database_name = current_database()
            and schema_name = 'main'
            and ends_with(function_name, '_scan')
        order by all
    """
    known = [str(name) for (name,) in _fetched(connection, sql)]
    if wanted and wanted not in known:
        if (wanted,) in _fetched(connection, SCANNERS):
            raise ConfigurationError(
                f"{wanted} has no table function {wanted}_scan, so it cannot be scanned on read",
                f"write functions/{wanted}_scan.sql (models/scanners/scans/README.md says how), or"
                f' see what the build found: ./bourse sql "from scanners.{wanted}"',
            )
        raise ConfigurationError(
            f"there is no scanner {wanted!r}{did_you_mean(wanted, known)}",
            f"the scanners are {', '.join(known)}",
        )
    return [wanted] if wanted else known


def _chosen(
    connection: duckdb.DuckDBPyConnection, wanted: str, preset: str | None
) -> list[tuple[str, dict[str, Any]]]:
    scanner, _, own = wanted.partition(".")
    presets = [
        (name, row)
        for name in _scanners(connection, scanner or None)
        for row in fetch_rows(connection, f"from seeds.{name}_presets")
    ]
    known = list(dict.fromkeys(row["preset"] for _, row in presets))
    for name in (own, preset):
        if name and name not in known:
            of = f" of {scanner}" if scanner else ""
            raise ConfigurationError(
                f"there is no preset {name!r}{of}{did_you_mean(name, known)}",
                f"the presets{of} are {', '.join(known)}",
            )
    return [
        (name, row)
        for name, row in presets
        if own in ("", row["preset"]) and preset in (None, row["preset"])
    ]


def _nothing_to_scan(scanners: list[str], preset: str | None) -> ConfigurationError:
    if preset and not scanners:
        return ConfigurationError(
            f"only filters have the preset {preset!r}, and a filter has no signals",
            "--all shows its candidates",
        )
    return ConfigurationError(
        f"there is no preset of {', '.join(scanners) or 'any scanner'} to scan with",
        "add a row to seeds/scanners/<scanner>_presets.csv and run `./bourse build`",
    )


def _run(
    connection: duckdb.DuckDBPyConnection,
    scanner: str,
    preset: dict[str, Any],
    session: date,
    at: time | None,
    all_candidates: bool,
) -> Scan:
    cutoff = at or preset["cutoff_time"]
    values = ", ".join(quoted(value) for value in (session, cutoff, preset["preset"]))
    sql = (
        f"(select {quoted(scanner)} as scanner, * exclude (rejected_by) "
        f"from {scanner}_scan({values}) where rejected_by is null"
    )
    if not all_candidates and "max_signals" in preset:
        sql += f" and signal_rank <= {int(preset['max_signals'])}"
    sql += ")"
    try:
        return Scan(scanner, preset, sql, fetch_rows(connection, sql))
    except duckdb.InvalidInputException as error:  # the macro refuses the day or the cutoff
        problem, _, remedy = one_line(error).removeprefix("Invalid Input Error: ").partition("; ")
        raise ConfigurationError(problem, remedy) from error


def _fetched(
    connection: duckdb.DuckDBPyConnection, sql: str, values: dict[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    try:
        return connection.execute(sql, values or {}).fetchall()
    except duckdb.CatalogException as error:
        raise PublicationError(
            "the published file has no scanners", "run `./bourse build` to publish them"
        ) from error


def _print(scanned: Scan, session: date, at: time | None, *, alone: bool) -> None:
    if not scanned.rows:
        return
    preset = scanned.preset
    cutoff = clock_text(at or preset["cutoff_time"])
    title = (
        f"[bold]{escape(scanned.scanner)} {escape(str(preset['preset']))}[/]  {session} {cutoff}"
    )
    if "max_signals" in preset:
        # as in scanners.signals, a price of the row takes precedence over the preset's percentage
        stop, target = (
            f"{name} per row" if f"{name}_price" in scanned.rows[0] else f"{name} {preset[pct]:g}%"
            for name, pct in (("stop", "stop_loss_pct"), ("target", "take_profit_pct"))
        )
        title += (
            f"  {stop}, {target}, "
            f"position {preset['position_pct']:g}%, out by {clock_text(preset['exit_time'])}"
        )
    results.print(title)
    first = [
        "signal_rank",
        "symbol",
        "direction",
        "last_price",
        "stop_price",
        "target_price",
        "score",
        "relative_volume",
    ]
    names = [name for name in first if name in scanned.rows[0]]
    leading = len(names)
    if alone:
        names += [name for name in scanned.rows[0] if name not in (*KEY, *names)]
    titles = {"signal_rank": "#", "last_price": "price", "stop_price": "stop"}
    titles["target_price"] = "target"
    columns = [
        replace(column, format=words if name in SNAKE_CASE else _cell_of(scanned.rows, name))
        for name, column in zip(names, columns_of(scanned.rows, names, titles), strict=True)
    ]
    how = "a wider terminal, --json, --csv or --to"
    print_fitting(columns, scanned.rows, how, at_least=leading)
    results.print()


def _cell_of(rows: list[dict[str, Any]], name: str) -> Callable[[Any], str]:
    return partial(_cell, whole_from=same_in_all(rows, name, WHOLE_FROM))


def _cell(value: Any, whole_from: float) -> str:
    match value:
        case "long":
            return "[green]long[/]"
        case "short":
            return "[red]short[/]"
        case int() if not isinstance(value, bool):
            return str(value)
        case _:
            return text(value, whole_from=whole_from)
