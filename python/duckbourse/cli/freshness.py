"""`./bourse freshness`: whether the session that is due was delivered and published."""

from __future__ import annotations

import socket
from typing import Annotated

import duckdb
import typer

from duckbourse.cli.deliveries import all_listed
from duckbourse.cli.notify import announce
from duckbourse.cli.options import Json, time_of_day
from duckbourse.cli.output import print_json, results
from duckbourse.errors import ConfigurationError, DataLate, PublicationError
from duckbourse.freshness import Check, Delivered, checks, due_sessions, markets
from duckbourse.names import did_you_mean
from duckbourse.settings import EventKind
from duckbourse.warehouse import open_published

# the timeframe of what a delivery holds; closes that a vendor adjusted are no bars
TIMEFRAMES = {"daily": "1d", "minute": "1m", "ticks": "1m"}
WIDTH = len("unpublished")


def freshness(
    by: Annotated[
        str | None,
        typer.Option(
            help="Time of day by which a session is due, in the time zone of its exchange.",
            show_default="the close",
        ),
    ] = None,
    calendar: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this calendar; may be repeated.", show_default="all that have data"
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Only what this source delivers.", show_default="any source")
    ] = None,
    json: Json = False,
) -> None:
    """
    Check whether the session that is due of each market was delivered and published.

    A session is due at the first `--by` after its close, on its exchange's clock; weekends and
    holidays have none. It is partial if more than half of the symbols with bars in the 5 sessions
    before have none of it; delisted symbols drop out of that. The exit code is 8 if data is late or
    partial, and the webhook is notified.

    Examples:

    - `./bourse freshness`
    - `./bourse freshness --calendar XNSE --by 18:30`
    - `./bourse freshness --calendar XNSE --source bhavcopy --by 18:30 --json`
    """
    at = time_of_day("--by", by) if by else None
    connection = open_published()
    try:
        due = due_sessions(connection, at)
        published = markets(connection, at)
    except duckdb.CatalogException as error:
        raise PublicationError(
            "the published file has no bars", "run `./bourse build` to publish them"
        ) from error
    finally:
        connection.close()
    for name in calendar or []:
        if name not in due:
            raise ConfigurationError(
                f"there is no calendar {name!r}{did_you_mean(name, due)}",
                "the calendars are " + ", ".join(sorted(due)),
            )
    found = checks(due, published, _delivered(source), calendar or [], at, source)
    if json:
        print_json([each.as_record for each in found])
    else:
        # the error below has the first remedy of those that are late
        shown = {next((each.remedy for each in found if each.status != "fresh"), "")}
        for each in found:
            _print(each, "" if each.remedy in shown else each.remedy)
            shown.add(each.remedy)
    if not found:
        nothing = f"no bars were ever delivered{f' by {source}' if source else ''}"
        announce(
            EventKind.data_late,
            f"late data on {socket.gethostname()}: {nothing}",
            f"{nothing} {[due[name]['due_session'] for name in sorted(due)]}",
        )
        raise DataLate(nothing, "see `./bourse ingest --help`")
    late = [each for each in found if each.status != "fresh"]
    if late:
        what = ", ".join(f"{each.market} is {each.status}" for each in late)
        announce(
            EventKind.data_late,
            f"late data on {socket.gethostname()}: {' | '.join(each.found for each in late)}",
            f"{what} {source or ''} {[each.due_session for each in late]}",
            markets=[each.as_record for each in late],
        )
        raise DataLate(f"not up to date: {what}", late[0].remedy)


def _delivered(source: str | None) -> list[Delivered]:
    with duckdb.connect() as connection:
        listed = all_listed(connection)
    sources = sorted({each.source for each in listed})
    # one without a similar name has not delivered yet
    if source is not None and source not in sources and (hint := did_you_mean(source, sources)):
        raise ConfigurationError(
            f"there are no deliveries of source {source!r}{hint}",
            "`./bourse deliveries` lists them",
        )
    return [
        Delivered(
            each.calendar,
            TIMEFRAMES[each.kind],
            each.source,
            each.last_session_date,
        )
        for each in listed
        if each.kind in TIMEFRAMES
        and each.last_session_date is not None
        and not each.is_withdrawn
        and source in (None, each.source)
    ]


def _print(check: Check, remedy: str) -> None:
    color = "green" if check.status == "fresh" else "red"
    results.print(f"[{color}]{check.status.ljust(WIDTH)}[/]  ", end="")
    results.print(f"{check.market.ljust(10)}  {check.found}", markup=False)
    if remedy:
        results.print(f"{' ' * WIDTH}  remedy: {remedy}", markup=False)
