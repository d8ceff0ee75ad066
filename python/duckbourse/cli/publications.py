"""`./bourse publications` and `rollback`: what is kept, and the way back to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from duckbourse import history, state
from duckbourse.cli.notify import announce_publication
from duckbourse.cli.options import Json
from duckbourse.cli.output import notes, print_json, results
from duckbourse.cli.status import OF_TABLES, size
from duckbourse.cli.tables import Column, print_folded
from duckbourse.history import Publication
from duckbourse.publish import roll_back
from duckbourse.settings import settings
from duckbourse.warehouse import unpublished

COLUMNS = (
    Column("", "mark", justify="left"),
    Column("publication", "name", justify="left"),
    Column("published (UTC)", "published_at", lambda at: f"{at:%Y-%m-%d %H:%M}", justify="left"),
    Column("build", "build_id", justify="left"),
    Column("revision", "git_revision", justify="left"),
    Column("data", "data_version", lambda version: version[:12], justify="left"),
    Column("size", "bytes", size),
    Column("rows", "row_count"),
    Column("signals", "signal_count"),
)


def publications(json: Json = False) -> None:
    """
    List the current publication and those that are kept, newest first; * marks the current one.

    A build keeps the publication that it replaces, as long as BOURSE_KEEP_PUBLICATIONS,
    BOURSE_KEEP_DAYS and BOURSE_KEEP_GB allow. A kept file that is renamed stays until it is
    deleted by hand.

    Examples:

    - `./bourse publications`
    - `./bourse publications --json | jq -r '.[].name'`
    """
    known = history.publications(settings().published_database)
    if json:
        print_json([_shown(each) for each in known])
        return
    if not known:
        raise unpublished(settings().published_database)
    _print(known)
    limits = settings()
    notes.print(
        f"retention besides the current publication: up to {limits.keep_publications:,},"
        f" {limits.keep_days:g} days, {limits.keep_gb:g} GB total",
        markup=False,
    )
    for each in known:
        if each.problem:
            notes.print(f"warning: {each.name} cannot be read: {each.problem}", markup=False)


def rollback(
    publication: Annotated[
        str,
        typer.Argument(help="A name of `./bourse publications`, or the beginning of one."),
    ] = history.PREVIOUS,
    json: Json = False,
) -> None:
    """
    Publish a kept publication again, by default the previous one. The current one is kept.

    Readers keep the publication that they have open, and a trading loop and `market.refresh()` move
    to this one. The build file is unchanged: the next build publishes what it builds.

    Examples:

    - `./bourse rollback`
    - `./bourse rollback 20261127T1845`
    """
    published = settings().published_database
    with state.sole_owner(settings().build_database):
        known = history.publications(published)
        kept = history.find(known, publication)
        is_current = kept.is_current
        former = kept.name if is_current else roll_back(published, kept)
    if not is_current:
        announce_publication(again=True)
    if json:
        print_json({"published": kept.name, "former": former, "is_changed": not is_current})
        return
    if is_current:
        results.print(f"{kept.name} is the current publication; nothing was changed", markup=False)
        return
    results.print(
        f"rolled back to {kept.name}, build {kept.record['build_id']},"
        f" {history.origin_of(kept.record)}",
        markup=False,
    )
    if former:
        results.print(f"to undo: ./bourse rollback {former}", markup=False)
    else:
        results.print("what was published before could not be read and is not kept")
    results.print("the next ./bourse build will replace it")


def _shown(each: Publication) -> dict[str, Any]:
    counts = each.row_counts
    record = {name: value for name, value in each.record.items() if name not in OF_TABLES}
    return {
        "name": each.name,
        "is_current": each.is_current,
        "path": each.path,
        "bytes": each.byte_count,
        "problem": each.problem or None,
        **record,
        "row_count": sum(counts.values()) if counts else None,
        "signal_count": counts.get("scanners.signals"),
    }


def _print(known: Sequence[Publication]) -> None:
    nothing = dict.fromkeys(("published_at", "build_id", "git_revision", "data_version"))
    rows = [
        nothing | _shown(each) | {"mark": "*" if each.is_current else "", "name": each.name}
        for each in known
    ]
    print_folded(COLUMNS, rows)
