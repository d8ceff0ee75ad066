"""The one place in which our words and the broker's meet."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from duckbourse.orders.broker import Holding, OrderReport, TradeReport
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Fill, OrderType, Product, Request, Side, fill_key_of

SIDES = {Side.BUY: "BUY", Side.SELL: "SELL"}
TYPES = {OrderType.LIMIT: "LMT", OrderType.MARKET: "MKT"}
PRODUCTS = {Product.MIS: "INTRADAY", Product.CNC: "DELIVERY"}
OUR_SIDES = {theirs: ours for ours, theirs in SIDES.items()}
OUR_TYPES = {theirs: ours for ours, theirs in TYPES.items()}
OUR_PRODUCTS = {theirs: ours for ours, theirs in PRODUCTS.items()}
STATES = {
    "RECEIVED": State.ACKED,
    "OPEN": State.OPEN,
    "PART_TRADED": State.PARTIAL,
    "TRADED": State.FILLED,
    "CANCELLED": State.CANCELLED,
    "REJECTED": State.REJECTED,
    "EXPIRED": State.EXPIRED,
}


def body_of(request: Request) -> dict[str, Any]:
    """Return the body that places an order; prices are text, since JSON numbers are not exact."""
    return {
        "tag": request.order_id,
        "symbol": request.symbol,
        "side": SIDES[request.side],
        "type": TYPES[request.order_type],
        "product": PRODUCTS[request.product],
        "quantity": request.quantity,
        "price": None if request.limit_price is None else str(request.limit_price),
    }


def order_of(found: dict[str, Any]) -> OrderReport:
    """Return the report of an order; a status that is not listed means that it is still live."""
    return OrderReport(
        broker_order_id=found["id"],
        order_id=found["tag"],
        symbol=found["symbol"],
        side=OUR_SIDES[found["side"]],
        product=OUR_PRODUCTS[found["product"]],
        order_type=OUR_TYPES[found["type"]],
        quantity=found["quantity"],
        state=STATES.get(found["status"], State.ACKED),
        filled_quantity=found["filled"],
        average_price=_price(found["average"]),
        limit_price=_price(found["price"]),
        message=found["message"],
        at=datetime.fromisoformat(found["at"]),
    )


def trade_of(broker: str, found: dict[str, Any]) -> TradeReport:
    """Return the report of a trade; its key is the same however often it is reported."""
    at = datetime.fromisoformat(found["at"])
    return TradeReport(
        broker_order_id=found["order"],
        fill=Fill(
            fill_key=fill_key_of(broker, at.date(), "X", found["order"], found["id"]),
            order_id=found["tag"] or "",
            symbol=found["symbol"],
            side=OUR_SIDES[found["side"]],
            product=OUR_PRODUCTS[found["product"]],
            quantity=found["quantity"],
            price=Decimal(found["price"]),
            filled_at=at,
        ),
    )


def holding_of(found: dict[str, Any]) -> Holding:
    """Return what is held of a symbol."""
    return Holding(
        symbol=found["symbol"],
        product=OUR_PRODUCTS[found["product"]],
        quantity=found["quantity"],
    )


def _price(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
