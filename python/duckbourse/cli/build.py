"""`./bourse build`: build with dbt, show progress, publish a green build, report its content."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from duckbourse import state
from duckbourse.build import Request, report_failure
from duckbourse.build import build as run_build
from duckbourse.cli.output import notes, print_json, results
from duckbourse.cli.tables import columns_of, percent, table, text
from duckbourse.errors import BadInput, ConfigurationError, PublicationError
from duckbourse.progress import Outcome, Progress
from duckbourse.publish import Published, refusal, refusal_of_part
from duckbourse.publish import publish as publish_file
from duckbourse.seeds import problems
from duckbourse.settings import PROJECT, settings
from duckbourse.summary import Rows, SignalCounts, signal_counts, summary
from duckbourse.warehouse import open_published


def build(
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Rebuild incremental models from scratch.")
    ] = False,
    select: Annotated[
        str | None,
        typer.Option(
            "--select",
            "-s",
            help="Build only these nodes (dbt selectors), on top of a full build.",
            metavar="SEL",
        ),
    ] = None,
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
    json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object.")
    ] = False,
    more: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
) -> None:
    """
    Build the warehouse, test all of it, and publish it if everything is green.

    Readers of the published file are never interrupted: they keep the publication they have open.

    Examples:

    - `./bourse build`
    - `./bourse build --full-refresh --threads 8`
    - `./bourse build --select 'indicators__momentum+'`
    - `./bourse build -s crp_presets+ gap_presets+    # several`
    - `./bourse build --vars '{as_of: 2024-01-31}' --no-publish`
    - `./bourse build --json | jq .signals`
    """
    if more and not select:
        raise ConfigurationError(
            f"`./bourse build` takes no {' '.join(more)!r} without --select",
            f"`./bourse build --select {' '.join(more)}` builds only that",
        )
    select = " ".join([select, *(more or [])]) if select else None
    request = Request(full_refresh, select, variables, threads)
    if slips := problems(PROJECT / "seeds"):
        for slip in slips:
            notes.print(f"[red]✗[/] {escape(slip)}")
        raise BadInput(
            f"{'a line' if len(slips) == 1 else f'{len(slips):,} lines'} of the seeds cannot be"
            " built",
            "correct what is listed above and run it again; nothing was built",
        )
    database = settings().build_database
    published: Published | None = None
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
        with Display() as display:
            outcome = run_build(request, display.show)
        for failure in dict.fromkeys(map(str, outcome.failures)):
            notes.print(f"[red]✗[/] {escape(failure)}")
        if outcome.failures:
            raise report_failure(outcome)
        known = state.load(database)
        if not no_publish and select and (why := refusal(database, known)):
            notes.print(f"not published: {why}; {why.remedy}", markup=False)
        elif not no_publish:
            former = _signal_counts()
            published = publish_file(database, settings().published_database, known)
            changes = signal_changes(former, _signal_counts(former))
    report = _report(outcome, published) | {"signal_changes": changes}
    if json:
        print_json(report)
    else:
        _print_report(report)


@dataclass
class Display:
    """A progress bar on a terminal; elsewhere a line per model and per test that is not green."""

    _bar: Bar = field(
        default_factory=lambda: Bar(
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[left]:>9}[/]"),
            TextColumn("{task.description}"),
            console=notes,
            transient=True,
            disable=not notes.is_terminal,
        )
    )

    def __enter__(self) -> Display:
        notes.print("building …")
        self._task = self._bar.add_task("reading the project", total=None, left="")
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, progress: Progress, ended: str | None) -> None:
        """Refresh the display; `ended` is the node that has just ended."""
        left = progress.seconds_left()
        self._bar.start()  # after dbt's process has started: no thread may run during the fork
        self._bar.update(
            self._task,
            total=progress.total or None,
            completed=len(progress.done),
            left="" if left is None else f"~{left:.0f} s left",
            description=escape(", ".join(progress.running.values()) or "…"),
        )
        if ended is None or notes.is_terminal:
            return
        status = progress.done[ended]
        kind, _, name = ended.split(".")[:3]
        # the error counts those that were skipped
        if status in ("skipped", "skip") or (kind.endswith("test") and status == "pass"):
            return
        place = f"[{len(progress.done)}/{progress.total}]"
        seconds = progress.seconds[ended]
        notes.print(f"{place} {status} {kind} {name} {seconds:.1f} s", markup=False)


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
        f"{preset}: {was:,} → {found:,} signals" for preset, was, found in counts if was != found
    ]


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
    }
    connection = open_published(published.path)
    try:
        return {**report, **summary(connection)}
    finally:
        connection.close()


def _print_report(report: dict[str, Any]) -> None:
    nodes = ", ".join(
        f"{count:,} {kind.replace('_', ' ')}{'s' if count > 1 else ''}"
        for kind, count in report["nodes"].items()
    )
    warned = f", {report['warnings']} warned" if report["warnings"] else ""
    results.print(f"[green]✓[/] green: {nodes}{warned}, in {report['build_seconds']:.0f} s")
    if report["published"] is None:
        return
    for part, columns in PARTS.items():
        _print_part(part.replace("_", " "), report[part], columns)
    path: Path = report["published"]["path"]
    short = path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path
    size = report["published"]["bytes"] / 1e6
    if newest := newest_bar(report["newest_bars"]):
        results.print(f"\n{newest}", markup=False)
    results.print(f"\npublished: {short} ({size:,.1f} MB, {report['published']['seconds']:.1f} s)")
    for change in report["signal_changes"]:
        results.print(change, markup=False)
    results.print("open it with any DuckDB since 1.0, read-only:")
    results.print("  ./bourse sql \"from bars.ohlcv where symbol = 'AAPL'\"", markup=False)
    results.print(f"  duckdb -readonly {short}", markup=False)
    results.print(f"  python: duckdb.connect('{short}', read_only=True)", markup=False)


def newest_bar(markets: Rows | None) -> str:
    """Return which bar is the newest, and how many sessions its market has had since."""
    if not markets:
        return ""
    first = markets[0]
    behind = first["sessions_behind"]
    match behind:
        case None:
            age = ""
        case 0:
            age = ": up to date"
        case _:
            age = f": {behind:,} session{'s' * (behind > 1)} behind"
    since = f" ({first['calendar']} last closed on {first['closed_session']})" if behind else ""
    return (
        f"the newest bar is of {first['newest_symbol']}, {first['timeframe']},"
        f" and ends at {first['newest_bar_end']}{age}{since}"
    )


PARTS = {
    "layers": ("layer", "table_count", "row_count", "largest_table"),
    "bars": ("timeframe", "symbol_count", "bar_count", "last_session_date"),
    "newest_bars": (
        "calendar",
        "timeframe",
        "newest_bar_end",
        "newest_symbol",
        "closed_session",
        "sessions_behind",
        "late_symbol_count",
    ),
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
    "value_at_risk": (
        "portfolio",
        "method",
        "session_date",
        "var_return",
        "es_return",
    ),
}


def _print_part(title: str, rows: Rows | None, columns: tuple[str, ...]) -> None:
    if not rows:
        results.print(f"[bold]{title}[/] {'not built' if rows is None else 'none'}")
        return
    shown = [
        replace(column, format=_percent) if column.title.endswith(" return") else column
        for column in columns_of(rows, columns, format=_figure)
    ]
    results.print(table(shown, rows, title=title, missing="-"))


def _percent(value: float) -> str:
    return f"{percent(value)} %"


def _figure(value: Any) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else text(value)
