"""`./bourse ingest`: deliver vendor files into the raw store, and report on each."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from datetime import UTC, datetime
from json import loads
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from duckbourse import clock
from duckbourse.cli.bar import Display
from duckbourse.cli.output import notes, print_json, results
from duckbourse.cli.tables import width_of
from duckbourse.errors import BadInput, BrokenRow, ConfigurationError
from duckbourse.ingest import Kind, Outcome, RawStore, Report, read_mapping
from duckbourse.ingest import ingest as deliver
from duckbourse.settings import settings

# With more files than this, only those that need attention get a line of their own.
MAX_LINES = 30
MAX_SYMBOLS = 5
MAX_COLUMNS = 5
MAX_CONTENT = 160
MIN_WIDTH = 130
BY_NAME = "the file's name"
COUNTS = (
    *("rows_read", "rows_kept", "rows_unreadable", "rows_rejected", "rows_duplicate"),
    "rows_revised",
)


def ingest(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="CSV, JSON, Parquet or Feather files, also as .gz; archives (.tar.gz, .zip) or "
            "folders of them.",
            show_default=False,
        ),
    ],
    mapping: Annotated[
        Path | None,
        typer.Option(
            "--mapping",
            "-m",
            help="TOML file with the options below, the roles of columns, date_format and more.",
            metavar="FILE",
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--source", help="Vendor or source. [the file's name]", metavar="NAME"),
    ] = None,
    symbol: Annotated[
        str | None,
        typer.Option("--symbol", help="Symbol of the bars. [from the file, else its name]"),
    ] = None,
    symbol_prefix: Annotated[
        str | None,
        typer.Option(
            "--symbol-prefix",
            metavar="TEXT",
            help="Prefix for each symbol, such as US:, if another calendar has the same symbols.",
        ),
    ] = None,
    calendar: Annotated[
        str | None,
        typer.Option("--calendar", help="XNSE, XNYS or ALWAYS. [inferred if possible]"),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option("--timezone", help="Zone of timestamps without one. [the calendar's]"),
    ] = None,
    bar_label: Annotated[
        str | None,
        typer.Option(
            "--bar-label",
            metavar="start|end",
            help="Which end of its minute a timestamp gives. [inferred if possible]",
        ),
    ] = None,
    kind: Annotated[
        Kind | None,
        typer.Option("--kind", help="Kind of bars. [inferred from columns and timestamps]"),
    ] = None,
    epoch: Annotated[
        str | None,
        typer.Option(
            "--epoch",
            metavar="1970|1980",
            help="Year from which start_Time of Dhan's first API counts. [inferred if possible]",
        ),
    ] = None,
    price_scale: Annotated[
        float | None,
        typer.Option(
            "--price-scale",
            metavar="FACTOR",
            help="Factor for prices: 1e-9 if they are counted in billionths. [1, but required for "
            "implausibly large prices]",
        ),
    ] = None,
    max_unreadable_pct: Annotated[
        float | None,
        typer.Option(
            "--max-unreadable-pct",
            metavar="PCT",
            help="Percentage of rows that may be unreadable; with more, the file is refused. [1]",
        ),
    ] = None,
    last_row_wins: Annotated[
        bool,
        typer.Option(
            "--last-row-wins",
            help="If the file has a bar twice with different values, use the last row. [refuse the "
            "file]",
        ),
    ] = False,
    delivered_at: Annotated[
        str | None,
        typer.Option(
            "--delivered-at",
            metavar="ISO",
            help="When this became known; UTC if it has no offset. [now]",
        ),
    ] = None,
    into: Annotated[
        Path | None, typer.Option("--into", help="Raw store to deliver into. [data/raw]")
    ] = None,
    flat: Annotated[
        bool,
        typer.Option("--flat", help="One file per delivery, without folders by month or session."),
    ] = False,
    again: Annotated[
        bool,
        typer.Option("--again", help="Deliver again what was withdrawn. [report it]"),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and report, but write nothing.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print the report as one JSON object.")
    ] = False,
) -> None:
    """
    Deliver vendor files into the raw store, which builds read.

    The keys of a mapping are source, symbol, symbol_pattern, symbol_prefix, calendar, timezone,
    bar_label, kind, columns, names, skip_lines, encoding, delimiter, date_format, decimal,
    thousands, volume_scale, price_scale, epoch, last_row_wins and max_unreadable_pct; see
    `data/sample/mappings` for examples.

    Series, contract, exchange and currency are part of a symbol: IRFC-N2, NIFTY-25JAN2024-21500CE,
    BSE:INFY. A symbol belongs to one calendar; `seeds/reference/vendor_symbols.csv` can rename it.

    Every row is kept. Unreadable rows are stored in `data/raw/unreadable` with their row number and
    reason; the report shows why, how many and the first ones, and also what the next build will
    reject. If more than one row in a hundred is unreadable, the file is refused. Delivering the
    same bars again changes nothing, whatever the name of the file and the options. Bars of a
    delivery that was withdrawn are not delivered again without `--again`. The command can be
    stopped at any moment and run again. `./bourse deliveries` lists and withdraws deliveries.

    In a folder or an archive, files without bars are skipped and named. The exit code is 3 if a
    file could not be delivered, and the others are delivered nevertheless.

    Examples:

    - `./bourse ingest RELIANCE.csv --calendar XNSE`
    - `./bourse ingest INFY.json --symbol INFY --source kite`
    - `./bourse ingest downloads/ --mapping vendor.toml --dry-run`
    - `./bourse ingest drops/*.tar.gz --source pystock --calendar XNYS --json`
    - `./bourse ingest btc-1m.feather --symbol BTCUSD --calendar ALWAYS --bar-label start`
    """
    options = read_mapping(
        mapping,
        source=source,
        symbol=symbol,
        symbol_prefix=symbol_prefix,
        calendar=calendar,
        timezone=timezone,
        bar_label=bar_label,
        kind=kind,
        epoch=epoch,
        price_scale=price_scale,
        max_unreadable_pct=max_unreadable_pct,
        last_row_wins=last_row_wins or None,
    )
    store = RawStore(into or settings().raw, flat=flat)
    reports = []
    with Display() as display:
        for report in deliver(
            paths,
            options,
            store,
            instant(delivered_at),
            dry_run=dry_run,
            redeliver=again,
            progress=display,
            beside=(RawStore(settings().shipped),) if settings().sample and not into else (),
        ):
            reports.append(report)
    total = totals(reports)
    if json:
        print_json({"store": store.root, "files": [shown(r) for r in reports], "total": total})
    else:
        print_table(reports, total)
        print_notes(reports)
    raise_failure(reports)


def instant(text: str | None) -> datetime:
    """Parse an instant, or return the current one."""
    if text is None:
        return clock.now()
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(
            f"--delivered-at {text!r} is not a timestamp", "write it as 2026-11-01T18:30:00Z"
        ) from error
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def totals(reports: list[Report]) -> dict[str, int]:
    """Return the sums over all files, and the number of files per outcome."""
    sums = {name: sum(getattr(report, name) for report in reports) for name in COUNTS}
    ends = Counter(report.outcome for report in reports)
    return sums | {"files": len(reports)} | {key(end): ends[end] for end in Outcome}


def key(end: Outcome) -> str:
    """Return the name of the count for an outcome."""
    return f"files_{end.name.lower()}"


def shown(report: Report) -> dict[str, Any]:
    """Return a report for JSON."""
    fields = asdict(replace(report, error=None))
    del fields["error"]
    return fields


def print_table(reports: list[Report], total: dict[str, int]) -> None:
    """Print a line per file and a total."""
    table = Table(box=None, pad_edge=False)
    table.add_column("file", overflow="fold")
    for name in ("kind", "calendar"):
        table.add_column(name, no_wrap=True)
    for name in COUNTS:
        table.add_column(name.removeprefix("rows_"), justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    lines = reports
    if len(reports) > MAX_LINES:
        lines = [report for report in reports if worth_a_line(report)][:MAX_LINES]
    for report in lines:
        table.add_row(
            escape(report.file),
            report.kind or "",
            report.calendar or "",
            *(number(getattr(report, name)) if report.kind else "" for name in COUNTS),
            f"[red]{report.outcome}[/]" if report.error else report.outcome.value,
        )
    if left := len(reports) - len(lines):
        table.add_row(f"{number(left)} other files")
    if len(reports) > 1:
        table.add_row(
            f"[bold]{number(len(reports))} files",
            "",
            "",
            *(f"[bold]{number(total[name])}" for name in COUNTS),
            ", ".join(f"{number(total[key(end)])} {end}" for end in Outcome if total[key(end)]),
        )
    # whole names in a pipe, which has no width; whole words on a terminal that must wrap
    least = MIN_WIDTH if results.is_terminal else width_of(table)
    Console(width=max(results.width, least), highlight=False).print(table)


def worth_a_line(report: Report) -> bool:
    """Return whether a file among many needs attention."""
    return bool(
        report.error
        or report.rows_unreadable
        or report.rows_rejected
        or report.rows_duplicate
        or report.rows_revised
        or report.overruled_by
    )


def print_notes(reports: list[Report]) -> None:
    """Print each note once, then broken rules, unused columns and errors."""
    print_symbols(reports)
    counts = Counter(note for report in reports if not report.error for note in report.notes)
    names = {note: report.file for report in reports for note in report.notes}
    for place, (note, count) in enumerate(counts.items()):
        if place == MAX_LINES:
            notes.print(f"… and {number(len(counts) - place)} more; --json has them all")
            break
        where = names[note] if count == 1 else f"{number(count)} files"
        notes.print(f"{where}: {note}", markup=False)
    print_broken(reports)
    left = sorted({name for report in reports for name in report.columns_left})
    if left:
        more = f" and {number(len(left) - MAX_COLUMNS)} more" if len(left) > MAX_COLUMNS else ""
        notes.print(f"columns not used: {', '.join(left[:MAX_COLUMNS])}{more}", markup=False)
    if sum(report.outcome is Outcome.FAILED for report in reports) > 1:
        for report in reports:
            if report.error:
                notes.print("[red]✗[/] ", end="")
                notes.print(f"{report.error}; {report.remedy}", markup=False)
    read = [report for report in reports if report.outcome is not Outcome.SKIPPED]
    there = [report for report in read if report.outcome is Outcome.ALREADY_THERE]
    if there and there == read and not any(report.overruled_by for report in there):
        notes.print("nothing has changed: everything was delivered before")


def print_symbols(reports: list[Report]) -> None:
    """Print in one line which symbols came from file names."""
    named = {r.file: r.symbol for r in reports if r.symbol and r.symbol_from == BY_NAME}
    if not named:
        return
    where = next(iter(named)) if len(named) == 1 else f"{number(len(named))} files"
    some = ", ".join(list(dict.fromkeys(named.values()))[:MAX_SYMBOLS])
    more = len(set(named.values())) - MAX_SYMBOLS
    behind = f" and {number(more)} more" if more > 0 else ""
    notes.print(f"{where}: symbol {some}{behind}: from the file's name", markup=False)
    if small := next((name for name in named.values() if name != name.upper()), None):
        notes.print(
            f"capitals count: {small} is another symbol than {small.upper()}; if it is that one,"
            f" pass --symbol {small.upper()}",
            markup=False,
        )


def print_broken(reports: list[Report]) -> None:
    """Print for each rule why rows break it, and the first of them."""
    lines = []
    for report in reports:
        for one in report.unreadable:
            are = "1 row is" if one.count == 1 else f"{number(one.count)} rows are"
            found = [f"{place(row)}: {at_fault(row)}" for row in one.rows]
            lines.append((report.file, one, are, found))
        for one in report.rejected:
            rows = "1 row" if one.count == 1 else f"{number(one.count)} rows"
            found = [f"{place(row)}: {content(row)}" for row in one.rows]
            lines.append((report.file, one, f"the build will reject {rows} as", found))
    for file, one, what, found in lines[:MAX_LINES]:
        more = "; …" if one.count > len(found) else ""
        notes.print(f"{file}: {what} {one.rule}, {one.why}: {'; '.join(found)}{more}", markup=False)
    if len(lines) > MAX_LINES:
        notes.print(f"… and {number(len(lines) - MAX_LINES)} more; --json has them all")


def place(row: BrokenRow) -> str:
    """Return where a row is."""
    return f"row {number(row.row)}" if row.line is None else f"line {number(row.line)}"


def at_fault(row: BrokenRow) -> str:
    """Return the column that breaks the rule and its text, or else the whole row."""
    if row.field is None or not row.value:
        return content(row)
    return shortened(f"{row.field} {row.value!r}")


def content(row: BrokenRow) -> str:
    """Return a row as text: a line that could not be parsed, or the values by column."""
    values = loads(row.content)
    if values.keys() == {"line"}:
        return shortened(values["line"])
    return shortened(", ".join(f"{name} {value}" for name, value in values.items() if value != ""))


def shortened(text: str) -> str:
    """Return a text on one line, shortened."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_CONTENT else f"{line[:MAX_CONTENT]}…"


def raise_failure(reports: list[Report]) -> None:
    """Raise the error if a file failed, or one that counts them if several did."""
    failures = [report.error for report in reports if report.error]
    if len(failures) == 1:
        raise failures[0]
    if failures:
        are_names = all(isinstance(error, ConfigurationError) for error in failures)
        raise (ConfigurationError if are_names else BadInput)(
            f"{number(len(failures))} of {number(len(reports))} files could not be delivered",
            "fix them and run the same command again; the others are not read twice",
        )


def number(count: int) -> str:
    """Return a count with thousands separators."""
    return f"{count:,}"
