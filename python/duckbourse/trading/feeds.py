"""Where a session's ticks come from."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path

import structlog
from pydantic import SecretStr

from duckbourse import clock
from duckbourse.brokers.zerodha.instruments import tokens_in
from duckbourse.brokers.zerodha.mapping import EXCHANGES
from duckbourse.brokers.zerodha.stream import KiteProtocol
from duckbourse.errors import ConfigurationError
from duckbourse.settings import settings
from duckbourse.streaming.recorder import LogHeader, Recorder
from duckbourse.streaming.replay import Replay, recorded_ticks, replay_of, replay_of_recorded
from duckbourse.streaming.simulated import Walk, simulated
from duckbourse.streaming.websocket import WebSocketFeed
from duckbourse.trading.publication import Publication
from duckbourse.trading.scans import LiveScans
from duckbourse.warehouse import open_published

log = structlog.get_logger()

# what comes late is recorded
AFTER_CLOSE = timedelta(minutes=1)
# of each share; its bars then have some five a minute
SIMULATED_TICKS = 2_000


class Source(StrEnum):
    """What a session is traded on."""

    MINUTES = "minutes"
    TICKS = "ticks"
    SIMULATED = "simulated"
    ZERODHA = "zerodha"


def open_feed(
    publication: Publication, source: Source, *, speed: float, seed: int, instruments: Path | None
) -> Replay | WebSocketFeed:
    """
    Return the ticks of a publication's session.

    `speed` and `seed` are of what is replayed or made up, `instruments` is Kite's list. Raise
    ConfigurationError or BadInput where there are none.
    """
    day, calendar = publication.session_date, publication.limits.calendar
    match source:
        case Source.ZERODHA:
            return _kite_feed(publication, instruments)
        case Source.SIMULATED:
            return _simulated_feed(publication, speed, seed)
        case Source.TICKS:
            folder, known = settings().raw / "ticks", publication.instruments
            return replay_of_recorded(folder, day, calendar, known, speed)
        case Source.MINUTES:
            return _minute_replay(publication, speed)


def _minute_replay(publication: Publication, speed: float) -> Replay:
    day, calendar = publication.session_date, publication.limits.calendar
    connection = open_published()
    try:
        feed = replay_of(
            connection, day, calendar, publication.zone, publication.instruments, speed
        )
    finally:
        connection.close()
    if feed.start == feed.end:
        raise ConfigurationError(
            f"there are no minute bars of {day} to replay",
            "name another session with --date, or deliver its minutes with `./bourse ingest`",
        )
    return feed


def kite_access(instruments: Path | None) -> tuple[SecretStr, SecretStr, Path]:
    """
    Return the API key, today's access token and Kite's list of instruments.

    Raise ConfigurationError for the one that is missing. This is checked before the calendar, so
    that missing setup is reported on any day.
    """
    api_key, access_token = settings().kite_api_key, settings().kite_access_token
    if api_key is None or access_token is None:
        raise ConfigurationError(
            "there is no key or no access token for Kite",
            "set BOURSE_KITE_API_KEY and today's BOURSE_KITE_ACCESS_TOKEN, or put them into .env",
        )
    if instruments is None:
        raise ConfigurationError(
            "what Kite calls the instruments is not known",
            "download https://api.kite.trade/instruments/NSE and name it with --instruments",
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
            f"{path} has none of the {len(publication.instruments)} symbols of {calendar}",
            "their names in instruments.csv must be Kite's, such as INFY or NSE:INFY",
        )
    protocol = KiteProtocol(
        api_key,
        access_token,
        tokens,
        on_order=lambda update: log.info("order update of Kite", order_id=update.get("order_id")),
        root=settings().kite_url,
    )
    opens, closes = publication.opens_at, publication.closes_at
    return WebSocketFeed(
        protocol, is_open=lambda: opens <= clock.now() < closes, ends_at=closes + AFTER_CLOSE
    )


def start_recorder(
    publication: Publication, feed: WebSocketFeed, scans: LiveScans | None
) -> Recorder:
    """Return what records, after telling the scans what was recorded before."""
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
        Walk(symbol, known.previous_close, known.tick_size)
        for symbol, known in sorted(publication.instruments.items())
        if known.previous_close is not None
    ]
    records = simulated(walks, publication.opens_at, publication.closes_at, SIMULATED_TICKS, seed)
    symbols = tuple(walk.symbol for walk in walks)
    name = f"simulation of {publication.session_date}"
    return Replay(records, symbols, name, speed, is_synthetic=True)
