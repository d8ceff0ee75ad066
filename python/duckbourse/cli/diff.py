"""`./bourse diff`: what differs between two publications."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from duckbourse import history
from duckbourse.cli.bar import Display
from duckbourse.cli.options import Json
from duckbourse.cli.output import notes, print_json, results
from duckbourse.cli.status import OF_TABLES
from duckbourse.cli.tables import Column, print_folded, text
from duckbourse.diff import PROVENANCE, Change, Counts, Kind, Row, Tolerance, opened
from duckbourse.errors import BourseError, ConfigurationError
from duckbourse.settings import settings
from duckbourse.words import counted

DEFAULTS = history.PREVIOUS, history.CURRENT
# columns that the line of a table names
MOST_COLUMNS = 3
SUMMARY = (
    Column("relation", "name", justify="left"),
    Column("rows before", "rows_before"),
    Column("rows after", "rows_after"),
    Column("added", "rows_added"),
    Column("removed", "rows_removed"),
    Column("changed", "rows_changed"),
    Column("what differs", "what", justify="left"),
)


@dataclass(frozen=True)
class Side:
    """A publication as it was named, with its record, which is empty for any other file."""

    name: str
    path: Path
    record: dict[str, Any]

    def __str__(self) -> str:
        if not self.record:
            return self.name
        at = self.record.get("published_at")
        return (
            f"{self.name}, {f'published {at:%Y-%m-%d %H:%M} UTC' if at else 'not published'},"
            f" {history.origin_of(self.record)}"
        )


def diff(
    before: Annotated[
        str,
        typer.Argument(
            metavar="[A]",
            help="A name of `./bourse publications` or the beginning of one, current, previous, or"
            " a file.",
        ),
    ] = history.PREVIOUS,
    after: Annotated[
        str, typer.Argument(metavar="[B]", help="What to compare it with, likewise.")
    ] = history.CURRENT,
    tables: Annotated[
        list[str] | None,
        typer.Option("--table", help="Show the rows of this table that differ; repeatable."),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", help="Leave this column of all tables out; repeatable."),
    ] = None,
    all_columns: Annotated[
        bool,
        typer.Option(
            "--all-columns",
            help=f"Compare also what says how a row was made: {', '.join(PROVENANCE)}.",
        ),
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="Maximum number of rows of each table.")
    ] = 20,
    relative: Annotated[
        float, typer.Option("--rtol", min=0, help="Relative tolerance of DOUBLE values.")
    ] = Tolerance.relative,
    absolute: Annotated[
        float, typer.Option("--atol", min=0, help="Absolute tolerance of DOUBLE values.")
    ] = Tolerance.absolute,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print it as Markdown, for an issue or a mail.")
    ] = False,
    json: Json = False,
) -> None:
    """
    Compare two publications: tables and columns, numbers of rows, and rows by their keys.

    First comes how many relations differ, then a line for each, and with --table its rows: of the
    removed, changed and added ones in turn, those first whose numbers differ most. The exit code is
    that of diff: 0 if nothing differs, 1 if something does, more if they cannot be compared.
    Views and macros are compared by their SQL, everything else by its values. Columns that say how
    a row was made, such as `scanner_version`, change with any edit and are left out by default.

    Examples:

    - `./bourse diff`
    - `./bourse diff --table scanners.signals --limit 50`
    - `./bourse diff 20261127T1845 current --markdown`
    - `./bourse diff current data/build/duckbourse.duckdb`
    - `./bourse diff --rtol 1e-6 --json | jq '.changes[].name'`
    """
    if json and markdown:
        raise ConfigurationError("--json and --markdown cannot be used together", "choose one")
    sides = _side(before), _side(after)
    tolerance = Tolerance(relative, absolute)
    ignored = tuple(dict.fromkeys([*(() if all_columns else PROVENANCE), *(ignore or [])]))
    report = Report(sides, tolerance)
    if tables or not sides[0].path.samefile(sides[1].path):
        with opened(sides[0].path, sides[1].path, tolerance, ignored) as comparison:
            comparison.check_columns(ignore or [])
            if tables:
                comparison.choose(tables)
            with Display() as display:
                display.begin(1.0)
                changes = comparison.changes(display.at)
            rows = {
                change.name: comparison.rows(change, limit)
                for change in changes
                if tables and change.is_difference
            }
            report = Report(
                sides,
                tolerance,
                comparison.ignored,
                comparison.counts(changes),
                changes,
                rows,
            )
    if json:
        print_json(report.as_json())
    elif markdown:
        report.print_markdown()
    else:
        report.print_text()
        with_rows = [each.name for each in report.different if each.rows_before and each.rows_after]
        if with_rows and not tables:
            sides_typed = [] if (before, after) == DEFAULTS else [before, after]
            words = shlex.join(["./bourse", "diff", *sides_typed, "--table", with_rows[0]])
            notes.print(f"the rows of a table: {words}", markup=False)
    if report.different:
        raise typer.Exit(1)


@dataclass(frozen=True)
class Report:
    """What differs, for people and machines."""

    sides: tuple[Side, Side]
    tolerance: Tolerance
    ignored: Sequence[str] = ()
    counts: Mapping[Kind, Counts] = field(default_factory=dict)
    changes: Sequence[Change] = ()
    rows: Mapping[str, Sequence[Row]] = field(default_factory=dict)

    @property
    def different(self) -> list[Change]:
        """The relations that differ beyond the tolerance."""
        return [change for change in self.changes if change.is_difference]

    def as_json(self) -> dict[str, Any]:
        before, after = (
            {
                "name": side.name,
                "path": side.path,
                **{name: each for name, each in side.record.items() if name not in OF_TABLES},
            }
            for side in self.sides
        )
        return {
            "before": before,
            "after": after,
            "is_different": bool(self.different),
            "tolerance": asdict(self.tolerance),
            "ignored_columns": list(self.ignored),
            "counts": {kind: asdict(counts) for kind, counts in self.counts.items()},
            "changes": [
                asdict(change) | {"is_difference": change.is_difference} for change in self.changes
            ],
            "rows": {name: [asdict(row) for row in rows] for name, rows in self.rows.items()},
        }

    def print_text(self) -> None:
        for label, side in zip(("before", "after"), self.sides, strict=True):
            results.print(f"{label.ljust(7)} {side}", markup=False)
        results.print(f"\n[bold]{escape(self._headline())}[/]")
        for line in filter(None, (self._near(), self._left_out())):
            results.print(line, markup=False)
        if self.different:
            results.print()
            print_folded(SUMMARY, [_summary(change) for change in self.different])
        for change in self.different:
            if rows := self.rows.get(change.name):
                results.print()
                print_folded(_columns(rows), [_cells(row) for row in rows], change.name)
                if more := _more(change, rows):
                    notes.print(more, markup=False)

    def print_markdown(self) -> None:
        for label, side in zip(("Before", "After"), self.sides, strict=True):
            results.print(f"- **{label}**: {side}", markup=False)
        results.print(f"\n**{self._headline()}**", markup=False)
        for line in filter(None, (self._near(), self._left_out())):
            results.print(f"\n{line}", markup=False)
        if self.different:
            _print_markdown_table(SUMMARY, [_summary(change) for change in self.different])
        for change in self.different:
            if rows := self.rows.get(change.name):
                results.print(f"\n### {change.name}", markup=False)
                _print_markdown_table(_columns(rows), [_cells(row) for row in rows])
                if more := _more(change, rows):
                    results.print(f"\n{more}", markup=False)

    def _headline(self) -> str:
        if not self.different:
            return "Nothing differs."
        parts = [
            f"{counts.different:,} of {counted(counts.compared, kind)}"
            for kind, counts in self.counts.items()
            if counts.compared
        ]
        return f"What differs: {', '.join(parts)}"

    def _near(self) -> str:
        names = [change.name for change in self.changes if not change.is_difference]
        tolerance = f"rtol {self.tolerance.relative:g}, atol {self.tolerance.absolute:g}"
        return f"Equal within the tolerance ({tolerance}): {', '.join(names)}" if names else ""

    def _left_out(self) -> str:
        if not self.ignored:
            return ""
        more = "; --all-columns compares them" if set(self.ignored) <= set(PROVENANCE) else ""
        return f"Columns that are not compared: {', '.join(self.ignored)}{more}"


def _side(wanted: str) -> Side:
    path = Path(wanted).expanduser()
    if path.suffix == ".duckdb" or path.is_file():
        if not path.is_file():
            raise ConfigurationError(
                f"there is no file {wanted}", "`./bourse publications` lists what can be compared"
            )
        try:
            return Side(wanted, path, history.record_of(path))
        except BourseError:
            return Side(wanted, path, {})  # what cannot be read is an error when it is compared
    found = history.find(history.publications(settings().published_database), wanted)
    return Side(found.name, found.path, found.record)


def _summary(change: Change) -> dict[str, Any]:
    counts = {
        name: getattr(change, name) if change.kind == "table" else None
        for name in ("rows_before", "rows_after", "rows_added", "rows_removed", "rows_changed")
    }
    if change.status != "changed":
        counts |= dict.fromkeys(("rows_added", "rows_removed", "rows_changed"))
    return {"name": change.name, **counts, "what": "; ".join(_what(change))}


def _what(change: Change) -> list[str]:
    if change.status != "changed":
        return [f"{change.kind} {change.status}"]
    columns = sorted(change.columns, key=lambda each: -each.row_count)
    listed = {
        "": [f"{each.name} {each.row_count:,}" for each in columns],
        "new: ": list(change.columns_added),
        "gone: ": list(change.columns_removed),
        "type of ": [f"{name}: {old} → {new}" for name, (old, new) in change.types_changed.items()],
    }
    found = [f"{label}{_first(names)}" for label, names in listed.items() if names]
    if change.is_redefined:
        found.append(f"the SQL of the {change.kind}")
    if change.kind == "table" and not change.key and (change.rows_added or change.rows_removed):
        found.append("whole rows compared")
    return found


def _first(names: Sequence[str]) -> str:
    more = len(names) - MOST_COLUMNS
    return ", ".join(names[:MOST_COLUMNS]) + (f" and {more} more" if more > 0 else "")


def _columns(rows: Sequence[Row]) -> list[Column]:
    names = [*rows[0].about, *rows[0].key]
    named = [Column(name, f"of {name}", _exact, justify="left") for name in names]
    return [
        Column("", "status", justify="left"),
        *named,
        Column("values", "values", justify="left"),
    ]


def _cells(row: Row) -> dict[str, Any]:
    if row.status == "changed":
        values = [
            f"{name}: {_exact(value)} → {_exact(row.after[name])}"
            for name, value in row.before.items()
        ]
    else:
        values = [f"{name}: {_exact(value)}" for name, value in (row.before or row.after).items()]
    named = {f"of {name}": value for name, value in [*row.about.items(), *row.key.items()]}
    return {"status": row.status, **named, "values": ", ".join(values)}


def _exact(value: Any) -> str:
    match value:
        case None:
            return "NULL"
        case float():
            return repr(value)
        case bool():
            return text(value)
        case _:
            return str(value)


def _more(change: Change, rows: Sequence[Row]) -> str:
    total = change.rows_added + change.rows_removed + change.rows_changed
    if change.status != "changed":
        total = change.rows_after or change.rows_before or 0
    if total <= len(rows):
        return ""
    return f"the first {len(rows):,} of {total:,}; --limit shows more"


def _print_markdown_table(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> None:
    marks = ["---:" if column.justify == "right" else "---" for column in columns]
    lines = [[column.title for column in columns], marks]
    lines += [[column.cell(row, "").replace("|", "\\|") for column in columns] for row in rows]
    results.print()
    for line in lines:
        results.print(f"| {' | '.join(line)} |", markup=False)
