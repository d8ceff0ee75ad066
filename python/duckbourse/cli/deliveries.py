"""`./bourse deliveries`: list, withdraw and reinstate deliveries."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any

import duckdb
import typer
from rich.cells import cell_len, set_cell_size

from duckbourse import clock
from duckbourse.cli.options import Csv, Json, one_format
from duckbourse.cli.output import notes, print_csv_records, print_json, results
from duckbourse.errors import BadInput, ConfigurationError
from duckbourse.ingest import RawStore
from duckbourse.ingest.deliveries import Listed, chosen, listed, of_source, refuse_twice
from duckbourse.ingest.owners import refuse_two_calendars
from duckbourse.ingest.run import wrap_full_disk
from duckbourse.ingest.withdrawals import reinstate as append_reinstatement
from duckbourse.ingest.withdrawals import withdraw as append_withdrawal
from duckbourse.settings import settings
from duckbourse.words import counted

deliveries = typer.Typer(
    add_completion=False, rich_markup_mode="markdown", invoke_without_command=True
)

Ids = Annotated[
    list[str],
    typer.Argument(
        metavar="ID...",
        help="A delivery's id as `./bourse deliveries` shows it, or any unique beginning of it.",
        show_default=False,
    ),
]
Reason = Annotated[str | None, typer.Option("--reason", help="Reason, kept with the record.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


@deliveries.callback()
def show(
    context: typer.Context,
    source: Annotated[
        str | None, typer.Option("--source", help="Only deliveries of this source.")
    ] = None,
    last: Annotated[
        int | None,
        typer.Option("--last", min=1, help="Only the newest N deliveries. [all]", metavar="N"),
    ] = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """
    List deliveries, newest first; the subcommands withdraw and reinstate them.

    Each line is a file that `./bourse ingest` stored, or a session of recorded ticks. `rows` counts
    the rows that were kept; times are in UTC. Withdrawn deliveries are listed with date and reason.

    Examples:

    - `./bourse deliveries`
    - `./bourse deliveries --source bytetheory --last 20`
    - `./bourse deliveries --json | jq '.[] | select(.first_session_date < "2000-01-01")'`
    - `./bourse deliveries withdraw --help`
    """
    if context.invoked_subcommand is not None:
        if source or last or json or csv:
            raise ConfigurationError(
                "--source, --last, --json and --csv of the list do not go with a subcommand",
                f"put the options of {context.invoked_subcommand} after it",
            )
        return
    one_format(json=json, csv=csv)
    with duckdb.connect() as con:
        found = all_listed(con)
    if source is not None:
        found = of_source(found, source)
    if json:
        print_json([as_record(one) for one in found[:last]])
        return
    if csv:
        print_csv_records([as_record(one) for one in found[:last]])
        return
    print_table(found[:last])
    if not found:
        notes.print("nothing has been delivered yet: see `./bourse ingest --help`", markup=False)
    elif last is not None and last < len(found):
        notes.print(f"… and {counted(len(found) - last, 'older one')}")


@deliveries.command()
def withdraw(ids: Ids, reason: Reason = None, yes: Yes = False, json: Json = False) -> None:
    """
    Leave deliveries out of all later builds. Nothing is deleted.

    The next `./bourse build` produces what it would have produced without them; a build with an
    earlier `as_of` still sees them. `./bourse deliveries reinstate` takes them in again; ingesting
    the same bars once more does not, except with `ingest --again`. Ticks recorded after the
    withdrawal are read.

    Examples:

    - `./bourse deliveries withdraw cfb8bd44 --reason "the wrong file"`
    - `./bourse deliveries withdraw cfb8bd44 b713362e --yes`
    - `./bourse deliveries withdraw paper_us@2010-05-28 --reason "the feed lagged"`
    """
    change(ids, WITHDRAWAL, reason, yes, json)


@deliveries.command()
def reinstate(ids: Ids, reason: Reason = None, yes: Yes = False, json: Json = False) -> None:
    """
    Include withdrawn deliveries in later builds again.

    Examples:

    - `./bourse deliveries reinstate cfb8bd44 --reason "it was the right file"`
    """
    change(ids, REINSTATEMENT, reason, yes, json)


@dataclass(frozen=True)
class Change:
    """A withdrawal or a reinstatement: its wording, what it applies to, and how it is done."""

    question: str
    done: str
    nothing: str
    applies: Callable[[Listed], bool]
    refuse: Callable[[duckdb.DuckDBPyConnection, Sequence[Listed], Sequence[Listed]], None]
    append: Callable[
        [duckdb.DuckDBPyConnection, RawStore, Sequence[str], datetime, str | None], datetime
    ]


def refuse_reinstatement(
    con: duckdb.DuckDBPyConnection, asked: Sequence[Listed], known: Sequence[Listed]
) -> None:
    """Raise BadInput if these conflict with what builds read, or with each other."""
    refuse_twice(known, asked)
    refuse_two_calendars(con, RawStore(settings().raw), beside(), asked)


WITHDRAWAL = Change(
    question="Leave {these} out of all later builds?",
    done="withdrawn",
    nothing="already withdrawn",
    applies=lambda one: not one.is_withdrawn,
    refuse=lambda con, asked, known: None,
    append=append_withdrawal,
)
REINSTATEMENT = Change(
    question="Include {these} in later builds again?",
    done="reinstated",
    nothing="not withdrawn",
    applies=lambda one: one.withdrawn_at is not None,
    refuse=refuse_reinstatement,
    append=append_reinstatement,
)


def change(
    ids: Sequence[str],
    what: Change,
    reason: str | None,
    yes: bool,
    json: bool,
) -> None:
    """Withdraw or reinstate deliveries, all of them or none."""
    with duckdb.connect() as con:
        asked = pick(con, ids, what)
        if asked and not yes:
            ask(asked, what)
        if asked:
            with writing(con) as store:
                # somebody else may have done so in the meantime
                asked = pick(con, [one.delivery for one in asked], what)
                if asked:
                    what.append(con, store, [one.delivery for one in asked], clock.now(), reason)
        known = {one.delivery: one for one in all_listed(con)}
        named = chosen(list(known.values()), ids)
    if json:
        print_json([as_record(one) for one in named])
        return
    changed = {one.delivery for one in asked}
    for one in named:
        word = what.done if one.delivery in changed else f"unchanged, {what.nothing}"
        results.print(f"{word}: {one.description}", markup=False)
    if changed:
        notes.print("the next `./bourse build` takes this into account", markup=False)


def pick(con: duckdb.DuckDBPyConnection, ids: Sequence[str], what: Change) -> list[Listed]:
    """Return the named deliveries that the change applies to; raise BadInput if one conflicts."""
    known = all_listed(con)
    asked = [one for one in chosen(known, ids) if what.applies(one)]
    what.refuse(con, asked, known)
    return asked


def ask(asked: Sequence[Listed], what: Change) -> None:
    """Ask for confirmation; exit if it is not given."""
    for one in asked:
        notes.print(one.description, markup=False)
    these = "it" if len(asked) == 1 else f"these {len(asked):,}"
    # not with typer, which also writes to stdout
    notes.print(f"{what.question.format(these=these)} [y/N] ", end="", markup=False)
    answer = sys.stdin.readline()
    if not answer:
        notes.print()
        raise BadInput(
            "no answer was given, and nothing was changed", "use --yes to skip the question"
        )
    if answer.strip().lower() not in ("y", "yes"):
        notes.print("nothing was changed")
        raise typer.Exit(1)


@contextmanager
def writing(con: duckdb.DuckDBPyConnection) -> Iterator[RawStore]:
    """Yield the raw store, repaired, and locked until the end of the block."""
    store = RawStore(settings().raw)
    with wrap_full_disk(store.root), store.writing(con):
        yield store


def all_listed(con: duckdb.DuckDBPyConnection) -> list[Listed]:
    """Return all deliveries that a build would read, and the withdrawn ones."""
    return listed(con, RawStore(settings().raw), *beside())


def beside() -> tuple[RawStore, ...]:
    """Return the other stores that builds read."""
    return (RawStore(settings().shipped),) if settings().sample else ()


def as_record(one: Listed) -> dict[str, Any]:
    """Return a delivery for JSON."""
    return asdict(one) | {"is_withdrawn": one.is_withdrawn}


COLUMNS: dict[str, Callable[[Listed], str]] = {
    "id": lambda one: one.id,
    "when (UTC)": lambda one: instant(one.delivered_at),
    "source": lambda one: one.source,
    "file": lambda one: one.file,
    "kind": lambda one: one.kind,
    "rows": lambda one: f"{one.rows:,}",
    "symbols": lambda one: f"{one.symbols:,}",
    "first": lambda one: str(one.first_session_date or ""),
    "last": lambda one: str(one.last_session_date or ""),
    "": lambda one: state(one),
}
NUMBERS = ("rows", "symbols")


def print_table(found: Sequence[Listed]) -> None:
    """Print a line for each delivery."""
    if not found:
        return
    rows = [list(COLUMNS), *([value(one) for value in COLUMNS.values()] for one in found)]
    widths = [max(cell_len(row[place]) for row in rows) for place in range(len(COLUMNS))]
    styles = ["bold", *("dim" if one.is_withdrawn else None for one in found)]
    # with thousands of rows, rich's own table takes seconds
    for row, style in zip(rows, styles, strict=True):
        cells = (
            set_cell_size(cell, width) if name not in NUMBERS else cell.rjust(width)
            for name, cell, width in zip(COLUMNS, row, widths, strict=True)
        )
        results.out("  ".join(cells).rstrip(), style=style, highlight=False)


def state(one: Listed) -> str:
    """Return the status of a delivery: shipped, or withdrawn with date and reason."""
    if one.withdrawn_at is None:
        return "shipped" if one.is_shipped else ""
    until = "" if one.is_withdrawn else "up to then "
    return f"{until}withdrawn {instant(one.withdrawn_at)} UTC" + (
        f": {' '.join(one.reason.split())}" if one.reason else ""
    )


def instant(at: datetime) -> str:
    """Return an instant as text, to the minute."""
    return f"{at:%Y-%m-%d %H:%M}"
