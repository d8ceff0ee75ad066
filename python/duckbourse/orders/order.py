"""
What an order is: what was asked for, what has become of it, and the fills it had.

All are frozen values. Quantities are whole shares, prices are Decimal in the currency of the
account, instants are aware and in UTC.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from duckbourse.orders.lifecycle import State

# what a broker's tag holds, and what our own ids have
ID_LENGTH = 20
# what a price is at least a multiple of, wherever one is reckoned
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
    """MIS is closed within its session; CNC is delivered, and never sold short."""

    MIS = "MIS"
    CNC = "CNC"


class Validity(StrEnum):
    DAY = "day"
    IOC = "ioc"


class Reason(StrEnum):
    """Why an order is sent; all but ENTRY close what is held and never open."""

    ENTRY = "entry"
    STOP = "stop"
    TRAILING_STOP = "trailing_stop"
    TARGET = "target"
    TIME = "time"
    SQUARE_OFF = "square_off"
    DAILY_LOSS = "daily_loss"


class Exits(msgspec.Struct, frozen=True, kw_only=True):
    """
    When what an entry bought is to be closed; the first that comes true closes all of it.

    `trail_distance` is how far the price may fall from its best since the entry, in money.
    `exit_at` is an instant. None is no such exit.
    """

    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    trail_distance: Decimal | None = None
    exit_at: datetime | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a broker. `order_id` is ours, the broker's tag, and never used again."""

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
    # the signal an entry follows
    signal_id: str | None = None
    # the entry whose position an exit closes
    entry_id: str | None = None
    exits: Exits | None = None
    strategy: str = ""
    correlation_id: str = ""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """
    A request and what has become of it.

    `filled_quantity` is the sum of its fills, whatever a status said. `is_external` is an order
    that was found at the broker and is not ours.
    """

    request: Request
    state: State = State.NEW
    broker_order_id: str | None = None
    filled_quantity: int = 0
    filled_amount: Decimal = Decimal(0)
    charges_amount: Decimal = Decimal(0)
    message: str = ""
    modification_count: int = 0
    is_cancel_pending: bool = False
    is_modify_pending: bool = False
    # the request as it will be, if the broker takes a change that is under way
    pending: Request | None = None
    is_external: bool = False
    sent_at: datetime | None = None

    @property
    def open_quantity(self) -> int:
        """What may still be filled."""
        return self.request.quantity - self.filled_quantity if self.state.is_live else 0

    @property
    def average_price(self) -> Decimal | None:
        return self.filled_amount / self.filled_quantity if self.filled_quantity else None


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """
    A trade of an order.

    `fill_key` is broker, trade date, exchange, order and trade; the same trade, however often it is
    told, has the same key. A provisional fill is what a status said of a trade that is not known
    yet; the trade takes its place.
    """

    fill_key: str
    order_id: str
    symbol: str
    side: Side
    product: Product
    quantity: int
    price: Decimal
    filled_at: datetime
    charges_amount: Decimal = Decimal(0)
    is_provisional: bool = False

    @property
    def signed_quantity(self) -> int:
        return self.side.sign * self.quantity


def order_id_of(account: str, session_date: date, *names: str) -> str:
    """
    Return the id of an order from what it is for: 20 letters and digits.

    The same account, session and names have the same id, so that what was sent for a signal is
    found again, by us and at the broker, and cannot be sent twice.
    """
    told = "|".join([account, session_date.isoformat(), *names])
    digest = hashlib.blake2b(told.encode(), digest_size=13).digest()
    return base64.b32encode(digest).decode()[:ID_LENGTH]


def fill_key_of(
    broker: str, trade_date: date, exchange: str, broker_order_id: str, trade_id: str
) -> str:
    """Return the key of a trade: brokers number trades by exchange and day, some by order."""
    return "|".join([broker, trade_date.isoformat(), exchange, broker_order_id, trade_id])
