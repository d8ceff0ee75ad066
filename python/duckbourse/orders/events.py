"""
Events of an account, one frozen value each; the journal holds nothing else.

The book (`book.py`) applies them in order, live or when the journal is read after a crash. An event
records what was decided or observed, never its consequences.
"""

from __future__ import annotations

import secrets
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Exits, Fill, Order, Product, Reason, Request
from duckbourse.orders.positions import CorporateAction, Position


def new_halt_id() -> str:
    return secrets.token_hex(8)


class TradingState(StrEnum):
    """ACTIVE trades; REDUCING only closes positions; HALTED only sends protective exits."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


class CashKind(StrEnum):
    """DEPOSIT and WITHDRAWAL change the capital; DIVIDEND and INTEREST are earned, or owed."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    DIVIDEND = "dividend"
    INTEREST = "interest"

    @property
    def is_capital(self) -> bool:
        return self in (CashKind.DEPOSIT, CashKind.WITHDRAWAL)


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the entries of a position hold, and its fills since then; see `Book`.

    `provisional_fills` are those from the first provisional one on, and `before_provisional` is the
    position before them.
    """

    symbol: str
    product: Product
    quantity: int
    entries: dict[str, int]
    fills: tuple[str, ...] = ()
    provisional_fills: tuple[str, ...] = ()
    before_provisional: Position | None = None


class Halt(msgspec.Struct, frozen=True):
    """What halted or reduced an account, and the id of its request; empty if nobody asked."""

    what: str
    request_id: str = ""


class Carried(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of an account between two sessions: what of a `Book` outlives its session."""

    capital_amount: Decimal
    cash_amount: Decimal
    peak_amount: Decimal
    consecutive_losses: int
    state: TradingState
    state_reason: str
    # who changed the state last; empty in what was carried without it
    state_by: str = ""
    # those since it was active, by their ids, in order
    halts: dict[str, Halt] = {}
    session_date: date | None = None
    flatten_reason: Reason | None = None
    positions: tuple[Position, ...] = ()
    held: tuple[Held, ...] = ()
    # the entries of what is held, orders that may still fill, and the fills that are needed
    orders: tuple[Order, ...] = ()
    fills: tuple[Fill, ...] = ()
    best_price: dict[str, Decimal] = {}
    exit_reason: dict[str, Reason] = {}
    exits_by: dict[str, str] = {}
    marks: dict[str, Decimal] = {}
    action_ids: tuple[str, ...] = ()
    cash_ids: tuple[str, ...] = ()
    # of each symbol that a session began with: the first and the last session of each run of them
    overnight: dict[str, tuple[tuple[date, date], ...]] = {}
    differences: tuple[str, ...] = ()
    # what a session that was killed left waiting
    waiting: tuple[OrderWaiting, ...] = ()


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """`at` is when it was decided or observed, aware and in UTC."""

    at: datetime


class OrderDenied(Event, frozen=True, kw_only=True):
    """A check denied the order; `code` names the check, `detail` has its numbers."""

    request: Request
    code: str
    detail: str


class OrderWaiting(Event, frozen=True, kw_only=True):
    """
    An entry waits for its turn at the broker, or waits with other terms; at `until` it is denied.

    `closing_quantity` is what it would close of its strategy's position. It is denied if less is
    left of that, so that it opens nothing instead.
    """

    request: Request
    until: datetime
    closing_quantity: int = 0


class OrderIntended(Event, frozen=True, kw_only=True):
    """The order will be sent as soon as this event is on disk."""

    request: Request


class OrderSent(Event, frozen=True, kw_only=True):
    """The order was sent, or may have been when the process ended."""

    order_id: str


class OrderUpdated(Event, frozen=True, kw_only=True):
    """The broker reported this state, or gave no answer (UNKNOWN)."""

    order_id: str
    state: State
    broker_order_id: str | None = None
    message: str = ""


class ExternalOrderSeen(Event, frozen=True, kw_only=True):
    """The broker has an order that is not ours, in any state."""

    request: Request
    state: State
    broker_order_id: str


class OrderAdopted(Event, frozen=True, kw_only=True):
    """The broker has an order with a tag of ours that the journal lacks; it is ours again."""

    request: Request
    broker_order_id: str


class FillBooked(Event, frozen=True, kw_only=True):
    fill: Fill


class ProvisionalReduced(Event, frozen=True, kw_only=True):
    """Trades replaced part of a provisional fill; `quantity` remains of it, 0 if none."""

    order_id: str
    quantity: int


class CancelRequested(Event, frozen=True, kw_only=True):
    """`why` is in words; empty if nobody needs to know."""

    order_id: str
    why: str = ""


class CancelRefused(Event, frozen=True, kw_only=True):
    order_id: str
    message: str = ""


class ModifyRequested(Event, frozen=True, kw_only=True):
    order_id: str
    quantity: int
    limit_price: Decimal | None = None
    trigger_price: Decimal | None = None


class ModifyEnded(Event, frozen=True, kw_only=True):
    """The broker accepted or rejected the modification."""

    order_id: str
    is_accepted: bool
    message: str = ""


class ExitTriggered(Event, frozen=True, kw_only=True):
    """Price, time or a command triggered the exit of an entry's position."""

    entry_id: str
    reason: Reason
    price: Decimal


class ExitsChanged(Event, frozen=True, kw_only=True):
    """
    An entry has other exits from now on.

    `by` is the strategy that moved them, or `by_hand`; empty in what was journaled without it.
    """

    entry_id: str
    exits: Exits
    by: str = ""


class PositionTakenOver(Event, frozen=True, kw_only=True):
    """
    A person closes what no order opened: it is held as if `request` had opened it for `amount`.

    It came of trades that were not what was ordered.
    """

    request: Request
    amount: Decimal


class LegsCrossed(Event, frozen=True, kw_only=True):
    """
    Two entries on opposite sides, both to be closed, closed each other at a price in the account.

    `requests` are their exits, of one quantity; nothing was sent to the broker.
    """

    requests: tuple[Request, Request]
    price: Decimal

    @property
    def fills(self) -> tuple[Fill, ...]:
        """What each of them did, without charges; the account has none of it."""
        return tuple(
            Fill(
                fill_key=f"{request.order_id}|crossed",
                order_id=request.order_id,
                symbol=request.symbol,
                side=request.side,
                product=request.product,
                quantity=request.quantity,
                price=self.price,
                filled_at=self.at,
            )
            for request in self.requests
        )


class FlattenRequested(Event, frozen=True, kw_only=True):
    """All positions are to be closed, also those that fill later, until trading is active again."""

    reason: Reason


class ExitDelayed(Event, frozen=True, kw_only=True):
    """
    The position of an entry is still not closed, `seconds` after its exit was triggered.

    `quantity` is what is held; `detail` says what the exit waits for.
    """

    entry_id: str
    symbol: str
    quantity: int
    reason: Reason
    seconds: int
    detail: str


class StopTakenBack(Event, frozen=True, kw_only=True):
    """
    The stop of an entry rests at the broker no more, since it was for more than is held.

    `detail` says why it could not be made smaller. Without the loop, nothing closes the position.
    """

    entry_id: str
    symbol: str
    detail: str


class ShortByHand(Event, frozen=True, kw_only=True):
    """
    An order by hand sold more than was held by hand: the account is short of `quantity` now.

    Its exits look after the short position, if it has any; so does the square-off.
    """

    order_id: str
    symbol: str
    quantity: int
    has_exits: bool


class PriceSilent(Event, frozen=True, kw_only=True):
    """A symbol that is held has had no tick for `seconds`, while others had."""

    symbol: str
    seconds: int


class ClockJumped(Event, frozen=True, kw_only=True):
    """
    The machine's clock was set: it shows `seconds` more than have passed since the session began.

    The session goes on by what has passed. With 0, the clock is right again.
    """

    seconds: int


class StrategyFailed(Event, frozen=True, kw_only=True):
    """A strategy raised an error and is not asked again; `detail` is the error."""

    strategy: str
    detail: str


class FeedChanged(Event, frozen=True, kw_only=True):
    """The feed was lost or refused, or is healthy again; `what` says which."""

    what: str
    is_healthy: bool


class LoopStopped(Event, frozen=True, kw_only=True):
    """The loop was stopped before the end of its session; it has handled all ticks up to `at`."""


class TrailMoved(Event, frozen=True, kw_only=True):
    """The best price since the entry, from which a trailing stop is measured."""

    entry_id: str
    best_price: Decimal


class TradingStateChanged(Event, frozen=True, kw_only=True):
    """
    The account may trade more or less; `request_id` is that of the command, if one asked.

    `halt_id` is a halt's or a reduction's alone, whatever journal it is in: a session that is
    traded again, or restored from a backup, has others. It is empty if trading is active.
    """

    state: TradingState
    reason: str
    by: str
    request_id: str = ""
    halt_id: str = ""


class AccountCarried(Event, frozen=True, kw_only=True):
    """
    The account as it stood when a session began: all of it, so nothing before it has to be read.

    `checksum` is that of the row before it, which is in the archive.
    """

    checksum: int
    carried: Carried


class SessionStarted(Event, frozen=True, kw_only=True):
    """
    A session began; its limits are computed on the equity at its start.

    `options` are those of `./bourse trade`, as typed; None if they were not recorded. `marks` are
    the prior closes of what is held.
    """

    session_date: date
    equity_amount: Decimal
    options: str | None = None
    marks: dict[str, Decimal] = {}


class SessionEnded(Event, frozen=True, kw_only=True):
    """The market closed; `marks` are the last prices of what is held overnight."""

    session_date: date
    equity_amount: Decimal
    marks: dict[str, Decimal] = {}


class CorporateActionApplied(Event, frozen=True, kw_only=True):
    """
    A split, bonus or dividend of a symbol that was held overnight; its `action_id` is used once.

    It is applied at the start of the first session that knows it, which may be after its ex-date.
    `price` is the prior close in new shares, at which a fraction of a share is paid out.
    """

    action: CorporateAction
    price: Decimal | None = None


class CorporateActionMissed(Event, frozen=True, kw_only=True):
    """
    An action arrived after its symbol was traded in other shares, so it is not applied.

    The account is halted, and its `action_id` is not asked about again.
    """

    action: CorporateAction


class CashMoved(Event, frozen=True, kw_only=True):
    """
    Cash came in, or went out if `amount` is negative; its `cash_id` is used once.

    `equity_amount` is the equity before, on `value_date`.
    """

    cash_id: str
    kind: CashKind
    amount: Decimal
    value_date: date
    equity_amount: Decimal
    by: str
    note: str = ""


class PublicationLoaded(Event, frozen=True, kw_only=True):
    """Decisions from here onward use this build."""

    build_id: str
    data_version: str


class Reconciled(Event, frozen=True, kw_only=True):
    """
    The book was compared with the broker; `differences` is empty if they agree.

    `explained` are the differences that have a known and harmless cause.
    """

    differences: tuple[str, ...] = ()
    explained: tuple[str, ...] = ()


class JournalSalvaged(Event, frozen=True, kw_only=True):
    """Rows from `first_lost_row` onward are unreadable; the damaged file is kept as `kept_as`."""

    first_lost_row: int
    kept_as: str


AnyEvent = (
    OrderDenied
    | OrderWaiting
    | OrderIntended
    | OrderSent
    | OrderUpdated
    | ExternalOrderSeen
    | OrderAdopted
    | FillBooked
    | ProvisionalReduced
    | CancelRequested
    | CancelRefused
    | ModifyRequested
    | ModifyEnded
    | ExitTriggered
    | ExitsChanged
    | PositionTakenOver
    | LegsCrossed
    | FlattenRequested
    | ExitDelayed
    | StopTakenBack
    | ShortByHand
    | PriceSilent
    | ClockJumped
    | StrategyFailed
    | FeedChanged
    | LoopStopped
    | TrailMoved
    | TradingStateChanged
    | AccountCarried
    | SessionStarted
    | SessionEnded
    | CorporateActionApplied
    | CorporateActionMissed
    | CashMoved
    | PublicationLoaded
    | Reconciled
    | JournalSalvaged
)
