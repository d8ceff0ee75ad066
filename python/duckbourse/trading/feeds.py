"""The sources of a session's ticks."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path

import structlog
from pydantic import SecretStr

from duckbourse import clock
from duckbourse.brokers.zerodha.instruments import tokens_in
from duckbourse.brokers.zerodha.mapping import EXCHANGES
from duckbourse.brokers.zerodha.session import token_of
from duckbourse.brokers.zerodha.stream import protocols_of
from duckbourse.errors import ConfigurationError
from duckbourse.settings import settings
from duckbourse.streaming.recorder import LogHeader, Recorder
from duckbourse.streaming.replay import Replay, recorded_ticks, replay_minutes, replay_recorded
from duckbourse.streaming.simulated import RandomWalk, simulate_ticks
from duckbourse.streaming.websocket import WebSocketFeed
from duckbourse.trading.publication import Publication
from duckbourse.trading.scans import LiveScans
from duckbourse.warehouse import open_published
from duckbourse.words import counted

log = structlog.get_logger()

# late ticks are still recorded this long after the close
AFTER_CLOSE = timedelta(minutes=1)
# per symbol: about five ticks per minute bar
SIMULATED_TICKS = 2_000


class Source(StrEnum):
    """The source of a session's ticks."""

    MINUTES = "minutes"
    TICKS = "ticks"
    SIMULATED = "simulated"
    ZERODHA = "zerodha"


def open_feed(
    publication: Publication, source: Source, *, speed: float, seed: int, instruments: Path | None
) -> Replay | WebSocketFeed:
    """
    Return the feed of a publication's session.

    `speed` applies to a replay or simulation, `seed` to a simulation; `instruments` is Kite's
    instrument list. Raise ConfigurationError or BadInput if the source has no ticks.
    """
    day, calendar = publication.session_date, publication.limits.calendar
    match source:
        case Source.ZERODHA:
            return _kite_feed(publication, instruments)
        case Source.SIMULATED:
            return _simulated_feed(publication, speed, seed)
        case Source.TICKS:
            folder, known = settings().raw / "ticks", publication.instruments
            return replay_recorded(folder, day, calendar, known, speed)
        case Source.MINUTES:
            return _minute_replay(publication, speed)


def _minute_replay(publication: Publication, speed: float) -> Replay:
    day, calendar = publication.session_date, publication.limits.calendar
    connection = open_published()
    try:
        feed = replay_minutes(
            connection, day, calendar, publication.zone, publication.instruments, speed
        )
        near = connection.execute(
            """
            select list_filter([
                max(session_date) filter (where session_date < $1),
                min(session_date) filter (where session_date > $1)
            ], lambda each: each is not null)::varchar[]
            from bars.ohlcv where timeframe = '1m' and calendar = $2
            """,
            [day, calendar],
        ).fetchone()
    finally:
        connection.close()
    if feed.start == feed.end:
        others = " or ".join(f"--date {each}" for each in near[0]) if near and near[0] else ""
        raise ConfigurationError(
            f"there are no minute bars of {day} to replay",
            (f"try {others}, or " if others else "") + "load its minutes with `./bourse ingest`",
        )
    return feed


def kite_access(instruments: Path | None) -> tuple[SecretStr, SecretStr, Path]:
    """
    Return the API key, today's access token and the path of Kite's instrument list.

    The token is that of `./bourse login zerodha`, unless BOURSE_KITE_ACCESS_TOKEN has one. Raise
    ConfigurationError for whichever is missing, and TokenRefused for a token that has ended. This
    runs before the calendar check, so that missing setup is reported on any day.
    """
    api_key = settings().kite_api_key
    if api_key is None:
        raise ConfigurationError(
            "the API key for Kite is missing",
            "set BOURSE_KITE_API_KEY in the environment, or put it into .env",
        )
    access_token = settings().kite_access_token or token_of("zerodha")
    if instruments is None:
        raise ConfigurationError(
            "Kite's instrument list is missing",
            "download https://api.kite.trade/instruments/NSE and pass it with --instruments",
        )
    return api_key, access_token, instruments


def _kite_feed(publication: Publication, instruments: Path | None) -> WebSocketFeed:
    api_key, access_token, path = kite_access(instruments)
    calendar = publication.limits.calendar
    tokens: dict[str, int] = {}
    if exchange := EXCHANGES.get(calendar):
        tokens = tokens_in(path, publication.instruments, exchange)
    if not tokens:
        raise ConfigurationError(
            f"{path} has none of the {counted(len(publication.instruments), 'symbol')}"
            f" of {calendar}",
            "symbols in instruments.csv must use Kite's names, such as INFY or NSE:INFY",
        )
    protocols = protocols_of(
        api_key,
        access_token,
        tokens,
        on_order=lambda update: log.info("order update from Kite", order_id=update.get("order_id")),
        root=settings().kite_url,
    )
    opens, closes = publication.opens_at, publication.closes_at
    return WebSocketFeed(
        *protocols, is_open=lambda: opens <= clock.now() < closes, ends_at=closes + AFTER_CLOSE
    )


def start_recorder(
    publication: Publication, feed: WebSocketFeed, scans: LiveScans | None
) -> Recorder:
    """Return a recorder of the session; the scans catch up on the ticks recorded earlier."""
    calendar, day = publication.limits.calendar, publication.session_date
    folder = settings().raw / "ticks"
    header = LogHeader(
        session_date=day,
        calendar=calendar,
        source=feed.name.lower(),
        recording=publication.limits.account,
        symbols=feed.symbols,
    )
    recorder = Recorder(folder, header)
    if scans is not None:
        scans.catch_up(recorded_ticks(folder, day, calendar, feed.symbols))
    return recorder


def _simulated_feed(publication: Publication, speed: float, seed: int) -> Replay:
    walks = [
        RandomWalk(symbol, known.prior_close, known.tick_size)
        for symbol, known in sorted(publication.instruments.items())
        if known.prior_close is not None
    ]
    if not walks:
        raise ConfigurationError(
            f"no symbol of {publication.limits.calendar} has a close before"
            f" {publication.session_date} to simulate ticks from",
            "load its bars with `./bourse ingest` and build, or choose another account",
        )
    records = simulate_ticks(
        walks, publication.opens_at, publication.closes_at, SIMULATED_TICKS, seed
    )
    symbols = tuple(walk.symbol for walk in walks)
    name = f"simulation of {publication.session_date}"
    return Replay(records, symbols, name, speed, is_synthetic=True)
