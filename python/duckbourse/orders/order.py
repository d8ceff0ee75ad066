"""
An order: the request, its current state, and its fills.

All are frozen values. Quantities are whole shares, prices are Decimal in the currency of the
account, and instants are aware and in UTC.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

import msgspec

from duckbourse.orders.lifecycle import TRIGGERED, State

# the length of our order ids, which fits a broker's tag
ID_LENGTH = 20
BASE32 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
# the precision of computed prices
PRICE_STEP = Decimal("0.000001")


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1

    @property
    def other(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    SL = "sl"
    SL_M = "sl_m"


class Product(StrEnum):
    """MIS (intraday) is closed within its session; CNC (delivery) is never sold short."""

    MIS = "MIS"
    CNC = "CNC"


class Validity(StrEnum):
    DAY = "day"
    IOC = "ioc"


class Reason(StrEnum):
    """Why an order is sent; every reason but ENTRY only closes a position."""

    ENTRY = "entry"
    STOP = "stop"
    TRAILING_STOP = "trailing_stop"
    TARGET = "target"
    TIME = "time"
    SQUARE_OFF = "square_off"
    DAILY_LOSS = "daily_loss"
    STRATEGY = "strategy"
    # more was closed than was held: an order and the one in its place were both filled
    OVERFILL = "overfill"
    BY_HAND = "by_hand"

    @property
    def rank(self) -> int:
        """The urgency of an exit; one of a higher rank takes over from one of a lower."""
        return _RANKS.get(self, 1)

    @classmethod
    def _missing_(cls, value: object) -> Reason | None:
        """Read journals of version 0.1, which call the daily loss limit `kill`."""
        return cls.DAILY_LOSS if value == "kill" else None


# the square-off leaves what is held overnight, which those above it close
_RANKS = {Reason.ENTRY: 0, Reason.SQUARE_OFF: 2, Reason.DAILY_LOSS: 3, Reason.BY_HAND: 4}


class Exits(msgspec.Struct, frozen=True, kw_only=True):
    """
    When to close the position of an entry; the first condition that is met closes all of it.

    `trail_distance` is the adverse move allowed from the best price since the entry, in money.
    `exit_at` is an instant. None means no such exit.
    """

    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    trail_distance: Decimal | None = None
    exit_at: datetime | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """An order request to a broker. `order_id` is our id, sent as its tag, and never reused."""

    order_id: str
    symbol: str
    side: Side
    quantity: int
    product: Product
    order_type: OrderType = OrderType.MARKET
    validity: Validity = Validity.DAY
    limit_price: Decimal | None = None
    trigger_price: Decimal | None = None
    reason: Reason = Reason.ENTRY
    # the signal that an entry follows
    signal_id: str | None = None
    # the entry whose position an exit closes
    entry_id: str | None = None
    exits: Exits | None = None
    # when an entry that is not filled is cancelled
    expires_at: datetime | None = None
    strategy: str = ""
    correlation_id: str = ""


class Order(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """
    A request and its current state.

    `filled_quantity` is the sum of its fills, whatever quantity a status reported. `is_external`
    marks an order that was found at the broker and is not ours. `message` is the last one of the
    broker or of a check, and `cancel_why` why we asked to cancel it, empty if nobody needs to know.
    """

    request: Request
    state: State = State.NEW
    broker_order_id: str | None = None
    filled_quantity: int = 0
    filled_amount: Decimal = Decimal(0)
    charges_amount: Decimal = Decimal(0)
    message: str = ""
    cancel_why: str = ""
    modification_count: int = 0
    is_cancel_pending: bool = False
    is_modify_pending: bool = False
    # the request as it will be if the broker accepts the pending modification
    pending: Request | None = None
    is_external: bool = False
    sent_at: datetime | None = None

    @property
    def open_quantity(self) -> int:
        """The quantity that may still be filled."""
        return self.request.quantity - self.filled_quantity if self.state.is_live else 0

    @property
    def why(self) -> str:
        """Why it is in its state, in words; empty if nobody needs to know."""
        return (self.state is State.CANCELLED and self.cancel_why) or self.message

    @property
    def is_crossed(self) -> bool:
        """Whether it closed what another strategy held on the other side, and was never sent."""
        is_exit = self.request.entry_id is not None
        return is_exit and self.state is State.FILLED and self.sent_at is None

    @property
    def is_resting(self) -> bool:
        """Whether it is a stop at work that is not triggered yet."""
        is_untriggered = self.state.is_live and self.state not in TRIGGERED
        return self.request.order_type is OrderType.SL and is_untriggered

    def gives_way_to(self, request: Request) -> bool:
        """
        Return whether it is a resting stop of what a request of its strategy closes in part or all.

        It is made smaller or cancelled before the request is sent: together they could close more
        than is held.
        """
        ours = self.request
        is_exit = ours.reason is not Reason.ENTRY and request.reason is Reason.ENTRY
        return self.is_resting and is_exit and _closes_the_same(ours, request)

    @property
    def average_price(self) -> Decimal | None:
        return self.filled_amount / self.filled_quantity if self.filled_quantity else None


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """
    A trade of an order.

    `fill_key` is broker, trade date, exchange, order and trade, so a trade has the same key however
    often it is reported. A provisional fill comes from an order status before its trade is
    reported; the trade replaces it.
    """

    fill_key: str
    order_id: str
    symbol: str
    side: Side
    product: Product
    quantity: int
    price: Decimal
    filled_at: Annotated[datetime, msgspec.Meta(tz=True)]
    charges_amount: Decimal = Decimal(0)
    is_provisional: bool = False

    @property
    def signed_quantity(self) -> int:
        return self.side.sign * self.quantity


def _closes_the_same(one: Request, other: Request) -> bool:
    return (one.symbol, one.product, one.side, one.strategy) == (
        other.symbol,
        other.product,
        other.side,
        other.strategy,
    )


def order_id_of(account: str, session_date: date, *names: str) -> str:
    """
    Return the id of an order, 20 letters and digits, computed from its purpose.

    The same account, session and names always give the same id, so an order that was sent for a
    signal can be found again, here and at the broker, and cannot be sent twice.
    """
    purpose = "|".join([account, session_date.isoformat(), *names])
    digest = hashlib.blake2b(purpose.encode(), digest_size=13).digest()
    return base64.b32encode(digest).decode()[:ID_LENGTH]


def is_order_id(tag: str) -> bool:
    """Return whether a tag at the broker can only be an id of ours."""
    return len(tag) == ID_LENGTH and not set(tag) - BASE32


def fill_key_of(
    broker: str, trade_date: date, exchange: str, broker_order_id: str, trade_id: str
) -> str:
    """Return the key of a trade; brokers number trades per exchange and day, some per order."""
    return "|".join([broker, trade_date.isoformat(), exchange, broker_order_id, trade_id])
