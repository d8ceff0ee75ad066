"""`./bourse publish`: publish the last green build."""

from __future__ import annotations

from duckbourse import state
from duckbourse.cli.notify import announce_publication
from duckbourse.cli.output import notes, results
from duckbourse.publish import publish as publish_file
from duckbourse.settings import settings
from duckbourse.words import counted


def publish() -> None:
    """
    Publish the last green build, after `build --no-publish` or if the published file was lost.

    A build that is not entirely green, was killed, or has been changed since is refused.

    Example:

    - `./bourse publish`
    """
    database = settings().build_database
    with state.sole_owner(database):
        published = publish_file(database, settings().published_database, state.load(database))
    for warning in published.warnings:
        notes.print(f"warning: {warning}", markup=False)
    announce_publication()
    results.print(
        f"published: {published.path} ({published.byte_count / 1e6:,.1f} MB, "
        f"{counted(len(published.row_counts), 'table')}, {published.seconds:.1f} s)",
        markup=False,
    )
