"""Every check denies what it should, with both numbers, and passes orders just within its limit."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from duckbourse.orders import events
from duckbourse.orders.book import Book
from duckbourse.orders.charges import Charges, order_charges
from duckbourse.orders.denial import OrderDeniedError
from duckbourse.orders.events import TradingState
from duckbourse.orders.lifecycle import State
from duckbourse.orders.order import Exits, Order, OrderType, Product, Reason, Request, Side
from duckbourse.risk.checks import (
    CHECKS,
    AccountContext,
    OrderContext,
    Use,
    cash,
    exposure,
    limits_used,
    margin,
    pre_trade_check,
    session,
    value_at_risk,
)
from duckbourse.risk.exits import due
from duckbourse.risk.limits import Covariances, Instrument
from tests.support.factories import LIMITS as ACCOUNT_LIMITS
from tests.support.factories import fill, request

NOW = datetime(2026, 11, 25, 5, 0, tzinfo=UTC)
DAY = NOW.date()
LIMITS = replace(
    ACCOUNT_LIMITS,
    calendar="XNSE",
    segment="nse_intraday",
    entry_cutoff_time=time(14, 45),
    square_off_time=time(15, 15),
    max_positions=2,
    max_order_quantity=500,
    max_order_pct=Decimal(40),
    max_symbol_pct=Decimal(50),
    max_sector_pct=Decimal(60),
    max_gross_pct=Decimal(80),
    max_net_pct=Decimal(70),
    max_open_orders=3,
    max_trades=5,
    max_daily_loss_pct=Decimal(2),
    max_drawdown_pct=Decimal(10),
    max_consecutive_losses=2,
    max_var_pct=Decimal(50),
    max_es_pct=Decimal(50),
    max_orders_per_second=3,
)
INSTRUMENTS = {
    symbol: Instrument(
        symbol=symbol,
        sector=sector,
        tick_size=Decimal("0.05"),
        lot_size=5,
        freeze_quantity=1000,
        price_band_pct=Decimal(10),
        prior_close=Decimal(100),
    )
    for symbol, sector in (("A", "iron"), ("B", "iron"), ("C", None), ("D", "salt"))
}
DAILY = 0.02


def book_with(*further: events.Event) -> Book:
    book = Book(LIMITS.capital_amount)
    book.apply(
        events.TradingStateChanged(at=NOW, state=TradingState.ACTIVE, reason="test", by="test")
    )
    book.apply(events.SessionStarted(at=NOW, session_date=DAY, equity_amount=LIMITS.capital_amount))
    for event in further:
        book.apply(event)
    return book


def bought(symbol: str, quantity: int, price: str = "100", side: Side = Side.BUY) -> events.Event:
    return events.FillBooked(at=NOW, fill=fill(quantity, price, side, symbol=symbol))


def opened(**changed: Any) -> list[events.Event]:
    """Return an order that is open at the broker."""
    return opened_as(order_request(**changed))


def opened_as(asked: Request) -> list[events.Event]:
    return [
        events.OrderIntended(at=NOW, request=asked),
        events.OrderSent(at=NOW, order_id=asked.order_id),
        events.OrderUpdated(at=NOW, order_id=asked.order_id, state=State.ACKED),
        events.OrderUpdated(at=NOW, order_id=asked.order_id, state=State.OPEN),
    ]


def order_request(**changed: Any) -> Request:
    return request(**{"limit_price": Decimal(100), **changed})


def context_of(asked: Request, book: Book, **changed: Any) -> OrderContext:
    defaults: dict[str, Any] = {
        "now": NOW,
        "limits": LIMITS,
        "instruments": INSTRUMENTS,
        "prices": {symbol: (Decimal(100), NOW) for symbol in INSTRUMENTS},
        "covariances": Covariances(
            {
                (one, other): DAILY**2 if one == other else 0.0
                for one in INSTRUMENTS
                for other in INSTRUMENTS
                if one <= other
            }
        ),
        "opens_at": NOW - timedelta(hours=1),
        "closes_at": NOW + timedelta(hours=5),
        "entries_end_at": NOW + timedelta(hours=4),
        "sessions_behind": 0,
        "is_stream_ready": True,
    }
    return OrderContext(asked, book, **{**defaults, **changed})


def state(to: TradingState) -> events.Event:
    return events.TradingStateChanged(at=NOW, state=to, reason="noon", by="test")


def limited(**changed: Any) -> dict[str, Any]:
    return {"limits": replace(LIMITS, **changed)}


# no limit in percent binds: only money does
WIDE: dict[str, Any] = limited(
    **{
        name: Decimal(1_000_000)
        for name in LIMITS.__struct_fields__
        if name.endswith("_pct") and name not in ("margin_pct", "max_collar_pct", "protection_pct")
    },
    max_order_quantity=100_000,
)
# buying costs a fifth of a percent: 0.08 of tax, 0.1 of the exchange and 0.02 of GST on that
RATES = Charges(
    effective_from=date(2020, 1, 1),
    brokerage_pct=Decimal(0),
    max_brokerage_amount=None,
    buy_tax_pct=Decimal("0.08"),
    sell_tax_pct=Decimal(0),
    exchange_pct=Decimal("0.1"),
    buy_regulator_pct=Decimal(0),
    sell_regulator_pct=Decimal(0),
    sell_share_amount=Decimal(0),
    max_sell_share_amount=None,
    gst_pct=Decimal(20),
    buy_stamp_pct=Decimal(0),
    tax_unit_amount=None,
    sell_depository_amount=Decimal(0),
)
DELIVERIES = {
    "limits": replace(WIDE["limits"], product=Product.CNC),
    "instruments": {name: replace(known, lot_size=1) for name, known in INSTRUMENTS.items()},
    "charges": (RATES,),
}


def delivery(quantity: int, **changed: Any) -> Request:
    return order_request(product=Product.CNC, quantity=quantity, **changed)


def with_cash(book: Book, amount: str) -> Book:
    book.cash_amount = Decimal(amount)
    return book


def half_filled(asked: Request, quantity: int | None = None) -> list[events.Event]:
    """Return an order of which half is filled at its limit, or this quantity, with its charges."""
    assert asked.limit_price is not None
    filled = fill(
        quantity or asked.quantity // 2,
        str(asked.limit_price),
        symbol=asked.symbol,
        product=asked.product,
        order_id=asked.order_id,
    )
    owed = order_charges(RATES, asked.side, filled.quantity, filled.quantity * filled.price)
    return [*opened_as(asked), events.FillBooked(at=NOW, fill=replace(filled, charges_amount=owed))]


def modified(asked: Request, quantity: int, limit: str) -> list[events.Event]:
    """Return an open order whose modification the broker has not answered yet."""
    return [
        *opened_as(asked),
        events.ModifyRequested(
            at=NOW, order_id=asked.order_id, quantity=quantity, limit_price=Decimal(limit)
        ),
    ]


def crossing_exits(*, is_cancelled: bool = False) -> tuple[Request, Book, dict[str, Any]]:
    """Return the exit of a long, and a book with that of another strategy's short at its price."""
    theirs = order_request(reason=Reason.STOP, strategy="other")
    cancel = events.CancelRequested(at=NOW, order_id=theirs.order_id)
    book = book_with(bought("A", 100), *opened_as(theirs), *([cancel] if is_cancelled else []))
    return order_request(side=Side.SELL, reason=Reason.STOP), book, {}


Case = tuple[str, Callable[[], tuple[Request, Book, dict[str, Any]]], str | None]
SELL = Side.SELL
CASES: list[Case] = [
    ("an order within every limit", lambda: (order_request(), book_with(), {}), None),
    (
        "halted",
        lambda: (order_request(), book_with(state(TradingState.HALTED)), {}),
        "TRADING_STATE: state=halted, reason=noon",
    ),
    (
        "reducing, an order that opens",
        lambda: (order_request(), book_with(state(TradingState.REDUCING)), {}),
        "TRADING_STATE: state=reducing, reason=noon",
    ),
    (
        "reducing, an order that closes",
        lambda: (
            order_request(side=SELL),
            book_with(bought("A", 10), state(TradingState.REDUCING)),
            {},
        ),
        None,
    ),
    (
        "halted, a stop that closes",
        lambda: (
            order_request(side=SELL, reason=Reason.STOP),
            book_with(bought("A", 10), state(TradingState.HALTED)),
            {},
        ),
        None,
    ),
    (
        "no ticks yet",
        lambda: (order_request(), book_with(), {"is_stream_ready": False}),
        "STREAM_NOT_READY: ready=no, required=yes",
    ),
    (
        "after the close",
        lambda: (order_request(), book_with(), {"closes_at": NOW}),
        "SESSION: now=2026-11-25 05:00:00, open=2026-11-25 04:00:00",
    ),
    (
        "after the last entry",
        lambda: (order_request(), book_with(), {"entries_end_at": NOW}),
        "ENTRY_CUTOFF: now=05:00:00, cutoff=05:00:00",
    ),
    (
        "a closing order after the last entry",
        lambda: (order_request(side=SELL), book_with(bought("A", 10)), {"entries_end_at": NOW}),
        None,
    ),
    (
        "an unlisted symbol",
        lambda: (order_request(symbol="Z"), book_with(), {}),
        "INSTRUMENT: symbol=Z, listed=no",
    ),
    (
        "an outdated publication",
        lambda: (order_request(), book_with(), {"sessions_behind": 2}),
        "PUBLICATION: sessions_behind=2, max_sessions_behind=1",
    ),
    (
        "a publication of the prior session",
        lambda: (order_request(), book_with(), {"sessions_behind": 1}),
        None,
    ),
    (
        "half a lot",
        lambda: (order_request(quantity=7), book_with(), {}),
        "LOT: quantity=7, lot_size=5",
    ),
    (
        "between two ticks",
        lambda: (order_request(limit_price=Decimal("100.01")), book_with(), {}),
        "TICK: limit_price=100.01, tick_size=0.05",
    ),
    (
        "a price of zero",
        lambda: (order_request(limit_price=Decimal(0)), book_with(), {}),
        "TICK: limit_price=0, tick_size=0.05",
    ),
    (
        "above the freeze quantity",
        lambda: (order_request(quantity=1005), book_with(), {}),
        "FREEZE: quantity=1005, max_quantity=1000",
    ),
    (
        "no price",
        lambda: (order_request(), book_with(), {"prices": {}}),
        "NO_PRICE: symbol=A, ticks=0",
    ),
    (
        "an old price",
        lambda: (order_request(), book_with(), {"now": NOW + timedelta(seconds=6)}),
        "TICK_AGE: tick_age_ms=6000, max_tick_age_ms=5000",
    ),
    (
        "outside the price band",
        lambda: (
            order_request(limit_price=Decimal("110.05")),
            book_with(),
            limited(max_collar_pct=99),
        ),
        "PRICE_BAND: distance_pct=10.05, max_distance_pct=10.00, prior_close=100.00",
    ),
    (
        "at the edge of the price band",
        lambda: (order_request(limit_price=Decimal(110)), book_with(), limited(max_collar_pct=99)),
        None,
    ),
    (
        "far from the last price",
        lambda: (order_request(limit_price=Decimal("103.05")), book_with(), {}),
        "PRICE_COLLAR: distance_pct=3.05, max_distance_pct=3.00, last_price=100.00,"
        " allowed=97.00 to 103.00",
    ),
    (
        "a market order without protection",
        lambda: (order_request(limit_price=None), book_with(), {}),
        "PROTECTION: limit_price=none, required=a limit beyond the last price",
    ),
    (
        "a stop above what is bought",
        lambda: (order_request(exits=Exits(stop_price=Decimal(101))), book_with(), {}),
        "EXITS: stop_price=101.00, required=below 100.00",
    ),
    (
        "an exit larger than the position",
        lambda: (
            order_request(side=SELL, quantity=15, reason=Reason.STOP),
            book_with(bought("A", 10)),
            {},
        ),
        "REDUCE_ONLY: quantity=15, held=10",
    ),
    (
        "a delivery sale without shares",
        lambda: (order_request(side=SELL, product=Product.CNC), book_with(), {}),
        "SHORT: quantity=10, held=0",
    ),
    (
        "crossing an open order of ours",
        lambda: (order_request(), book_with(*opened(side=SELL, limit_price=Decimal(99))), {}),
        "SELF_CROSS: limit_price=100, open=99",
    ),
    (
        "an open order of ours out of reach",
        lambda: (order_request(), book_with(*opened(side=SELL, limit_price=Decimal(101))), {}),
        None,
    ),
    (
        "an exit across the exit of another strategy",
        lambda: crossing_exits(),
        "SELF_CROSS: limit_price=100, open=100",
    ),
    (
        "an exit across one of another strategy that is being cancelled",
        lambda: crossing_exits(is_cancelled=True),
        None,
    ),
    (
        "too many open orders",
        lambda: (
            order_request(),
            book_with(*(e for _ in range(3) for e in opened(quantity=5))),
            {},
        ),
        "OPEN_ORDERS: open_orders=3, max_open_orders=3",
    ),
    (
        "too many shares in one order",
        lambda: (order_request(quantity=505), book_with(), {}),
        "ORDER_QUANTITY: quantity=505, max_quantity=500",
    ),
    (
        "too large an order amount",
        lambda: (order_request(quantity=405), book_with(), {}),
        "ORDER_AMOUNT: amount=40500.00, max_amount=40000.00",
    ),
    (
        "exactly the largest order amount",
        lambda: (order_request(quantity=400), book_with(), {}),
        None,
    ),
    (
        "too much of a symbol, open orders included",
        lambda: (order_request(quantity=305), book_with(*opened(quantity=200)), {}),
        "SYMBOL_AMOUNT: amount=50500.00, max_amount=50000.00",
    ),
    (
        "too much of a sector",
        lambda: (order_request(quantity=205), book_with(bought("B", 400)), {}),
        "SECTOR_AMOUNT: amount=60500.00, max_amount=60000.00",
    ),
    (
        "too much gross exposure",
        lambda: (
            order_request(quantity=405, symbol="D"),
            book_with(bought("B", 400)),
            limited(max_order_pct=Decimal(90)),
        ),
        "GROSS_AMOUNT: amount=80500.00, max_amount=80000.00",
    ),
    (
        "too much net exposure",
        lambda: (order_request(quantity=305, symbol="D"), book_with(bought("B", 400)), {}),
        "NET_AMOUNT: amount=70500.00, max_amount=70000.00",
    ),
    (
        "the same gross exposure, hedged",
        lambda: (
            order_request(quantity=305, symbol="D", side=SELL),
            book_with(bought("B", 400)),
            {},
        ),
        None,
    ),
    (
        "one position too many",
        lambda: (order_request(symbol="D"), book_with(bought("A", 10), bought("C", 10)), {}),
        "POSITIONS: positions=3, max_positions=2",
    ),
    (
        "a delivery purchase without enough cash",
        lambda: (
            order_request(product=Product.CNC, quantity=400),
            book_with(bought("D", 620)),
            limited(max_gross_pct=Decimal(200), max_net_pct=Decimal(200), product=Product.CNC),
        ),
        "CASH: amount=40000.00, max_amount=38000.00",
    ),
    (
        "a product that the account does not trade",
        lambda: (order_request(product=Product.CNC), book_with(), {}),
        "PRODUCT: product=CNC, and the account trades MIS only: see `product` in"
        " trading_accounts.csv",
    ),
    (
        "a limit order without a limit",
        lambda: (order_request(order_type=OrderType.LIMIT, limit_price=None), book_with(), {}),
        "PROTECTION: limit_price=none, required=a limit beyond the last price",
    ),
    (
        "the same as an intraday order",
        lambda: (
            order_request(quantity=400),
            book_with(bought("D", 620)),
            limited(max_gross_pct=Decimal(200), max_net_pct=Decimal(200)),
        ),
        None,
    ),
    (
        "the daily loss limit",
        lambda: (order_request(), book_with(bought("C", 100), bought("C", 100, "80", SELL)), {}),
        "DAILY_LOSS: loss=2000.00, max_loss=2000.00",
    ),
    (
        "the drawdown limit",
        lambda: (
            order_request(),
            book_with(
                events.SessionStarted(at=NOW, session_date=DAY, equity_amount=Decimal(112_000)),
                events.SessionStarted(at=NOW, session_date=DAY, equity_amount=Decimal(100_000)),
            ),
            {},
        ),
        "DRAWDOWN: drawdown_pct=10.71, max_drawdown_pct=10.00",
    ),
    (
        "two consecutive losses",
        lambda: (
            order_request(),
            book_with(
                *(bought("C", 5), bought("C", 5, "99", SELL)),
                *(bought("C", 5), bought("C", 5, "99", SELL)),
            ),
            {},
        ),
        "LOSSES: losses=2, max_losses=2",
    ),
    (
        "a win after two losses",
        lambda: (
            order_request(),
            book_with(
                *(bought("C", 5), bought("C", 5, "99", SELL)),
                *(bought("C", 5), bought("C", 5, "99", SELL)),
                *(bought("C", 5), bought("C", 5, "101", SELL)),
            ),
            {},
        ),
        None,
    ),
    (
        "too many entries",
        lambda: (
            order_request(),
            book_with(*opened(quantity=5), *opened(quantity=5)),
            limited(max_trades=2),
        ),
        "TRADES: trades=2, max_trades=2",
    ),
    (
        # 10,000 of a symbol that moves 2% a session: 2.3263 x 200
        "too much value at risk",
        lambda: (order_request(quantity=100), book_with(), limited(max_var_pct=Decimal("0.46"))),
        "VAR: amount=465.27, max_amount=460.00, confidence=0.99, horizon_sessions=1",
    ),
    (
        # 2.6652 x 200
        "too much expected shortfall",
        lambda: (order_request(quantity=100), book_with(), limited(max_es_pct=Decimal("0.53"))),
        "ES: amount=533.04, max_amount=530.00, confidence=0.99, horizon_sessions=1",
    ),
    (
        "missing covariances",
        lambda: (order_request(), book_with(), {"covariances": Covariances({})}),
        "VAR_UNAVAILABLE: symbol=A, covariances=missing",
    ),
    (
        "a delivery purchase whose charges exceed the cash",
        lambda: (delivery(999), with_cash(book_with(), "100000"), DELIVERIES),
        "CASH: amount=100099.80, max_amount=100000.00",
    ),
    (
        "a delivery purchase that takes all the cash with its charges",
        lambda: (delivery(999), with_cash(book_with(), "100099.80"), DELIVERIES),
        None,
    ),
    (
        "a delivery purchase beside an open one, both with charges",
        lambda: (
            delivery(500),
            with_cash(
                book_with(*opened(product=Product.CNC, quantity=499, symbol="D")), "100099.79"
            ),
            DELIVERIES,
        ),
        "CASH: amount=100099.80, max_amount=100099.79",
    ),
    (
        "a delivery purchase beside the rest of one that is half filled",
        lambda: (
            delivery(500),
            with_cash(book_with(*half_filled(delivery(400, symbol="D"))), "70140"),
            DELIVERIES,
        ),
        None,
    ),
    (
        "a delivery purchase beside one that is being modified to more",
        lambda: (
            delivery(500),
            with_cash(book_with(*modified(delivery(100, symbol="D"), 200, "100")), "70139"),
            DELIVERIES,
        ),
        "CASH: amount=70140.00, max_amount=70139.00",
    ),
    (
        "a delivery purchase beside one that is being modified to a higher limit",
        lambda: (
            delivery(500),
            with_cash(book_with(*modified(delivery(200, symbol="D"), 200, "105")), "71141"),
            DELIVERIES,
        ),
        "CASH: amount=71142.00, max_amount=71141.00",
    ),
    (
        # 10,000 held and 10,000 ordered, at 20 percent
        "an intraday order without enough margin",
        lambda: (
            order_request(quantity=100),
            with_cash(book_with(bought("D", 100)), "-6000.01"),
            WIDE,
        ),
        "MARGIN: margin=4000.00, max_margin=3999.99",
    ),
    (
        "an intraday order with just enough margin",
        lambda: (
            order_request(quantity=100),
            with_cash(book_with(bought("D", 100)), "-6000"),
            WIDE,
        ),
        None,
    ),
    (
        "a short beside a long: each needs margin",
        lambda: (
            order_request(quantity=100, side=SELL),
            with_cash(book_with(bought("D", 100)), "-6000.01"),
            WIDE,
        ),
        "MARGIN: margin=4000.00, max_margin=3999.99",
    ),
    (
        # equity is 4,000, of which 1,000 is a gain
        "an intraday order on a gain that is not realized",
        lambda: (
            order_request(quantity=100),
            with_cash(book_with(bought("D", 100, "90")), "-6000"),
            WIDE,
        ),
        "MARGIN: margin=4000.00, max_margin=3000.00",
    ),
    (
        "an intraday order whose charges exceed the margin",
        lambda: (
            order_request(quantity=100),
            with_cash(book_with(bought("D", 100)), "-6000"),
            {**WIDE, "charges": (RATES,)},
        ),
        "MARGIN: margin=4020.00, max_margin=4000.00",
    ),
    (
        "a stop order without a trigger",
        lambda: (order_request(order_type=OrderType.SL), book_with(), {}),
        "TRIGGER: order_type=sl, trigger_price=none",
    ),
    (
        "a limit order with a trigger",
        lambda: (
            order_request(order_type=OrderType.LIMIT, trigger_price=Decimal(100)),
            book_with(),
            {},
        ),
        "TRIGGER: order_type=limit, trigger_price=100",
    ),
    (
        "a stop order whose limit is below what triggers it",
        lambda: (
            order_request(
                order_type=OrderType.SL, trigger_price=Decimal(102), limit_price=Decimal(101)
            ),
            book_with(),
            {},
        ),
        "TRIGGER: limit_price=101, trigger_price=102",
    ),
    (
        "a stop order that sells below what triggers it",
        lambda: (
            order_request(
                order_type=OrderType.SL,
                side=SELL,
                trigger_price=Decimal(95),
                limit_price=Decimal(94),
            ),
            book_with(),
            {},
        ),
        None,
    ),
    (
        "a trigger outside the price band",
        lambda: (
            order_request(
                order_type=OrderType.SL,
                side=SELL,
                trigger_price=Decimal(111),
                limit_price=Decimal(109),
            ),
            book_with(),
            {},
        ),
        "PRICE_BAND: distance_pct=11.00, max_distance_pct=10.00, prior_close=100.00",
    ),
    (
        "a modification to what is filled already",
        lambda: modification(100, 50, 50),
        "LOT: quantity=50, filled_quantity=50",
    ),
    (
        "halted, an order of a strategy that closes",
        lambda: (
            order_request(side=SELL),
            book_with(bought("A", 10), state(TradingState.HALTED)),
            {},
        ),
        "TRADING_STATE: state=halted, reason=noon",
    ),
    (
        "a trigger between two ticks",
        lambda: (
            order_request(order_type=OrderType.SL, trigger_price=Decimal("99.98")),
            book_with(),
            {},
        ),
        "TICK: trigger_price=99.98, tick_size=0.05",
    ),
    (
        "a limit below the price band",
        lambda: (order_request(limit_price=Decimal("89.95")), book_with(), {}),
        "PRICE_BAND: distance_pct=10.05, max_distance_pct=10.00, prior_close=100.00",
    ),
    (
        "a limit far below the last price",
        lambda: (order_request(limit_price=Decimal("96.95")), book_with(), {}),
        "PRICE_COLLAR: distance_pct=3.05, max_distance_pct=3.00, last_price=100.00,"
        " allowed=97.00 to 103.00",
    ),
    (
        "shorts of one sector",
        lambda: (
            order_request(quantity=250, side=SELL),
            book_with(bought("B", 400, side=SELL)),
            {},
        ),
        "SECTOR_AMOUNT: amount=65000.00, max_amount=60000.00",
    ),
    (
        "shorts only",
        lambda: (
            order_request(quantity=355, side=SELL),
            book_with(bought("C", 350, side=SELL)),
            {},
        ),
        "NET_AMOUNT: amount=70500.00, max_amount=70000.00",
    ),
    (
        "a short beside a long",
        lambda: (order_request(quantity=355, side=SELL), book_with(bought("C", 450)), {}),
        "GROSS_AMOUNT: amount=80500.00, max_amount=80000.00",
    ),
    (
        "a modification of the last trade that is allowed",
        lambda: modification(100, 50, 90, max_trades=1),
        None,
    ),
    (
        # 2.3263 x 0.02 x 20,000, as both move together
        "two shares whose returns are one",
        lambda: (
            order_request(quantity=100),
            book_with(bought("D", 100)),
            {
                "covariances": Covariances(
                    {pair: DAILY**2 for pair in (("A", "A"), ("A", "D"), ("D", "D"))}
                ),
                **limited(max_var_pct=Decimal("0.93")),
            },
        ),
        "VAR: amount=930.54, max_amount=930.00, confidence=0.99, horizon_sessions=1",
    ),
    (
        "an order at the price of our own on the other side",
        lambda: (order_request(), book_with(*opened(side=SELL)), {}),
        "SELF_CROSS: limit_price=100, open=100",
    ),
    (
        "a delivery that is being sold already",
        lambda: (
            delivery(200, side=SELL),
            book_with(
                events.FillBooked(at=NOW, fill=fill(200, "100", product=Product.CNC)),
                *opened_as(delivery(200, side=SELL)),
            ),
            DELIVERIES,
        ),
        "SHORT: quantity=400, held=200",
    ),
    (
        "a sale that counts at the price that it brings",
        lambda: (order_request(side=SELL, quantity=410, limit_price=Decimal(97)), book_with(), {}),
        "ORDER_AMOUNT: amount=41000.00, max_amount=40000.00",
    ),
    (
        "a covariance that is no number",
        lambda: (
            order_request(),
            book_with(),
            {"covariances": Covariances({("A", "A"): math.nan})},
        ),
        "NOT_FINITE: symbol=A, standard_deviation=nan",
    ),
    (
        # 200 at 104, whichever of the two limits is in force
        "a short beside one that is being modified to a higher limit",
        lambda: (
            order_request(side=SELL, quantity=10),
            book_with(*modified(order_request(side=SELL, quantity=200), 200, "104")),
            limited(max_symbol_pct=Decimal("21.7")),
        ),
        "SYMBOL_AMOUNT: amount=21800.00, max_amount=21700.00",
    ),
    (
        "a short beside one that is being modified to a lower limit",
        lambda: (
            order_request(side=SELL, quantity=10),
            book_with(
                *modified(
                    order_request(side=SELL, quantity=200, limit_price=Decimal(104)), 200, "100"
                )
            ),
            limited(max_symbol_pct=Decimal("21.7")),
        ),
        "SYMBOL_AMOUNT: amount=21800.00, max_amount=21700.00",
    ),
    (
        "crossing an order of ours that is being modified to our price",
        lambda: (
            order_request(limit_price=Decimal(100)),
            book_with(*modified(order_request(side=SELL, limit_price=Decimal(104)), 10, "100")),
            {},
        ),
        "SELF_CROSS: limit_price=100, open=100",
    ),
    (
        "crossing the limit that an order of ours has until it is modified",
        lambda: (
            order_request(limit_price=Decimal(100)),
            book_with(*modified(order_request(side=SELL), 10, "104")),
            {},
        ),
        "SELF_CROSS: limit_price=100, open=100",
    ),
    (
        "a price that no tick can have",
        lambda: (order_request(limit_price=Decimal("1E40")), book_with(), {}),
        "PRICE: limit_price=1E+40, max_price=9223372036854.775807",
    ),
    (
        "a stop that no tick can have",
        lambda: (
            order_request(exits=Exits(stop_price=Decimal("1E999999"))),
            book_with(),
            {},
        ),
        "PRICE: stop_price=1E+999999, max_price=9223372036854.775807",
    ),
    ("a modification to a lot more than is filled", lambda: modification(100, 50, 55), None),
    (
        "the charges on the rest of a half filled order",
        lambda: (
            delivery(500),
            with_cash(book_with(*half_filled(delivery(400, symbol="D"))), "70139.99"),
            DELIVERIES,
        ),
        "CASH: amount=70140.00, max_amount=70139.99",
    ),
    (
        "a delivery purchase beside one that is being modified to fewer",
        lambda: (
            delivery(500),
            with_cash(book_with(*modified(delivery(200, symbol="D"), 100, "100")), "70139"),
            DELIVERIES,
        ),
        "CASH: amount=70140.00, max_amount=70139.00",
    ),
    (
        "a delivery purchase beside a sale, which needs no cash",
        lambda: (
            delivery(500),
            with_cash(
                book_with(
                    events.FillBooked(
                        at=NOW, fill=fill(200, "100", symbol="D", product=Product.CNC)
                    ),
                    *opened_as(delivery(200, symbol="D", side=SELL)),
                ),
                "50100",
            ),
            DELIVERIES,
        ),
        None,
    ),
    (
        "exactly the drawdown limit",
        lambda: (
            order_request(),
            book_with(
                events.SessionStarted(at=NOW, session_date=DAY, equity_amount=Decimal(125_000)),
                events.SessionStarted(at=NOW, session_date=DAY, equity_amount=Decimal(100_000)),
            ),
            limited(max_drawdown_pct=Decimal(20)),
        ),
        "DRAWDOWN: drawdown_pct=20.00, max_drawdown_pct=20.00",
    ),
    (
        "a position without a price counts at its cost",
        lambda: (
            order_request(quantity=305),
            book_with(bought("D", 400)),
            {"prices": {"A": (Decimal(100), NOW)}},
        ),
        "NET_AMOUNT: amount=70500.00, max_amount=70000.00",
    ),
    (
        "an exit that is not filled yet frees nothing",
        lambda: (
            order_request(quantity=305),
            book_with(
                bought("D", 400),
                *opened(symbol="D", side=SELL, quantity=400, reason=Reason.STOP),
            ),
            {},
        ),
        "NET_AMOUNT: amount=70500.00, max_amount=70000.00",
    ),
]


def modification(
    quantity: int, filled: int, wanted: int, **limits: Any
) -> tuple[Request, Book, dict[str, Any]]:
    """Return a change of the quantity of an order that is partly filled."""
    asked = order_request(quantity=quantity)
    book = book_with(*half_filled(asked, filled))
    changed = {"replaces": book.orders[asked.order_id], **limited(**limits)}
    return replace(asked, quantity=wanted), book, changed


@pytest.mark.parametrize(("name", "case", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_each_check_denies_with_its_numbers(
    name: str, case: Callable[[], tuple[Request, Book, dict[str, Any]]], wanted: str | None
) -> None:
    asked, book, changed = case()
    if wanted is None:
        pre_trade_check(context_of(asked, book, **changed))
    else:
        with pytest.raises(OrderDeniedError) as denial:
            pre_trade_check(context_of(asked, book, **changed))
        assert str(denial.value) == wanted


def used_of(book: Book, **changed: Any) -> dict[str, Use]:
    """Return what an account uses of its limits, by the code of the check that denies."""
    known = {**vars(context_of(order_request(), book)), **changed}
    names = ("now", "limits", "instruments", "prices", "covariances", "charges")
    context = AccountContext(book, **{name: known[name] for name in names})
    return {use.code: use for use in limits_used(context)}


LIMITED = used_of(book_with()).keys() | {"CASH"}
DENIED = [
    case
    for case in CASES
    if (case[2] or "").partition(":")[0] in LIMITED and "replaces" not in case[1]()[2]
]


@pytest.mark.parametrize(("name", "case", "wanted"), DENIED, ids=[case[0] for case in DENIED])
def test_what_is_denied_would_be_beyond_the_limits_that_are_shown(
    name: str, case: Callable[[], tuple[Request, Book, dict[str, Any]]], wanted: str
) -> None:
    """What was shown netted positions and left open entries out, so orders were denied at 80%."""
    asked, book, changed = case()
    if asked.product is not LIMITS.product:
        changed["limits"] = replace(changed.get("limits", LIMITS), product=asked.product)
    code = wanted.partition(":")[0]
    found = used_of(book, **changed)[code]
    if found.is_full_at:
        assert found.value >= found.limit
    else:
        for event in opened_as(asked):
            book.apply(event)
        found = used_of(book, **changed)[code]
        assert found.value > found.limit
    with pytest.raises(OrderDeniedError) as denial:
        found.require()
    assert str(denial.value) == wanted


def test_each_limit_that_is_shown_has_a_case_that_denies() -> None:
    assert {(wanted or "").partition(":")[0] for _, _, wanted in DENIED} == LIMITED


def test_without_covariances_no_tail_loss_is_shown() -> None:
    book = book_with(bought("A", 10))
    found = used_of(book, covariances=Covariances({}))
    assert LIMITED - found.keys() == {"VAR", "ES", "CASH"}


def test_numbers_that_cannot_be_computed_with_deny_the_order_alone() -> None:
    tiny = {"A": replace(INSTRUMENTS["A"], tick_size=Decimal("1E-40"))}
    with pytest.raises(OrderDeniedError) as denial:
        pre_trade_check(context_of(order_request(), book_with(), instruments=tiny))
    assert str(denial.value) == "ARITHMETIC: check=lot_and_tick, error=InvalidOperation"


def test_a_signal_is_followed_once() -> None:
    first = order_request(signal_id="S")
    book = book_with(
        events.OrderIntended(at=NOW, request=first),
        events.OrderSent(at=NOW, order_id=first.order_id),
    )
    with pytest.raises(
        OrderDeniedError, match=f"DUPLICATE_SIGNAL: signal=S, order={first.order_id}"
    ):
        pre_trade_check(context_of(order_request(signal_id="S"), book))
    refused = order_request(signal_id="T")
    book.apply(events.OrderDenied(at=NOW, request=refused, code="TICK", detail=""))
    pre_trade_check(context_of(order_request(signal_id="T"), book))


def test_a_closing_order_is_never_too_large() -> None:
    """With every limit at zero, the whole position can still be sold."""
    zero = {
        name: type(getattr(LIMITS, name))(0)
        for name in LIMITS.__struct_fields__
        if name.startswith("max_") and name != "max_collar_pct"
    }
    book = book_with(bought("A", 800), *opened(symbol="D"))
    asked = order_request(side=SELL, quantity=800, reason=Reason.STOP)
    pre_trade_check(context_of(asked, book, **limited(**zero), covariances=Covariances({})))


@pytest.mark.parametrize("reason", [Reason.ENTRY, Reason.STOP])
def test_what_closes_already_is_not_closed_again(reason: Reason) -> None:
    """Eight orders in a row closed the same 200 shares, and the account was short."""
    book = book_with(bought("A", 200), *opened(side=SELL, quantity=150, reason=reason))
    assert context_of(order_request(side=SELL, quantity=50, reason=reason), book).is_closing
    assert not context_of(order_request(side=SELL, quantity=51, reason=reason), book).is_closing


@pytest.mark.parametrize("hours", [8, -8])
def test_a_wrong_clock_denies_no_exit(hours: int) -> None:
    book = book_with(bought("A", 200))
    now = NOW + timedelta(hours=hours)
    exit_ = order_request(side=SELL, quantity=200, reason=Reason.STOP)
    session(context_of(exit_, book, now=now))
    for asked in (replace(exit_, reason=Reason.ENTRY), replace(exit_, quantity=201)):
        with pytest.raises(OrderDeniedError, match="SESSION"):
            session(context_of(asked, book, now=now))


def test_an_order_that_is_not_ours_closes_what_each_strategy_holds() -> None:
    mine = order_request(strategy="mine", quantity=200)
    other = order_request(strategy="other", quantity=100)
    book = book_with(
        *opened_as(other),
        events.FillBooked(at=NOW, fill=fill(100, "100", order_id=other.order_id)),
        *opened_as(mine),
        events.FillBooked(at=NOW, fill=fill(200, "100", order_id=mine.order_id)),
        events.ExternalOrderSeen(
            at=NOW,
            request=order_request(side=SELL, quantity=150),
            state=State.OPEN,
            broker_order_id="theirs",
        ),
    )
    leaving = order_request(side=SELL, strategy="mine", quantity=50)
    assert context_of(leaving, book).is_closing
    assert not context_of(replace(leaving, quantity=51), book).is_closing
    exit_ = replace(leaving, reason=Reason.STOP, quantity=200)
    assert context_of(exit_, book).is_closing, "nobody else's order keeps an exit from leaving"
    assert not context_of(replace(exit_, quantity=201), book).is_closing


def test_an_entry_that_makes_the_account_larger_closes_nothing() -> None:
    """One strategy sells what it holds, while another has sold as much: the account is flat."""
    one, other = order_request(strategy="one"), order_request(strategy="other", side=SELL)
    book = book_with(
        *opened_as(one),
        events.FillBooked(at=NOW, fill=fill(10, "100", order_id=one.order_id)),
        *opened_as(other),
        events.FillBooked(at=NOW, fill=fill(10, "100", SELL, order_id=other.order_id)),
    )
    leaving = order_request(side=SELL, strategy="one")
    assert not context_of(leaving, book).is_closing
    assert context_of(replace(leaving, reason=Reason.STOP), book).is_closing


def test_every_check_has_a_case_that_denies() -> None:
    """Removing any check makes a case fail."""
    seen = set()
    for _, case, wanted in CASES:
        if wanted is None:
            continue
        asked, book, changed = case()
        context = context_of(asked, book, **changed)
        for one in CHECKS:
            try:
                one(context)
            except OrderDeniedError:
                seen.add(one.__name__)
                break
    assert {one.__name__ for one in CHECKS} - seen == {"duplicate_signal"}


def code_of(asked: Request, *before: events.Event) -> str | None:
    try:
        pre_trade_check(context_of(asked, book_with(*before)))
    except OrderDeniedError as denial:
        return denial.code
    return None


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("limit", [-1, 0, 1])
@pytest.mark.parametrize("distance", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("which", ["stop_price", "target_price"])
def test_no_exit_is_due_as_soon_as_the_order_is_filled(
    side: Side, limit: int, distance: int, which: str
) -> None:
    """It is passed exactly if a fill at the last price or at the limit would not end it."""
    last = Decimal(100)
    price, exit_price = last + limit, last + distance
    asked = order_request(side=side, limit_price=price, exits=Exits(**{which: exit_price}))  # type: ignore[arg-type]
    filled_at = min(last, price) if side is Side.BUY else max(last, price)
    entered = Order(request=asked, filled_quantity=10, filled_amount=10 * filled_at)
    is_due = due(entered, None, filled_at, NOW) is not None
    denied = code_of(asked)
    assert denied == ("EXITS" if is_due else None)
    # what closes has no use for exits
    assert code_of(asked, bought("A", 10, side=side.other)) is None


def test_an_exit_time_that_has_passed_and_a_trail_of_nothing_are_denied() -> None:
    assert code_of(order_request(exits=Exits(exit_at=NOW))) == "EXITS"
    assert code_of(order_request(exits=Exits(exit_at=NOW + timedelta(seconds=1)))) is None
    assert code_of(order_request(exits=Exits(trail_distance=Decimal(0)))) == "EXITS"
    assert code_of(order_request(exits=Exits(trail_distance=Decimal(1)))) is None


def test_what_one_stop_ends_hedges_nothing() -> None:
    """With A on both sides, a short of B was hedged by A's long side, which a stop can close."""
    wide = {
        **{f"max_{name}_pct": Decimal(1000) for name in ("symbol", "sector", "gross", "order")},
        "max_positions": 9,
        "max_net_pct": Decimal(40),
    }
    context = context_of(order_request(symbol="B", side=SELL), book_with(), **limited(**wide))
    sides = {"A": (Decimal(-19_000), Decimal(20_000)), "B": (Decimal(-30_000), Decimal(0))}
    context.__dict__["sides"] = sides
    assert [sum(each.values()) for each in context.scenarios] == [-10_000, -10_000, -49_000]
    with pytest.raises(OrderDeniedError, match=r"NET_AMOUNT: amount=49000.00, max_amount=40000.00"):
        exposure(context)
    alone = context_of(order_request(symbol="B", side=SELL), book_with())
    alone.__dict__["sides"] = {"B": sides["B"]}
    assert alone.scenarios == ({"B": Decimal(-30_000)},)
    both = context_of(
        order_request(symbol="B", side=SELL), book_with(), **limited(max_var_pct=Decimal(1))
    )
    both.__dict__["amounts"] = {"A": Decimal(1), "B": Decimal(1)}
    value_at_risk(both)
    both.__dict__["scenarios"] = ({"A": Decimal(1)}, {"A": Decimal(200_000), "B": Decimal(1)})
    with pytest.raises(OrderDeniedError, match=r"^VAR:"):
        value_at_risk(both)


@pytest.mark.parametrize("product", Product)
def test_as_much_may_be_bought_as_the_buying_power_says(product: Product) -> None:
    known = DELIVERIES if product is Product.CNC else {**DELIVERIES, **WIDE}
    known = {**known, "charges": ()}
    open_entry = order_request(product=product, quantity=100, symbol="D")
    book = book_with(bought("D", 100, "90"), *half_filled(open_entry, 30))
    account = AccountContext(
        with_cash(book, "20000"),
        now=NOW,
        limits=known["limits"],
        prices={symbol: (Decimal(100), NOW) for symbol in INSTRUMENTS},
    )
    # 13,000 held, of which 1,000 are a gain, and 7,000 on order; a margin of 20 percent
    used, available = (7000, 13_000) if product is Product.CNC else (4000, 28_000)
    power = available if product is Product.CNC else 5 * available
    assert [account.used_amount, account.available_amount] == [used, available]
    assert account.buying_power_amount == power
    check = cash if product is Product.CNC else margin
    asked = order_request(product=product, quantity=power // 100, symbol="C")
    check(context_of(asked, book, **known))
    more = replace(asked, quantity=asked.quantity + 1)
    with pytest.raises(OrderDeniedError, match=r"CASH|MARGIN"):
        check(context_of(more, book, **known))


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("price", [50, 150])
def test_a_mark_counts_like_a_last_price(side: Side, price: int) -> None:
    """Before the first tick, gains gave margin and exposures were at cost; equity had marks."""
    limits = replace(LIMITS, product=Product.MIS)

    def figures(by: str) -> tuple[object, ...]:
        selling = order_request(side=Side.SELL, quantity=1, limit_price=Decimal(10), strategy="x")
        book = book_with(bought("A", 100, side=side), *opened_as(selling))
        book.marks = {"A": Decimal(price)} if by == "mark" else {}
        prices = {"A": (Decimal(price), NOW)} if by == "tick" else {}
        context = AccountContext(book, now=NOW, limits=limits, prices=prices)
        return (
            context.equity,
            context.margin_amount,
            context.gross_amount,
            context.amounts,
            context.available_amount,
        )

    assert figures("mark") == figures("tick")
    gains = 100 * max(0, (price - 100) * side.sign)
    equity, margin, *_ = figures("mark")
    assert margin == LIMITS.capital_amount + 100 * (price - 100) * side.sign - gains
    assert equity == LIMITS.capital_amount + 100 * (price - 100) * side.sign
