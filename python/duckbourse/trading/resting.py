"""
Stops that rest at the broker: what closes a position while the loop is down.

Where the broker can rest a stop, each held entry with a stop has one order there, for what is held
of it, with the widest limit that the price band allows. It is kept in step with fills and with a
trailing stop, with the entries' share of the broker's rates: only its first placing, making it
smaller and giving way to an exit are urgent. When an exit is due, the exit takes over: it cancels
the order, waits until that is confirmed, and only then sends its own, so that no more is ever
closed than is held. An order of the entry's own strategy that closes a part of it waits in the same
way until the stop is for the rest. A stop that cannot be made smaller is cancelled; people are
notified if no other may take its place, since the price band of today leaves none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import structlog
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.orders import events
from duckbourse.orders.book import Book
from duckbourse.orders.denial import OrderDeniedError
from duckbourse.orders.lifecycle import TRIGGERED, State
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import Exits, Order, OrderType, Reason, Request, Side
from duckbourse.risk import exits
from duckbourse.risk.limits import Instrument
from duckbourse.streaming.prices import Prices

log = structlog.get_logger()

# the pause after the first refusal in a row, the second, and so on; the exits do not depend on it
STOP_RETRY_SECONDS = (1.0, 5.0, 30.0, 120.0)
# brokers accept few modifications of an order, so it follows a trailing stop in these steps of the
# trail's distance
TRAIL_STEP = Decimal("0.1")


@dataclass
class Refusals:
    """The refusals in a row of an entry's stop, and when it is tried again, in session seconds."""

    count: int = 0
    next_try_at: float = 0.0
    pause: float = 0.0
    # whether the last one refused to move a stop, which rests all the same
    is_of_move: bool = False
    rests_since: float = math.inf


class RestingStops:
    """Keeps the stops of one account at its broker; `instrument` returns the current one."""

    def __init__(
        self, manager: Manager, prices: Prices, instrument: Callable[[str], Instrument]
    ) -> None:
        self._manager = manager
        self._prices = prices
        self._instrument = instrument
        self._refusals: dict[str, Refusals] = {}
        # the stops that ended, each of which counts once; those before this process do not count
        self._counted = {
            order_id for order_id, order in manager.book.orders.items() if not order.state.is_live
        }
        # the stops that were taken back from here
        self._taken_back: set[str] = set()
        # the exits of which an entry's stop rests at the broker
        self._resting_for: dict[str, Exits] = {}

    @property
    def book(self) -> Book:
        return self._manager.book

    def was_triggered(self, entry_id: str) -> bool:
        """Return whether the broker has triggered the stop of an entry."""
        return any(
            order.request.order_type is OrderType.SL and order.state in TRIGGERED
            for order in self.book.exits_of(entry_id)
        )

    def is_due(self, order: Order) -> bool:
        """Return whether the last price triggers a resting stop: the broker will report it."""
        known, trigger = self._prices.get(order.request.symbol), order.request.trigger_price
        if known is None or trigger is None:
            return False
        return (known[0] - trigger) * order.request.side.sign >= 0

    async def keep(self, entry: Order, new: Callable[[Order, int], Request]) -> bool:
        """
        Give an entry a resting stop, or keep the one that it has in step.

        `new` returns the next try to close a quantity of it. Return whether nothing is left to do
        until the book, the publication or what the broker says of it changes.
        """
        entry_id = entry.request.order_id
        wanted = entry.request.exits or Exits()
        if wanted.stop_price is None and wanted.trail_distance is None:
            return await self._cancel_what_rests(entry_id)
        trigger = self._trigger(entry)
        live = [order for order in self.book.exits_of(entry_id) if order.state.is_live]
        quantity = self._left(entry)
        self._count_refusals(entry_id, live)
        if live:
            return await self._keep_in_step(entry, live[-1], quantity, trigger)
        if trigger is None or not quantity:
            return True
        if self._manager.closing_there(entry) or self._is_pausing(entry_id):
            return False
        if self._manager.unbooked.awaits_comparison(entry_id):
            return False
        if not self._manager.pace.has_turn(is_urgent=entry_id not in self._refusals):
            return False
        request = new(entry, quantity)
        instrument = self._instrument(request.symbol)
        order = await self._manager.place(
            replace(
                request,
                order_type=OrderType.SL,
                trigger_price=trigger,
                limit_price=exits.last_limit(instrument, request.side, trigger),
                reason=Reason.STOP,
            )
        )
        self._resting_for[entry_id] = wanted
        self._count_refusals(entry_id, [order] if order.state.is_live else [])
        return False

    def _count_refusals(self, entry_id: str, live: Sequence[Order]) -> None:
        """
        Count each stop that the broker did not keep, whenever it says so, and pause after it.

        Their row ends with one that has rested for as long as the pause before it was.
        """
        now = clock.session_seconds()
        refusals = self._refusals.get(entry_id)
        if refusals and not refusals.is_of_move and now - refusals.rests_since >= refusals.pause:
            del self._refusals[entry_id]
        for order in self.book.exits_of(entry_id):
            order_id = order.request.order_id
            is_kept = order.request.order_type is not OrderType.SL or order.state.is_live
            if is_kept or order_id in self._counted:
                continue
            self._counted.add(order_id)
            if not order.filled_quantity and order_id not in self._taken_back:
                self._pause(entry_id)
                log.warning("no stop rests at the broker", entry_id=entry_id, reason=order.message)
        if (refusals := self._refusals.get(entry_id)) is not None:
            is_there = bool(live) and live[-1].state is State.TRIGGER_PENDING
            refusals.rests_since = min(refusals.rests_since, now) if is_there else math.inf

    async def _take_back(self, order: Order) -> None:
        self._taken_back.add(order.request.order_id)
        await self._manager.cancel(order.request.order_id)

    def _is_pausing(self, entry_id: str) -> bool:
        refusals = self._refusals.get(entry_id)
        return refusals is not None and clock.session_seconds() < refusals.next_try_at

    def _pause(self, entry_id: str, *, is_of_move: bool = False) -> None:
        """Wait before the next try, longer after each refusal in a row."""
        refusals = self._refusals.setdefault(entry_id, Refusals())
        refusals.pause = STOP_RETRY_SECONDS[min(refusals.count, len(STOP_RETRY_SECONDS) - 1)]
        refusals.is_of_move = is_of_move
        refusals.count += 1
        refusals.next_try_at = clock.session_seconds() + refusals.pause

    async def _cancel_what_rests(self, entry_id: str) -> bool:
        """Cancel the stop of an entry that has none any more; return whether there was none."""
        resting = [order for order in self.book.exits_of(entry_id) if order.is_resting]
        for order in resting:
            await self._take_back(order)
        return not resting

    async def _keep_in_step(
        self, entry: Order, order: Order, quantity: int, trigger: Decimal | None
    ) -> bool:
        request = order.request
        is_busy = order.is_cancel_pending or order.is_modify_pending
        if is_busy or order.broker_order_id is None or not order.is_resting:
            return True
        if not quantity:
            await self._take_back(order)
            return False
        instrument = self._instrument(request.symbol)
        wanted = order.filled_quantity + min(quantity, instrument.freeze_quantity or quantity)
        is_too_large = wanted < request.quantity
        has_moved = self._has_moved(entry, request, trigger)
        has_changed = wanted != request.quantity or has_moved
        # without a trigger that may rest, it only has to be for no more than is held
        entry_id = entry.request.order_id
        if not is_too_large and (trigger is None or not has_changed):
            return True
        if not is_too_large and self._is_pausing(entry_id):
            return False
        # what follows the market all day must leave the exits their share of the requests
        if not self._manager.pace.has_turn(is_urgent=is_too_large):
            return False
        stop = trigger or request.trigger_price
        assert stop is not None, "what rests has a trigger"
        refusal = ""
        try:
            await self._manager.modify(
                request.order_id,
                quantity=wanted,
                limit_price=exits.last_limit(instrument, request.side, stop),
                trigger_price=stop,
            )
        except OrderDeniedError as denial:
            if denial.code == "RATE":  # then it has its turn later
                return False
            refusal = str(denial)
        now = self.book.orders[request.order_id]
        if stop in (now.request.trigger_price, now.pending and now.pending.trigger_price):
            self._resting_for[entry_id] = entry.request.exits or Exits()
            self._refusals.pop(entry_id, None)
        else:
            self._pause(entry_id, is_of_move=True)
        is_modified = now.is_modify_pending or now.request.quantity <= wanted
        if is_too_large and now.is_resting and not is_modified:
            refusal = refusal or now.message or "the broker did not make it smaller"
        if not refusal:
            return False
        await self._take_back(order)  # if there may be one, another follows
        log.warning("a stop is taken back", order_id=request.order_id, reason=refusal)
        if trigger is None:
            self._manager.record(
                events.StopTakenBack(
                    at=clock.now(),
                    entry_id=entry_id,
                    symbol=request.symbol,
                    detail=refusal,
                )
            )
        return False

    def _left(self, entry: Order) -> int:
        """Return what is held of an entry, less what its strategy's own orders are to close."""
        entered = entry.request
        closing = self._manager.closing_quantity(replace(entered, side=entered.side.other))
        for other in self.book.held_entries():
            request, held = other.request, self.book.held_quantity(other.request.order_id)
            if (request.symbol, request.product, request.side, request.strategy) != (
                entered.symbol,
                entered.product,
                entered.side,
                entered.strategy,
            ):
                continue
            if request.order_id == entered.order_id:
                return min(
                    max(0, held - closing),
                    self._manager.closable_quantity(entry, beside_stops=True),
                )
            closing = max(0, closing - held)  # the oldest are closed first
        return 0

    def _has_moved(self, entry: Order, request: Request, trigger: Decimal | None) -> bool:
        """Return whether a stop is to follow: a trail in steps, other exits at once."""
        if trigger is None or request.trigger_price is None or trigger == request.trigger_price:
            return False
        wanted = entry.request.exits
        if wanted is None or wanted.trail_distance is None:
            return True
        if self._resting_for.get(entry.request.order_id) != wanted:
            return True
        return abs(trigger - request.trigger_price) >= wanted.trail_distance * TRAIL_STEP

    def _trigger(self, entry: Order) -> Decimal | None:
        """Return the stop of an entry in whole ticks; None without one, or outside the band."""
        best = self.book.best_price.get(entry.request.order_id, entry.average_price)
        stop = exits.stop_of(entry, best)
        if stop is None:
            return None
        instrument = self._instrument(entry.request.symbol)
        # no earlier than the stop
        rounding = ROUND_FLOOR if entry.request.side is Side.BUY else ROUND_CEILING
        ticks = (stop / instrument.tick_size).to_integral_value(rounding)
        trigger = ticks * instrument.tick_size
        low, high = instrument.price_band
        is_inside = trigger >= low and (high is None or trigger <= high)
        return trigger if is_inside else None
