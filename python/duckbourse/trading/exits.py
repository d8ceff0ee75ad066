"""
Exits at work: from the reason to close a position until it is closed.

An exit is the intent to be flat, for a reason, with orders working for it. Only a flat position
ends it: not a rest, a refusal, an expiry or a restart. Each try is an order with an id of its own.
What is not filled gets another limit, with protection that widens by steps to the price band, where
it waits. A stronger reason takes over from a weaker one. People are notified of every exit that is
not done after `exit_alert_seconds`, again and again.

Pauses are measured in seconds that never go back, so a clock that is set does not delay an exit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import partial

import numpy as np
import structlog
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.orders import events
from duckbourse.orders.book import NEVER_FILLED, Book
from duckbourse.orders.denial import OrderDeniedError
from duckbourse.orders.events import TradingState
from duckbourse.orders.lifecycle import State
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import (
    Exits,
    Order,
    OrderType,
    Product,
    Reason,
    Request,
    Side,
    order_id_of,
)
from duckbourse.plugins import raise_interruption
from duckbourse.risk import exits
from duckbourse.risk.checks import require_exits_ahead
from duckbourse.streaming.feed import microseconds
from duckbourse.streaming.prices import LastPrices
from duckbourse.trading.calls import Calls
from duckbourse.trading.publication import Publication
from duckbourse.trading.quiet import NEVER, Zone, Zones
from duckbourse.trading.resting import RestingStops
from duckbourse.trading.strategy import BY_HAND, owner_of
from duckbourse.words import in_words

log = structlog.get_logger()

# the pause after the first refusal in a row, the second, and so on
RETRY_SECONDS = (1.0, 1.0, 2.0, 5.0, 10.0)
# so many refusals in a row halt the account: nothing is opened that may not be closed either
REFUSALS_THAT_HALT = 3
# of an entry, so many attempts after the last one in the journal are looked for among the orders at
# the broker that the journal lacks
LOST_EXITS = 100
# how often people are notified again
REPEAT_SECONDS = 60.0


@dataclass
class Work:
    """The work on one exit in this process; seconds are those of `clock.session_seconds`."""

    began: float
    step: int = 0
    priced_at: float = -math.inf
    next_try_at: float = -math.inf
    alert_at: float = math.inf
    # what was held at the last look
    quantity: int = 0
    refusal_count: int = 0
    # the tries that were refused or filled, each of which counts once
    counted: set[str] = field(default_factory=set)
    detail: str = ""
    # when the broker is asked again about an order that has ended here
    ask_at: float = -math.inf


class ExitManager:
    """
    Closes the positions of one account; `publication` returns the current one.

    With `patience_seconds`, the exits are worked on side by side, and a step waits so long for the
    broker's answers; if that is None, it takes one after the other, as a replay must.
    """

    def __init__(
        self,
        manager: Manager,
        prices: LastPrices,
        publication: Callable[[], Publication],
        patience_seconds: float | None = None,
    ) -> None:
        self._manager = manager
        self._prices = prices
        self._publication = publication
        # where the broker can rest a stop, what closes a position while the loop is down
        self._resting = (
            RestingStops(manager, prices, lambda symbol: publication().instruments[symbol])
            if manager.broker.capabilities.can_rest_stops
            else None
        )
        manager.entry_of_lost = self._entry_of_lost
        self._works: dict[str, Work] = {}
        # what a step may leave out, until the book or the publication changes
        self._zones = Zones(prices)
        self._seen_count = -1
        self._seen_publication: Publication | None = None
        # the entries whose stops need nothing done, and what that was found of
        self._settled: set[str] = set()
        self._settled_by: tuple[object, ...] = ()
        self._settled_in: Publication | None = None
        # the last failure of what is tried at each step, by what failed and the order's id
        self._failures: dict[tuple[str, str], str] = {}
        self._calls = Calls(patience_seconds)

    @property
    def book(self) -> Book:
        return self._manager.book

    @property
    def works(self) -> Mapping[str, Work]:
        """The exits at work, by the id of their entry."""
        return self._works

    def retry_now(self) -> None:
        """Try all exits again at once, whatever was refused before."""
        for work in self._works.values():
            work.refusal_count = 0
            work.next_try_at = work.priced_at = -math.inf

    async def step(self) -> None:
        """Trigger the exits that are due, and work on all that are triggered."""
        held = self.book.held_entries()
        for entry_id in self._works.keys() - {entry.request.order_id for entry in held}:
            del self._works[entry_id]
        await self._cancel_exits_of_nothing()
        quiet: set[str] = set()
        with self._unharmed_by("leaving out what is quiet", ""):
            quiet = self._quiet()
        count = self.book.event_count
        for entry in held:
            # what an event changes meanwhile is looked at in any case
            if self.book.event_count != count or entry.request.order_id not in quiet:
                with self._unharmed_by("evaluating the exits", entry.request.order_id):
                    self._evaluate(entry)
        self._cross(held)
        settled = self._settled_stops() if self._resting is not None else frozenset()
        for entry in held:
            entry_id = entry.request.order_id
            if entry_id in self.book.exit_reason:
                await self._calls.start(entry_id, partial(self._work_on, entry_id))
            elif self._resting is not None and entry_id not in settled:
                await self._calls.start(entry_id, partial(self._rest, self._resting, entry))
        await self._calls.wait()

    def _quiet(self) -> set[str]:
        """Return the entries about whose exits nothing has changed since they were looked at."""
        count, publication = self.book.event_count, self._publication()
        if count != self._seen_count or publication is not self._seen_publication:
            self._seen_count, self._seen_publication = count, publication
            self._zones.clear()
        return self._zones.quiet(
            microseconds(clock.now()), publication.limits.max_silence_seconds * 1_000_000
        )

    def _settled_stops(self) -> Set[str]:
        """Return the entries whose stops are as they should be: nothing has changed since."""
        manager = self._manager
        known = self.book.event_count, manager.unbooked.state()
        publication = self._publication()
        if known != self._settled_by or publication is not self._settled_in:
            self._settled_by, self._settled_in = known, publication
            self._settled = set()
        return self._settled

    def _zone(self, entry: Order, place: int) -> Zone:
        """Return when the exits of an entry need not be looked at again: see `_price` and `due`."""
        now, limits = microseconds(clock.now()), self._publication().limits
        wanted = entry.request.exits
        at = None if wanted is None else wanted.exit_at
        exit_at = NEVER if at is None else microseconds(at)
        low, high = exits.quiet_range(entry, self.book.best_price.get(entry.request.order_id))
        known = self._prices.latest(np.array([place]))
        ages = (
            int(known.traded_at[0]) + limits.max_silence_seconds * 1_000_000 + 1,
            int(known.received_at[0]) + limits.max_tick_age_ms * 1_000 + 1,
        )
        until = min(at for at in (*ages, exit_at, NEVER) if at > now)
        return Zone(place, low, high, exit_at, int(known.revision[0]), now, until)

    def _cross(self, held: Sequence[Order]) -> None:
        """Let what is closed on both sides of a symbol close each other, instead of two orders."""
        for one in held:
            with self._unharmed_by("crossing", one.request.order_id):
                for other in self._offsets(one):
                    self._cross_two(one, other)

    def _cross_two(self, one: Order, other: Order) -> None:
        if self._may_be_closed_otherwise(one, other):
            return
        quantity = min(self.book.held_quantity(each.request.order_id) for each in (one, other))
        if not quantity:
            return
        price = self._price(one) or self._reference(one)
        exit_of = partial(self._crossing, quantity=quantity, price=price)
        self._manager.record(
            events.LegsCrossed(at=clock.now(), requests=(exit_of(one), exit_of(other)), price=price)
        )

    def _crossing(self, entry: Order, *, quantity: int, price: Decimal) -> Request:
        return replace(self._request(entry, quantity, 0), quantity=quantity, limit_price=price)

    def _may_be_closed_otherwise(self, *legs: Order) -> bool:
        """
        Return whether an order of the entries' strategies is at work that may close one of them.

        A stop that rests for another entry closes that one alone.
        """
        ids = {entry.request.order_id for entry in legs}
        strategies = {entry.request.strategy for entry in legs}
        return any(order_id in self._calls for order_id in ids) or any(
            order.request.symbol == legs[0].request.symbol
            and order.request.strategy in strategies
            and (order.request.entry_id in ids or not order.is_resting)
            for order in self.book.open_orders()
        )

    def _offsets(self, entry: Order) -> list[Order]:
        """Return the entries on the other side that are closed too, and may close each other."""
        entered = entry.request
        if (
            entered.order_id not in self.book.exit_reason
            or not self.book.held_quantity(entered.order_id)
            or self.book.is_provisional(entered.symbol, entered.product)
        ):
            return []
        return [
            other
            for other in self.book.held_entries()
            if (request := other.request).side is not entered.side
            and (request.symbol, request.product) == (entered.symbol, entered.product)
            and request.order_id in self.book.exit_reason
            and request.reason is entered.reason is Reason.ENTRY
        ]

    async def end(self) -> None:
        """Wait for the answers to what was sent."""
        await self._calls.end()

    async def _rest(self, resting: RestingStops, entry: Order) -> None:
        with self._unharmed_by("resting stop", entry.request.order_id):
            count, entry_id = self.book.event_count, entry.request.order_id
            is_settled = await resting.keep(entry, lambda held, left: self._request(held, left, 0))
            if is_settled and self.book.event_count == count:
                self._settled.add(entry_id)

    async def _cancel_exits_of_nothing(self) -> None:
        """Cancel the exits of entries that hold nothing more, closed by something else."""
        for order in list(self.book.open_orders()):
            entry_id, order_id = order.request.entry_id, order.request.order_id
            with self._unharmed_by("cancelling an exit of nothing", order_id):
                if entry_id is not None and not self.book.held_quantity(entry_id):
                    await self._calls.start(order_id, partial(self._cancel, order_id))

    async def _cancel(self, order_id: str) -> None:
        with self._unharmed_by("cancelling an exit of nothing", order_id):
            await self._manager.cancel(order_id)

    @contextmanager
    def _unharmed_by(
        self, what: str, order_id: str, handle: Callable[[BaseException], None] = lambda _: None
    ) -> Iterator[None]:
        """
        Go on after any failure in the block, which is tried again with the next step.

        Nothing is opened any more, which people are notified of. A failure that lasts is logged
        when it begins and when it changes. `handle` gets each one.
        """
        try:
            yield
        except BaseException as error:  # whatever it is, the other exits do not depend on it
            raise_interruption(error)
            if self._failures.get((what, order_id)) != repr(error):
                self._failures[what, order_id] = repr(error)
                log.exception("failed", what=what, order_id=order_id)
            handle(error)
            order = self.book.orders.get(order_id)
            of = f" of {order.request.symbol}" if order else ""
            reason = f"{what}{of} failed: {error!r}"
            self._manager.downgrade(TradingState.REDUCING, reason, "exits")
        else:
            self._failures.pop((what, order_id), None)

    def _evaluate(self, entry: Order) -> None:
        self._trigger(entry)
        # an event meanwhile has the next step look at all again
        if (place := self._prices.place(entry.request.symbol)) is not None:
            self._zones[entry.request.order_id] = self._zone(entry, place)

    def _trigger(self, entry: Order) -> None:
        """Record that an exit is due, or that a stronger reason takes over."""
        if (wanted_by_all := self.flatten_reason(entry)) is not None:
            self.close(entry, wanted_by_all)
            return
        now, entry_id = clock.now(), entry.request.order_id
        price = self._price(entry)
        best = self.book.best_price.get(entry_id)
        wanted = entry.request.exits
        if price is not None and wanted is not None and wanted.trail_distance is not None:
            moved = exits.best_price(entry, best, price)
            if moved != best:
                self._manager.record(events.TrailMoved(at=now, entry_id=entry_id, best_price=moved))
                best = moved
        reason = exits.due(entry, best, price, now)
        if reason is None and self._resting and self._resting.was_triggered(entry_id):
            reason = Reason.STOP
        if reason is not None:
            self.close(entry, reason)

    def leave(self, symbol: str, owner: str | None, reason: Reason) -> list[str]:
        """
        Close what is held of a symbol, and cancel the orders that open more.

        `owner` limits it to one strategy. What fills before its cancel is closed too. Return the
        ids of the entries, with those that are at work or wait for their turn.
        """

        def is_meant(order: Order) -> bool:
            strategy = order.request.strategy
            return order.request.symbol == symbol and owner in (
                None,
                strategy,
                owner_of(strategy),
            )

        entries = [order for order in self.book.held_entries() if is_meant(order)]
        opening = [order for order in self._manager.open_entries if is_meant(order)]
        for order in opening:
            self._manager.cancel_next(
                order.request.order_id, f"{symbol} is closed: {in_words(reason)}"
            )
        for order in (*entries, *opening):
            if order.state is not State.NEW:
                self.close(order, reason)
        return list(dict.fromkeys(order.request.order_id for order in (*entries, *opening)))

    def take_over(self, symbol: str) -> None:
        """
        Give what no order opened of a symbol an entry, so that it can be closed like any other.

        Of a position that has trades yet to be reported, nobody knows what that is: it stays.
        """
        publication = self._publication()
        for (name, product), quantity in self.book.unowned().items():
            if name != symbol or self.book.is_provisional(symbol, product):
                continue
            number = 1
            while (
                order_id := order_id_of(
                    publication.limits.account,
                    publication.session_date,
                    "taken over",
                    *(symbol, product, str(number)),
                )
            ) in self.book.orders:
                number += 1
            request = Request(
                order_id=order_id,
                symbol=symbol,
                side=Side.BUY if quantity > 0 else Side.SELL,
                quantity=abs(quantity),
                product=product,
                correlation_id=order_id,
            )
            self._manager.record(
                events.PositionTakenOver(
                    at=clock.now(),
                    request=request,
                    amount=request.side.sign * self.book.unowned_amount(symbol, product),
                )
            )

    def require_changeable(self, entry_id: str, wanted: Exits, by: str) -> Decimal:
        """
        Return the price that the exits of an entry go by, if it may be given these.

        `by` is a strategy, or `by_hand`: what a person moved is no strategy's to move.
        Raise OrderDeniedError if it holds nothing and is not open, if it is being closed, or if an
        exit is impossible or would be due at once.
        """
        entry = self.book.orders[entry_id]
        request, held = entry.request, self.book.held_quantity(entry_id)
        if reason := self.book.exit_reason.get(entry_id):
            raise OrderDeniedError("EXIT_AT_WORK", f"held={held}, exit_reason={reason}")
        if request.reason is not Reason.ENTRY or not (held or entry.state.is_live):
            raise OrderDeniedError("EXITS", f"held={held}, order={entry.state}")
        if by != BY_HAND and self.book.exits_by.get(entry_id) == BY_HAND:
            raise OrderDeniedError("EXITS", f"moved_by={BY_HAND}, by={by}")
        price = self._price(entry)
        if price is None:
            raise OrderDeniedError("NO_PRICE", f"symbol={request.symbol}, ticks=0")
        require_exits_ahead(wanted, request, price, clock.now(), is_held=held > 0)
        return price

    def change(self, entry_id: str, wanted: Exits, by: str) -> None:
        """
        Give an entry other exits; a new trailing stop is measured from the price of now.

        Raise OrderDeniedError as `require_changeable` does.
        """
        price = self.require_changeable(entry_id, wanted, by)
        now, held = clock.now(), self.book.held_quantity(entry_id)
        before = self.book.orders[entry_id].request.exits or Exits()
        if wanted == before:
            return
        self._manager.record(events.ExitsChanged(at=now, entry_id=entry_id, exits=wanted, by=by))
        if held and wanted.trail_distance not in (None, before.trail_distance):
            self._manager.record(events.TrailMoved(at=now, entry_id=entry_id, best_price=price))

    def close(self, entry: Order, reason: Reason) -> None:
        """
        Record that all that an entry holds is to be closed, now or as soon as it fills.

        A reason that is no stronger than the recorded one changes nothing.
        """
        entry_id = entry.request.order_id
        recorded = self.book.exit_reason.get(entry_id)
        price = self._price(entry)
        if recorded is not None and recorded.rank >= reason.rank:
            return
        self._manager.record(
            events.ExitTriggered(
                at=clock.now(),
                entry_id=entry_id,
                reason=reason,
                price=price or self._reference(entry),
            )
        )
        if work := self._works.get(entry_id):
            work.next_try_at = work.priced_at = -math.inf

    def close_excess(self) -> None:
        """
        Close what exits sold or bought beyond what was held, where the broker says so too.

        Call this after a comparison. The order that went too far takes the place of the entry.
        """
        for order in self.book.held_entries():
            request = order.request
            differs = self._manager.unbooked.differs((request.symbol, request.product))
            if request.reason is not Reason.ENTRY and not differs:
                self.close(order, Reason.OVERFILL)

    def flatten_reason(self, entry: Order) -> Reason | None:
        """Return why all such entries are closed; the square-off leaves what is held overnight."""
        reason = self.book.flatten_reason
        is_overnight = entry.request.product is Product.CNC
        return None if is_overnight and reason is Reason.SQUARE_OFF else reason

    async def _work_on(self, entry_id: str) -> None:
        seconds = clock.session_seconds()
        work = self._works.get(entry_id)
        if work is None:
            alert = self._publication().limits.exit_alert_seconds
            work = self._works[entry_id] = Work(began=seconds, alert_at=seconds + alert)

        def show(error: BaseException) -> None:
            work.detail = f"failed: {error}"

        strange = ""
        with self._unharmed_by("closing", entry_id, show):
            strange = self._note_strange(self.book.orders[entry_id])
            must_wait = await self._cancel_others(self.book.orders[entry_id])
            live = [order for order in self.book.exits_of(entry_id) if order.state.is_live]
            if live and live[-1].is_resting:
                await self._take_over(entry_id, live[-1], work)
            elif live:
                await self._reprice(entry_id, live[-1], work)
            elif there := self._manager.closing_there(self.book.orders[entry_id]):
                await self._end_there(there, work)
            elif must_wait or self._awaits_the_other_side(entry_id, work):
                work.detail = "another order in the symbol has to end first"
            else:
                await self._try(entry_id, work)
        with self._unharmed_by("notifying", entry_id):
            self._alert(entry_id, work, strange)

    async def _end_there(self, order_ids: Sequence[str], work: Work) -> None:
        """End what would close the same at the broker: together they would close too much."""
        work.detail = f"order {order_ids[0]}, which ended here, may be open at the broker"
        if clock.session_seconds() < work.ask_at:
            return
        work.ask_at = clock.session_seconds() + RETRY_SECONDS[0]
        for order_id in order_ids:
            if not self._manager.is_doubted(order_id):
                await self._manager.end_there(order_id)

    def _awaits_the_other_side(self, entry_id: str, work: Work) -> bool:
        """Return whether a stop at the broker is about to give way, so that both sides cross."""
        patience = self._publication().limits.exit_reprice_ms / 1000
        return clock.session_seconds() - work.began < patience and any(
            order.is_resting
            for other in self._offsets(self.book.orders[entry_id])
            for order in self.book.exits_of(other.request.order_id)
        )

    async def _take_over(self, entry_id: str, order: Order, work: Work) -> None:
        """Cancel the stop that rests at the broker, unless it is about to trigger by itself."""
        work.detail = "the stop at the broker is not cancelled yet"
        waited = clock.session_seconds() - work.began
        patience = self._publication().limits.exit_reprice_ms / 1000
        is_stop = self.book.exit_reason[entry_id] in (Reason.STOP, Reason.TRAILING_STOP)
        if is_stop and waited < patience and self._resting and self._resting.is_due(order):
            return
        if order.is_cancel_pending or self._has_turn(entry_id, work):
            await self._manager.cancel(order.request.order_id)

    async def _cancel_others(self, entry: Order) -> bool:
        """
        Cancel what else works in the symbol; return whether an exit has to wait.

        What would open the position again, of any strategy, could trade with the exit. What closes
        it already, of its strategy, is taken over: with both, more would be sold than is held. Of
        two exits that could trade with each other, the second waits for the first; a stop that
        rests, which another strategy may have there all day, trades with none.
        """
        entered = entry.request
        others = [
            order
            for order in self._manager.open_entries
            if order.request.symbol == entered.symbol
            and (order.request.side is entered.side or order.request.strategy == entered.strategy)
        ]
        why = f"{entered.symbol} is closed: {in_words(self.book.exit_reason[entered.order_id])}"
        for order in others:
            await self._manager.cancel(order.request.order_id, why)
        return any(
            order.state.is_live and order.request.side is not entered.side
            for order in (self.book.orders[other.request.order_id] for other in others)
        ) or any(
            order.request.symbol == entered.symbol
            and order.request.side is entered.side
            and order.request.reason is not Reason.ENTRY
            and not order.is_resting
            for order in self.book.open_orders()
        )

    async def _try(self, entry_id: str, work: Work) -> None:
        seconds = clock.session_seconds()
        self._count_refusals(entry_id, work)
        if self._manager.unbooked.awaits_comparison(entry_id):
            work.detail = "more is filled than was ordered: the broker is asked what it holds"
            return
        entry = self.book.orders[entry_id]
        quantity = self._closable(entry, work)
        if seconds < work.next_try_at or not quantity or not self._has_turn(entry_id, work):
            return
        request = self._request(entry, quantity, work.step)
        order = await self._manager.place(request)
        work.priced_at = seconds
        work.detail = f"limit {request.limit_price} is not filled"
        log.info(
            "exit",
            order_id=request.order_id,
            entry_id=entry_id,
            symbol=request.symbol,
            quantity=request.quantity,
            limit_price=request.limit_price,
            reason=request.reason,
            state=order.state,
            message=order.message,
        )
        self._count_refusals(entry_id, work)

    def _closable(self, entry: Order, work: Work) -> int:
        """Return the shares of an entry to be closed, no more than the broker holds."""
        quantity = self._manager.closable_quantity(entry)
        held = self.book.held_quantity(entry.request.order_id)
        if quantity < held:
            work.detail = f"the broker holds {quantity} of these {held}: check with it"
        return quantity

    def _note_strange(self, entry: Order) -> str:
        """
        Return what is open beside the exit of an entry and is not ours, and halt for it.

        The exit does not wait for it, so that both may fill.
        """
        entered = entry.request
        strange = [
            order
            for order in self.book.open_orders_of(entered.symbol, entered.side.other)
            if order.is_external and order.request.product is entered.product
        ]
        if not strange:
            return ""
        named = ", ".join(
            f"order {order.broker_order_id} to {order.request.side} {order.open_quantity}"
            for order in strange
        )
        what = (
            f"{entered.symbol} is being closed while {named}, not one of ours, is open at the"
            " broker: cancel it at the broker"
        )
        self._halt(what)
        return what

    def _has_turn(self, entry_id: str, work: Work) -> bool:
        """Return whether the broker's rates let a request be sent now; halt if they never will."""
        if self._manager.pace.has_turn(is_urgent=True):
            return True
        seconds = self._manager.pace.wait_seconds(is_urgent=True)
        if seconds < math.inf:
            work.detail = f"the broker takes no more requests for {seconds:.1f} seconds"
            return False
        work.detail = "the session has no requests left: close it at the broker"
        symbol = self.book.orders[entry_id].request.symbol
        self._halt(f"{symbol} cannot be closed: {work.detail}")
        return False

    def _halt(self, reason: str) -> None:
        self._manager.downgrade(TradingState.HALTED, reason, "exits")

    def _count_refusals(self, entry_id: str, work: Work) -> None:
        """Count each try that was denied, rejected or not placed; a filled one ends their row."""
        for order in self.book.exits_of(entry_id):
            order_id = order.request.order_id
            is_try = order.state in NEVER_FILLED and order.request.order_type is not OrderType.SL
            if order_id in work.counted or not (is_try or order.state is State.FILLED):
                continue
            work.counted.add(order_id)
            if order.state is State.FILLED:
                work.refusal_count = 0
                continue
            pause = RETRY_SECONDS[min(work.refusal_count, len(RETRY_SECONDS) - 1)]
            work.next_try_at = clock.session_seconds() + pause
            work.refusal_count += 1
            work.detail = f"refused: {order.message}"
        if work.refusal_count >= REFUSALS_THAT_HALT:
            symbol = self.book.orders[entry_id].request.symbol
            self._halt(f"{symbol} could not be closed in {work.refusal_count} tries, which go on")

    async def _reprice(self, entry_id: str, order: Order, work: Work) -> None:
        """Give a working exit another limit, after some time or if the price has left it behind."""
        request, seconds = order.request, clock.session_seconds()
        if order.open_quantity > self._closable(self.book.orders[entry_id], work):
            await self._manager.cancel(request.order_id)
            return
        if order.state is State.UNKNOWN or order.is_cancel_pending or order.is_modify_pending:
            work.detail = "the broker has not answered yet"
            return
        if order.broker_order_id is None or request.limit_price is None:
            return
        limits = self._publication().limits
        is_slow = seconds - work.priced_at >= limits.exit_reprice_ms / 1000
        price = self._price(self.book.orders[entry_id])
        is_behind = price is not None and (price - request.limit_price) * request.side.sign > 0
        if not (is_slow or is_behind) or not self._has_turn(entry_id, work):
            return
        if is_slow and work.priced_at > -math.inf:
            work.step += 1
        work.priced_at = seconds
        limit = self._request(
            self.book.orders[entry_id], order.open_quantity, work.step
        ).limit_price
        assert limit is not None
        if (limit - request.limit_price) * request.side.sign <= 0:
            low, high = self._publication().instruments[request.symbol].price_band
            at_band = request.limit_price == (low if request.side.sign < 0 else high)
            where = "at the price band" if at_band else "not filled"
            work.detail = f"limit {request.limit_price} is {where}"
            return
        work.detail = f"limit {limit} is not filled"
        try:
            await self._manager.modify(
                request.order_id, quantity=request.quantity, limit_price=limit
            )
        except OrderDeniedError:  # too often, or never at this broker: a new order takes its place
            await self._manager.cancel(request.order_id)
            return
        after = self.book.orders[request.order_id]
        if after.state.is_live and after.request == request and not after.is_modify_pending:
            work.detail = f"limit {request.limit_price} is not filled, and cannot be moved"
            await self._manager.cancel(request.order_id)

    def _request(self, entry: Order, quantity: int, step: int) -> Request:
        publication, entered = self._publication(), entry.request
        instrument = publication.instruments[entered.symbol]
        side = entered.side.other
        price = self._price(entry)
        if price is None:
            limit = exits.last_limit(instrument, side, self._reference(entry))
        else:
            limit = exits.exit_limit(publication.limits, instrument, side, price, step)
        return Request(
            order_id=self._next_id(entered.order_id),
            symbol=entered.symbol,
            side=side,
            quantity=min(quantity, instrument.freeze_quantity or quantity),
            product=entered.product,
            limit_price=limit,
            reason=self.book.exit_reason.get(entered.order_id, Reason.BY_HAND),
            entry_id=entered.order_id,
            strategy=entered.strategy,
            correlation_id=entered.correlation_id,
        )

    def _next_id(self, entry_id: str) -> str:
        """Return the id of the next attempt; one that the journal lost may have its id."""
        publication = self._publication()
        account, session_date = publication.limits.account, publication.session_date
        attempt = len(self.book.exits_of(entry_id)) + 1
        while (order_id := _id_of(account, session_date, entry_id, attempt)) in self.book.orders:
            attempt += 1
        return order_id

    def _entry_of_lost(self, order_id: str) -> str | None:
        publication = self._publication()
        account, session_date = publication.limits.account, publication.session_date
        return entry_of_lost(self.book, account, session_date, order_id)

    def _price(self, entry: Order) -> Decimal | None:
        """
        Return the price that an entry's exits go by; None if nothing is known.

        It is that of the last trade. When there is none in this session, or it is older than
        `max_silence_seconds`, a fresh quote takes its place: the market can move without a trade.
        One that is far from the last price waits for a second that confirms it.
        """
        symbol, now, limits = entry.request.symbol, clock.now(), self._publication().limits
        instrument = self._publication().instruments[symbol]
        known, quote = self._prices.get(symbol), self._prices.quote(symbol)
        last = known[0] if known else None
        if quote is None or (
            known and (now - known[1]).total_seconds() <= limits.max_silence_seconds
        ):
            return last
        if now - quote.received_at > timedelta(milliseconds=limits.max_tick_age_ms):
            return last
        low, high = instrument.price_band
        reference, most = last or instrument.prior_close, limits.max_tick_move_pct
        bid, ask = (
            exits.believed_price(price, before, reference, most)
            if price is not None and price >= low and (high is None or price <= high)
            else None
            for price, before in ((quote.bid, quote.bid_before), (quote.ask, quote.ask_before))
        )
        price = exits.quoted_price(entry.request.side, reference, bid, ask, most)
        return last if price is None else price

    def _reference(self, entry: Order) -> Decimal:
        """Return what is known of a price where no tick is: the prior close, or the entry's."""
        instrument = self._publication().instruments[entry.request.symbol]
        price = instrument.prior_close or entry.average_price or entry.request.limit_price
        assert price is not None, "what is held was filled, and what opens has a limit"
        return price

    def _alert(self, entry_id: str, work: Work, strange: str) -> None:
        seconds = clock.session_seconds()
        quantity = self.book.held_quantity(entry_id)
        if quantity < work.quantity:  # it is being filled, and has as long again
            patience = self._publication().limits.exit_alert_seconds
            work.alert_at = max(work.alert_at, min(seconds + patience, work.began + REPEAT_SECONDS))
        work.quantity = quantity
        if seconds < work.alert_at or not quantity:
            return
        work.alert_at = seconds + REPEAT_SECONDS
        self._manager.record(
            events.ExitDelayed(
                at=clock.now(),
                entry_id=entry_id,
                symbol=self.book.orders[entry_id].request.symbol,
                quantity=quantity,
                reason=self.book.exit_reason[entry_id],
                seconds=int(seconds - work.began),
                detail="; ".join(filter(None, (work.detail, strange))),
            )
        )


def _id_of(account: str, session_date: date, entry_id: str, attempt: int) -> str:
    return order_id_of(account, session_date, "exit", entry_id, str(attempt))


def entry_of_lost(book: Book, account: str, session_date: date, order_id: str) -> str | None:
    """Return the entry that an order closes which the journal lacks; None if it is no exit."""
    for entry in list(book.orders.values()):
        entry_id = entry.request.order_id
        if entry.is_external:
            continue
        last = len(book.exits_of(entry_id)) + LOST_EXITS
        ids = (_id_of(account, session_date, entry_id, each) for each in range(1, last + 1))
        if order_id in ids:
            return entry_id
    return None
