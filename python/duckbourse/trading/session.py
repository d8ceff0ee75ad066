"""A session of an account from its start to its end, with everything put together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import structlog

from duckbourse import clock
from duckbourse.brokers.paper import PaperBroker, Rules
from duckbourse.errors import BrokerError
from duckbourse.orders.book import rebuild_book
from duckbourse.orders.events import TradingState
from duckbourse.orders.journal import open_journal
from duckbourse.orders.manager import Manager
from duckbourse.settings import settings
from duckbourse.streaming.recorder import Recorder
from duckbourse.streaming.replay import Replay
from duckbourse.streaming.websocket import WebSocketFeed
from duckbourse.telemetry.metrics import Metrics, MetricsServer
from duckbourse.telemetry.notify import Notifier
from duckbourse.trading.loop import Trader
from duckbourse.trading.publication import Publication
from duckbourse.trading.scans import LiveScans
from duckbourse.trading.session_folder import SessionFolder
from duckbourse.trading.strategy import SignalStrategy

LOG = "trade.log"


def trade_session(
    publication: Publication,
    folder: SessionFolder,
    feed: Replay | WebSocketFeed,
    rules: Rules,
    on_batch: Callable[[Trader], None],
    metrics_port: int | None = None,
    *,
    scans: LiveScans | None = None,
    recorder: Recorder | None = None,
    newer: Callable[[], Publication | None] = lambda: None,
) -> tuple[Trader, tuple[str, ...]]:
    """
    Trade a session with the paper broker, and return what there is at its end.

    The clock of a replay is the feed's. A session that was broken off goes on after its last event.
    The second is where the broker and the book differ; then nothing is traded. `scans`, `recorder`
    and `newer` are as in Trader.
    """
    with _logged_to(folder.path / LOG), _timed_by(feed):
        journal, told = open_journal(folder.path)
        broker = PaperBroker(
            folder.path,
            {symbol: known.tick_size for symbol, known in publication.instruments.items()},
            folder.capital_amount,
            rules,
        )
        try:
            if told and isinstance(feed, Replay):
                before = feed.resume_after(max(event.at for event in told))
                if scans is not None:
                    scans.catch_up(before)
            book = rebuild_book(folder.capital_amount, told, lambda _: None)
            manager = Manager(
                book,
                journal,
                broker,
                check=lambda book, request: trader.pre_trade_check(book, request),
                charges=publication.charges,
            )
            trader = Trader(
                publication,
                manager,
                broker,
                feed,
                SignalStrategy(),
                folder.path,
                on_batch,
                scans=scans,
                recorder=recorder,
                newer=newer,
            )
            if isinstance(feed, WebSocketFeed):
                feed.on_health = trader.on_health
            with _watched(trader, metrics_port):
                differences = asyncio.run(_run(trader))
        finally:
            broker.close()
            journal.close()
            if scans is not None:
                scans.close()
            if recorder is not None:
                recorder.close()
    return trader, differences


def _timed_by(feed: Replay | WebSocketFeed) -> AbstractContextManager[None]:
    if isinstance(feed, Replay):
        return clock.driven_by(lambda: feed.at)
    return nullcontext()


@contextmanager
def _watched(trader: Trader, port: int | None) -> Iterator[None]:
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
def _logged_to(path: Path) -> Iterator[None]:
    """Append what is logged to a file; once that is closed, logging is again as it was."""
    before = structlog.get_config()
    with path.open("a") as file:
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                _stamped,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
            logger_factory=structlog.PrintLoggerFactory(file),
            cache_logger_on_first_use=False,
        )
        try:
            yield
        finally:
            structlog.configure(**before)


def _stamped(
    logger: object, name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    event["at"] = clock.now().isoformat()
    return event
