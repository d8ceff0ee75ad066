"""A trading session of an account from start to end, with all its parts wired together."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import TextIO, cast

import structlog

from duckbourse import clock
from duckbourse.brokers.paper import FillRules, PaperBroker
from duckbourse.disk import private
from duckbourse.errors import BrokerError
from duckbourse.orders.book import rebuild_book
from duckbourse.orders.events import TradingState
from duckbourse.orders.journal import open_journal
from duckbourse.orders.manager import Manager
from duckbourse.risk.checks import Check
from duckbourse.settings import settings
from duckbourse.streaming.recorder import Recorder
from duckbourse.streaming.replay import Replay
from duckbourse.streaming.websocket import WebSocketFeed
from duckbourse.telemetry.metrics import Metrics, MetricsServer
from duckbourse.telemetry.notify import Notifier
from duckbourse.trading.loop import Trader
from duckbourse.trading.publication import Publication
from duckbourse.trading.scans import LiveScans
from duckbourse.trading.session_folder import LOG, SessionFolder, traded_until
from duckbourse.trading.strategy import Strategy


def trade_session(
    publication: Publication,
    folder: SessionFolder,
    feed: Replay | WebSocketFeed,
    rules: FillRules,
    strategies: Mapping[str, Strategy],
    on_batch: Callable[[Trader], None],
    metrics_port: int | None = None,
    *,
    scans: LiveScans | None = None,
    recorder: Recorder | None = None,
    newer: Callable[[], Publication | None] = lambda: None,
    checks: Mapping[str, Check] = MappingProxyType({}),
) -> tuple[Trader, tuple[str, ...]]:
    """
    Trade a session with the paper broker; return the trader and the reconciliation differences.

    With differences, nothing is traded. In a replay, the feed's time is the clock. An interrupted
    session resumes after its last event. `scans`, `recorder`, `newer` and `checks` are as in
    Trader.
    """
    with _log_to(folder.path / LOG), _replay_clock(feed):
        journal, recorded = open_journal(folder.path)
        broker = PaperBroker(
            folder.path,
            {symbol: known.tick_size for symbol, known in publication.instruments.items()},
            folder.capital_amount,
            rules,
        )
        try:
            until = traded_until(recorded)
            if until is not None and isinstance(feed, Replay):
                before = feed.resume_after(until)
                if scans is not None:
                    scans.catch_up(before)
            book = rebuild_book(folder.capital_amount, recorded, lambda _: None)
            manager = Manager(
                book,
                journal,
                broker,
                check=lambda *asked: trader.pre_trade_check(*asked),
                charges=publication.charges,
            )
            trader = Trader(
                publication,
                manager,
                broker,
                feed,
                strategies,
                folder.path,
                on_batch,
                scans=scans,
                recorder=recorder,
                newer=newer,
                checks=checks,
            )
            if isinstance(feed, WebSocketFeed):
                feed.on_health = trader.on_health
            with _monitoring(trader, metrics_port):
                differences = asyncio.run(_run(trader))
        finally:
            broker.close()
            journal.close()
            if scans is not None:
                scans.close()
            if recorder is not None:
                recorder.close()
    return trader, differences


def _replay_clock(feed: Replay | WebSocketFeed) -> AbstractContextManager[None]:
    if isinstance(feed, Replay):
        return clock.replayed_by(lambda: feed.at)
    return nullcontext()


@contextmanager
def _monitoring(trader: Trader, port: int | None) -> Iterator[None]:
    account = trader.publication.limits.account
    notifier = Notifier(account, settings())
    trader.manager.listeners.append(notifier.on_event)
    server: MetricsServer | None = None
    if port is not None:
        metrics = Metrics(account)
        secret = settings().metrics_token
        server = MetricsServer(
            metrics, trader.health_problems, port, secret.get_secret_value() if secret else ""
        )
        trader.manager.listeners.append(metrics.on_event)
        trader.gauges = metrics.set_gauge
        trader.on_pass = metrics.observe_pass
        metrics.watch("seconds_since_pass", trader.seconds_since_pass)
        metrics.watch("seconds_since_tick", trader.seconds_since_tick)
    try:
        yield
    finally:
        notifier.close()
        if server is not None:
            server.close()


async def _run(trader: Trader) -> tuple[str, ...]:
    try:
        differences = await trader.start()
    except BrokerError as error:
        trader.manager.set_state(TradingState.HALTED, str(error), "start")
        differences = (str(error),)
    if not differences:
        await trader.run()
    return differences


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """Append the log to a file until the end of the block, then restore the configuration."""
    before = structlog.get_config()
    with open(path, "a", opener=private) as file:
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                _add_time,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
            logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Unfailing(file))),
            cache_logger_on_first_use=False,
        )
        try:
            yield
        finally:
            structlog.configure(**before)


class _Unfailing:
    """A log file that a full disk does not turn into an exception; stderr says it once."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._has_failed = False

    def write(self, text: str) -> int:
        try:
            return self._file.write(text)
        except OSError as error:
            self._report(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            self._report(error)

    def _report(self, error: OSError) -> None:
        if not self._has_failed:
            self._has_failed = True
            sys.stderr.write(f"warning: {self._file.name} cannot be written: {error.strerror}\n")


def _add_time(
    logger: object, name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    event["at"] = clock.now().isoformat()
    return event
