"""
The order manager carries a request to the broker and its updates back, and loses nothing between.

    request ─▶ checks ─▶ OrderIntended on disk ─▶ broker ─▶ updates ─▶ book

Decisions are events, and the book derives from them. An order is sent only after its intent is on
disk. If the broker does not answer, the order is UNKNOWN until the manager has looked it up at the
broker by its id; it is never sent again. Updates may arrive late, twice, in any order or not at
all: the filled quantity is the sum of the trades, and an outdated status changes nothing.

Requests are paced: entries and cancels that have no turn wait here, and `send_waiting` sends them.
A cancel is asked for until its order has ended, whatever was refused or lost, or is not known yet.

If the journal fails, trading is halted: nothing may be opened that cannot be recorded. Exits go on
in memory, since an open position is the greater risk; the broker has them by their ids.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import NamedTuple, TypeVar

import msgspec
import structlog
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.errors import BrokerError, BrokerRejected, BrokerUnclear, JournalError
from duckbourse.orders import bus, events
from duckbourse.orders.book import NEVER_FILLED, Book, provisional_key
from duckbourse.orders.broker import Broker, OrderReport, TradeReport, Update, require_taken
from duckbourse.orders.bus import Bus
from duckbourse.orders.charges import Charges, fill_charges
from duckbourse.orders.checked import CheckedBroker
from duckbourse.orders.denial import OrderDeniedError
from duckbourse.orders.downgrade import Standing, downgraded
from duckbourse.orders.events import Event, TradingState, new_halt_id
from duckbourse.orders.journal import Journal, Written
from duckbourse.orders.lifecycle import State, steps
from duckbourse.orders.order import (
    PRICE_STEP,
    Fill,
    Order,
    OrderType,
    Product,
    Reason,
    Request,
    Side,
    is_order_id,
)
from duckbourse.orders.pacing import Pace
from duckbourse.orders.unbooked import Unbooked
from duckbourse.plugins import raise_interruption

log = structlog.get_logger()

# how long to wait for the broker's answer
ANSWER_SECONDS = 5.0
# an order is NOT_PLACED if the broker has twice reported no such order, and this long after it was
# sent: the broker's records may lag, and a call without an answer may still arrive, when another
# order in its place would sell the position twice
GRACE_SECONDS = 30.0
# a look-up that the broker does not answer for so long halts the account; the next reconciliation
# looks again
LOOKUP_LIMIT_SECONDS = 60.0
# how long a broker must not list an exit that it refused: lists lag, and a refusal may be wrong
ABSENT_SECONDS = 5.0
# the pause before the updates are followed again
RECONNECT_SECONDS = 1.0
# the pause after the broker refused a cancel
CANCEL_AGAIN_SECONDS = (1.0, 1.0, 2.0, 5.0, 10.0)
# how long an entry without an expiry waits for its turn: it was meant for the prices of its time
MAX_WAIT = timedelta(minutes=5)
LOOKUP_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
# what a report of a fill acknowledges
UNACKNOWLEDGED = (State.SENT, State.UNKNOWN, State.NOT_PLACED)


Answer = TypeVar("Answer")
# the book, the request, and the order that it would modify, or None
Check = Callable[[Book, Request, Order | None], None]
# makes a call to the broker, now or side by side with others; the key says which one
Send = Callable[[str, Callable[[], Awaitable[None]]], Awaitable[None]]


async def in_turn(key: str, call: Callable[[], Awaitable[None]]) -> None:
    """Make a call, and wait for its answer."""
    await call()


class Cancelling(NamedTuple):
    """A cancel to be requested, from a session second, how often it was refused, and why it is."""

    since: float = -math.inf
    refusal_count: int = 0
    why: str = ""


class Manager:
    """
    Orders of one account.

    `check` raises OrderDeniedError for an order that may not be sent. `charges` are the schedule of
    the account's segment. `pace` has the broker's rates; without any, nothing waits. `bus` has
    every event after the book has applied it.
    """

    def __init__(
        self,
        book: Book,
        journal: Journal,
        broker: Broker,
        *,
        check: Check,
        charges: tuple[Charges, ...] = (),
        grace_seconds: float = GRACE_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        lookup_seconds: tuple[float, ...] = LOOKUP_SECONDS,
        look_up_limit_seconds: float = LOOKUP_LIMIT_SECONDS,
    ) -> None:
        self.book = book
        self.journal = journal
        # whatever the adapter says is checked, and halts the account if it cannot be booked
        self.broker = CheckedBroker(
            broker,
            self._may_be_ours,
            lambda problem: self.downgrade(TradingState.HALTED, problem, "orders"),
        )
        self.bus = Bus()
        self.pace = Pace()
        # the orders to be cancelled, by their ids
        self._cancels: dict[str, Cancelling] = {}
        # what the broker may have that the book does not know of
        self.unbooked = Unbooked()
        # of an order that the journal lost, the entry that it closes; None if it is no exit
        self.entry_of_lost: Callable[[str], str | None] = lambda _: None
        self._check = check
        self._charges = charges
        self._grace_seconds = grace_seconds
        self._answer_seconds = answer_seconds
        self._lookup_seconds = lookup_seconds
        self._look_up_limit = look_up_limit_seconds
        self._tasks: set[asyncio.Task[None]] = set()
        self._following: asyncio.Task[None] | None = None
        # trades received before their order was identified, by broker order id
        self._unmatched_trades: dict[str, list[TradeReport]] = {}
        self._looked_up: set[str] = set()
        # the orders that are being placed
        self._placing: set[str] = set()
        # of what this process sent, and what it lets wait: when, in seconds. The machine's
        # clock can be set meanwhile, so it measures only what began before the process
        self._sent_seconds: dict[str, float] = {}
        self._waits_since: dict[str, float] = {}
        self._is_journal_reported = False

    @property
    def waiting_entries(self) -> dict[str, Request]:
        """The entries that wait for their turn, by their ids, in order."""
        return {order_id: waiting.request for order_id, waiting in self.book.waiting.items()}

    @property
    def open_entries(self) -> list[Order]:
        """The entries at work, and those that wait for their turn, which are NEW."""
        waiting = [Order(request=request) for request in self.waiting_entries.values()]
        return [*self.book.open_entries, *waiting]

    # public methods

    async def place(self, request: Request) -> Order:
        """
        Send an order and return its state afterward; a refusal is a state, not an error.

        An id that was used before is not sent again; its order is returned instead. An entry that
        has no turn waits, behind those that wait already, and is NEW and not in the book until it
        is sent or denied. One that closes what a resting stop is for waits too, after the checks,
        until the stop has given way. What waits is in the journal, and waits on after a restart. An
        exit that has no turn is NEW too, and whoever asked it tries again.
        """
        known = self.book.orders.get(request.order_id)
        if known is not None:
            return known
        if request.order_id in self.book.waiting:
            return Order(request=self.book.waiting[request.order_id].request)
        is_exit = request.reason is not Reason.ENTRY
        if is_exit:
            return await self._place(request)
        if self._resting_quantity(request):
            try:
                self._require_journal()
                self._check(self.book, request, None)
            except OrderDeniedError as denial:
                self._record_denial(request, denial)
                return self.book.orders[request.order_id]
        elif not self.book.waiting and self.pace.has_turn(is_urgent=False):
            return await self._place(request)
        until = request.expires_at or clock.now() + MAX_WAIT
        # if it cannot be written it is not sent either
        with suppress(JournalError):
            await self.record_durably(self._waiting(request, until))
        return self.book.orders.get(request.order_id) or Order(request=request)

    def _waiting(self, request: Request, until: datetime) -> events.OrderWaiting:
        others = self.closing_quantity(request)
        closing = max(0, min(request.quantity, self.held_against(request) - others))
        self._waits_since[request.order_id] = clock.session_seconds()
        return events.OrderWaiting(
            at=clock.now(), request=request, until=until, closing_quantity=closing
        )

    def closing_quantity(self, request: Request) -> int:
        """Return the quantity of other entries at work or waiting that close the same."""
        key = (request.symbol, request.product, request.side, request.strategy)
        return sum(
            order.request.quantity - order.filled_quantity
            for order in self.open_entries
            if (
                order.request.symbol,
                order.request.product,
                order.request.side,
                order.request.strategy,
            )
            == key
            and order.request.order_id != request.order_id
        )

    def closable_quantity(self, entry: Order, *, beside_stops: bool = False) -> int:
        """
        Return the shares of an entry that its exits may close: those held, as far as there are any.

        Of fills beyond what was ordered, exits close what was ordered, and the rest when the broker
        has the same positions. While it is known to hold less than the book, exits on that side
        close no more than what is left of it, which a stop that rests shares with the other stops
        (`beside_stops`), and any other exit only with exits at work. Where it holds more, or the
        other side holds less, nothing is bounded.
        """
        request, sign = entry.request, entry.request.side.sign
        held, key = self._believed_quantity(entry), (request.symbol, request.product)
        missing = self.unbooked.missing(key) * sign
        if missing <= 0:
            return held
        of_side = sum(
            self.book.held_quantity(each.request.order_id)
            for each in self.book.held_entries()
            if (each.request.symbol, each.request.product) == key
            and each.request.side is request.side
        )
        there = max(of_side, self.book.quantity(*key) * sign) - missing
        others = sum(
            order.open_quantity
            for order in self.book.open_orders_of(request.symbol, request.side.other)
            if order.request.product is request.product
            and order.request.entry_id not in (None, request.order_id)
            and (beside_stops or not order.is_resting)
        )
        return min(held, max(0, there - others))

    def _believed_quantity(self, entry: Order) -> int:
        """Return what is held of an entry, without what is filled beyond what was ordered."""
        request = entry.request
        held = self.book.held_quantity(request.order_id)
        if not self.unbooked.is_contradicted(request.order_id):
            return held
        closed = entry.filled_quantity - held
        ordered = self.unbooked.ordered(request.order_id, request.quantity)
        return min(held, max(0, ordered - closed))

    def reducing_entries(self) -> set[str]:
        """
        Return the ids of the entries at work that only reduce, each beside those before it.

        All that such an entry may still fill closes what its strategy holds, and makes the
        account's position smaller, whatever exits and orders that are not ours do. Resting stops
        give way.
        """
        found: set[str] = set()
        # by symbol, product and side, of all and of each strategy
        closing: Counter[tuple[str, Product, Side, str | None]] = Counter()
        external: Counter[tuple[str, Product, Side]] = Counter()
        for order in self.book.open_orders():
            request = order.request
            key = (request.symbol, request.product, request.side)
            if order.is_external:
                closing[*key, None] += order.open_quantity
                external[key] += order.open_quantity
            elif request.reason is not Reason.ENTRY and not order.is_resting:
                closing[*key, None] += order.open_quantity
                closing[*key, request.strategy] += order.open_quantity
        for order in self.book.open_entries:
            request = order.request
            key = (request.symbol, request.product, request.side)
            asked = max(request.quantity, order.pending.quantity if order.pending else 0)
            quantity = asked - order.filled_quantity
            of_own = closing[*key, request.strategy] + external[key] + quantity
            of_all = closing[*key, None] + quantity
            held = -self.book.quantity(request.symbol, request.product) * request.side.sign
            if of_own <= self.held_against(request) and of_all <= held:
                found.add(request.order_id)
                closing[*key, request.strategy] += quantity
                closing[*key, None] += quantity
        return found

    def _resting_quantity(self, request: Request) -> int:
        """Return the quantity of the resting stops that give way to a request."""
        return sum(order.open_quantity for order in self.book.giving_way_to(request))

    def held_against(self, request: Request) -> int:
        """Return what the strategy of a request holds that the request would close."""
        held = self.book.quantity_of(request.strategy, request.symbol, request.product)
        return max(0, -held * request.side.sign)

    def _must_wait_for_stops(self, request: Request) -> bool:
        """Return whether stops rest for more than what is left when a waiting entry is filled."""
        resting = self._resting_quantity(request)
        if not resting:
            return False
        closing = self.closing_quantity(request) + request.quantity
        left = max(0, self.held_against(request) - closing)
        return resting > left

    async def _place(self, request: Request) -> Order:
        is_exit = request.reason is not Reason.ENTRY
        try:
            if not is_exit:
                self._require_journal()
            require_taken(self.broker, request)
            self._check(self.book, request, None)
        except OrderDeniedError as denial:
            self._record_denial(request, denial)
            return self.book.orders[request.order_id]
        if not self.pace.has_turn(is_urgent=is_exit):
            return Order(request=request)
        self.pace.count(is_urgent=is_exit)
        self._placing.add(request.order_id)
        try:
            await self._intend_and_send(request, is_exit=is_exit)
        finally:
            self._placing.discard(request.order_id)
        return self.book.orders[request.order_id]

    async def _intend_and_send(self, request: Request, *, is_exit: bool) -> None:
        try:
            await self.record_durably(events.OrderIntended(at=clock.now(), request=request))
        except JournalError:
            if not is_exit:
                message = "the journal failed"
                self.advance(request.order_id, State.NOT_PLACED, message=message)
                return
        self.record(events.OrderSent(at=clock.now(), order_id=request.order_id))
        self._sent_seconds[request.order_id] = clock.elapsed_seconds()
        await self._send(request)

    def look_up_lost(self) -> None:
        """Look up the orders whose call ended without an answer; call this every few seconds."""
        for order in list(self.book.open_orders()):
            order_id = order.request.order_id
            if order.state in (State.INTENT, State.SENT) and order_id not in self._placing:
                self.mark_unknown(order, "its call ended without an answer")
                self.look_up(order_id)

    def mark_unknown(self, order: Order, message: str) -> None:
        """Note that nobody knows whether the broker has an order."""
        order_id = order.request.order_id
        if order.state is State.INTENT:  # it may have been sent all the same
            self.record(events.OrderSent(at=clock.now(), order_id=order_id))
        if self.book.orders[order_id].state is State.SENT:
            self.advance(order_id, State.UNKNOWN, message=message)

    async def send_waiting(self, send: Send = in_turn) -> None:
        """
        Send what waits and has its turn, cancels first; call this at every step.

        An entry that may not be sent any more is denied without a turn: its time is over, trading
        is not active, or the session has no requests left for entries.
        """
        for order_id, asked in list(self._cancels.items()):
            if clock.session_seconds() >= asked.since:
                await send(f"cancelling order {order_id}", partial(self.cancel, order_id))
        for waiting in list(self.book.waiting.values()):
            request = waiting.request
            denial = self._denial_of_waiting(waiting)
            if denial is not None:
                self._record_denial(request, denial)
            elif self._must_wait_for_stops(request):
                continue  # whoever keeps them makes them smaller
            elif self.pace.has_turn(is_urgent=False):
                await send(f"order {request.order_id}", partial(self._send_waiting, request))

    async def _send_waiting(self, request: Request) -> None:
        if request.order_id in self.book.waiting:
            await self._place(request)

    def _denial_of_waiting(self, waiting: events.OrderWaiting) -> OrderDeniedError | None:
        now, request = clock.now(), waiting.request
        since = self._waits_since.get(request.order_id)
        if since is None:
            is_over = now >= waiting.until
        else:
            seconds = (waiting.until - waiting.at).total_seconds()
            is_over = clock.session_seconds() - since >= seconds
        if is_over:
            what = "a resting stop" if self._must_wait_for_stops(request) else "its turn"
            detail = f"now={now:%T}, expires_at={waiting.until:%T}, waited_for={what}"
            return OrderDeniedError("EXPIRED", detail)
        held = self.held_against(request)
        if held < waiting.closing_quantity:
            detail = f"closing_quantity={waiting.closing_quantity}, held={held}"
            return OrderDeniedError("REDUCE_ONLY", detail)
        if self.book.state is not TradingState.ACTIVE:
            try:
                self._check(self.book, request, None)
            except OrderDeniedError as denial:
                return denial
        if self.pace.wait_seconds(is_urgent=False) == math.inf:
            sent = self.pace.sent_within(math.inf)
            return OrderDeniedError("RATE", f"requests_of_session={sent}, left_for_entries=0")
        return None

    def _record_denial(self, request: Request, denial: OrderDeniedError) -> None:
        self.record(
            events.OrderDenied(
                at=clock.now(), request=request, code=denial.code, detail=denial.detail
            )
        )

    def cancel_next(self, order_id: str, why: str = "") -> None:
        """
        Have an order cancelled with the next `send_waiting`, and again until it has ended.

        An entry that waits for its turn is denied at once. `why` is the message of its denial.
        """
        waiting = self.book.waiting.get(order_id)
        if waiting is not None:
            denial = OrderDeniedError("CANCELLED", why or "state=waiting, sent=no")
            self._record_denial(waiting.request, denial)
        elif self.book.orders[order_id].state.is_live:
            self._cancels.setdefault(order_id, Cancelling(why=why))

    async def cancel(self, order_id: str, why: str = "") -> None:
        """
        Request the cancellation of an order, unless it is final or a cancel is pending.

        What cannot be requested now is requested later, before all entries: it has no turn, or the
        broker has not said yet under which id it has the order. So is what the broker refuses,
        after a pause that gets longer.
        """
        self.cancel_next(order_id, why)
        order = self.book.orders[order_id]
        if not order.state.is_live:
            self._cancels.pop(order_id, None)
            return
        if order.is_cancel_pending or order.broker_order_id is None:
            return
        asked = self._cancels[order_id]
        if clock.session_seconds() < asked.since or not self.pace.has_turn(is_urgent=True):
            return
        self.pace.count(is_urgent=True)
        # a cancel is sent in any case: asked again after a restart, it does no harm
        with suppress(JournalError):
            await self.record_durably(
                events.CancelRequested(at=clock.now(), order_id=order_id, why=asked.why)
            )
        try:
            await self._asked(self.broker.cancel(order.broker_order_id))
        except BrokerRejected as error:
            count = asked.refusal_count
            pause = CANCEL_AGAIN_SECONDS[min(count, len(CANCEL_AGAIN_SECONDS) - 1)]
            since = clock.session_seconds() + pause
            self._cancels[order_id] = Cancelling(since, count + 1, asked.why)
            self.record(events.CancelRefused(at=clock.now(), order_id=order_id, message=str(error)))
            self.look_up(order_id)  # it may have been filled
        except BrokerUnclear as error:
            log.warning("cancel unclear", order_id=order_id, error=str(error))
            self.look_up(order_id)

    async def modify(
        self,
        order_id: str,
        *,
        quantity: int,
        limit_price: Decimal | None,
        trigger_price: Decimal | None = None,
    ) -> None:
        """
        Request a change of price or quantity; the old terms stand until the broker accepts it.

        An entry that waits for its turn is changed here, and sent with the new terms.

        Raise OrderDeniedError if a check denies it, if brokers allow no more modifications, or if
        it has no turn.
        """
        waiting = self.book.waiting.get(order_id)
        if waiting is not None:
            changed = replace(waiting.request, quantity=quantity, limit_price=limit_price)
            self._check(self.book, changed, None)
            self.record(self._waiting(changed, waiting.until))
            return
        order = self.book.orders[order_id]
        if order.is_modify_pending or order.broker_order_id is None or not order.state.is_live:
            return
        is_exit = order.request.reason is not Reason.ENTRY
        if not is_exit:
            self._require_journal()
        if not self.broker.capabilities.can_modify:
            raise OrderDeniedError("MODIFICATIONS", f"broker={self.broker.name}, can_modify=no")
        most = self.broker.capabilities.max_modifications
        if order.modification_count >= most:
            raise OrderDeniedError(
                "MODIFICATIONS",
                f"modifications={order.modification_count}, max_modifications={most}",
            )
        wanted = replace(
            order.request,
            quantity=quantity,
            limit_price=limit_price,
            trigger_price=trigger_price,
        )
        self._check(self.book, wanted, order)
        resting, held = self._resting_quantity(wanted), self.held_against(wanted)
        closing = self.closing_quantity(wanted) + quantity - order.filled_quantity
        if resting and quantity > order.request.quantity and closing + resting > held:
            detail = f"quantity={quantity}, resting={resting}, held={held}"
            raise OrderDeniedError("RESTING_STOP", detail)
        if not self.pace.has_turn(is_urgent=is_exit):
            wait = self.pace.wait_seconds(is_urgent=is_exit)
            raise OrderDeniedError("RATE", f"wait_seconds={wait:.1f}")
        self.pace.count(is_urgent=is_exit)
        try:
            await self.record_durably(
                events.ModifyRequested(
                    at=clock.now(),
                    order_id=order_id,
                    quantity=quantity,
                    limit_price=limit_price,
                    trigger_price=trigger_price,
                )
            )
        except JournalError:
            if not is_exit:
                raise
        try:
            await self._asked(self.broker.modify(order.broker_order_id, wanted))
            ended = events.ModifyEnded(at=clock.now(), order_id=order_id, is_accepted=True)
        except BrokerRejected as error:
            ended = events.ModifyEnded(
                at=clock.now(), order_id=order_id, is_accepted=False, message=str(error)
            )
            self.look_up(order_id)  # it may be over
        except BrokerUnclear as error:
            log.warning("modify unclear", order_id=order_id, error=str(error))
            self.look_up(order_id)
            return
        self.record(ended)

    def _doubt(self, order_id: str) -> None:
        """
        Ask the broker about an exit that has ended by itself, before another takes its place.

        Should the broker have it all the same, both would close the position. A simulated one is
        right.
        """
        is_exit = self.book.orders[order_id].request.reason is not Reason.ENTRY
        if not is_exit or self.broker.capabilities.is_simulated:
            return

        self.unbooked.doubt(order_id)
        self._in_background(self._unharmed(order_id, self._ask_whether_ended))

    async def _ask_whether_ended(self, order_id: str) -> None:
        """
        Ask until the broker says what became of an exit, or does not list it for ABSENT_SECONDS.

        Of a stop that would rest, one answer will do: the next comparison finds it before its
        price. If the broker does not answer, exits go on without after DOUBT_SECONDS, and say so.
        """
        attempt = 0
        began = clock.elapsed_seconds()
        rests = self.book.orders[order_id].request.order_type is OrderType.SL
        absent_seconds = 0.0 if rests else ABSENT_SECONDS
        try:
            while not (found := await self.end_there(order_id)):
                if found is not None and clock.elapsed_seconds() - began >= absent_seconds:
                    return
                if not self.is_doubted(order_id):
                    reason = (
                        f"the broker does not say whether order {order_id}, which ended here, is"
                        " open there: check with it"
                    )
                    self.downgrade(TradingState.HALTED, reason, "look-up")
                    return
                pause = self._lookup_seconds[min(attempt, len(self._lookup_seconds) - 1)]
                await asyncio.sleep(min(pause, 1.0))  # a position waits for it
                attempt += 1
        finally:
            self.unbooked.end_doubt(order_id)

    def is_doubted(self, order_id: str) -> bool:
        """Return whether the broker is being asked about an exit that has ended here."""
        return order_id in self.unbooked.doubted

    def closing_there(self, entry: Order) -> list[str]:
        """Return the ids of orders that have ended here, and may close an entry at the broker."""
        entered = entry.request
        orders = {
            order.request.order_id: order
            for order in (
                *filter(None, map(self._order_of, self.unbooked.open_there.values())),
                *map(self.book.orders.__getitem__, self.unbooked.doubted),
            )
        }
        return [
            request.order_id
            for request in (order.request for order in orders.values())
            if (request.symbol, request.product) == (entered.symbol, entered.product)
            and request.side is entered.side.other
            and request.strategy == entered.strategy
            and request.entry_id in (None, entered.order_id)
        ]

    async def end_there(self, order_id: str) -> Sequence[OrderReport] | None:
        """
        Ask the broker about an order that has ended here, and cancel what is open of it.

        Return what it lists of the order, or None if it did not answer.
        """
        try:
            found = await self._asked(self.broker.find(order_id))
        except BrokerError as error:
            log.warning("look-up unclear", order_id=order_id, error=str(error))
            return None
        trades = await self._trades_of(found)
        for report in found:
            self.on_update(report)
        for trade in trades:
            self.on_update(trade)
        ids = {report.broker_order_id for report in found}
        for broker_order_id, report in self.unbooked.open_there.items():
            if report.order_id == order_id or broker_order_id in ids:
                self.unbooked.remove_open(broker_order_id)
        state = self.book.orders[order_id].state
        for report in found:
            if state.is_live or not report.state.is_live:
                continue
            self.unbooked.add_open(report)
            what = f"order {order_id} is {state} here, {report.state} at the broker"
            self.downgrade(TradingState.HALTED, what, "orders")
            await self.cancel_ended(report)
        return found

    async def cancel_ended(self, report: OrderReport) -> None:
        """Cancel what is open at the broker under an order that has ended here."""
        if not self.pace.has_turn(is_urgent=True):
            return
        self.pace.count(is_urgent=True)
        try:
            await self._asked(self.broker.cancel(report.broker_order_id))
        except BrokerError as error:  # it is asked again after the next comparison
            log.warning("cancel refused", order_id=report.order_id, error=str(error))

    def set_state(self, state: TradingState, reason: str, by: str, request_id: str = "") -> None:
        """
        Change the trading state.

        Record nothing if state and reason are unchanged, unless a request asks for them again.
        """
        if request_id or (self.book.state, self.book.state_reason) != (state, reason):
            self.record(
                events.TradingStateChanged(
                    at=clock.now(),
                    state=state,
                    reason=reason,
                    by=by,
                    request_id=request_id,
                    halt_id="" if state is TradingState.ACTIVE else new_halt_id(),
                )
            )

    @property
    def standing(self) -> Standing:
        """The trading state of now, with its reason and author."""
        return Standing(self.book.state, self.book.state_reason, self.book.state_by)

    def downgrade(self, state: TradingState, reason: str, by: str) -> None:
        """Have a trading state at least as bad as this, as `downgraded` decides."""
        became = downgraded(self.standing, Standing(state, reason, by))
        if became is not None:
            self.set_state(*became)

    def record(self, event: Event) -> None:
        """Apply an event to the book and queue it for the journal, without waiting for the disk."""
        self._record(event)

    def check_journal(self) -> None:
        """Halt if the journal has failed; call this regularly and before every order."""
        if self.journal.failure is not None and not self._is_journal_reported:
            self._is_journal_reported = True
            # the halt cannot be journaled, so only the book and the bus have it
            reason = str(self.journal.failure)
            self._apply(
                events.TradingStateChanged(
                    at=clock.now(),
                    state=TradingState.HALTED,
                    reason=reason,
                    by="journal",
                    halt_id=new_halt_id(),
                )
            )
            log.error("halted", reason=reason)

    def follow(self) -> asyncio.Task[None]:
        """Handle the broker's updates from now on, in a task that ends with its event loop."""
        self._following = asyncio.create_task(self._follow())
        return self._following

    async def _follow(self) -> None:
        while True:
            try:
                async for update in self.broker.updates():
                    self.on_update(update)
            except BaseException as error:  # whatever it is, the updates after it are needed
                raise_interruption(error)
                log.exception("the broker's updates broke off")
                if not isinstance(error, BrokerError):
                    reason = f"an update of the broker could not be booked: {error!r}"
                    self.downgrade(TradingState.HALTED, reason, "orders")
            # what was missed is found by the next reconciliation
            await asyncio.sleep(RECONNECT_SECONDS)

    def on_update(self, update: Update) -> None:
        """Handle an update of the broker, however late or often it arrives."""
        match update:
            case OrderReport():
                self._on_order_report(update)
            case TradeReport():
                self._on_trade_report(update)

    async def wait_idle(self, seconds: float = math.inf) -> None:
        """Wait until no order is being looked up, but not longer than so many seconds."""
        began = clock.elapsed_seconds()
        while self._tasks and (left := seconds - (clock.elapsed_seconds() - began)) > 0:
            if left == math.inf:
                await asyncio.gather(*self._tasks)
            else:
                await asyncio.wait(self._tasks, timeout=left)

    @property
    def looked_up(self) -> Set[str]:
        """The orders of which the broker is being asked what became of them."""
        return self._looked_up

    # internals

    def _require_journal(self) -> None:
        self.check_journal()
        if self.journal.failure is not None:
            raise OrderDeniedError("JOURNAL_FAILED", str(self.journal.failure))

    def _record(self, event: Event) -> Written | None:
        try:
            written = self.journal.append(event)
        except JournalError:
            written = None  # halted, but the book must still follow the broker
        self._apply(event)
        return written

    def _apply(self, event: Event) -> None:
        self.book.apply(event)
        correlation_id = self._correlation_id(event)
        self.bus.publish(event, event.at, correlation_id)
        meaning = self._meaning(event)
        if meaning is not None:
            self.bus.publish(meaning, event.at, correlation_id)

    def _correlation_id(self, event: Event) -> str:
        match event:
            case events.FillBooked(fill=fill):
                order_id = fill.order_id
            case events.ExitTriggered(entry_id=order_id) | events.ExitDelayed(entry_id=order_id):
                pass
            case events.TrailMoved(entry_id=order_id) | events.ExitsChanged(entry_id=order_id):
                pass
            case _:
                request = getattr(event, "request", None)
                order_id = request.order_id if request else getattr(event, "order_id", "")
        order = self.book.orders.get(order_id)
        return order.request.correlation_id if order else ""

    def _meaning(self, event: Event) -> msgspec.Struct | None:
        """Return what an event of the journal means on the bus, beyond itself."""
        match event:
            case events.OrderSent(order_id=order_id):
                return bus.OrderPlaced(request=self.book.orders[order_id].request)
            case events.OrderDenied(code=code, detail=detail):
                return bus.LimitBreached(code=code, detail=detail)
            case events.TradingStateChanged(by="daily loss", reason=reason):
                return bus.LimitBreached(code="DAILY_LOSS", detail=reason)
            case events.ExitTriggered(entry_id=entry_id, reason=why, price=price):
                return bus.StopTriggered(entry_id=entry_id, reason=why, price=price)
            case events.FeedChanged(what=what, is_healthy=is_healthy):
                return bus.HealthChanged(what=what, is_healthy=is_healthy)
            case events.PublicationLoaded(build_id=build_id, data_version=version):
                return bus.DataValidated(build_id=build_id, data_version=version)
        return None

    async def record_durably(self, event: Event) -> None:
        written = self._record(event)
        try:
            if written is None:
                raise self.journal.failure or JournalError("the journal accepts no events")
            await written
        except JournalError:
            self.check_journal()
            raise

    async def _send(self, request: Request) -> None:
        order_id = request.order_id
        try:
            broker_order_id = await self._asked(self.broker.place(request))
        except BrokerRejected as error:
            self.advance(order_id, State.REJECTED, message=str(error))
            self._doubt(order_id)
        except BrokerUnclear as error:
            self.advance(order_id, State.UNKNOWN, message=str(error))
            self.look_up(order_id)
        except (asyncio.CancelledError, KeyboardInterrupt):
            message = "the call was cancelled before an answer"
            self.advance(order_id, State.UNKNOWN, message=message)
            self.look_up(order_id)
            raise
        else:
            self.advance(order_id, State.ACKED, broker_order_id=broker_order_id)

    async def call_broker(self, call: Awaitable[Answer]) -> Answer:
        """Return a broker's answer; raise what its adapter does, unless that ends the process."""
        try:
            async with asyncio.timeout(self._answer_seconds):
                answer = await call
        except TimeoutError:
            raise BrokerUnclear(f"no answer within {self._answer_seconds:g} s") from None
        except Exception:
            raise
        except BaseException as error:  # no adapter ends the process, or its task
            raise_interruption(error)
            raise self._failed(error) from error
        if self._following is not None and self.broker.capabilities.is_simulated:
            # it has not waited, and what it reported before it answered is handled first
            await asyncio.sleep(0)
        return answer

    async def _asked(self, call: Awaitable[Answer]) -> Answer:
        """Ask the broker about an order; what it raises of its own leaves open what it did."""
        try:
            return await self.call_broker(call)
        except BrokerError:
            raise
        except Exception as error:  # a fault of the adapter: the order is looked up
            raise self._failed(error) from error

    def _failed(self, error: BaseException) -> BrokerUnclear:
        log.error("the broker failed", exc_info=error)
        return BrokerUnclear(f"the broker failed: {error!r}")

    def advance(
        self, order_id: str, target: State, broker_order_id: str | None = None, message: str = ""
    ) -> None:
        order = self.book.orders[order_id]
        # a state reported again is not recorded again
        path = None if order.state is target else steps(order.state, target)
        for state in path or ():
            self.record(
                events.OrderUpdated(
                    at=clock.now(),
                    order_id=order_id,
                    state=state,
                    broker_order_id=broker_order_id,
                    message=message,
                )
            )
        if broker_order_id:
            for trade in self._unmatched_trades.pop(broker_order_id, ()):
                self._on_trade_report(trade)

    def _in_background(self, work: Awaitable[None]) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _unharmed(self, order_id: str, work: Callable[[str], Awaitable[None]]) -> None:
        """Halt if work in the background fails: nobody else would know."""
        try:
            await work(order_id)
        except BaseException as error:  # whatever it is, others wait for all of this
            raise_interruption(error)
            log.exception("a look-up failed", order_id=order_id)
            reason = f"what the broker says of order {order_id} could not be booked: {error!r}"
            self.downgrade(TradingState.HALTED, reason, "look-up")

    def look_up(self, order_id: str) -> None:
        """Find out at the broker what became of an order; `wait_idle` waits for the answer."""
        self._in_background(self._unharmed(order_id, self._look_up))

    async def _look_up(self, order_id: str) -> None:
        if order_id in self._looked_up:
            return
        self._looked_up.add(order_id)
        try:
            await self._looked_for(order_id)
        finally:
            self._looked_up.discard(order_id)

    async def _looked_for(self, order_id: str) -> None:
        absences = 0
        attempt = 0
        began = clock.elapsed_seconds()
        while True:
            order = self.book.orders[order_id]
            if not order.state.is_live:
                return
            await asyncio.sleep(self._lookup_seconds[min(attempt, len(self._lookup_seconds) - 1)])
            attempt += 1
            terms = self.book.terms()
            try:
                found = await self._asked(self.broker.find(order_id))
            except (BrokerUnclear, BrokerRejected) as error:
                log.warning("look-up unclear", order_id=order_id, error=str(error))
                if clock.elapsed_seconds() - began >= self._look_up_limit:
                    reason = f"the broker does not say what became of order {order_id}: {error}"
                    self.downgrade(TradingState.HALTED, reason, "look-up")
                    return
                continue
            if found:
                trades = await self._trades_of(found)
                for report in found:
                    self._on_order_report(report)
                    self.accept_terms(report, terms)
                for trade in trades:
                    self.on_update(trade)
                # what was asked and did not arrive can be asked again
                self.clear_pending(order_id)
                return
            absences += 1
            if absences >= 2 and self._seconds_since_sent(order, began) >= self._grace_seconds:
                if order.state is State.UNKNOWN:
                    self.advance(order_id, State.NOT_PLACED, message="the broker has no such order")
                    return
                # it was acknowledged, so an answer without it is doubted for as long again
                if clock.elapsed_seconds() - began >= self._grace_seconds:
                    self._end_forgotten(order_id)
                    return

    def _end_forgotten(self, order_id: str) -> None:
        """End an order that the broker had and has no more: what it was for can be tried again."""
        state = self.book.orders[order_id].state
        reason = f"the broker no longer has order {order_id}, which was {state} there"
        log.error("an order is gone", order_id=order_id)
        self.advance(order_id, State.CANCELLED, message="the broker no longer has it")
        self.downgrade(TradingState.HALTED, reason, "orders")

    def _seconds_since_sent(self, order: Order, began: float) -> float:
        """Return how long ago an order was sent, which was looked for since `began`."""
        now, sent = clock.elapsed_seconds(), self._sent_seconds.get(order.request.order_id)
        if sent is not None:
            return now - sent
        # elapsed seconds count too: a clock that was set back may lie hours before `sent_at`
        at = order.sent_at or clock.now()
        return max(now - began, (clock.now() - at).total_seconds())

    def was_sent_here(self, order_id: str) -> bool:
        """Return whether this process sent an order, and none before it."""
        return order_id in self._sent_seconds

    def _on_order_report(self, report: OrderReport) -> None:
        order = self._order_of(report) or self._added(report)
        order_id = order.request.order_id
        if order.is_external:
            if order.state is not report.state:
                self.record(
                    events.OrderUpdated(at=clock.now(), order_id=order_id, state=report.state)
                )
            return
        if report.state is State.REJECTED and (report.filled_quantity or order.filled_quantity):
            # the rest was rejected: what was filled stands, and its trades may still arrive
            report = replace(report, state=State.CANCELLED)
        if report.state in (State.PARTIAL, State.FILLED):
            # trades determine the fills; the report's quantity is booked provisionally below
            if order.state in UNACKNOWLEDGED:
                self.advance(order_id, State.ACKED, report.broker_order_id, report.message)
        else:
            self.advance(order_id, report.state, report.broker_order_id, report.message)
            is_over = order.state.is_live and not self.book.orders[order_id].state.is_live
            if is_over and not order.is_cancel_pending:
                self._doubt(order_id)
        self._cancel_late(order)
        self._book_provisional_fill(order_id, report)

    def _added(self, report: OrderReport) -> Order:
        """Add an order that the book lacks: ours by its tag, whatever the journal says, or not."""
        if report.order_id is None or not is_order_id(report.order_id):
            self.record(
                events.ExternalOrderSeen(
                    at=clock.now(),
                    request=_request_of(report, _external_id(report.broker_order_id), "EXTERNAL"),
                    state=report.state,
                    broker_order_id=report.broker_order_id,
                )
            )
            return self.book.orders[_external_id(report.broker_order_id)]
        request = _request_of(report, report.order_id, "")
        entry_id = self.entry_of_lost(report.order_id)
        if entry_id is not None:
            is_stop = request.order_type is OrderType.SL
            known = self.book.exit_reason.get(entry_id, Reason.BY_HAND)
            request = replace(
                request,
                reason=Reason.STOP if is_stop else known,
                entry_id=entry_id,
                strategy=self.book.orders[entry_id].request.strategy,
            )
        self.record(
            events.OrderAdopted(
                at=clock.now(), request=request, broker_order_id=report.broker_order_id
            )
        )
        self.downgrade(
            TradingState.HALTED,
            f"the journal lacks order {report.order_id}, which is at the broker with a tag of ours",
            "orders",
        )
        return self.book.orders[report.order_id]

    def accept_terms(self, report: OrderReport, terms: Mapping[str, int]) -> None:
        """
        Adopt the broker's quantity and prices, since a modification may have taken effect.

        `terms` are those of the book before the report was asked for: a report of terms that have
        changed meanwhile may be older than they are, and says nothing.
        """
        order = self._order_of(report)
        if order is None or order.is_external:
            return
        if terms.get(order.request.order_id) != order.modification_count:
            return
        request = order.request
        there = _terms(
            replace(
                request,
                quantity=report.quantity,
                limit_price=report.limit_price or request.limit_price,
                trigger_price=report.trigger_price or request.trigger_price,
            )
        )
        if there == _terms(request):
            return
        if order.pending is None or there != _terms(order.pending):
            if report.quantity > request.quantity:
                self.unbooked.raise_ordered(request.order_id, request.quantity)
            quantity, limit_price, trigger_price = there
            self.record(
                events.ModifyRequested(
                    at=clock.now(),
                    order_id=request.order_id,
                    quantity=quantity,
                    limit_price=limit_price,
                    trigger_price=trigger_price,
                )
            )
        self.record(
            events.ModifyEnded(
                at=clock.now(),
                order_id=request.order_id,
                is_accepted=True,
                message="changed at the broker",
            )
        )

    def clear_pending(self, order_id: str) -> None:
        """Clear a pending cancel or modification, so that it can be requested again."""
        order = self.book.orders[order_id]
        if order.is_cancel_pending:
            self.record(events.CancelRefused(at=clock.now(), order_id=order_id))
        if order.is_modify_pending:
            self.record(events.ModifyEnded(at=clock.now(), order_id=order_id, is_accepted=False))

    def _book_provisional_fill(self, order_id: str, report: OrderReport) -> None:
        order = self.book.orders[order_id]
        missing = report.filled_quantity - order.filled_quantity
        if missing <= 0 or not report.average_price or report.average_price < 0:
            return
        amount = report.average_price * report.filled_quantity - order.filled_amount
        provisional = self.book.provisional_quantity(order_id)
        if provisional:
            fill = self.book.fills[provisional_key(order_id)]
            amount += fill.quantity * fill.price
            self.record(events.ProvisionalReduced(at=clock.now(), order_id=order_id, quantity=0))
        quantity = missing + provisional
        self._book_fill(
            Fill(
                fill_key=provisional_key(order_id),
                order_id=order_id,
                symbol=order.request.symbol,
                side=order.request.side,
                product=order.request.product,
                quantity=quantity,
                # rounded, since a mean may not terminate, so that the reversal is exact
                price=(amount / quantity).quantize(PRICE_STEP),
                filled_at=report.at or clock.now(),
                is_provisional=True,
            )
        )

    def _on_trade_report(self, trade: TradeReport) -> None:
        fill = trade.fill
        if fill.fill_key in self.book.fills:
            return
        if fill.quantity <= 0 or fill.price <= 0:
            # no such trade exists, so nobody knows what is held
            self.downgrade(
                TradingState.HALTED,
                f"the broker reports trade {fill.fill_key} of {fill.quantity} {fill.symbol} at "
                f"{fill.price}: check with the broker",
                "orders",
            )
            return
        order = self.book.order_by_broker_id(trade.broker_order_id) or self.book.orders.get(
            fill.order_id
        )
        if order is None:
            known = self._unmatched_trades.setdefault(trade.broker_order_id, [])
            if all(each.fill.fill_key != fill.fill_key for each in known):
                known.append(trade)
            return
        if order.is_external:
            return  # the order is tracked, but its fills are not ours
        order_id = order.request.order_id
        if order.state is State.INTENT:
            self.record(events.OrderSent(at=clock.now(), order_id=order_id))
        if self.book.orders[order_id].state in UNACKNOWLEDGED:
            self.advance(order_id, State.ACKED, trade.broker_order_id)
        self._cancel_late(order)
        request = order.request
        traded = (fill.side, fill.symbol, fill.product)
        if traded != (request.side, request.symbol, request.product):
            # booked as it is: what is held counts, whatever was asked for
            self.downgrade(
                TradingState.HALTED,
                f"order {order_id} to {request.side} {request.symbol} ({request.product}) has a"
                f" trade to {fill.side} {fill.symbol} ({fill.product}): check with the broker",
                "orders",
            )
        provisional = self.book.provisional_quantity(order_id)
        if provisional:
            self.record(
                events.ProvisionalReduced(
                    at=clock.now(),
                    order_id=order_id,
                    quantity=max(0, provisional - fill.quantity),
                )
            )
        self._book_fill(self._with_charges(self.book.orders[order_id], fill))

    def _cancel_late(self, before: Order) -> None:
        """Halt for an order that was NOT_PLACED and is at the broker, and cancel what is left."""
        order_id = before.request.order_id
        order = self.book.orders[order_id]
        if before.state is not State.NOT_PLACED or order.state is State.NOT_PLACED:
            return
        self.downgrade(
            TradingState.HALTED,
            f"order {order_id}, which the broker did not know, came to it late",
            "orders",
        )
        if order.state.is_live:
            self.cancel_next(order_id, "it came late")

    def _with_charges(self, order: Order, fill: Fill) -> Fill:
        fill = replace(fill, order_id=order.request.order_id)
        provisional = self.book.fills.get(provisional_key(order.request.order_id))
        quantity, amount = order.filled_quantity, order.filled_amount
        if provisional:
            quantity -= provisional.quantity
            amount -= provisional.quantity * provisional.price
        owed = fill_charges(self._charges, fill, quantity, amount, order.charges_amount)
        return replace(fill, charges_amount=owed)

    def _book_fill(self, fill: Fill) -> None:
        order = self.book.orders[fill.order_id]
        self.record(events.FillBooked(at=clock.now(), fill=fill))
        filled = self.book.orders[fill.order_id].filled_quantity
        self._note_contradiction(fill.order_id)
        if order.state in NEVER_FILLED or filled > order.request.quantity:
            self.downgrade(
                TradingState.HALTED,
                f"order {fill.order_id} is {order.state} with {filled} of "
                f"{order.request.quantity} filled: check with the broker",
                "orders",
            )

    def _note_contradiction(self, order_id: str) -> None:
        """Have the broker's positions asked if more is filled than was ordered, or was held."""
        request = self.book.orders[order_id].request
        filled = self.book.orders[order_id].filled_quantity
        is_exit = request.reason is not Reason.ENTRY
        is_beyond = filled > self.unbooked.ordered(order_id, request.quantity) or (
            is_exit and self.book.held_quantity(order_id) > 0
        )
        if is_beyond and not self.broker.capabilities.is_simulated:
            self.unbooked.contradict(order_id)

    def _may_be_ours(self, report: OrderReport | TradeReport) -> bool:
        """Return whether a row may be of an order of this account, whatever else it says."""
        is_tagged = isinstance(report, OrderReport) and (
            report.order_id in self.book.orders or is_order_id(report.order_id or "")
        )
        return is_tagged or self.book.order_by_broker_id(report.broker_order_id) is not None

    async def _trades_of(self, found: Sequence[OrderReport]) -> Sequence[TradeReport]:
        """Return the trades of found orders; without an answer, the reports say what is filled."""
        try:
            trades = await self._asked(self.broker.trades()) if found else []
        except BrokerError as error:
            log.warning("the trades are not known", error=str(error))
            return []
        ids = {report.broker_order_id for report in found}
        return [trade for trade in trades if trade.broker_order_id in ids]

    def _order_of(self, report: OrderReport) -> Order | None:
        order = self.book.order_by_broker_id(report.broker_order_id)
        if order is None and report.order_id is not None:
            order = self.book.orders.get(report.order_id)
        return order


def _terms(request: Request) -> tuple[int, Decimal | None, Decimal | None]:
    return request.quantity, request.limit_price, request.trigger_price


def _external_id(broker_order_id: str) -> str:
    return f"EXTERNAL{broker_order_id}"


def _request_of(report: OrderReport, order_id: str, strategy: str) -> Request:
    return Request(
        order_id=order_id,
        symbol=report.symbol,
        side=report.side,
        quantity=report.quantity,
        product=report.product,
        order_type=report.order_type,
        limit_price=report.limit_price,
        trigger_price=report.trigger_price,
        strategy=strategy,
    )
