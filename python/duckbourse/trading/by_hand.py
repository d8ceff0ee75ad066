"""
Orders by hand: they pass the same checks and the same journal as those of a strategy.

They are booked under `by_hand`, with a book of its own. The id of an order follows from the id of
its request, so a request that is repeated orders nothing twice; it is answered again. A position of
any strategy can be closed, at any time, whatever was refused before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import chain

from msgspec.structs import replace

from duckbourse import clock
from duckbourse.names import did_you_mean
from duckbourse.orders import events
from duckbourse.orders.bus import Message
from duckbourse.orders.denial import OrderDeniedError
from duckbourse.orders.lifecycle import State
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import Exits, Order, Product, Reason, Request, Side, order_id_of
from duckbourse.risk.exits import protected
from duckbourse.trading.commands import Answer, Command, Inbox, OrderByHand
from duckbourse.trading.exits import ExitManager
from duckbourse.trading.strategy import BY_HAND, Context
from duckbourse.words import counted, priced

# states of an order that will not trade, for whatever reason
REFUSED = {
    State.DENIED: "denied",
    State.REJECTED: "rejected by the broker",
    State.NOT_PLACED: "not placed",
}


@dataclass
class Watched:
    """A command whose answer is not final: `answer` returns the present one."""

    command: Command
    answer: Callable[[], Answer]
    last: Answer


class HandOrders:
    """Obeys the orders of people; `context` returns what a strategy of a name sees."""

    def __init__(
        self,
        manager: Manager,
        exits: ExitManager,
        context: Callable[[str], Context],
        inbox: Inbox,
    ) -> None:
        self._manager = manager
        self._exits = exits
        self._context = context
        self._inbox = inbox
        self._watched: list[Watched] = []
        # the orders that opened a short position, which people have been notified of
        self._shorts: set[str] = set()
        manager.bus.subscribe(events.FillBooked, self._note_short)

    def _note_short(self, message: Message[events.FillBooked]) -> None:
        """Record that an order by hand sold more than was held, as soon as it has."""
        fill, book = message.event.fill, self._manager.book
        request = book.orders[fill.order_id].request
        held = book.quantity_of(BY_HAND, fill.symbol, fill.product)
        is_opened = held < 0 <= held - fill.signed_quantity
        is_entry = request.strategy == BY_HAND and request.reason is Reason.ENTRY
        if not (is_entry and is_opened) or request.order_id in self._shorts:
            return
        self._shorts.add(request.order_id)
        self._manager.record(
            events.ShortByHand(
                at=clock.now(),
                order_id=request.order_id,
                symbol=fill.symbol,
                quantity=-held,
                has_exits=request.exits not in (None, Exits()),
            )
        )

    async def obey(self, command: Command, wanted: OrderByHand) -> None:
        """Send what a person orders and answer it, now and whenever its state changes."""
        wanted = self._with_our_id(wanted)
        match wanted.action:
            case _ if odd := _odd_number(wanted):
                answer: Answer | Callable[[], Answer] = _refused(odd, code="PRICE")
            case "buy" | "sell":
                answer = await self._place(command, wanted)
            case "cancel":
                answer = self._cancel(wanted)
            case "modify":
                answer = await self._modify(wanted)
            case "close":
                answer = self._close(wanted)
            case _:
                answer = _refused(f"there is no order to {wanted.action!r}")
        first = answer if isinstance(answer, Answer) else answer()
        self._inbox.answer(command, first)
        if not isinstance(answer, Answer) and not first.is_final:
            self._watched.append(Watched(command, answer, first))

    def report(self) -> None:
        """Answer again where something has changed."""
        for watched in self._watched:
            answer = watched.answer()
            if answer != watched.last:
                watched.last = answer
                self._inbox.answer(watched.command, answer)
        self._watched = [each for each in self._watched if not each.last.is_final]

    def take_up(self) -> None:
        """Answer again what an earlier loop has not answered for good; call this at the start."""
        for command, last in self._inbox.unfinished():
            order_id = str(last.figures.get("order_id"))
            # what waited for its turn, and was not in the journal yet, is not sent late
            if order_id in self._manager.book.orders or order_id == self._id_of(command):
                self._watched.append(Watched(command, partial(self._answer_of, order_id), last))
            else:
                ended = _refused("its loop ended before this was done; look, and ask again")
                self._inbox.answer(command, ended)
        self.report()

    async def _place(self, command: Command, wanted: OrderByHand) -> Answer | Callable[[], Answer]:
        context = self._context(BY_HAND)
        publication, symbol = context.publication, wanted.target
        instrument = publication.instruments.get(symbol)
        if instrument is None:
            return self._unknown(symbol)
        if wanted.quantity is None:
            return _refused(f"how many {symbol} to {wanted.action} is not said")
        side, limit = Side(wanted.action), wanted.limit_price
        if limit is None and symbol in context.prices:
            price = context.prices[symbol][0]
            limit = protected(instrument, side, price, publication.limits.protection_pct)
        order_id = self._id_of(command)
        exits = _exits_of(wanted, Exits())
        request = Request(
            order_id=order_id,
            symbol=symbol,
            side=side,
            quantity=wanted.quantity,
            product=publication.limits.product,
            limit_price=limit,
            exits=None if exits == Exits() else exits,
            strategy=BY_HAND,
            correlation_id=command.request_id,
        )
        waiting, opens = self._manager.waiting_entries.get(order_id), ""
        if known := self._manager.book.orders.get(order_id) or (waiting and Order(request=waiting)):
            asked = self._manager.book.asked.get(order_id, known.request)
            if not _is_same(request, asked, wanted):
                return _refused(
                    f"the id {command.request_id} is that of another order:"
                    f" {_terms_of(known.request)}; leave --id out, or give a new one"
                )
        elif request.exits and request.quantity <= self._manager.held_against(request):
            return _refused(
                f"it only closes what was opened by hand of {symbol}, and so has no stop, target or"
                " trail; `order modify` moves those of what is left"
            )
        else:
            held = self._manager.held_against(request)
            kind = "a long" if side is Side.BUY else "a short"
            bare = "" if request.exits else " without a stop"
            if 0 < held < request.quantity:
                opened = request.quantity - held
                opens = f"; {held} close what is held, and {opened} open {kind} position{bare}"
            elif not held and side is Side.SELL:
                opens = f"; nothing was held by hand, so it opens a short position{bare}"
            await self._manager.place(request)

        def answer() -> Answer:
            found = self._answer_of(order_id)
            return replace(found, message=found.message + opens) if found.is_obeyed else found

        return answer

    def _id_of(self, command: Command) -> str:
        return self._id_of_request(command.request_id)

    def _id_of_request(self, request_id: str) -> str:
        publication = self._context(BY_HAND).publication
        return order_id_of(
            publication.limits.account, publication.session_date, BY_HAND, request_id
        )

    def _with_our_id(self, wanted: OrderByHand) -> OrderByHand:
        """Return what a person orders with our id of an order, where it names that of a request."""
        order_id = self._id_of_request(wanted.target)
        is_known = order_id in self._manager.book.orders or order_id in self._manager.book.waiting
        is_symbol = wanted.target in self._context(BY_HAND).publication.instruments
        return replace(wanted, target=order_id) if is_known and not is_symbol else wanted

    def _answer_of(self, order_id: str) -> Answer:
        book = self._manager.book
        if order_id in book.orders:
            return self._with_holders(answer_of(book.orders[order_id]))
        request = self._manager.waiting_entries.get(order_id)
        if request is None:
            return _refused("not sent: its loop ended before it had its turn", order_id=order_id)
        reason = (
            "the stop at the broker gives way first"
            if book.giving_way_to(request)
            else "the broker's rates"
        )
        return Answer(
            is_obeyed=True,
            is_final=False,
            message=f"waiting for its turn: {reason}",
            figures={"order_id": order_id},
        )

    def _with_holders(self, answer: Answer) -> Answer:
        """Return the answer to a sale of what is not held by hand with who holds it."""
        if answer.figures.get("code") != "SHORT":
            return answer
        symbol = answer.figures["symbol"]
        holders = [
            f"{signed:+} of {strategy or 'nobody'}"
            for (strategy, name, _), signed in self._manager.book.legs().items()
            if name == symbol and signed > 0 and strategy != BY_HAND
        ]
        if not holders:
            return answer
        held = f"others hold it: {', '.join(holders)}; `./bourse order close {symbol}` closes that"
        return replace(answer, message=f"{answer.message}; {held}")

    def _cancel(self, wanted: OrderByHand) -> Answer | Callable[[], Answer]:
        orders = self._entries_at_work(wanted.target)
        if isinstance(orders, Answer):
            return orders
        ids = [order.request.order_id for order in orders]
        for order_id in ids:
            self._manager.cancel_next(order_id, "by hand")

        def answer() -> Answer:
            known = [self._manager.book.orders[order_id] for order_id in ids]
            live = [order for order in known if order.state.is_live]
            filled = sum(order.filled_quantity for order in known)
            detail = "".join(f"; {order.message}" for order in live if order.message)
            ended = "; ".join(
                # what waited for its turn is denied
                f"{State.CANCELLED if order.state is State.DENIED else order.state},"
                f" {_filled(order)}"
                for order in known
                if not order.state.is_live
            )
            waits = f"{counted(len(live), 'order')} not cancelled yet{detail}" if live else ""
            return Answer(
                is_obeyed=True,
                is_final=not live,
                message="; ".join(each for each in (ended, waits) if each),
                figures={"orders": len(known), "open": len(live), "filled_quantity": filled},
            )

        return answer

    async def _modify(self, wanted: OrderByHand) -> Answer | Callable[[], Answer]:
        moves_exits = _exits_of(wanted, Exits()) != Exits()
        if moves_exits and (wanted.quantity, wanted.limit_price) == (None, None):
            return self._change_exits(wanted)
        orders = self._entries_at_work(wanted.target)
        if isinstance(orders, Answer):
            return orders
        if len(orders) > 1:
            ids = ", ".join(order.request.order_id for order in orders)
            return _refused(f"{wanted.target} has several open orders; name one by its id: {ids}")
        [order] = orders
        request, order_id = order.request, order.request.order_id
        quantity = wanted.quantity or request.quantity
        limit = wanted.limit_price or request.limit_price
        exits = _exits_of(wanted, request.exits or Exits())
        try:
            # both are checked before either is changed
            if moves_exits:
                self._exits.require_changeable(order_id, exits, BY_HAND)
            await self._manager.modify(
                order_id,
                quantity=quantity,
                limit_price=limit,
                trigger_price=request.trigger_price,
            )
        except OrderDeniedError as denial:
            return _refused(f"denied: {denial}", code=denial.code, order_id=order_id)
        try:
            if moves_exits:
                self._exits.change(order_id, exits, BY_HAND)
        except OrderDeniedError as denial:
            why = f"the order is modified, but not its exits: {denial}"
            return _refused(why, code=denial.code, order_id=order_id)

        def answer() -> Answer:
            known = self._manager.book.orders.get(order_id)
            if known is None:
                return self._answer_of(order_id)
            if (known.request.quantity, known.request.limit_price) == (quantity, limit):
                return answer_of(known)
            if known.is_modify_pending:
                return Answer(is_obeyed=True, is_final=False, message="the broker has not answered")
            return _refused(f"not modified: {known.message or known.state}", order_id=order_id)

        return answer

    def _change_exits(self, wanted: OrderByHand) -> Answer:
        """Move the stop, target or trailing stop of an entry, held or open, of any strategy."""
        book, target = self._manager.book, wanted.target
        entries = [*book.held_entries(), *book.open_entries]
        found = {
            order.request.order_id: order
            for order in entries
            if target in (order.request.order_id, order.request.symbol)
        }
        if len(found) > 1:
            named = "; ".join(
                f"{order_id} ({_terms_of(order.request)}, of {order.request.strategy or 'nobody'})"
                for order_id, order in found.items()
            )
            return _refused(f"{target} has several entries; name one by its id: {named}")
        if not found:
            if target in self._manager.waiting_entries:
                return _refused(f"order {target} waits for its turn; modify it once it is sent")
            if target in book.orders or target in self._context(BY_HAND).publication.instruments:
                return _refused(f"nothing of {target} is held or on order")
            return self._unknown(target)
        [(order_id, order)] = found.items()
        exits = _exits_of(wanted, order.request.exits or Exits())
        try:
            self._exits.change(order_id, exits, BY_HAND)
        except OrderDeniedError as denial:
            return _refused(f"denied: {denial}", code=denial.code, order_id=order_id)
        return Answer(
            is_obeyed=True,
            message=f"{order.request.symbol}: {_named(exits)}",
            figures={
                "order_id": order_id,
                "stop_price": _text(exits.stop_price),
                "target_price": _text(exits.target_price),
                "trail_distance": _text(exits.trail_distance),
            },
        )

    def _entries_at_work(self, target: str) -> Sequence[Order] | Answer:
        """Return the open orders that an id or a symbol means, without exits."""
        found = [
            order
            for order in self._manager.open_entries
            if target in (order.request.order_id, order.request.symbol)
        ]
        if found:
            return found
        if target in self._manager.book.orders:
            return _refused(f"order {target} is {self._manager.book.orders[target].state}")
        if target in self._context(BY_HAND).publication.instruments:
            return _refused(f"{target} has no open order that opens a position")
        return self._unknown(target)

    def _close(self, wanted: OrderByHand) -> Answer | Callable[[], Answer]:
        book, symbol = self._manager.book, wanted.target
        is_listed = symbol in self._context(BY_HAND).publication.instruments
        # what no order opened is booked under no name
        if is_listed and not wanted.strategy:
            self._exits.take_over(symbol)
        ids = self._exits.leave(symbol, wanted.strategy, Reason.BY_HAND)
        if not ids:
            of = f" by {wanted.strategy}" if wanted.strategy else ""
            if wanted.strategy == "":
                of = " that no order opened"
            if any(each == symbol for each, _ in book.unowned()):
                what = f"no order of this account opened {symbol}"
                if not is_listed:
                    return _refused(f"{what}, and it is not published: close it at the broker")
                if wanted.strategy:
                    return _refused(f"{what}; to close it, leave --strategy out")
                return _refused(f"{what}, and its trades are not reported yet: ask again")
            if not is_listed:
                return self._unknown(symbol)
            return _refused(f"nothing of {symbol} is held{of}")

        known, ordered = set(book.fills), set(book.orders)
        owners = {
            (book.orders[each].request.strategy, book.orders[each].request.product) for each in ids
        }

        def to_be_closed(strategy: str, product: Product) -> int:
            # what was held, and what has been opened since; what only reduces adds nothing
            later = [
                fill.signed_quantity
                for name, fill in book.fills.items()
                if name not in known
                and (fill.symbol, fill.product) == (symbol, product)
                and book.orders[fill.order_id].request.strategy == strategy
            ]
            crossed = sum(
                order.request.side.sign * order.filled_quantity
                for order in chain.from_iterable(map(book.exits_of, ids))
                if order.request.order_id not in ordered
                and order.is_crossed
                and (order.request.strategy, order.request.product) == (strategy, product)
            )
            shares = book.quantity_of(strategy, symbol, product) - sum(later) - crossed
            count = abs(shares)
            for signed in later:
                is_closing = shares * signed < 0
                count += max(0, abs(signed) - abs(shares)) if is_closing else abs(signed)
                shares += signed
            return count

        def answer() -> Answer:
            held = sum(book.held_quantity(each) for each in ids)
            opening = sum(book.orders[each].state.is_live for each in ids)
            works = [self._exits.works[each] for each in ids if each in self._exits.works]
            details = [work.detail for work in works if work.detail]
            if opening:
                details.append(f"{counted(opening, 'open order')} not cancelled yet")
            total = sum(to_be_closed(*owner) for owner in owners)
            done = f"closed {total - held} of {total} {symbol}"
            if not total:
                done = f"nothing of {symbol} is held"
            is_final = not held and not opening
            left = [
                f"{signed:+} of {strategy or 'nobody'}"
                for (strategy, name, _), signed in book.legs().items()
                if name == symbol
            ]
            if is_final and left:
                done += f"; {symbol} is still held: {', '.join(left)}"
            return Answer(
                is_obeyed=True,
                is_final=is_final,
                message=done if is_final or not details else f"{done}: {'; '.join(details)}",
                figures={"quantity": total, "open_quantity": held},
            )

        return answer

    def _unknown(self, symbol: str) -> Answer:
        known = self._context(BY_HAND).publication.instruments
        what = f"there is no symbol or order {symbol!r}{did_you_mean(symbol, known)}"
        return _refused(what, code="UNKNOWN")


def _odd_number(wanted: OrderByHand) -> str:
    """Return which number of an order no order can have; empty if all are possible."""
    numbers = {
        "quantity": wanted.quantity,
        "limit": wanted.limit_price,
        "stop": wanted.stop_price,
        "target": wanted.target_price,
        "trail": wanted.trail_distance,
    }
    odd = [
        f"a {name} of {number} is not possible: give one above 0"
        for name, number in numbers.items()
        if number is not None and not (Decimal(number).is_finite() and number > 0)
    ]
    return "; ".join(odd)


def _is_same(request: Request, asked: Request, wanted: OrderByHand) -> bool:
    """Return whether a request that is repeated is the one that was asked under its id."""
    # without a limit of its own, an order has that of the last price
    limit = wanted.limit_price or asked.limit_price
    return (asked.symbol, asked.side, asked.quantity, asked.limit_price, asked.exits) == (
        request.symbol,
        request.side,
        request.quantity,
        limit,
        request.exits,
    )


def _exits_of(wanted: OrderByHand, before: Exits) -> Exits:
    """Return the exits that a person wants; what is not said stays as it was before."""
    return Exits(
        stop_price=wanted.stop_price or before.stop_price,
        target_price=wanted.target_price or before.target_price,
        trail_distance=wanted.trail_distance or before.trail_distance,
        exit_at=before.exit_at,
    )


def _named(exits: Exits) -> str:
    named = {
        "stop": exits.stop_price,
        "target": exits.target_price,
        "trail": exits.trail_distance,
    }
    return ", ".join(
        f"{name} {priced(price)}" for name, price in named.items() if price is not None
    )


def _terms_of(request: Request) -> str:
    terms = f"{request.side} {request.quantity} {request.symbol} at {_limit(request)}"
    return f"{terms}, {_named(request.exits)}" if request.exits else terms


def answer_of(order: Order) -> Answer:
    """Return what became of an order; it is final when the order is."""
    request, state = order.request, order.state
    figures: dict[str, str | int | None] = {
        "order_id": request.order_id,
        "state": str(state),
        "symbol": request.symbol,
        "side": str(request.side),
        "quantity": request.quantity,
        "limit_price": _text(request.limit_price),
        "filled_quantity": order.filled_quantity,
        "average_price": _text(order.average_price),
    }
    filled = _filled(order)
    if state in REFUSED:
        code = order.message.partition(":")[0] if state is State.DENIED else None
        return Answer(
            is_obeyed=False,
            message=f"{REFUSED[state]}: {order.message}",
            figures=figures | {"code": code},
        )
    if state is State.FILLED:
        return Answer(is_obeyed=True, message=filled, figures=figures)
    if not state.is_live:
        # what ended without a share did nothing
        why = f"; {order.why}" if order.why else ""
        return Answer(
            is_obeyed=order.filled_quantity > 0, message=f"{state}: {filled}{why}", figures=figures
        )
    where = f"at {'most' if request.side is Side.BUY else 'least'} {_limit(request)}"
    word = "the broker has not answered yet" if state is State.UNKNOWN else f"accepted, {where}"
    return Answer(is_obeyed=True, is_final=False, message=f"{word}: {filled}", figures=figures)


def _limit(request: Request) -> str:
    return "the market" if request.limit_price is None else priced(request.limit_price)


def _filled(order: Order) -> str:
    request = order.request
    filled = f"{order.filled_quantity} of {request.quantity} {request.symbol} filled"
    average = order.average_price
    return filled if average is None else f"{filled} at {priced(average)}"


def _text(price: Decimal | None) -> str | None:
    return None if price is None else f"{price.quantize(Decimal('0.0001')).normalize():f}"


def _refused(message: str, **figures: str | int | None) -> Answer:
    return Answer(is_obeyed=False, message=message, figures=figures)
