"""Orders, fills and events for tests."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from duckbourse.orders.order import Fill, Product, Request, Side, order_id_of
from duckbourse.risk.limits import Limits

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


LIMITS = Limits(
    account="test",
    broker="paper",
    calendar="XNYS",
    segment="us_equity",
    product=Product.MIS,
    capital_amount=Decimal(100_000),
    entry_cutoff_time=time(15),
    square_off_time=time(15, 45),
    max_positions=10,
    max_order_quantity=10_000,
    max_order_pct=Decimal(25),
    max_symbol_pct=Decimal(25),
    max_sector_pct=Decimal(50),
    max_gross_pct=Decimal(200),
    max_net_pct=Decimal(100),
    max_open_orders=20,
    max_trades=60,
    max_daily_loss_pct=Decimal(50),
    max_drawdown_pct=Decimal(50),
    max_consecutive_losses=8,
    var_confidence=0.99,
    max_var_pct=Decimal(10),
    max_es_pct=Decimal(10),
    max_collar_pct=Decimal(3),
    protection_pct=Decimal(1),
    max_tick_age_ms=5_000,
    max_sessions_behind=1,
    max_orders_per_second=10,
    max_orders_per_minute=400,
    max_orders_per_session=5_000,
    margin_pct=Decimal(20),
    exit_reprice_ms=2_000,
    exit_alert_seconds=15,
    square_off_lead_minutes=15,
    max_tick_move_pct=Decimal(10),
    max_silence_seconds=60,
)
