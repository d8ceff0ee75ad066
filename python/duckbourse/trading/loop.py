"""
The trading loop: ticks in; exits, strategy and checks; orders out; and the broker's updates.

Each batch of ticks is handled in this order: record and scan the ticks, update prices, handle
commands, check the square-off time and the daily loss, evaluate exits, then cancel entries and ask
the strategies for orders. The broker's updates are handled as they come. An exit may wait for the
broker's answer to its own stop, until that times out, and for no other answer. It depends on no
strategy, recorder or scan either: exits run also when one of these fails. Commands from outside
(halt, resume, square off) are files in the account's folder, so they reach a loop that is too busy
to listen and outlive one that was killed.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path
from types import MappingProxyType

import msgspec
import numpy as np
import structlog
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.errors import BourseError, BrokerError, FeedFailed, StorageFull
from duckbourse.orders import events
from duckbourse.orders.book import Book
from duckbourse.orders.bus import DataIngested, LimitBreached, Message, SignalGenerated
from duckbourse.orders.denial import OrderDeniedError
from duckbourse.orders.downgrade import BY_STRATEGIES
from duckbourse.orders.events import TradingState
from duckbourse.orders.lifecycle import State
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import Exits, Order, Product, Reason, Request
from duckbourse.orders.positions import Position
from duckbourse.orders.reconciliation import Reconciliation
from duckbourse.plugins import raise_interruption
from duckbourse.risk.checks import Check, OrderContext, pre_trade_check
from duckbourse.risk.limits import unlisted
from duckbourse.streaming.believed import TickFilter
from duckbourse.streaming.feed import (
    Feed,
    Records,
    TickRelay,
    column,
    microseconds,
    places_of,
)
from duckbourse.streaming.prices import LastPrices, price_bounds
from duckbourse.streaming.recorder import Recorder
from duckbourse.trading import last_prices
from duckbourse.trading.by_hand import HandOrders
from duckbourse.trading.calls import Calls
from duckbourse.trading.commands import Answer, Command, Inbox, OrderByHand, unseen_halt
from duckbourse.trading.exits import ExitManager
from duckbourse.trading.publication import Publication, Signal, signal_order
from duckbourse.trading.quiet import Holdings
from duckbourse.trading.scans import LiveScans
from duckbourse.trading.session_folder import what_is_held
from duckbourse.trading.strategies import Strategies
from duckbourse.trading.strategy import BY_HAND, ChangeExits, Close, Context, Strategy, owner_of
from duckbourse.words import clock_problem, counted, in_words, shares

log = structlog.get_logger()

# without a tick for this long, the loop handles everything else
IDLE_SECONDS = 0.5
# how long a step waits for the answers of a broker elsewhere
ANSWER_PATIENCE_SECONDS = 0.05
# how often orders are looked for whose call ended without an answer
LOST_SECONDS = 3.0
# how often the book is compared with such a broker
RECONCILE_SECONDS = 15.0
# and how often at most while it has fills of more than was ordered
MIN_RECONCILE_SECONDS = 1.0
# after so long without a comparison nothing is opened any more
BLIND_SECONDS = 60.0
# a loop that has passed none of its steps for so long stands still
STANDSTILL_SECONDS = 10.0
# how often a feed that failed for good is opened again, while something is open
REOPEN_SECONDS = 30.0
# and how soon one that failed for a reason of its own; the pause doubles up to the one above
MIN_REOPEN_SECONDS = 1.0
# how often the last prices are written for the commands beside the loop
PRICES_SECONDS = 1.0
# how often to look for a newer publication
REFRESH_SECONDS = 1.0


class Unharmed:
    """A block whose failure ends nothing else; `on_failure` gets what failed, and the error."""

    __slots__ = ("_on_failure", "_what")

    def __init__(self, what: str, on_failure: Callable[[str, BaseException], None]) -> None:
        self._what = what
        self._on_failure = on_failure

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if error is None:
            return False
        raise_interruption(error)
        self._on_failure(self._what, error)  # whatever it is: positions are open
        return True


class Trader:
    """
    Trades one account in one session.

    `strategies` are by the name that their orders are booked under. `prices` are the last prices
    with their instants. `on_batch` is called after every batch, for a display. `scans` find signals
    in addition to the published ones, `recorder` writes the ticks to disk, and `newer` returns a
    publication that replaced the last one, or None. `checks` are added to ours, by name. `relay`
    passes the ticks that are traded on to a simulated broker.
    """

    def __init__(
        self,
        publication: Publication,
        manager: Manager,
        feed: Feed,
        strategies: Mapping[str, Strategy],
        folder: Path,
        on_batch: Callable[[Trader], None] = lambda _: None,
        *,
        scans: LiveScans | None = None,
        recorder: Recorder | None = None,
        newer: Callable[[], Publication | None] = lambda: None,
        relay: TickRelay | None = None,
        refresh_seconds: float = REFRESH_SECONDS,
        checks: Mapping[str, Check] = MappingProxyType({}),
    ) -> None:
        self.checks = checks
        self.publication = publication
        self.manager = manager
        self.reconciliation = Reconciliation(manager)
        self.feed = feed
        self.strategies = Strategies(strategies, self._context, manager.record)
        manager.bus.subscribe(events.Event, lambda message: self.strategies.on_event(message.event))
        manager.bus.subscribe(events.StrategyFailed, self._on_strategy_failed)
        self.folder = folder
        self._inbox = Inbox(folder)
        self.on_batch = on_batch
        self.scans = scans
        self.recorder = recorder
        self.newer = newer
        self.refresh_seconds = refresh_seconds
        self.relay = relay or TickRelay(feed)
        self.prices = LastPrices(feed.symbols)
        self._places = {symbol: place for place, symbol in enumerate(feed.symbols)}
        self._min_prices, self._max_prices = price_bounds(
            feed.symbols,
            {symbol: known.prior_close for symbol, known in publication.instruments.items()},
        )
        self.ticks = TickFilter(
            feed.symbols,
            {symbol: known.prior_close for symbol, known in publication.instruments.items()},
            {symbol: known.price_band for symbol, known in publication.instruments.items()},
            publication.limits.max_tick_move_pct,
        )
        self.tick_count = 0
        # the instant of the last batch that was handled as a whole
        self.handled_at: datetime | None = None
        # ticks outside the session's hours, late or not believed: recorded, but not traded on,
        # except that exits go by the quote of a symbol that has not traded in the session
        self.stray_tick_count = 0
        # ticks lost to a full disk: the recording has a gap, and no position is opened on them
        self.unrecorded_tick_count = 0
        # what is wrong with parts of the feed, by their symbols
        self._feed_problems: dict[tuple[str, ...], str] = {}
        # the symbols of the parts that had no tick since the start or their failure
        self._awaited: set[tuple[str, ...]] = {feed.symbols}
        self._has_feed_failed = False
        self._live_signals: dict[str, Signal] = {}
        self._refreshed_at = -math.inf
        self._written_at = -math.inf
        # whether the last prices could not be written; that is logged once
        self._is_price_file_old = False
        self._loading: asyncio.Task[Publication | None] | None = None
        # sets a gauge of the loop, such as equity
        self.gauges: Callable[[str, float], None] | None = None
        # receives the seconds of each pass
        self.on_pass: Callable[[float], None] = lambda _: None
        self._passed_at = clock.elapsed_seconds()
        # the thread that trades, while it does
        self.thread: int | None = None
        self._ticked_at: float | None = None
        is_simulated = manager.broker.capabilities.is_simulated
        patience = None if is_simulated else ANSWER_PATIENCE_SECONDS
        self.exits = ExitManager(manager, self.prices, lambda: self.publication, patience)
        # everything else that is sent
        self._calls = Calls(patience)
        self.by_hand = HandOrders(manager, self.exits, self._context, self._inbox)
        self._holdings = Holdings(self.prices)
        self._silent: set[str] = set()
        # by how much the machine's clock was wrong when people were last notified of it
        self._jumped_seconds = 0.0
        # why a strategy last asked for other exits in vain, by entry; reported once, since one that
        # trails asks for others at every step
        self._denied_changes: dict[str, str] = {}
        self._lost_at = clock.elapsed_seconds()
        self._reconciling: asyncio.Task[None] | None = None
        self._reconciled_at = self._compared_at = clock.elapsed_seconds()
        self._wanted_at = -math.inf
        # why the last comparison with the broker failed, if it did
        self.comparison_problem = ""

    @property
    def book(self) -> Book:
        return self.manager.book

    async def start(self) -> tuple[str, ...]:
        """
        Reconcile with the broker, and become active if it agrees with the book.

        Return the differences; with any, the account stays halted. Any other halt stands until it
        is lifted.
        """
        self._use_publication(self.publication)
        reason = self.book.state_reason
        if self.book.session_date != self.publication.session_date:
            self.manager.record(
                events.SessionStarted(
                    at=clock.now(),
                    session_date=self.publication.session_date,
                    equity_amount=self.book.equity_amount(self.prices),
                )
            )
        self.manager.follow()
        differences = await self.reconciliation.recover()
        if self.book.state_reason == reason:  # else it was halted meanwhile
            if differences:
                self.reconciliation.halt()
            elif (
                self.book.state is TradingState.ACTIVE
                or self.manager.standing.ends_with_agreement
                or self.book.state_by == BY_STRATEGIES  # they are asked again
            ):
                self.manager.set_state(TradingState.ACTIVE, "reconciled", "start")
        self._record_publication()
        for waiting in list(self.book.waiting.values()):
            is_old = waiting.at < self.publication.opens_at
            if is_old or waiting.request.strategy == BY_HAND:  # they are not sent late
                why = "the loop was started again before its turn"
                self.manager.cancel_next(waiting.request.order_id, why)
        with self._unharmed_by("answering commands"):
            self.by_hand.take_up()
        if not differences:
            # from here on the watchdog sees a strategy that never returns
            self._passed_at, self.thread = clock.elapsed_seconds(), threading.get_ident()
            try:
                self.strategies.start()
            finally:
                self.thread = None
        return differences

    def _record_publication(self) -> None:
        if self.book.build_id != self.publication.build_id:
            self.manager.record(
                events.PublicationLoaded(
                    at=clock.now(),
                    build_id=self.publication.build_id,
                    data_version=self.publication.data_version,
                )
            )

    async def run(self) -> None:
        """
        Trade until the feed ends; open orders then expire, and what waits for its turn is denied.

        Without ticks, commands and the time of day are still handled. If the feed fails for good,
        halt. While something is open, the loop then goes on until the session's close, and opens
        the feed again every REOPEN_SECONDS. If it fails for a reason of its own, only close
        positions, and open it again after growing pauses until the close. A failure that remains is
        raised as BrokerError or FeedFailed; before the close, the session has not ended then.
        """
        failure: BrokerError | FeedFailed | None = None
        pause = MIN_REOPEN_SECONDS
        self._passed_at, self.thread = clock.elapsed_seconds(), threading.get_ident()
        try:
            while True:
                had_count = self.tick_count
                try:
                    await self._follow_feed()
                    break
                except BrokerError as error:
                    failure = error
                    self.manager.downgrade(TradingState.HALTED, str(error), "feed")
                    goes_on = await self._look_after_what_is_open(REOPEN_SECONDS)
                except FeedFailed as error:
                    failure = error
                    self._note_feed_failure(error)
                    is_new = self.tick_count > had_count
                    pause = MIN_REOPEN_SECONDS if is_new else min(2 * pause, REOPEN_SECONDS)
                    goes_on = await self._go_on_without_ticks(pause)
                if not goes_on:
                    break
                failure = None
        finally:
            self.thread = None
        await self.end(is_over=failure is None or clock.now() >= self.publication.closes_at)
        if failure is not None:
            raise failure

    async def end(self, *, is_over: bool = True) -> None:
        """Wait for the broker's answers, deny what waits, and end the session if it is over."""
        await self.relay.end()
        await self._calls.end()
        await self.exits.end()
        await self.manager.wait_idle()
        for order_id in self.manager.waiting_entries:
            # a later session is not what it was meant for
            self.manager.cancel_next(order_id, "the loop ended before its turn")
        with self._unharmed_by("answering commands"):
            self.by_hand.report()
        if is_over:
            self.end_session()
        self._show()

    async def _follow_feed(self) -> None:
        batches = self.feed.ticks()

        async def next_batch() -> Records | None:
            try:
                return await anext(batches, None)
            except BrokerError:
                raise
            except BaseException as error:  # whatever it is: positions are open
                raise_interruption(error)
                raise FeedFailed(f"{self.feed.name} failed: {error!r}") from error

        coming = asyncio.ensure_future(next_batch())
        while True:
            await asyncio.sleep(0)  # a batch that is there needs no timer
            if not coming.done():
                await asyncio.wait({coming}, timeout=IDLE_SECONDS)
            if not coming.done():
                await self._step()
            elif (records := coming.result()) is None:
                return
            else:
                if self._has_feed_failed:
                    self._has_feed_failed = False
                    self.on_health(f"{self.feed.name} has ticks again", True, self.feed.symbols)
                await self.on_records(records)
                coming = asyncio.ensure_future(next_batch())
            self._show()

    def _note_feed_failure(self, error: FeedFailed) -> None:
        self.manager.downgrade(TradingState.REDUCING, str(error), "feed")
        if not self._has_feed_failed:  # since its last tick
            self._has_feed_failed = True
            log.error("feed failed", exc_info=error)
            self.on_health(str(error), False, self.feed.symbols)

    async def _look_after_what_is_open(self, seconds: float) -> bool:
        """Go on without ticks for so long; return whether something is open until then."""
        return await self._go_on_without_ticks(
            # strategies on both sides of a symbol hold something each, and the account nothing
            seconds,
            lambda: bool(self.book.open_positions() or self.book.held_entries() or self.book.live),
        )

    async def _go_on_without_ticks(
        self, seconds: float, is_wanted: Callable[[], bool] = lambda: True
    ) -> bool:
        """Go on for so long; return False if it is not wanted, or the session closes, by then."""
        began, until = clock.now(), clock.elapsed_seconds() + seconds
        while is_wanted():
            if clock.now() >= self.publication.closes_at:
                return False
            if clock.elapsed_seconds() >= until:
                # where the feed is the clock, as in a replay, it stands and never reaches the close
                return clock.now() != began
            await asyncio.sleep(IDLE_SECONDS)
            await self._step()
            self._show()
        return False

    def publish(self, event: msgspec.Struct, correlation_id: str = "") -> None:
        """Publish an event on the bus of the account."""
        self.manager.bus.publish(event, clock.now(), correlation_id)

    def end_session(self) -> None:
        """Record the equity at the end and the last prices of what is held overnight."""
        if self.book.has_ended:
            return
        held = {position.symbol for position in self.book.open_positions()}
        self.manager.record(
            events.SessionEnded(
                at=clock.now(),
                session_date=self.publication.session_date,
                equity_amount=self.book.equity_amount(self.prices),
                marks=self.book.marks
                | {symbol: self.prices[symbol][0] for symbol in held if symbol in self.prices},
            )
        )

    def _show(self) -> None:
        with self._unharmed_by("the screen"):
            self.on_batch(self)

    async def on_records(self, records: Records) -> None:
        """Record a batch of ticks, update prices, and act on them."""
        began = self._ticked_at = clock.elapsed_seconds()
        if self.recorder is not None:
            with self._unharmed_by("the recorder"):
                self._record_ticks(self.recorder, records)
        if self.scans is not None:
            await self._scan(self.scans, records)
        with self._unharmed_by("the publication"):
            await self._refresh_publication()
        with self._unharmed_by("the ticks"):
            await self._update_prices(records)
        await self._step()
        self.handled_at = clock.now()
        with self._unharmed_by("metrics"):
            self.on_pass(clock.elapsed_seconds() - began)

    async def _update_prices(self, records: Records) -> None:
        of_session = self._of_session(records)
        if len(of_session) < len(records):
            self.prices.update_quotes(self._not_traded_yet(records))
        of_session = self.ticks.believed(of_session)
        self.stray_tick_count += len(records) - len(of_session)
        self.tick_count += len(of_session)
        if len(of_session):
            self._note_ticks(of_session)
            self.prices.update(of_session)
            await self.relay.publish(of_session)

    def _note_ticks(self, records: Records) -> None:
        """Await no tick any more of the parts of the feed that are connected and have one here."""
        for part in self._awaited - self._feed_problems.keys():
            places = [self._places[symbol] for symbol in part]
            if np.isin(records["symbol"], places).any():
                self._awaited.remove(part)

    def _record_ticks(self, recorder: Recorder, records: Records) -> None:
        try:
            recorder.write(records)
            self.publish(DataIngested(tick_count=len(records)))
        except StorageFull as error:
            if not self.unrecorded_tick_count:
                log.error("ticks are not recorded", error=str(error))
            self.unrecorded_tick_count += len(records)
            self.manager.downgrade(TradingState.HALTED, str(error), "recorder")

    def _of_session(self, records: Records) -> Records:
        opens, closes = map(microseconds, (self.publication.opens_at, self.publication.closes_at))
        traded_at = records["traded_at"]
        price, places = column(records, "price"), places_of(records)
        is_good = (traded_at >= opens) & (traded_at < closes)
        is_good &= (price >= self._min_prices[places]) & (price <= self._max_prices[places])
        return records if is_good.all() else records[is_good]

    def _not_traded_yet(self, records: Records) -> Records:
        """Return the ticks of the session that still have the last price of an earlier one."""
        opens, closes = map(microseconds, (self.publication.opens_at, self.publication.closes_at))
        received_at = records["received_at"]
        is_old = records["traded_at"] < opens
        found: Records = records[is_old & (received_at >= opens) & (received_at < closes)]
        return found

    async def _scan(self, scans: LiveScans, records: Records) -> None:
        try:
            found = await scans.on_ticks(records, clock.now())
        except BaseException as error:  # whatever it is, scanning stops and exits continue
            raise_interruption(error)
            log.exception("scan failed")
            self.manager.downgrade(TradingState.REDUCING, f"a scan failed: {error}", "scans")
            self.scans = None
            return
        if found:
            log.info("signals found", count=len(found), known_at=found[0].known_at.isoformat())
            for signal in found:
                self.publish(
                    SignalGenerated(
                        signal_id=signal.signal_id,
                        scanner=signal.scanner,
                        preset=signal.preset,
                        symbol=signal.symbol,
                    ),
                    signal.signal_id,
                )
            self._live_signals |= {signal.signal_id: signal for signal in found}
            self._use_publication(self.publication)

    async def _refresh_publication(self) -> None:
        """Switch to a newer publication if there is one; it is loaded in a thread."""
        if self._loading is None:
            if clock.elapsed_seconds() - self._refreshed_at >= self.refresh_seconds:
                self._refreshed_at = clock.elapsed_seconds()
                self._loading = asyncio.create_task(self._newer())
            return
        if not self._loading.done():
            return
        loading, self._loading = self._loading, None
        publication = loading.result()
        if publication is not None:
            self._use_publication(publication)
            self._record_publication()
            log.info("publication loaded", build_id=publication.build_id)

    async def _newer(self) -> Publication | None:
        try:
            return await asyncio.to_thread(self.newer)
        except BourseError as error:
            log.warning("newer publication not loaded", error=str(error))
        except BaseException as error:  # whatever it is, the one in use goes on
            raise_interruption(error)
            log.exception("newer publication not loaded")
        return None

    def _use_publication(self, publication: Publication) -> None:
        signals = {signal.signal_id: signal for signal in publication.signals} | self._live_signals
        ordered = sorted(signals.values(), key=signal_order)
        # what is held is looked after, also if this publication no longer has it
        held = self.book.held_symbols()
        kept = {
            symbol: self.publication.instruments.get(symbol) or unlisted(symbol)
            for symbol in held - publication.instruments.keys()
        }
        self.publication = replace(
            publication, signals=tuple(ordered), instruments=publication.instruments | kept
        )
        rates = self.manager.broker.capabilities.rates
        self.manager.pace.rates = (*publication.limits.rates, *rates)

    def _unharmed_by(self, what: str) -> Unharmed:
        """Go on after any failure in the block: nothing is opened any more, and exits continue."""
        return Unharmed(what, self._on_failure)

    def _on_failure(self, what: str, error: BaseException) -> None:
        log.error("failed", what=what, exc_info=error)
        self.manager.downgrade(TradingState.REDUCING, f"{what} failed: {error!r}", "loop")

    def _on_strategy_failed(self, message: Message[events.StrategyFailed]) -> None:
        if self.strategies.have_all_failed:
            failed = message.event
            reason = f"the strategy {failed.strategy} failed: {failed.detail}"
            self.manager.downgrade(TradingState.REDUCING, reason, BY_STRATEGIES)

    def on_health(self, what: str, is_healthy: bool, symbols: tuple[str, ...]) -> None:
        """
        Handle a change of the health of the part of the feed that has these symbols.

        If it is unhealthy, nothing is opened in them until it is healthy and one of them has a
        tick.
        """
        if is_healthy:
            self._feed_problems.pop(symbols, None)
        else:
            self._feed_problems[symbols] = what
            self._awaited.add(symbols)
        self.manager.record(events.FeedChanged(at=clock.now(), what=what, is_healthy=is_healthy))

    def is_awaited(self, symbol: str) -> bool:
        """Return whether the part of the feed that has this symbol has no ticks now."""
        return any(symbol in part for part in self._awaited)

    async def _step(self) -> None:
        """Act on commands, exits, daily limits and strategies."""
        self.manager.check_journal()
        obeyed: list[tuple[Command, Answer]] = []
        with self._unharmed_by("reading commands"):
            for command in self._inbox.take():
                if command.order is None:
                    obeyed.append((command, self._obey(command)))
                else:
                    obey = partial(self._obey_order, command, command.order)
                    await self._send(f"request {command.request_id}", obey)
        entries = [order.request.order_id for order in self.book.open_entries] if obeyed else []
        with self._unharmed_by("watching the clock"):
            self._watch_clock()
        with self._unharmed_by("watching prices"):
            self._watch_silence()
        with self._unharmed_by("looking for lost calls"):
            self._look_for_lost_calls()
        with self._unharmed_by("comparing with the broker"):
            self._reconcile()
        with self._unharmed_by("the daily limits"):
            self._check_daily_limits()
        with self._unharmed_by("exits"):
            await self.exits.step()
        with self._unharmed_by("cancelling entries"):
            self._cancel_entries()
        requests: list[Request] = []
        if self.book.state is not TradingState.HALTED:
            with self._unharmed_by("asking the strategies"):
                requests = self._generate_orders()
        with self._unharmed_by("sending what waits"):
            await self.manager.send_waiting(self._send)
        for request in requests:
            await self._send(f"order {request.order_id}", partial(self._place, request))
        await self._calls.wait()
        with self._unharmed_by("answering commands"):
            self.by_hand.report()
            for command, answer in obeyed:
                self._inbox.answer(command, self._with_effect(answer, entries))
        if self.gauges is not None:
            with self._unharmed_by("metrics"):
                self._set_gauges(self.gauges)
        if clock.elapsed_seconds() - self._written_at >= PRICES_SECONDS:
            self.write_prices()
        self._passed_at = clock.elapsed_seconds()

    def write_prices(self) -> None:
        """Write the last prices of what is held or ordered, for who looks beside the loop."""
        self._written_at = clock.elapsed_seconds()
        ordered = {order.request.symbol for order in self.book.open_orders()}
        shown = sorted({*self.book.held_symbols(), *ordered})
        try:
            last_prices.write(self.folder, self.publication.session_date, shown, self.prices)
        except Exception as error:  # they are for display alone
            if not self._is_price_file_old:
                log.warning("last prices not written", exc_info=error)
            self._is_price_file_old = True
        else:
            self._is_price_file_old = False

    async def _send(self, what: str, call: Callable[[], Awaitable[None]]) -> None:
        """Make a call to the broker that neither exits nor other calls have to wait for."""

        async def unharmed() -> None:
            with self._unharmed_by(what):
                await call()

        await self._calls.start(what, unharmed)

    def seconds_since_pass(self) -> float:
        """Return the age of the last step that came to its end; NaN while no step is made."""
        return math.nan if self.thread is None else clock.elapsed_seconds() - self._passed_at

    def seconds_since_tick(self) -> float:
        """Return the age of the last tick received, of whatever symbol; NaN if there is none."""
        return math.nan if self._ticked_at is None else clock.elapsed_seconds() - self._ticked_at

    def health_problems(self) -> list[str]:
        """
        Return the reasons why the loop is not trading normally; empty if healthy.

        Another thread may call this while the loop runs, or stands still.
        """
        reasons = []
        if (seconds := self.seconds_since_pass()) > STANDSTILL_SECONDS:
            reasons.append(f"the loop has stood still for {seconds:.0f} s")
        if self.book.state is not TradingState.ACTIVE:
            reasons.append(f"{self.book.state}: {self.book.state_reason}")
        if self.manager.journal.failure is not None:
            reasons.append(str(self.manager.journal.failure))
        if self.comparison_problem:
            reasons.append(self.comparison_problem)
        if problem := clock_problem(round(clock.unbelieved_seconds())):
            reasons.append(problem)
        reasons += _closed_by_hand_only(self.book.unowned())
        if self.unrecorded_tick_count:
            reasons.append(f"{self.unrecorded_tick_count:,} ticks were not recorded")
        for name, error in list(self.strategies.failures.items()):
            reasons.append(f"the strategy {name} failed: {error}")
        for name, count in list(self.manager.bus.failures.items()):
            reasons.append(f"the subscriber {name} failed {counted(count, 'time')}")
        for entry_id, work in list(self.exits.works.items()):
            symbol = self.book.orders[entry_id].request.symbol
            reasons.append(f"{symbol} is not closed yet: {work.detail}")
        reasons += list(self._feed_problems.values())
        if not self._feed_problems and self._awaited:
            reasons.append("no tick yet")
        return reasons

    def _context(self, strategy: str) -> Context:
        return Context(
            strategy,
            self.publication,
            self.book,
            self.prices,
            clock.now(),
            self.manager.waiting_entries.values(),
        )

    def _generate_orders(self) -> list[Request]:
        """Return what the strategies want to send, and begin to close what they want to close."""
        requests = []
        for name, wanted in self.strategies.orders():
            match wanted:
                case Request():
                    requests.append(wanted)
                case Close():
                    self.exits.leave(wanted.symbol, name, Reason.STRATEGY)
                case ChangeExits():
                    self._change_exits(name, wanted)
        return requests

    def _change_exits(self, strategy: str, wanted: ChangeExits) -> None:
        order_id = wanted.order_id
        order = self.book.orders.get(order_id)
        try:
            if order is None or owner_of(order.request.strategy) != strategy:
                raise OrderDeniedError("EXITS", f"order={order_id}, of_strategy=no")
            self.exits.change(order_id, wanted.exits, strategy)
            self._denied_changes.pop(order_id, None)
        except OrderDeniedError as denial:
            if self._denied_changes.get(order_id) == denial.code:
                return
            self._denied_changes[order_id] = denial.code
            log.warning("exits not changed", strategy=strategy, order_id=order_id, why=str(denial))
            correlation_id = order.request.correlation_id if order else ""
            self.publish(LimitBreached(code=denial.code, detail=denial.detail), correlation_id)

    def _set_gauges(self, set_gauge: Callable[[str, float], None]) -> None:
        equity = self._holdings.equity_amount(self.book)
        set_gauge("equity_amount", float(equity))
        set_gauge("session_pnl_amount", float(equity - self.book.session_start_amount))
        set_gauge("open_orders", len(self.book.live))
        set_gauge("positions", len(self.book.open_positions()))
        set_gauge("ticks", self.tick_count)
        set_gauge("stray_ticks", self.stray_tick_count)
        set_gauge("unrecorded_ticks", self.unrecorded_tick_count)
        set_gauge("subscriber_failures", self.manager.bus.failures.total())
        for name, figure in self.feed.counters().items():
            set_gauge(f"feed_{name}", figure)

    def pre_trade_check(self, book: Book, request: Request, replaces: Order | None) -> None:
        """Check an order, or what it would be modified to; raise OrderDeniedError if it may not."""
        now = clock.now()
        limits = self.publication.limits
        pre_trade_check(
            OrderContext(
                request,
                book,
                now=now,
                limits=limits,
                instruments=self.publication.instruments,
                prices=self.prices,
                covariances=self.publication.covariances,
                opens_at=self.publication.opens_at,
                closes_at=self.publication.closes_at,
                entries_end_at=self.publication.entries_end_at,
                sessions_behind=self.publication.sessions_behind,
                is_stream_ready=not self.is_awaited(request.symbol),
                unbelieved_seconds=round(clock.unbelieved_seconds()),
                charges=self.publication.charges,
                replaces=replaces,
            ),
            self.checks,
        )

    def flatten(self, reason: Reason) -> None:
        """Close all positions, and those that fill later, for this reason or a stronger one."""
        current = self.book.flatten_reason
        is_flat = not self.book.live and not self.book.held_entries()
        if is_flat and reason is not Reason.BY_HAND:
            return  # it is asked again as soon as something is held
        if current is None or current.rank < reason.rank:
            self.manager.record(events.FlattenRequested(at=clock.now(), reason=reason))

    def _watch_clock(self) -> None:
        """Notify people of a clock that was set: the session's times go by what has passed."""
        seconds = clock.unbelieved_seconds()
        is_over = not seconds and self._jumped_seconds
        if is_over or abs(seconds - self._jumped_seconds) > clock.MAX_STEP_SECONDS:
            self._jumped_seconds = seconds
            self.manager.record(events.ClockJumped(at=clock.now(), seconds=round(seconds)))

    def _watch_silence(self) -> None:
        """Notify people of a symbol that is held and has no ticks while others have."""
        most = self.publication.limits.max_silence_seconds
        may_be_silent = self._holdings.may_be_silent(self.book, most)
        held = self._holdings.symbols
        if not may_be_silent and self._silent.isdisjoint(held):
            return
        newest = self.prices.last_receipt()
        if newest is None:
            return
        for symbol in sorted(held):
            seconds = self.prices.seconds_of_silence(symbol)
            if seconds is None:
                seconds = (newest - self.publication.opens_at).total_seconds()
            if seconds <= most:
                self._silent.discard(symbol)
            elif symbol not in self._silent:
                self._silent.add(symbol)
                self.manager.record(
                    events.PriceSilent(at=clock.now(), symbol=symbol, seconds=int(seconds))
                )

    def _look_for_lost_calls(self) -> None:
        if clock.elapsed_seconds() - self._lost_at >= LOST_SECONDS:
            self._lost_at = clock.elapsed_seconds()
            self.manager.look_up_lost()

    def _reconcile(self) -> None:
        """
        Compare with the broker now and then.

        A simulated one loses nothing: it is asked where the fate of an order is unknown.
        """
        is_wanted = self.manager.unbooked.wants_comparison
        is_wanted &= clock.session_seconds() - self._wanted_at >= MIN_RECONCILE_SECONDS
        is_due = clock.elapsed_seconds() - self._reconciled_at >= RECONCILE_SECONDS or is_wanted
        if not is_due or (self._reconciling and not self._reconciling.done()):
            return
        self._wanted_at = clock.session_seconds()
        is_simulated = self.manager.broker.capabilities.is_simulated
        if not is_simulated or any(
            order.state is State.UNKNOWN for order in self.book.open_orders()
        ):
            self._reconciled_at = clock.elapsed_seconds()
            self._reconciling = asyncio.create_task(self._compare())

    async def _compare(self) -> None:
        try:
            await self.reconciliation.repeat()
        except BrokerError as error:  # one answer may be lost
            log.warning("not reconciled", error=str(error))
            if clock.elapsed_seconds() - self._compared_at >= BLIND_SECONDS:
                self.comparison_problem = f"the broker does not say what it holds: {error}"
        except BaseException as error:  # whatever it is: positions are open
            raise_interruption(error)
            problem = f"not compared with the broker: {error!r}"
            if problem != self.comparison_problem:  # one that lasts is logged once
                log.exception("not reconciled")
            self.comparison_problem = problem
        else:
            self._compared_at = clock.elapsed_seconds()
            self.comparison_problem = ""
            self.exits.close_excess()
        if self.comparison_problem:
            self.manager.downgrade(TradingState.REDUCING, self.comparison_problem, "loop")

    def _cancel_entries(self) -> None:
        """
        Have the entries cancelled that may not fill any more.

        One that only reduces a position may, unless exits close everything or the account is
        halted.
        """
        if not (entries := self.manager.open_entries):
            return
        now, state = clock.now(), self.book.state
        is_halted = state is TradingState.HALTED
        opens_nothing = ""
        if state is not TradingState.ACTIVE:
            opens_nothing = f"the account is {state}"
        elif now >= self.publication.entries_end_at:
            opens_nothing = "nothing is opened any more in this session"
        reducing = self.manager.reducing_entries() if opens_nothing and not is_halted else set()
        for order in entries:
            request, order_id = order.request, order.request.order_id
            why = over = ""
            if (closed_by := self.exits.flatten_reason(order)) is not None:
                over = f"all is closed: {in_words(closed_by)}"
            if not self.strategies.is_active(request.strategy):
                why = f"the strategy {owner_of(request.strategy)} failed"
            elif order.state is not State.NEW:  # what waits is denied with the reason
                if over or (opens_nothing and order_id not in reducing):
                    why = over or opens_nothing
                elif reason := self.book.exit_reason.get(order_id):
                    why = f"its exit came first: {in_words(reason)}"
                elif request.expires_at is not None and now >= request.expires_at:
                    why = "its time is over"
            if why:
                self.manager.cancel_next(order_id, why)

    def _check_daily_limits(self) -> None:
        if clock.now() >= self.publication.square_off_at:
            self.flatten(Reason.SQUARE_OFF)
        lost = self.book.session_start_amount - self._holdings.equity_amount(self.book)
        most = self.book.session_start_amount * self.publication.limits.max_daily_loss_pct / 100
        if lost <= 0 or lost < most:
            return
        self.flatten(Reason.DAILY_LOSS)
        reason = f"loss={lost:.2f}, max_loss={most:.2f}"
        self.manager.downgrade(TradingState.HALTED, reason, "daily loss")

    async def _obey_order(self, command: Command, wanted: OrderByHand) -> None:
        self.exits.retry_now()
        try:
            await self.by_hand.obey(command, wanted)
        except Exception as error:  # whoever sent it has to know
            log.exception("order by hand failed", request_id=command.request_id)
            failed = Answer(is_obeyed=False, message=f"it failed: {error!r}")
            self._inbox.answer(command, failed)

    def _obey(self, command: Command) -> Answer:
        try:
            return self._handle_command(command)
        except Exception as error:  # whoever sent it has to know
            log.exception("command failed", command=command.name)
            return Answer(is_obeyed=False, message=f"it failed: {error!r}")

    def _handle_command(self, command: Command) -> Answer:
        self.exits.retry_now()
        set_state = partial(self.manager.set_state, request_id=command.request_id)
        match command.name:
            case "halt":
                set_state(TradingState.HALTED, command.reason, command.by)
            case "resume":
                if self.manager.journal.failure is not None:
                    return Answer(is_obeyed=False, message=str(self.manager.journal.failure))
                if self.book.differences:
                    differs = f"the broker differs: {self.book.differences[0]}"
                    return Answer(is_obeyed=False, message=differs)
                if (later := unseen_halt(self.book, command)) is not None:
                    later = f"{later} came after it was sent; ask again to lift that"
                    return Answer(is_obeyed=False, message=later)
                self.manager.set_state(TradingState.ACTIVE, command.reason, command.by)
            case "square-off":
                if self.book.state is not TradingState.HALTED:
                    set_state(TradingState.REDUCING, command.reason, command.by)
                elif self.manager.standing.ends_with_agreement:  # no start ends what a person wants
                    set_state(TradingState.HALTED, command.reason, command.by)
                else:  # another halt, for the reason that stands
                    set_state(TradingState.HALTED, self.book.state_reason, self.book.state_by)
                self.flatten(Reason.BY_HAND)
            case _:
                return Answer(is_obeyed=False, message=f"there is no command {command.name!r}")
        is_active = self.book.state is TradingState.ACTIVE
        why = "" if is_active else f": {self.book.state_reason}"
        return Answer(is_obeyed=True, message=f"{self.book.state}{why}")

    def _with_effect(self, answer: Answer, entries: Sequence[str]) -> Answer:
        """Return the answer with what became of the entries that were open, and what is held."""
        if not answer.is_obeyed:
            return answer
        left = {order.request.order_id for order in self.book.open_entries} & set(entries)
        held = self.book.open_positions()
        parts = [answer.message]
        if cancelled := len(entries) - len(left):
            parts.append(f"{counted(cancelled, 'open entry', 'open entries')} ended")
        if left:
            parts.append(f"{counted(len(left), 'entry', 'entries')} still open")
        named = ", ".join(chain.from_iterable(what_is_held(self.book).values()))
        if not named:
            parts.append("no position is open")
        elif self.book.flatten_reason is not None:
            parts.append(f"closing {named}")
        elif not held:  # each strategy has exits of its own
            parts.append(f"held: {named}")
        else:
            watched = [each for each in held if self._has_exits(each)]
            bare = [each for each in held if each not in watched]
            parts += [f"held, with their exits: {_named(watched)}"] if watched else []
            parts += [f"held, without an exit: {_named(bare)}"] if bare else []
        parts += _closed_by_hand_only(self.book.unowned())
        return replace(
            answer,
            message="; ".join(parts),
            figures={
                **answer.figures,
                "state": self.book.state,
                "ended_entry_count": cancelled,
                "open_entry_count": len(left),
                "position_count": len(held),
            },
        )

    def _has_exits(self, position: Position) -> bool:
        """Return whether something closes all of a position: what is intraday is squared off."""
        if position.product is Product.MIS:
            return True
        return all(
            entry.request.order_id in self.book.exit_reason
            or entry.request.exits not in (None, Exits())
            for entry in self.book.held_entries()
            if (entry.request.symbol, entry.request.product) == (position.symbol, position.product)
        )

    async def _place(self, request: Request) -> None:
        order = await self.manager.place(request)
        log.info(
            "order",
            order_id=request.order_id,
            correlation_id=request.correlation_id,
            symbol=request.symbol,
            side=request.side,
            quantity=request.quantity,
            reason=request.reason,
            state=order.state,
            message=order.message,
        )


def _named(held: Sequence[Position]) -> str:
    return ", ".join(shares(each.symbol, each.quantity) for each in held)


def _closed_by_hand_only(unowned: Mapping[tuple[str, Product], int]) -> list[str]:
    return [
        f"no exit closes {shares(symbol, quantity)} ({product}): `./bourse order close {symbol}`"
        " does"
        for (symbol, product), quantity in unowned.items()
    ]
