"""`./bourse venue`: a venue on loopback that speaks Kite's protocol, to rehearse with."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from urllib.parse import urlsplit

import typer

from duckbourse.brokers.paper import FillRules
from duckbourse.cli.listing import completed
from duckbourse.cli.output import notes, results
from duckbourse.cli.serve import listening_socket
from duckbourse.cli.tables import text
from duckbourse.errors import ConfigurationError
from duckbourse.settings import settings
from duckbourse.streaming.feed import MICROSECOND, conflate
from duckbourse.streaming.replay import Replay
from duckbourse.trading.feeds import Source, open_feed
from duckbourse.trading.publication import load
from duckbourse.venue.faults import Fault
from duckbourse.venue.kite import KiteVenue
from duckbourse.venue.opening import opened
from duckbourse.venue.server import VenueServer
from duckbourse.warehouse import open_published
from duckbourse.words import counted

HOST = "127.0.0.1"


def venue(
    account: Annotated[
        str,
        typer.Option(
            help="Account, a row of trading_accounts.csv.",
            metavar="NAME",
            autocompletion=completed("accounts"),
        ),
    ] = "paper_us",
    day: Annotated[
        datetime | None,
        typer.Option("--date", formats=["%Y-%m-%d"], help="Session.", show_default="the latest"),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="Play the session at this multiple of real time.",
            show_default="the ticks that `trade --venue` trades on",
        ),
    ] = None,
    feed: Annotated[
        Source, typer.Option(help="What is played: minutes, ticks or simulated.")
    ] = Source.MINUTES,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65_535,
            help="Port of loopback; 0 is any.",
            show_default="that of BOURSE_VENUE_ROOT",
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=N",
            help=f"Let each n-th event go wrong: {', '.join(Fault)}; may be repeated.",
            show_default="none",
        ),
    ] = None,
    late_seconds: Annotated[
        float, typer.Option(min=0, help="How late a late answer is.", show_default="1")
    ] = 1,
    participation_pct: Annotated[
        int,
        typer.Option(
            min=1, max=100, help="Percent of a tick's volume that fills take: less fills in parts."
        ),
    ] = 10,
    seed: Annotated[int, typer.Option(help="Random seed of simulated ticks.")] = 1,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin with an empty book and the account's capital.")
    ] = False,
) -> None:
    """
    Run a venue on loopback until Ctrl-C, which speaks Kite's protocol: no money moves.

    Log in and trade there from another terminal. It matches orders as the paper broker does, on the
    ticks that `trade --venue` sends it, or on those of a session that it plays itself. Its book
    outlives it: started again, it goes on. With BOURSE_KITE_API_KEY and BOURSE_KITE_API_SECRET it
    takes these alone, else any.

    Examples:

    - `./bourse venue`
    - `./bourse venue --date 2010-05-28 --fresh`
    - `./bourse venue --fault lost-answer=3 --fault lost-update=2 --participation-pct 1`
    - `./bourse venue --speed 60    # play the session to whoever subscribes`
    - `./bourse trade --broker zerodha --venue    # in another terminal`
    """
    if feed is Source.ZERODHA:
        raise ConfigurationError("the venue cannot play --feed zerodha", "choose another --feed")
    if feed is not Source.MINUTES and speed is None:
        raise ConfigurationError(f"--feed {feed} is not played without --speed", "add --speed 60")
    faults = _faults(fault or [])
    connection = open_published()
    try:
        publication = load(connection, account, day.date() if day else None, frozenset())
    finally:
        connection.close()
    source: Replay | None = None
    if speed is not None:
        played = open_feed(publication, feed, speed=speed, seed=seed, instruments=None)
        assert isinstance(played, Replay)
        source = played
    own = settings().venue_root
    root_port = urlsplit(own).port or 80
    listening = listening_socket(HOST, root_port if port is None else port)
    port = listening.getsockname()[1]
    try:
        with opened(
            publication,
            FillRules(max_participation_pct=Decimal(participation_pct), seed=seed),
            faults=faults,
            late_seconds=late_seconds,
            is_playing=source is not None,
            fresh=fresh,
        ) as found:
            root = f"http://{HOST}:{port}"
            results.print(f"{root} is the venue of {account} on {publication.session_date}")
            if root != own:
                notes.print(f"in the other terminal: export BOURSE_VENUE_ROOT={root}")
            notes.print("Ctrl-C stops it")
            _serve(found, source, listening)
            results.print(asyncio.run(_ended(found)))
    finally:
        listening.close()


def _serve(venue: KiteVenue, source: Replay | None, listening: socket.socket) -> None:
    async def play() -> None:
        assert source is not None
        source.resume_after(venue.at - MICROSECOND)
        async for records in source.ticks():
            venue.move(conflate(records, source.symbols, source.is_synthetic))
        venue.paper.end_session()
        notes.print("the session is played to its end")

    # when it has stopped, uvicorn raises the signal again
    with suppress(KeyboardInterrupt):
        VenueServer(venue, play if source is not None else None).run([listening])


async def _ended(venue: KiteVenue) -> str:
    paper = venue.paper
    orders, trades = len(await paper.orders()), len(await paper.trades())
    held = counted(len(await paper.positions()), "position")
    cash = (await paper.funds()).cash_amount
    said = f"{counted(orders, 'order')}, {counted(trades, 'trade')}, {held}, cash {text(cash)}"
    wrong = ", ".join(f"{count} {name}" for name, count in sorted(venue.faults.counts.items()))
    return f"{said}; faults: {wrong}" if wrong else said


def _faults(words: list[str]) -> dict[Fault, int]:
    found = {}
    for word in words:
        name, _, number = word.partition("=")
        if name not in {*Fault} or not number.isdecimal() or not int(number):
            raise ConfigurationError(
                f"--fault {word} is not NAME=N",
                f"N is 1 or more, such as lost-answer=3; the names are {', '.join(Fault)}",
            )
        found[Fault(name)] = int(number)
    return found
