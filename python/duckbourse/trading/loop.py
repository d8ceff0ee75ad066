"""
The trading loop: ticks in; exits, strategy and checks; orders out; and the broker's updates.

Each batch of ticks is handled in this order: record and scan the ticks, update prices, handle the
broker's updates and commands, evaluate exits, check the square-off time and the daily loss, then
ask the strategy for orders. Exits do not depend on the strategy: they run when it does not, and
also when ticks cannot be recorded or the session cannot be scanned. Commands from outside (halt,
resume, square off) are files in the session folder, so they reach a loop that is too busy to listen
and outlive one that was killed.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import structlog
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.brokers.paper import PaperBroker
from duckbourse.errors import BourseError, BrokerError, StorageFull
from duckbourse.orders import events
from duckbourse.orders.book import Book
from duckbourse.orders.events import TradingState
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import Order, Reason, Request
from duckbourse.risk import exits
from duckbourse.risk.checks import OrderContext, pre_trade_check
from duckbourse.streaming.feed import Feed, Records, conflate, microseconds
from duckbourse.streaming.prices import LastPrices, price_bounds
from duckbourse.streaming.recorder import Recorder
from duckbourse.trading.commands import Command, pending
from duckbourse.trading.publication import Publication, Signal, signal_order
from duckbourse.trading.scans import LiveScans
from duckbourse.trading.strategy import Strategy, exit_of

log = structlog.get_logger()

# a rejected exit is retried after this delay and at most this often; then a human must intervene
EXIT_RETRY_DELAY = timedelta(seconds=1)
MAX_EXIT_ATTEMPTS = 10
# without a tick for this long, the loop handles everything else
IDLE_SECONDS = 0.5
# how often to look for a newer publication
REFRESH_SECONDS = 1.0


class Trader:
    """
    Trades one account in one session.

    `prices` are the last prices with their instants. `on_batch` is called after every batch, for a
    display. `scans` find signals in addition to the published ones, `recorder` writes the ticks to
    disk, and `newer` returns a publication that replaced the last one, or None.
    """

    def __init__(
        self,
        publication: Publication,
        manager: Manager,
        broker: PaperBroker,
        feed: Feed,
        strategy: Strategy,
        folder: Path,
        on_batch: Callable[[Trader], None] = lambda _: None,
        *,
        scans: LiveScans | None = None,
        recorder: Recorder | None = None,
        newer: Callable[[], Publication | None] = lambda: None,
        refresh_seconds: float = REFRESH_SECONDS,
    ) -> None:
        self.publication = publication
        self.manager = manager
        self.broker = broker
        self.feed = feed
        self.strategy: Strategy | None = strategy
        self.folder = folder
        self.on_batch = on_batch
        self.scans = scans
        self.recorder = recorder
        self.newer = newer
        self.refresh_seconds = refresh_seconds
        self.prices = LastPrices(feed.symbols)
        self._places = {symbol: place for place, symbol in enumerate(feed.symbols)}
        self._min_prices, self._max_prices = price_bounds(
            feed.symbols,
            {symbol: known.prior_close for symbol, known in publication.instruments.items()},
        )
        self.tick_count = 0
        # ticks outside the session's hours or at an impossible price: recorded, but not traded on
        self.stray_tick_count = 0
        # ticks lost to a full disk: the recording has a gap, and no position is opened on them
        self.unrecorded_tick_count = 0
        self.is_stream_ready = False
        self.feed_problem = ""
        self._live_signals: dict[str, Signal] = {}
        self._refreshed_at = -math.inf
        self._loading: asyncio.Task[Publication | None] | None = None
        # sets a gauge of the loop, such as equity
        self.gauges: Callable[[str, float], None] | None = None
        self._sent_at: list[datetime] = []
        self._last_exit: dict[str, datetime] = {}

    @property
    def book(self) -> Book:
        return self.manager.book

    async def start(self) -> tuple[str, ...]:
        """
        Reconcile with the broker, and become active if it agrees with the book.

        Return the differences; with any, the account stays halted. Any other halt stands until it
        is lifted.
        """
        was_halted = self.book.event_count > 0 and self.book.state is TradingState.HALTED
        reason = self.book.state_reason
        differences = await self.manager.recover()
        if differences:
            self.manager.set_state(TradingState.HALTED, "the broker differs", "reconciliation")
        elif not was_halted or reason in ("not started", "the broker differs"):
            self.manager.set_state(TradingState.ACTIVE, "reconciled", "start")
        if self.book.session_date != self.publication.session_date:
            self.manager.record(
                events.SessionStarted(
                    at=clock.now(),
                    session_date=self.publication.session_date,
                    equity_amount=self.book.equity_amount(self.prices),
                )
            )
        self._record_publication()
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
        Trade until the feed ends; open orders then expire.

        Without ticks, commands and the time of day are still handled. If the feed fails for good,
        halt and raise BrokerError.
        """
        batches = self.feed.ticks()
        try:
            coming = asyncio.ensure_future(anext(batches, None))
            while True:
                done, _ = await asyncio.wait({coming}, timeout=IDLE_SECONDS)
                if not done:
                    await self._step()
                elif (records := coming.result()) is None:
                    break
                else:
                    await self.on_records(records)
                    coming = asyncio.ensure_future(anext(batches, None))
                self.on_batch(self)
        except BrokerError as error:
            self.manager.set_state(TradingState.HALTED, str(error), "feed")
            raise
        self.broker.end_session()
        self._poll_broker()
        await self.manager.wait_idle()
        self.on_batch(self)

    async def on_records(self, records: Records) -> None:
        """Record a batch of ticks, update prices, and act on them."""
        if self.recorder is not None:
            try:
                self.recorder.write(records)
            except StorageFull as error:
                if not self.unrecorded_tick_count:
                    log.error("ticks are not recorded", error=str(error))
                self.unrecorded_tick_count += len(records)
                self._downgrade_to(TradingState.HALTED, str(error), "recorder")
        if self.scans is not None:
            await self._scan(self.scans, records)
        await self._refresh_publication()
        of_session = self._of_session(records)
        self.stray_tick_count += len(records) - len(of_session)
        self.tick_count += len(of_session)
        if len(of_session):
            self.is_stream_ready = True
            self.prices.update(of_session)
            self._fill_orders(of_session)
        await self._step()

    def _fill_orders(self, records: Records) -> None:
        """Pass the ticks of symbols with open orders to the broker."""
        places = [
            self._places[symbol]
            for symbol in self.broker.symbols_with_open_orders()
            if symbol in self._places
        ]
        if not places:
            return
        of_orders = records[np.isin(records["symbol"], places)]
        for tick in conflate(of_orders, self.feed.symbols, self.feed.is_synthetic):
            self.broker.on_tick(tick)

    def _of_session(self, records: Records) -> Records:
        opens, closes = map(microseconds, (self.publication.opens_at, self.publication.closes_at))
        traded_at = records["traded_at"]
        price, places = records["price"], records["symbol"]
        is_good = (traded_at >= opens) & (traded_at < closes)
        is_good &= (price >= self._min_prices[places]) & (price <= self._max_prices[places])
        return records if is_good.all() else records[is_good]

    async def _scan(self, scans: LiveScans, records: Records) -> None:
        try:
            found = await scans.on_ticks(records, clock.now())
        except Exception as error:  # whatever it is, scanning stops and exits continue
            log.exception("scan failed")
            self._downgrade_to(TradingState.REDUCING, f"a scan failed: {error}", "scans")
            self.scans = None
            return
        if found:
            log.info("signals found", count=len(found), known_at=found[0].known_at.isoformat())
            self._live_signals |= {signal.signal_id: signal for signal in found}
            self._use_publication(self.publication)

    async def _refresh_publication(self) -> None:
        """Switch to a newer publication if there is one; it is loaded in a thread."""
        if self._loading is None:
            if clock.elapsed_seconds() - self._refreshed_at >= self.refresh_seconds:
                self._refreshed_at = clock.elapsed_seconds()
                self._loading = asyncio.create_task(asyncio.to_thread(self.newer))
            return
        if not self._loading.done():
            return
        loading, self._loading = self._loading, None
        try:
            publication = loading.result()
        except BourseError as error:
            log.warning("newer publication not loaded", error=str(error))
            return
        if publication is not None:
            self._use_publication(publication)
            self._record_publication()
            log.info("publication loaded", build_id=publication.build_id)

    def _use_publication(self, publication: Publication) -> None:
        signals = {signal.signal_id: signal for signal in publication.signals} | self._live_signals
        ordered = sorted(signals.values(), key=signal_order)
        self.publication = replace(publication, signals=tuple(ordered))

    def _downgrade_to(self, state: TradingState, reason: str, by: str) -> None:
        if self.book.state is TradingState.ACTIVE:
            self.manager.set_state(state, reason, by)

    def on_health(self, what: str, is_healthy: bool) -> None:
        """Handle a change of the feed's health; if unhealthy, open nothing until the next tick."""
        self.feed_problem = "" if is_healthy else what
        if not is_healthy:
            self.is_stream_ready = False

    async def _step(self) -> None:
        """Act on the broker's updates, commands, exits, daily limits and the strategy."""
        self._poll_broker()
        self.manager.check_journal()
        for command in pending(self.folder):
            await self._handle_command(command)
        await self._exits()
        await self._check_daily_limits()
        if self.book.state is not TradingState.HALTED:
            for request in self._generate_orders():
                await self._place(request)
        if self.gauges is not None:
            self._set_gauges(self.gauges)

    def health_problems(self) -> list[str]:
        """Return the reasons why the loop is not trading normally; empty if healthy."""
        reasons = []
        if self.book.state is not TradingState.ACTIVE:
            reasons.append(f"{self.book.state}: {self.book.state_reason}")
        if self.manager.journal.failure is not None:
            reasons.append(str(self.manager.journal.failure))
        if self.unrecorded_tick_count:
            reasons.append(f"{self.unrecorded_tick_count:,} ticks were not recorded")
        if not self.is_stream_ready:
            reasons.append(self.feed_problem or "no tick yet")
        return reasons

    def _generate_orders(self) -> Sequence[Request]:
        if self.strategy is None:
            return ()
        try:
            return self.strategy.generate_orders(
                self.publication, self.book, self.prices, clock.now()
            )
        except Exception as error:  # user code: it is disabled, and exits continue
            log.exception("strategy failed")
            self._downgrade_to(TradingState.REDUCING, f"the strategy failed: {error!r}", "strategy")
            self.strategy = None
            return ()

    def _set_gauges(self, set_gauge: Callable[[str, float], None]) -> None:
        equity = self.book.equity_amount(self.prices)
        set_gauge("equity_amount", float(equity))
        set_gauge("session_pnl_amount", float(equity - self.book.session_start_amount))
        set_gauge("open_orders", len(self.book.live))
        set_gauge("positions", len(self.book.open_positions()))
        set_gauge("ticks", self.tick_count)
        set_gauge("stray_ticks", self.stray_tick_count)
        set_gauge("unrecorded_ticks", self.unrecorded_tick_count)
        for name, figure in self.feed.counters().items():
            set_gauge(f"feed_{name}", figure)

    def pre_trade_check(self, book: Book, request: Request) -> None:
        """Check an order before the manager sends it; raise OrderDeniedError if it may not be."""
        now = clock.now()
        self._sent_at = [at for at in self._sent_at if now - at < timedelta(seconds=1)]
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
                entries_end_at=self.publication.at(limits.entry_cutoff_time),
                sessions_behind=self.publication.sessions_behind,
                is_stream_ready=self.is_stream_ready,
                sent_at=self._sent_at,
            )
        )
        self._sent_at.append(now)

    async def close_all(self, reason: Reason) -> None:
        """Cancel open orders and close all positions."""
        await self.manager.cancel_open()
        self._poll_broker()
        for entry in self._held_entries():
            await self._exit(entry, reason)

    def _poll_broker(self) -> None:
        for update in self.broker.poll_updates():
            self.manager.on_update(update)

    def _held_entries(self) -> list[Order]:
        return [
            order for order in self.book.held_entries() if exits.held_quantity(self.book, order)
        ]

    async def _exits(self) -> None:
        now = clock.now()
        for entry in self._held_entries():
            entry_id, symbol = entry.request.order_id, entry.request.symbol
            if symbol not in self.prices:
                continue
            price = self.prices[symbol][0]
            best = self.book.best_price.get(entry_id)
            if entry.request.exits is not None and entry.request.exits.trail_distance is not None:
                moved = exits.best_price(entry, best, price)
                if moved != best:
                    self.manager.record(
                        events.TrailMoved(at=now, entry_id=entry_id, best_price=moved)
                    )
                    best = moved
            reason = self.book.exit_reason.get(entry_id) or exits.due(entry, best, price, now)
            if reason is not None:
                await self._exit(entry, reason)

    async def _exit(self, entry: Order, reason: Reason) -> None:
        entry_id, now = entry.request.order_id, clock.now()
        if exits.has_live_exit(self.book, entry) or entry.request.symbol not in self.prices:
            return
        last = self._last_exit.get(entry_id)
        if last is not None and now - last < EXIT_RETRY_DELAY:
            return
        if len(self.book.exits_of(entry_id)) >= MAX_EXIT_ATTEMPTS:
            self.manager.set_state(
                TradingState.HALTED,
                f"{entry.request.symbol} could not be closed in {MAX_EXIT_ATTEMPTS} attempts",
                "exits",
            )
            return
        self._last_exit[entry_id] = now
        price = self.prices[entry.request.symbol][0]
        if self.book.exit_reason.get(entry_id) is not reason:
            self.manager.record(
                events.ExitTriggered(at=now, entry_id=entry_id, reason=reason, price=price)
            )
        if entry.state.is_live:
            await self.manager.cancel(entry_id)
            self._poll_broker()
        quantity = exits.held_quantity(self.book, self.book.orders[entry_id])
        await self._place(exit_of(self.publication, self.book, entry_id, quantity, reason, price))

    async def _check_daily_limits(self) -> None:
        limits = self.publication.limits
        if clock.now() >= self.publication.at(limits.square_off_time):
            await self.close_all(Reason.SQUARE_OFF)
            return
        lost = self.book.session_start_amount - self.book.equity_amount(self.prices)
        most = self.book.session_start_amount * limits.max_daily_loss_pct / 100
        if lost >= most and self.book.state is not TradingState.HALTED:
            self.manager.set_state(
                TradingState.HALTED, f"loss={lost:.2f}, max_loss={most:.2f}", "daily loss"
            )
        if self.book.state is TradingState.HALTED and lost >= most:
            await self.close_all(Reason.DAILY_LOSS)

    async def _handle_command(self, command: Command) -> None:
        log.info("command", command=command.name, by=command.by)
        match command.name:
            case "halt":
                self.manager.set_state(TradingState.HALTED, command.reason, command.by)
                await self.manager.cancel_open()
            case "resume":
                if self.book.differences:
                    log.warning("resume refused", differences=self.book.differences)
                else:
                    self.manager.set_state(TradingState.ACTIVE, command.reason, command.by)
            case "square-off":
                self.manager.set_state(TradingState.REDUCING, command.reason, command.by)
                await self.close_all(Reason.SQUARE_OFF)

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
