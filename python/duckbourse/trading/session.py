"""A trading session of an account from start to end: the one place that puts its parts together."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TextIO, cast

import structlog

from duckbourse import clock
from duckbourse.brokers.opening import BrokerSetup, OpenBroker, open_paper
from duckbourse.disk import private, private_folder
from duckbourse.errors import BrokerError, ConfigurationError
from duckbourse.orders.book import Book, rebuild_book
from duckbourse.orders.broker import Broker
from duckbourse.orders.events import Event, LoopStopped, TradingState
from duckbourse.orders.journal import FolderLock, Journal, open_journal
from duckbourse.orders.manager import GRACE_SECONDS, Manager
from duckbourse.plugins import raise_interruption
from duckbourse.risk.checks import Check
from duckbourse.settings import settings
from duckbourse.streaming.feed import Feed, TickRelay
from duckbourse.streaming.recorder import Recorder
from duckbourse.streaming.replay import Replay
from duckbourse.streaming.websocket import WebSocketFeed
from duckbourse.telemetry.metrics import Metrics, MetricsServer, refuse_port
from duckbourse.telemetry.notify import Notifier
from duckbourse.trading.loop import REFRESH_SECONDS, Trader
from duckbourse.trading.publication import Publication
from duckbourse.trading.scans import LiveScans
from duckbourse.trading.session_folder import LOG, traded_until, what_is_held, what_is_open
from duckbourse.trading.strategy import SignalStrategy, Strategy
from duckbourse.trading.subscribers import Subscriber, subscribe
from duckbourse.trading.watchdog import Place, watched
from duckbourse.words import counted

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class SessionConfig:
    """
    Everything that a session is put together from.

    `folder` is the account's: its journal, log and commands, and the files of a simulated broker,
    which draws from `seed`. In a replay, the feed's time is the clock. `strategies`, `on_batch`,
    `scans`, `recorder`, `newer` and `checks` are as in Trader. Metrics are served on
    `metrics_port`, None if they are not. `subscribers` are given the bus, by name. `lock` is that
    of the folder, if it is locked already.
    """

    publication: Publication
    folder: Path
    feed: Feed
    broker: OpenBroker = open_paper
    strategies: Mapping[str, Strategy] = field(
        default_factory=lambda: {SignalStrategy.NAME: SignalStrategy()}
    )
    checks: Mapping[str, Check] = field(default_factory=dict)
    seed: int = 1
    scans: LiveScans | None = None
    recorder: Recorder | None = None
    newer: Callable[[], Publication | None] = lambda: None
    on_batch: Callable[[Trader], None] = lambda _: None
    metrics_port: int | None = None
    grace_seconds: float = GRACE_SECONDS
    refresh_seconds: float = REFRESH_SECONDS
    subscribers: Mapping[str, Subscriber] = field(default_factory=dict)
    lock: FolderLock | None = None


@dataclass(frozen=True)
class TradingSession:
    """A session that is open: `run` trades it to the end of its feed."""

    trader: Trader
    broker: Broker
    journal: Journal
    # notifies people
    notify: Callable[[str], None]

    @staticmethod
    @contextmanager
    def open(config: SessionConfig) -> Iterator[TradingSession]:
        """
        Put a session together and yield it; close all of its parts afterward.

        An interrupted session resumes after its last event.
        """
        publication, feed, scans = config.publication, config.feed, config.scans
        capital = publication.limits.capital_amount
        with ExitStack() as stack:
            for part in (config.recorder, scans):
                if part is not None:
                    stack.callback(part.close)
            private_folder(config.folder)
            stack.enter_context(_log_to(config.folder / LOG))
            stack.enter_context(_clock_of(feed))
            journal, recorded = open_journal(config.folder, config.lock)
            stack.callback(journal.close)
            relay = TickRelay(feed)
            broker = config.broker(
                BrokerSetup(
                    publication.limits.account,
                    config.folder,
                    capital,
                    tick_sizes_of(publication),
                    publication.charges,
                    config.seed,
                    relay,
                )
            )
            stack.callback(broker.close)
            _refuse_past_prices(broker, feed)
            until = traded_until(recorded)
            if until is not None and isinstance(feed, Replay):
                before = feed.resume_after(until)
                if scans is not None:
                    scans.catch_up(before)
            manager = Manager(
                rebuild_book(capital, recorded, lambda _: None),
                journal,
                broker,
                check=lambda *asked: trader.pre_trade_check(*asked),
                charges=publication.charges,
                grace_seconds=config.grace_seconds,
            )
            trader = Trader(
                publication,
                manager,
                feed,
                config.strategies,
                config.folder,
                config.on_batch,
                scans=scans,
                recorder=config.recorder,
                newer=config.newer,
                relay=relay,
                refresh_seconds=config.refresh_seconds,
                checks=config.checks,
            )
            if isinstance(feed, WebSocketFeed):
                feed.on_health = trader.on_health
            if scans is not None:
                scans.publish = trader.publish
            # how a session began is recorded before anybody is notified
            begun = recorded if until is None else ()
            notify = stack.enter_context(
                _monitoring(trader, config.folder, config.metrics_port, begun)
            )
            subscribe(config.subscribers, manager.bus)
            yield TradingSession(trader, broker, journal, notify)

    def run(self) -> tuple[str, ...]:
        """
        Trade the session; return the differences with the broker.

        With differences, nothing is traded. People are notified of what is open when it ends early.
        """
        differences: tuple[str, ...] = ("the loop was ended",)
        try:
            differences = asyncio.run(self._run())
            return differences
        finally:
            if differences and (left := unwatched(self.trader)):
                self.notify(f"stopped, and nothing watches what is left: {left}")

    async def _run(self) -> tuple[str, ...]:
        try:
            differences = await self._started()
            if not differences:
                await self.trader.run()
            return differences
        finally:
            self._note_stop()
            self.trader.write_prices()
            await self.broker.disconnect()

    def _note_stop(self) -> None:
        """Note up to where a replay was traded, so that no tick of it is shown twice."""
        at = self.trader.handled_at
        if at is not None and not self.trader.book.has_ended:
            self.trader.manager.record(LoopStopped(at=at))

    async def _started(self) -> tuple[str, ...]:
        try:
            return await self.trader.start()
        except BrokerError as error:
            problem = str(error)
        except BaseException as error:  # of an adapter: what is open has to be reported
            raise_interruption(error)
            log.exception("the start failed")
            problem = f"the broker cannot be compared: {error!r}"
        self.trader.manager.set_state(TradingState.HALTED, problem, "start")
        return (problem,)


def unwatched(trader: Trader) -> str:
    """Return what is open when a loop is stopped, which nothing watches then; empty if nothing."""
    book, can_rest = trader.book, trader.manager.broker.capabilities.can_rest_stops
    bare = [
        f"{each.request.symbol} of {each.request.strategy}"
        for each in book.held_entries()
        if can_rest and not any(order.is_resting for order in book.exits_of(each.request.order_id))
    ]
    found = [what_is_open(book)]
    found += [f"no stop at the broker for: {', '.join(bare)}"] if bare else []
    return "; ".join(each for each in found if each)


def refuse(broker: OpenBroker, setup: BrokerSetup, feed: Feed, metrics_port: int | None) -> None:
    """
    Raise ConfigurationError for what `TradingSession.open` would refuse.

    A session that is refused should not have begun, so `create` comes after this.
    """
    if metrics_port is not None:
        refuse_port(metrics_port, _metrics_token())
    opened = broker(setup)
    try:
        _refuse_past_prices(opened, feed)
    finally:
        opened.close()


def _refuse_past_prices(broker: Broker, feed: Feed) -> None:
    has = broker.capabilities
    if isinstance(feed, Replay) and not (has.is_simulated or has.follows_feed):
        raise ConfigurationError(
            f"the broker {broker.name} is not simulated, and would get orders at the prices"
            f" of the {feed.name}",
            "trade it with --broker paper, or today's ticks with --feed zerodha",
        )


def _metrics_token() -> str:
    secret = settings().metrics_token
    return secret.get_secret_value() if secret else ""


def summary(book: Book) -> str:
    """Return what people are notified of at the end of a session, in one line."""
    gain = book.equity_amount({}) - book.session_start_amount
    trips = book.session_round_trips()
    won = sum(1 for trip in trips if trip > 0)
    held = ", ".join(chain.from_iterable(what_is_held(book).values()))
    return (
        f"net {gain:+,.2f}, {counted(len(trips), 'round trip')}, {won} won,"
        f" {f'held: {held}' if held else 'nothing held'}"
    )


def tick_sizes_of(publication: Publication) -> dict[str, Decimal]:
    """Return the tick size of each symbol that may be traded."""
    return {symbol: known.tick_size for symbol, known in publication.instruments.items()}


def _clock_of(feed: Feed) -> AbstractContextManager[None]:
    if isinstance(feed, Replay):
        return clock.replayed_by(lambda: feed.at)
    return clock.held_steady()


@contextmanager
def _monitoring(
    trader: Trader, folder: Path, port: int | None, begun: Sequence[Event]
) -> Iterator[Callable[[str], None]]:
    account = trader.publication.limits.account
    book = trader.book

    def held(entry_id: str, price: Decimal) -> str:
        entry = book.orders[entry_id]
        request, shares = entry.request, entry.request.side.sign * book.held_quantity(entry_id)
        text = f"{request.symbol} {shares:+} of {request.strategy}"
        if entry.average_price is None:
            return text
        gained = (price - entry.average_price) * shares
        return f"{text}, about {gained:+,.2f} before charges"

    notifier = Notifier(account, settings(), held=held, summary=lambda: summary(book))
    for event in begun:
        notifier.on_event(event)
    bus = trader.manager.bus
    bus.subscribe(Event, lambda message: notifier.on_event(message.event))
    server: MetricsServer | None = None
    if port is not None:
        metrics = Metrics(account)
        server = MetricsServer(metrics, trader.health_problems, port, _metrics_token())
        bus.subscribe(Event, lambda message: metrics.on_event(message.event))
        trader.gauges = metrics.set_gauge
        trader.on_pass = metrics.observe_pass
        metrics.watch("seconds_since_pass", trader.seconds_since_pass)
        metrics.watch("seconds_since_tick", trader.seconds_since_tick)

    notify = partial(notifier.send, kind="standstill", is_urgent=True)

    def say(text: str) -> None:
        with suppress(OSError):  # whoever reads it may be gone
            sys.stderr.write(f"{text}\n")
        notify(text)

    try:
        with watched(trader, say, Place(folder, say).look):
            yield notify
    finally:
        notifier.close()
        if server is not None:
            server.close()


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """Append the log to a file until the end of the block, then restore the configuration."""
    before = structlog.get_config()
    file = _Unfailing(open(path, "a", opener=private))  # noqa: SIM115
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _add_time,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", file)),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)
        file.close()


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

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:  # of what was not written before
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
