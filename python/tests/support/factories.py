"""Orders, fills and events for tests."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from duckbourse.orders.order import Fill, Product, Request, Side, order_id_of

NOW = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)
CAPITAL = Decimal(1_000_000)
_numbers = itertools.count()


def request(name: str | None = None, **changed: Any) -> Request:
    """Return an order to buy ten A, with a unique id unless one is given."""
    name = name or f"order {next(_numbers)}"
    fields: dict[str, Any] = {
        "order_id": order_id_of("test", date(2026, 11, 25), name),
        "symbol": "A",
        "side": Side.BUY,
        "quantity": 10,
        "product": Product.MIS,
    }
    return Request(**{**fields, **changed})


def fill(quantity: int, price: str, side: Side = Side.BUY, **changed: Any) -> Fill:
    """Return a fill of A with a unique key."""
    fields: dict[str, Any] = {
        "fill_key": f"fill {next(_numbers)}",
        "order_id": "X",
        "symbol": "A",
        "side": side,
        "product": Product.MIS,
        "quantity": quantity,
        "price": Decimal(price),
        "filled_at": NOW,
    }
    return Fill(**{**fields, **changed})
