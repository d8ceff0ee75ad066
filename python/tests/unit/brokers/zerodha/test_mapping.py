"""Our words and Kite's, on payloads as Kite documents them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from duckbourse.brokers.zerodha import mapping
from duckbourse.brokers.zerodha.mapping import Names
from duckbourse.orders.lifecycle import TRIGGERED, State
from duckbourse.orders.order import OrderType, Product, Side, Validity
from tests.support.factories import request

NAMES = Names({"INFY": Decimal("0.05"), "BSE:ABC": Decimal("0.01"), "NSE:TCS": Decimal("0.1")})
ORDER = json.loads(
    """{"placed_by": "AB1234", "order_id": "220303000308932", "exchange_order_id": "1000",
    "parent_order_id": null, "status": "OPEN", "status_message": null,
    "order_timestamp": "2022-03-03 09:24:25", "exchange_update_timestamp": "2022-03-03 09:24:26",
    "exchange_timestamp": "2022-03-03 09:24:25", "variety": "regular", "exchange": "NSE",
    "tradingsymbol": "INFY", "instrument_token": 408065, "order_type": "LIMIT",
    "transaction_type": "BUY", "validity": "DAY", "product": "CNC", "quantity": 10,
    "disclosed_quantity": 0, "price": 1720.05, "trigger_price": 0, "average_price": 0,
    "filled_quantity": 0, "pending_quantity": 10, "cancelled_quantity": 0,
    "tag": null, "tags": ["ABCDEFGHIJKLMNOPQRST"], "guid": "x", "meta": {}}""",
    parse_float=Decimal,
)
TRADE = {
    "trade_id": "10000000",
    "order_id": "200000000000000",
    "exchange": "NSE",
    "tradingsymbol": "INFY",
    "instrument_token": 408065,
    "product": "MIS",
    "average_price": Decimal("1720.05"),
    "quantity": 3,
    "exchange_order_id": "300000000000000",
    "transaction_type": "SELL",
    "fill_timestamp": "2022-03-03 09:16:39",
    "order_timestamp": "09:16:39",
    "exchange_timestamp": "2022-03-03 09:16:39",
}
LIVE_WORDS = (
    "PUT ORDER REQ RECEIVED",
    "VALIDATION PENDING",
    "OPEN PENDING",
    "MODIFY VALIDATION PENDING",
    "MODIFY PENDING",
    "MODIFIED",
    "CANCEL PENDING",
    "AMO REQ RECEIVED",
    "UPDATE",
    "SOMETHING NEW",
)


def order(**changed: Any) -> Any:
    return mapping.order_of(ORDER | changed, NAMES)


def test_an_order_is_read() -> None:
    found = order()
    assert (found.broker_order_id, found.order_id) == ("220303000308932", "ABCDEFGHIJKLMNOPQRST")
    assert (found.symbol, found.side, found.product) == ("INFY", Side.BUY, Product.CNC)
    assert (found.order_type, found.quantity) == (OrderType.LIMIT, 10)
    assert (found.limit_price, found.trigger_price) == (Decimal("1720.05"), None)
    assert (found.state, found.average_price) == (State.OPEN, None)
    assert found.at == datetime(2022, 3, 3, 3, 54, 26, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "filled", "state"),
    [
        ("OPEN", 0, State.OPEN),
        ("OPEN", 4, State.PARTIAL),
        ("TRIGGER PENDING", 0, State.TRIGGER_PENDING),
        ("COMPLETE", 10, State.FILLED),
        ("CANCELLED", 0, State.CANCELLED),
        ("CANCELLED", 4, State.CANCELLED),
        ("REJECTED", 0, State.REJECTED),
    ],
)
def test_a_status_is_a_state(status: str, filled: int, state: State) -> None:
    found = order(status=status, filled_quantity=filled, average_price=Decimal("1720.05"))
    assert (found.state, found.filled_quantity) == (state, filled)


@pytest.mark.parametrize("status", LIVE_WORDS)
@pytest.mark.parametrize("filled", [0, 4, 10])
def test_any_other_status_is_live_and_triggers_no_stop(status: str, filled: int) -> None:
    found = order(status=status, filled_quantity=filled, average_price=Decimal("1720.05"))
    assert found.state.is_live
    assert found.state not in TRIGGERED
    assert found.filled_quantity == filled


def test_a_word_that_would_change_what_is_traded_is_an_error() -> None:
    for name in ("transaction_type", "product", "order_type"):
        with pytest.raises(KeyError):
            order(**{name: "NEW"})


@pytest.mark.parametrize(
    ("symbol", "number", "price"),
    [
        ("INFY", Decimal("1720.05"), "1720.05"),
        ("INFY", 1720.0500000000002, "1720.05"),
        ("INFY", 1720.0499999999997, "1720.05"),
        # a tick size that has changed there: what was traded is what was traded
        ("INFY", Decimal("1720.02"), "1720.02"),
        ("OTHER", 0.1 + 0.2, "0.3"),
        ("INFY", 0, None),
        ("INFY", None, None),
    ],
)
def test_a_price_has_no_noise(symbol: str, number: Any, price: str | None) -> None:
    assert NAMES.price(symbol, number) == (None if price is None else Decimal(price))


def test_a_trade_has_one_key_and_its_instant() -> None:
    found = mapping.trade_of("zerodha", TRADE, NAMES)
    assert found.fill.fill_key == "zerodha|2022-03-03|NSE|200000000000000|10000000"
    assert (found.fill.side, found.fill.quantity) == (Side.SELL, 3)
    assert found.fill.price == Decimal("1720.05")
    assert found.fill.filled_at == datetime(2022, 3, 3, 3, 46, 39, tzinfo=UTC)
    assert found.fill.filled_at.date() == date(2022, 3, 3)


@pytest.mark.parametrize(
    ("symbol", "there"),
    [("INFY", ("NSE", "INFY")), ("BSE:ABC", ("BSE", "ABC")), ("NSE:TCS", ("NSE", "TCS"))],
)
def test_a_symbol_goes_there_and_back(symbol: str, there: tuple[str, str]) -> None:
    assert NAMES.theirs(symbol) == there
    assert NAMES.ours(*there) == symbol


def test_holdings_count_what_is_on_its_way_and_what_was_sold_today() -> None:
    row = {"exchange": "NSE", "tradingsymbol": "INFY", "quantity": 5, "t1_quantity": 2}
    found = mapping.holding_of(row | {"used_quantity": 3}, NAMES)
    assert (found.symbol, found.product, found.quantity) == ("INFY", Product.CNC, 10)


LIMIT = Decimal("1720.05")


@pytest.mark.parametrize(
    ("changed", "form"),
    [
        ({"limit_price": LIMIT, "order_type": OrderType.LIMIT}, {"order_type": "LIMIT"}),
        # the limit of a market order is its protection
        ({"limit_price": LIMIT}, {"order_type": "LIMIT", "price": "1720.05"}),
        ({}, {"order_type": "MARKET", "market_protection": "-1"}),
        (
            {"order_type": OrderType.SL_M, "trigger_price": LIMIT},
            {"order_type": "SL-M", "market_protection": "-1", "trigger_price": "1720.05"},
        ),
        (
            {"order_type": OrderType.SL_M, "trigger_price": LIMIT, "limit_price": LIMIT - 1},
            {"order_type": "SL", "price": "1719.05", "trigger_price": "1720.05"},
        ),
        ({"validity": Validity.IOC, "limit_price": LIMIT}, {"validity": "IOC"}),
        ({"product": Product.CNC, "side": Side.SELL}, {"product": "CNC"}),
    ],
)
def test_an_order_is_asked_for_with_protection(
    changed: dict[str, Any], form: dict[str, str]
) -> None:
    asked = request(symbol="INFY", **changed)
    found = mapping.place_form(asked)
    assert found.items() >= form.items()
    assert (found["tag"], found["exchange"]) == (asked.order_id, "NSE")
    assert found["tag"].isalnum()
    assert len(found["tag"]) <= 20
    # a limit needs no protection, and what has none needs it
    assert ("price" in found) is not ("market_protection" in found)
