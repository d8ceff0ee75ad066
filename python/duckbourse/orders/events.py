"""
What happens to an account, one frozen value each: all that the journal holds.

The book (`book.py`) is these applied in order, whether they happen now or are read again after a
crash. An event says what was decided or seen, never what follows from it.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Fill, Reason, Request


class TradingState(StrEnum):
    """ACTIVE trades; REDUCING lets positions be closed only; HALTED sends what protects only."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """`at` is when it was decided or seen, aware and in UTC."""

    at: datetime


class OrderDenied(Event, frozen=True, kw_only=True):
    """A check refused it; `code` and `detail` say which and by what numbers."""

    request: Request
    code: str
    detail: str


class OrderIntended(Event, frozen=True, kw_only=True):
    """It will be sent as soon as this is on disk."""

    request: Request


class OrderSent(Event, frozen=True, kw_only=True):
    """It is on its way, or may have been when the process ended."""

    order_id: str


class OrderUpdated(Event, frozen=True, kw_only=True):
    """What a broker said of it, or that it said nothing (UNKNOWN)."""

    order_id: str
    state: State
    broker_order_id: str | None = None
    message: str = ""


class ExternalOrderSeen(Event, frozen=True, kw_only=True):
    """An order at the broker that is not ours, in whatever state it is."""

    request: Request
    state: State
    broker_order_id: str


class FillBooked(Event, frozen=True, kw_only=True):
    fill: Fill


class ProvisionalReduced(Event, frozen=True, kw_only=True):
    """The trades behind a provisional fill came: so many shares of it are no more, 0 for none."""

    order_id: str
    quantity: int


class CancelRequested(Event, frozen=True, kw_only=True):
    order_id: str


class CancelRefused(Event, frozen=True, kw_only=True):
    order_id: str
    message: str = ""


class ModifyRequested(Event, frozen=True, kw_only=True):
    order_id: str
    quantity: int
    limit_price: Decimal | None = None
    trigger_price: Decimal | None = None


class ModifyEnded(Event, frozen=True, kw_only=True):
    """The broker took the change, or refused it."""

    order_id: str
    is_accepted: bool
    message: str = ""


class ExitTriggered(Event, frozen=True, kw_only=True):
    """The price or the time called for the end of what an entry opened."""

    entry_id: str
    reason: Reason
    price: Decimal


class TrailMoved(Event, frozen=True, kw_only=True):
    """The best price since the entry, from which a trailing stop is measured."""

    entry_id: str
    best_price: Decimal


class TradingStateChanged(Event, frozen=True, kw_only=True):
    state: TradingState
    reason: str
    by: str


class SessionStarted(Event, frozen=True, kw_only=True):
    """A session's limits are reckoned on the equity at its start."""

    session_date: date
    equity_amount: Decimal


class PublicationLoaded(Event, frozen=True, kw_only=True):
    """From here on decisions are made on this build."""

    build_id: str
    data_version: str


class Reconciled(Event, frozen=True, kw_only=True):
    """The broker was asked, and differs in this; nothing is no difference."""

    differences: tuple[str, ...] = ()


class JournalSalvaged(Event, frozen=True, kw_only=True):
    """Rows from this one on could not be read; the damaged file is kept under its new name."""

    first_lost_row: int
    kept_as: str


AnyEvent = (
    OrderDenied
    | OrderIntended
    | OrderSent
    | OrderUpdated
    | ExternalOrderSeen
    | FillBooked
    | ProvisionalReduced
    | CancelRequested
    | CancelRefused
    | ModifyRequested
    | ModifyEnded
    | ExitTriggered
    | TrailMoved
    | TradingStateChanged
    | SessionStarted
    | PublicationLoaded
    | Reconciled
    | JournalSalvaged
)
