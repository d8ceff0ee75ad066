"""`./bourse sample-minutes`: made-up minute bars that agree with real daily bars."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from duckbourse import clock
from duckbourse.cli.bar import Display
from duckbourse.cli.ingest import instant
from duckbourse.cli.options import Json
from duckbourse.cli.output import notes, print_json, results
from duckbourse.ingest import RawStore
from duckbourse.settings import settings, shown
from duckbourse.synthetic import SOURCE, Outcome, Plan, connected, deliver, plan

DAY = ["%Y-%m-%d"]


def sample_minutes(
    symbols: Annotated[
        str,
        typer.Option(
            "--symbols", help="Number or names of symbols: 500, or AAPL,IBM.", metavar="N|NAMES"
        ),
    ] = "16",
    sessions: Annotated[
        int | None,
        typer.Option(
            "--sessions", min=1, help="Number of sessions. [all from --since to --until, else 20]"
        ),
    ] = None,
    calendar: Annotated[
        str, typer.Option("--calendar", help="Calendar of the sessions, from seeds/calendars.")
    ] = "XNYS",
    first: Annotated[
        datetime | None,
        typer.Option("--since", formats=DAY, help="First session.", metavar="DATE"),
    ] = None,
    last: Annotated[
        datetime | None,
        typer.Option(
            "--until", formats=DAY, help="Last session. [the last with daily bars]", metavar="DATE"
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Random seed.")] = 1,
    into: Annotated[
        Path | None, typer.Option("--into", help="Raw store to deliver into. [data/raw]")
    ] = None,
    flat: Annotated[
        bool, typer.Option("--flat", help="One small file, without folders by session.")
    ] = False,
    delivered_at: Annotated[
        str | None,
        typer.Option(
            "--delivered-at",
            metavar="ISO",
            help="When this became known; UTC if it has no offset. [now]",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """
    Make synthetic one-minute bars that agree with daily bars, for experiments and benchmarks.

    They match each published day's open, high, low, close and volume exactly; the minutes between
    are made up from the seed, and their source is `synthetic`. Days without a real bar are made up
    too, from returns of the shipped sample. Running the same command again changes nothing.

    Examples:

    - `./bourse sample-minutes`
    - `./bourse sample-minutes --symbols AAPL,IBM --since 2010-05-03 --until 2010-05-07`
    - `./bourse sample-minutes --symbols 500 --sessions 360 --calendar XNSE`
    - `./bourse sample-minutes --symbols 500 --sessions 360 --into /tmp/store --json`
    """
    started = clock.elapsed_seconds()
    store = RawStore(into or settings().raw, flat=flat)
    with connected() as con:
        made = plan(
            con,
            symbols=int(symbols)
            if symbols.isdecimal()
            else [name.strip() for name in symbols.split(",")],
            calendar=calendar,
            seed=seed,
            session_count=sessions,
            first=_day(first),
            last=_day(last),
        )
        missing = made.day_count - made.real_day_count
        if missing:
            notes.print(
                f"{missing:,} of {made.day_count:,} days have no real daily bar and are made up"
                " from returns of the shipped sample"
            )
        with Display() as display:
            display.begin(len(made.sessions))
            outcome = deliver(
                con,
                made,
                store,
                delivered_at=instant(delivered_at),
                progress=lambda done: display.at("sessions", done),
            )
    report = _report(made, outcome, store, clock.elapsed_seconds() - started)
    if json:
        print_json(report)
    else:
        _print_report(report)


def _day(stamp: datetime | None) -> date | None:
    return stamp.date() if stamp else None


def _report(made: Plan, outcome: Outcome, store: RawStore, seconds: float) -> dict[str, Any]:
    return {
        "delivery": outcome.delivery,
        "is_new": outcome.is_new,
        "source": SOURCE,
        "calendar": made.calendar,
        "seed": made.seed,
        "symbol_count": len(made.symbols),
        "session_count": len(made.sessions),
        "first_session_date": made.sessions[0].session_date,
        "last_session_date": made.sessions[-1].session_date,
        "bar_count": made.bar_count,
        "real_day_count": made.real_day_count,
        "made_up_day_count": made.day_count - made.real_day_count,
        "store": store.root,
        "bytes": outcome.byte_count,
        "seconds": round(seconds, 2),
        "bars_per_second": round(made.bar_count / outcome.seconds) if outcome.is_new else None,
    }


def _print_report(report: dict[str, Any]) -> None:
    span = f"{report['first_session_date']} to {report['last_session_date']}"
    results.print(
        f"{report['bar_count']:,} synthetic minute bars: {report['symbol_count']:,} symbols,"
        f" {report['session_count']:,} sessions of {report['calendar']}, {span}"
    )
    where = shown(report["store"])
    if report["is_new"]:
        results.print(
            f"delivered to {where} as {report['delivery']}: {report['bytes'] / 1e6:,.1f} MB"
            f" in {report['seconds']:,.1f} s, {report['bars_per_second']:,} bars a second",
            markup=False,
        )
    else:
        results.print(
            f"{where} already has all of it, as {report['delivery']}: nothing changed",
            markup=False,
        )
