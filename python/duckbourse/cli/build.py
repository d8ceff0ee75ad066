"""`./bourse build`: build with dbt, show progress, publish a green build, report its content."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from duckbourse import state
from duckbourse.build import Request, report_failure, up_to_date
from duckbourse.build import build as run_build
from duckbourse.cli.notify import announce_publication, announces_failure
from duckbourse.cli.options import Json
from duckbourse.cli.output import notes, print_json, results
from duckbourse.cli.tables import columns_of_figures, percent, table
from duckbourse.disk import refuse_special
from duckbourse.errors import BadInput, ConfigurationError, PublicationError
from duckbourse.freshness import EXTEND, newest_bar
from duckbourse.progress import Outcome, Progress
from duckbourse.publish import Published, current, red_nodes, refusal, refusal_of_part
from duckbourse.publish import publish as publish_file
from duckbourse.seeds import check
from duckbourse.settings import PROJECT, settings, shown
from duckbourse.summary import Rows, SignalCounts, signal_counts, summary
from duckbourse.warehouse import open_published
from duckbourse.words import counted

# between two lines of progress where there is no terminal
LINE_SECONDS = 10
# what dbt and the checks before it read whole
READ = ("seeds", "models", "macros", "functions", "tests", "analyses")
# until it is known how much there is to build
READING = "reading the project …"
IN_PERCENT = (" return", "confidence")
# rows of a part that are shown, and the query that shows the others; `--json` has all of them
FIRST = {
    "splits": (5, "from seeds.corporate_actions"),
    "suspect_jumps": (5, "from bars.suspect_jumps"),
    "indicators": (5, "from serving.latest_indicators"),
    "signals": (10, "from scanners.signals"),
}


@announces_failure
def build(
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Rebuild incremental models from scratch.")
    ] = False,
    select: Annotated[
        list[str] | None,
        typer.Option(
            "--select",
            "-s",
            help="Build only these nodes (dbt selectors), on top of a full build; one or more.",
            metavar="SEL...",
        ),
    ] = None,
    more: Annotated[list[str] | None, typer.Argument(hidden=True, metavar="SEL")] = None,
    variables: Annotated[
        str | None,
        typer.Option("--vars", help="Values for variables of dbt_project.yml.", metavar="YAML"),
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Cores that DuckDB may use.")
    ] = None,
    no_publish: Annotated[
        bool, typer.Option("--no-publish", help="Leave the published file unchanged.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print only what goes wrong.")
    ] = False,
    json: Json = False,
) -> None:
    """
    Build the warehouse, test it, and publish it if everything is green.

    Only what is new since the last build is built and tested, with all that follows from it: new
    data, edits of seeds, models, macros and tests, and whatever was red. If nothing is new, nothing
    is built. `--full-refresh` builds everything again in any case.

    Readers of the published file are never interrupted: they keep the publication they have open.

    Examples:

    - `./bourse build`
    - `./bourse build --full-refresh --threads 8`
    - `./bourse build -s 'indicators__momentum+'`
    - `./bourse build -s crp_presets+ gap_presets+ --quiet`
    - `./bourse build --vars '{as_of: 2024-01-31}' --no-publish`
    - `./bourse build --json | jq .signals`
    """
    if more and not select:
        raise ConfigurationError(
            f"unexpected: {' '.join(more)!r}",
            f"to build only that, write ./bourse build -s {' '.join(more)}",
        )
    selected = " ".join([*(select or []), *(more or [])]) or None
    request = Request(full_refresh, selected, variables, threads)
    refuse_special(PROJECT, READ)
    slips = check(PROJECT / "seeds")
    for warning in slips.warnings:
        notes.print(f"warning: {warning}", markup=False)
    if slips.errors:
        for slip in slips.errors:
            notes.print(f"[red]✗[/] {escape(slip)}")
        raise BadInput(
            f"{counted(len(slips.errors), 'error')} in the seeds",
            "correct what is listed above and run it again; nothing was built",
        )
    database = settings().build_database
    published: Published | None = None
    refused: PublicationError | None = None
    changes: list[str] = []
    with state.sole_owner(database):
        known = state.load(database)
        if (
            select
            and database.exists()
            and not no_publish
            and (why := refusal_of_part(database, known, variables or ""))
        ):
            notes.print(f"this build will not be published: {why}; {why.remedy}", markup=False)
        elif select and known and known.unproven and not no_publish:
            notes.print(
                f"note: {red_nodes(known)} in an earlier build; nothing is published unless this"
                " one has what was red",
                markup=False,
            )
        if built := up_to_date(request):
            outcome = Outcome(built.invocation_id, 0.0, {}, ())
        else:
            with Display(quiet, slips.warned) as display:
                outcome = run_build(request, display.show)
        for failure in map(str, outcome.failures):
            notes.print(f"[red]✗[/] {escape(failure)}")
        if outcome.failures:
            raise report_failure(outcome, selected)
        known = state.load(database)
        refused = refusal(database, known) if select and not no_publish else None
        if built and not no_publish:
            published = current(settings().published_database, built)
        if is_published_now := published is None and refused is None and not no_publish:
            former = _signal_counts()
            published = publish_file(database, settings().published_database, known)
            changes = signal_changes(former, _signal_counts(former))
            for warning in published.warnings:
                notes.print(f"warning: {warning}", markup=False)
    if is_published_now:
        announce_publication()
    report = _report(outcome, published) | {"signal_changes": changes}
    if json:
        print_json(report)
    elif not quiet:
        _print_report(report)
    if refused:
        raise PublicationError(f"green, but not published: {refused}", refused.remedy)


class Display:
    """
    A bar with the time left on a terminal; elsewhere a line every ten seconds, from the first node.

    A node that warns has a line, also with `quiet`, unless it is one of `warned`; those that fail
    are listed at the end.
    """

    def __init__(self, quiet: bool = False, warned: Collection[str] = ()) -> None:
        self._quiet = quiet
        self._warned = warned
        self._bar = Bar(
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[left]:>9}[/]"),
            TextColumn("{task.description}"),
            console=notes,
            transient=True,
            disable=quiet or not notes.is_terminal,
        )
        self._line = READING
        self._ended = threading.Event()
        self._lines: threading.Thread | None = None

    def __enter__(self) -> Display:
        if not self._quiet:
            notes.print("building …")
        self._task = self._bar.add_task(READING, total=None, left="")
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        self._ended.set()
        if self._lines:
            self._lines.join()

    def show(self, progress: Progress, ended: str | None) -> None:
        """Refresh the display; `ended` is the node that has just ended."""
        seconds = progress.seconds_left()
        left = "" if seconds is None else f"~{seconds:.0f} s left"
        running = ", ".join(progress.running.values()) or "…"
        place = f"[{len(progress.done)}/{progress.total}]"
        self._line = " ".join(filter(None, (place, left, running))) if progress.total else READING
        self._bar.update(
            self._task,
            total=progress.total or None,
            completed=len(progress.done),
            left=left,
            description=escape(running),
        )
        # not before: no thread may run while dbt's process is forked
        self._start()
        if ended and progress.done[ended] == "warn":
            kind, _, name = ended.split(".")[:3]
            if name in self._warned:
                return
            notes.print(f"warning: {kind.replace('_', ' ')} {name}", markup=False)

    def _start(self) -> None:
        if not self._bar.disable:
            self._bar.start()
        elif not self._quiet and self._lines is None:
            self._lines = threading.Thread(target=self._print_lines, daemon=True)
            self._lines.start()

    def _print_lines(self) -> None:
        last = ""
        while not self._ended.wait(LINE_SECONDS):
            if self._line != READING or last != READING:
                notes.print(self._line, markup=False)
            last = self._line


def _signal_counts(before: SignalCounts | None = None) -> SignalCounts | None:
    try:
        connection = open_published()
    except PublicationError:  # the first one
        return None
    try:
        return signal_counts(connection, before.last_session_date if before else None)
    finally:
        connection.close()


def signal_changes(before: SignalCounts | None, after: SignalCounts | None) -> list[str]:
    """Return what an edit changed: the presets with more or fewer signals in the same sessions."""
    if before is None or after is None:
        return []
    presets = sorted(before.of_presets.keys() | after.of_presets.keys())
    counts = [(p, before.of_presets.get(p, 0), after.of_presets.get(p, 0)) for p in presets]
    return [
        f"{preset}: {was:,} → {counted(found, 'signal')}"
        for preset, was, found in counts
        if was != found
    ]


def shown_changes(changes: list[str], former: str | None) -> list[str]:
    """Return the lines on what an edit changed, with the way to more if there is one."""
    return [*changes, "details: ./bourse diff"] if changes and former else changes


def _report(outcome: Outcome, published: Published | None) -> dict[str, Any]:
    report: dict[str, Any] = {
        "invocation_id": outcome.invocation_id,
        "build_seconds": round(outcome.seconds, 2),
        "nodes": outcome.counts,
        "warnings": Counter(outcome.statuses.values())["warn"],
        "published": None,
    }
    if published is None:
        return report
    report["published"] = {
        "path": published.path,
        "bytes": published.byte_count,
        "seconds": round(published.seconds, 2),
        "is_compacted": published.is_compacted,
        "former": published.former,
        "warnings": published.warnings,
    }
    connection = open_published(published.path)
    try:
        return {**report, **summary(connection)}
    finally:
        connection.close()


def _print_report(report: dict[str, Any]) -> None:
    nodes = ", ".join(
        counted(count, kind.replace("_", " ")) for kind, count in report["nodes"].items()
    )
    warned = f", {report['warnings']} warned" if report["warnings"] else ""
    if nodes:
        results.print(f"[green]✓[/] green: {nodes}{warned}, in {report['build_seconds']:.0f} s")
    else:
        results.print("[green]✓[/] nothing is new since the last build, so nothing was built")
    if report["published"] is None:
        return
    for part, columns in PARTS.items():
        _print_part(part, report[part], columns)
    path: Path = report["published"]["path"]
    short = shown(path)
    size = report["published"]["bytes"] / 1e6
    if report["newest_bars"]:
        results.print()
    for market in report["newest_bars"] or []:
        name = f"{market['calendar']} {market['timeframe']}"
        results.print(f"{name.ljust(10)}  {newest_bar(market)}", markup=False)
    for each in report["calendar_warnings"]:
        results.print(f"warning: {each['warning']}; {EXTEND}", markup=False)
    results.print(f"\npublished: {short} ({size:,.1f} MB, {report['published']['seconds']:.1f} s)")
    for line in shown_changes(report["signal_changes"], report["published"]["former"]):
        results.print(line, markup=False)
    results.print("open it with any DuckDB since 1.0, read-only:")
    if markets := report["newest_bars"]:
        symbol = max(markets, key=lambda market: market["newest_session"])["newest_symbol"]
        results.print(f"  ./bourse sql \"from bars.ohlcv where symbol = '{symbol}'\"", markup=False)
    results.print(f"  duckdb -readonly {short}", markup=False)
    results.print(f"  python: duckdb.connect('{short}', read_only=True)", markup=False)


PARTS = {
    "layers": ("layer", "table_count", "row_count", "largest_table"),
    "bars": ("timeframe", "symbol_count", "bar_count", "last_session_date"),
    "rejected": ("rule", "row_count"),
    "splits": ("symbol", "ex_date", "old_shares", "new_shares"),
    "suspect_jumps": ("symbol", "session_date", "prior_close", "close", "close_return"),
    "suspect_extremes": (
        "kind",
        "day_count",
        "symbol_count",
        "farthest_symbol",
        "farthest_session",
        "farthest_ratio",
    ),
    "day_minute_conflicts": (
        "compared_with",
        "day_count",
        "symbol_count",
        "day_minute_conflict_symbol_count",
        "first_session_date",
        "last_session_date",
    ),
    "indicators": ("symbol", "bar_end", "close", "sma_200", "rsi_14", "adx_14"),
    "signals": ("session_date", "scanner", "preset", "symbol", "direction", "score"),
    "portfolios": (
        "portfolio",
        "first_session_date",
        "last_session_date",
        "last_return",
        "cumulative_return",
    ),
    "holdings_without_price": (
        "portfolio",
        "symbol",
        "last_price_date",
        "valued_until",
        "session_count",
    ),
    "value_at_risk": (
        "portfolio",
        "method",
        "session_date",
        "confidence",
        "horizon_sessions",
        "var_return",
        "es_return",
    ),
}


def _print_part(part: str, rows: Rows | None, columns: tuple[str, ...]) -> None:
    title = part.replace("_", " ")
    if not rows:
        results.print(f"[bold]{title}[/] {'not built' if rows is None else 'none'}")
        return
    shown = [
        replace(column, format=_percent) if column.title.endswith(IN_PERCENT) else column
        for column in columns_of_figures(rows, columns)
    ]
    most, others = FIRST.get(part, (len(rows), ""))
    results.print(table(shown, rows[:most], title=title, missing="-"))
    if len(rows) > most:
        results.print(
            f'  the first {most} of {len(rows):,}; all: ./bourse sql "{others}"', markup=False
        )


def _percent(value: float) -> str:
    return f"{percent(value)}%"
