"""The one place in which our words and Kite's meet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from duckbourse.orders.broker import Holding, OrderReport, TradeReport
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import (
    Fill,
    OrderType,
    Product,
    Request,
    Side,
    Validity,
    fill_key_of,
)
from duckbourse.streaming.feed import PRICE_DECIMALS

# Kite's exchange for each of our calendars
EXCHANGES = {"XNSE": "NSE"}
# the low byte of an instrument token is its segment; prices on the wire have two decimals except in
# these segments
SEGMENT_BITS = 8
CDS, BCD, NCO = 3, 6, 12
PRICE_DECIMALS_OF = {CDS: 7, BCD: 4, NCO: 4}
USUAL_PRICE_DECIMALS = 2


def price_scale(token: int) -> tuple[int, int]:
    """Return the multiplier and divisor that turn a wire price into millionths."""
    segment = token % (1 << SEGMENT_BITS)
    decimals = PRICE_DECIMALS_OF.get(segment, USUAL_PRICE_DECIMALS)
    return 10 ** max(0, PRICE_DECIMALS - decimals), 10 ** max(0, decimals - PRICE_DECIMALS)


# orders

SIDES = {Side.BUY: "BUY", Side.SELL: "SELL"}
TYPES = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.SL: "SL",
    OrderType.SL_M: "SL-M",
}
PRODUCTS = {Product.MIS: "MIS", Product.CNC: "CNC"}
VALIDITIES = {Validity.DAY: "DAY", Validity.IOC: "IOC"}
OUR_SIDES = {theirs: ours for ours, theirs in SIDES.items()}
OUR_TYPES = {theirs: ours for ours, theirs in TYPES.items()}
OUR_PRODUCTS = {theirs: ours for ours, theirs in PRODUCTS.items()}
# a market order needs protection: with none (0) Kite rejects it, and -1 is the exchange's own
AUTOMATIC_PROTECTION = "-1"
# what is not listed means that the order is live and says nothing else, as do those of a pending
# request: an untriggered stop that is being modified is not OPEN
STATES = {
    "OPEN": State.OPEN,
    "TRIGGER PENDING": State.TRIGGER_PENDING,
    "COMPLETE": State.FILLED,
    "CANCELLED": State.CANCELLED,
    "REJECTED": State.REJECTED,
}
DEFAULT_EXCHANGE = "NSE"
INDIA = ZoneInfo("Asia/Kolkata")
# Kite's numbers are floats of JSON, whose noise is far below any tick
NOISE = Decimal("0.000001")


class Names:
    """Our symbols and Kite's; `tick_sizes` are by our symbol, such as INFY or BSE:INFY."""

    def __init__(self, tick_sizes: Mapping[str, Decimal]) -> None:
        self._tick_sizes = tick_sizes

    @staticmethod
    def theirs(symbol: str) -> tuple[str, str]:
        """Return Kite's exchange and trading symbol of a symbol."""
        exchange, _, name = symbol.rpartition(":")
        return exchange or DEFAULT_EXCHANGE, name

    def ours(self, exchange: str, name: str) -> str:
        """Return our symbol of Kite's exchange and trading symbol."""
        full = f"{exchange}:{name}"
        return name if exchange == DEFAULT_EXCHANGE and full not in self._tick_sizes else full

    def price(self, symbol: str, number: Any) -> Decimal | None:
        """
        Return a price without the noise of a float; None for 0, which Kite has for none.

        A price between two of our ticks is what it is: the tick size may have changed there.
        """
        price = Decimal(str(number or 0))
        if not price:
            return None
        tick = self._tick_sizes.get(symbol)
        if tick is not None:
            in_ticks = (price / tick).to_integral_value(ROUND_HALF_EVEN) * tick
            if abs(in_ticks - price) < NOISE:
                return in_ticks
        return price.quantize(NOISE)


def place_form(request: Request, *, algo_id: str | None = None) -> dict[str, str]:
    """Return the form that places an order."""
    exchange, name = Names.theirs(request.symbol)
    form = {
        "exchange": exchange,
        "tradingsymbol": name,
        "transaction_type": SIDES[request.side],
        "product": PRODUCTS[request.product],
        "tag": request.order_id,
        **terms_form(request),
    }
    return form | {"algo_id": algo_id} if algo_id else form


def terms_form(request: Request) -> dict[str, str]:
    """
    Return the part of a form that a modification may change.

    A market order with a limit is sent as a limit order, and a stop likewise: the limit is its
    protection, which Kite takes only as a percentage of the last price.
    """
    order_type = request.order_type
    if request.limit_price is not None:
        is_stop = order_type in (OrderType.SL, OrderType.SL_M)
        order_type = OrderType.SL if is_stop else OrderType.LIMIT
    form = {
        "order_type": TYPES[order_type],
        "quantity": str(request.quantity),
        "validity": VALIDITIES[request.validity],
    }
    if request.limit_price is not None:
        form["price"] = f"{request.limit_price:f}"
    else:
        form["market_protection"] = AUTOMATIC_PROTECTION
    if request.trigger_price is not None:
        form["trigger_price"] = f"{request.trigger_price:f}"
    return form


def state_of(status: str, filled_quantity: int) -> State:
    """Return our state of a status; whatever is not listed is live."""
    state = STATES.get(status, State.ACKED)
    return State.PARTIAL if state is State.OPEN and filled_quantity else state


def tag_of(found: Mapping[str, Any]) -> str | None:
    """Return the tag of an order; a postback has it in `tags` alone."""
    return found.get("tag") or next(iter(found.get("tags") or ()), None)


def order_of(found: Mapping[str, Any], names: Names) -> OrderReport:
    """Return the report of an order; raise KeyError for a word of Kite that is not ours."""
    symbol = names.ours(found["exchange"], found["tradingsymbol"])
    filled = int(found["filled_quantity"])
    at = found.get("exchange_update_timestamp") or found.get("order_timestamp")
    return OrderReport(
        broker_order_id=str(found["order_id"]),
        order_id=tag_of(found),
        symbol=symbol,
        side=OUR_SIDES[found["transaction_type"]],
        product=OUR_PRODUCTS[found["product"]],
        order_type=OUR_TYPES[found["order_type"]],
        quantity=int(found["quantity"]),
        state=state_of(found["status"], filled),
        filled_quantity=filled,
        average_price=names.price(symbol, found.get("average_price")) if filled else None,
        limit_price=names.price(symbol, found.get("price")),
        trigger_price=names.price(symbol, found.get("trigger_price")),
        message=found.get("status_message") or "",
        at=instant_of(at) if at else None,
    )


def trade_of(broker: str, found: Mapping[str, Any], names: Names) -> TradeReport:
    """Return the report of a trade; its key is the same however often it is reported."""
    symbol = names.ours(found["exchange"], found["tradingsymbol"])
    price = names.price(symbol, found["average_price"])
    at = instant_of(found.get("fill_timestamp") or found["exchange_timestamp"])
    broker_order_id, trade_id = str(found["order_id"]), str(found["trade_id"])
    return TradeReport(
        broker_order_id=broker_order_id,
        fill=Fill(
            fill_key=fill_key_of(broker, at.date(), found["exchange"], broker_order_id, trade_id),
            order_id="",  # a trade has no tag
            symbol=symbol,
            side=OUR_SIDES[found["transaction_type"]],
            product=OUR_PRODUCTS[found["product"]],
            quantity=int(found["quantity"]),
            price=Decimal(0) if price is None else price,
            filled_at=at,
        ),
    )


def position_of(found: Mapping[str, Any], names: Names) -> Holding:
    """Return a net position of the day."""
    return Holding(
        symbol=names.ours(found["exchange"], found["tradingsymbol"]),
        product=OUR_PRODUCTS[found["product"]],
        quantity=int(found["quantity"]),
    )


def holding_of(found: Mapping[str, Any], names: Names) -> Holding:
    """Return what was delivered earlier; what was sold of it today is a position of the day."""
    quantity = sum(int(found.get(name) or 0) for name in ("quantity", "used_quantity"))
    return Holding(
        symbol=names.ours(found["exchange"], found["tradingsymbol"]),
        product=Product.CNC,
        quantity=quantity + int(found.get("t1_quantity") or 0),
    )


def instant_of(text: str) -> datetime:
    """Return the instant of a timestamp, which is India's local time unless it says otherwise."""
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=INDIA)).astimezone(UTC)
