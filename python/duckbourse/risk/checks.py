"""
The checks before every order, in their order; the first that refuses names itself and both numbers.

Each is a function of the same view that returns nothing or raises Denial. An order that only closes
what is held is asked nothing about size, money or risk: it makes all of them less.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from statistics import NormalDist

from duckbourse.orders.book import Book
from duckbourse.orders.denial import Denial
from duckbourse.orders.events import TradingState
from duckbourse.orders.order import Order, OrderType, Product, Reason, Request, Side
from duckbourse.orders.positions import ZERO
from duckbourse.risk.limits import Covariances, Instrument, Limits
from duckbourse.streaming.prices import Prices


class View:
    """
    What an order is judged by: itself, the book, the last prices, and what was published.

    `opens_at` and `closes_at` are the session's, `entries_end_at` the account's, all in UTC.
    `sent_at` are the instants of the orders of the last second.
    """

    def __init__(
        self,
        request: Request,
        book: Book,
        *,
        now: datetime,
        limits: Limits,
        instruments: Mapping[str, Instrument],
        prices: Prices,
        covariances: Covariances,
        opens_at: datetime,
        closes_at: datetime,
        entries_end_at: datetime,
        sessions_behind: int,
        is_stream_ready: bool,
        sent_at: list[datetime],
    ) -> None:
        self.request = request
        self.book = book
        self.now = now
        self.limits = limits
        self.instruments = instruments
        self.prices = prices
        self.covariances = covariances
        self.opens_at = opens_at
        self.closes_at = closes_at
        self.entries_end_at = entries_end_at
        self.sessions_behind = sessions_behind
        self.is_stream_ready = is_stream_ready
        self.sent_at = sent_at

    @cached_property
    def instrument(self) -> Instrument:
        return self.instruments[self.request.symbol]

    @cached_property
    def last_price(self) -> Decimal:
        return self.prices[self.request.symbol][0]

    @cached_property
    def is_closing(self) -> bool:
        """Whether it can do no more than close: against the position, and no larger than it."""
        held = self.book.quantity(self.request.symbol, self.request.product)
        return held * self.request.side.sign < 0 and self.request.quantity <= abs(held)

    @cached_property
    def equity(self) -> Decimal:
        return self.book.equity_amount(self.prices)

    @cached_property
    def order_amount(self) -> Decimal:
        return self.request.quantity * (self.request.limit_price or self.last_price)

    @cached_property
    def amounts(self) -> dict[str, Decimal]:
        """By symbol, signed: what would be held if this and every open entry were filled."""
        found: dict[str, Decimal] = {}
        for held in self.book.open_positions():
            price = self.prices.get(held.symbol)
            found[held.symbol] = found.get(held.symbol, ZERO) + (
                held.quantity * price[0] if price else held.cost_amount
            )
        for order in self.open_entries:
            price = self.prices.get(order.request.symbol)
            at = order.request.limit_price or (price[0] if price else ZERO)
            signed = order.request.side.sign * order.open_quantity * at
            found[order.request.symbol] = found.get(order.request.symbol, ZERO) + signed
        signed = self.request.side.sign * self.order_amount
        found[self.request.symbol] = found.get(self.request.symbol, ZERO) + signed
        return found

    @cached_property
    def open_entries(self) -> list[Order]:
        return [order for order in self.book.open_orders() if order.request.reason is Reason.ENTRY]

    def sector_of(self, symbol: str) -> str:
        """Return a symbol's sector; one that has none is a sector of its own."""
        known = self.instruments.get(symbol)
        return (known.sector if known else None) or symbol

    def share(self, pct: Decimal) -> Decimal:
        return self.equity * pct / 100


def _over(code: str, name: str, value: object, limit: object) -> Denial:
    return Denial(code, f"{name}={_plain(value)}, max_{name}={_plain(limit)}")


def _plain(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, Decimal | float) else str(value)


def trading_state(view: View) -> None:
    state = view.book.state
    if state is TradingState.ACTIVE or (view.is_closing and state is TradingState.REDUCING):
        return
    if view.is_closing and view.request.reason is not Reason.ENTRY:
        return  # what protects goes out whatever the state
    raise Denial("TRADING_STATE", f"state={state}, reason={view.book.state_reason}")


def stream_ready(view: View) -> None:
    if not view.is_stream_ready and not view.is_closing:
        raise Denial("STREAM_NOT_READY", "ready=no, wanted=yes")


def session(view: View) -> None:
    if not view.opens_at <= view.now < view.closes_at:
        raise Denial("SESSION", f"now={view.now:%F %T}, open={view.opens_at:%F %T}")
    if view.now >= view.entries_end_at and not view.is_closing:
        raise Denial("ENTRY_CUTOFF", f"now={view.now:%T}, cutoff={view.entries_end_at:%T}")


def instrument_known(view: View) -> None:
    if view.request.symbol not in view.instruments:
        raise Denial("INSTRUMENT", f"symbol={view.request.symbol}, known=no")


def publication_fresh(view: View) -> None:
    if view.sessions_behind > view.limits.max_sessions_behind and not view.is_closing:
        raise _over(
            "PUBLICATION", "sessions_behind", view.sessions_behind, view.limits.max_sessions_behind
        )


def lot_and_tick(view: View) -> None:
    request, instrument = view.request, view.instrument
    if request.quantity <= 0 or request.quantity % instrument.lot_size:
        raise Denial("LOT", f"quantity={request.quantity}, lot_size={instrument.lot_size}")
    for name in ("limit_price", "trigger_price"):
        price = getattr(request, name)
        if price is not None and (price <= 0 or price % instrument.tick_size):
            raise Denial("TICK", f"{name}={price}, tick_size={instrument.tick_size.normalize()}")
    most = instrument.freeze_quantity
    if most is not None and request.quantity > most:
        raise _over("FREEZE", "quantity", request.quantity, most)


def price_known(view: View) -> None:
    known = view.prices.get(view.request.symbol)
    if known is None:
        raise Denial("NO_PRICE", f"symbol={view.request.symbol}, ticks=0")
    age = view.now - known[1]
    if age > timedelta(milliseconds=view.limits.max_tick_age_ms) and not view.is_closing:
        raise _over(
            "TICK_AGE", "tick_age_ms", int(age.total_seconds() * 1000), view.limits.max_tick_age_ms
        )


def price_band(view: View) -> None:
    price, instrument = view.request.limit_price, view.instrument
    if price is None or instrument.price_band_pct is None or instrument.previous_close is None:
        return
    away = 100 * abs(price / instrument.previous_close - 1)
    if away > instrument.price_band_pct:
        raise _over("PRICE_BAND", "away_pct", away, instrument.price_band_pct)


def price_collar(view: View) -> None:
    price = view.request.limit_price
    if price is not None:
        away = 100 * abs(price / view.last_price - 1)
        if away > view.limits.max_collar_pct:
            raise _over("PRICE_COLLAR", "away_pct", away, view.limits.max_collar_pct)


def market_protection(view: View) -> None:
    request = view.request
    if request.limit_price is None and request.order_type in (OrderType.MARKET, OrderType.SL_M):
        raise Denial("PROTECTION", "limit_price=none, wanted=a limit beyond the last price")


def product_rules(view: View) -> None:
    request = view.request
    held = view.book.quantity(request.symbol, request.product)
    if request.reason is not Reason.ENTRY and not view.is_closing:
        raise Denial("REDUCE_ONLY", f"quantity={request.quantity}, held={held}")
    if request.product is Product.CNC and request.side is Side.SELL and request.quantity > held:
        raise Denial("SHORT", f"quantity={request.quantity}, held={held}")


def no_self_cross(view: View) -> None:
    request = view.request
    for order in view.book.open_orders():
        if (order.request.symbol, order.request.side) != (request.symbol, request.side.other):
            continue
        theirs, ours = order.request.limit_price, request.limit_price
        if theirs is None or ours is None or (ours - theirs) * request.side.sign >= 0:
            raise Denial("SELF_CROSS", f"limit_price={ours}, open={theirs}")


def duplicate_signal(view: View) -> None:
    signal_id = view.request.signal_id
    if signal_id is None or view.request.reason is not Reason.ENTRY:
        return
    for order in view.book.entries_of_signal(signal_id):
        raise Denial("DUPLICATE_SIGNAL", f"signal={signal_id}, order={order.request.order_id}")


def open_orders(view: View) -> None:
    count = len(view.book.live)
    if count >= view.limits.max_open_orders and not view.is_closing:
        raise _over("OPEN_ORDERS", "open_orders", count, view.limits.max_open_orders)


def order_size(view: View) -> None:
    if view.is_closing:
        return
    if view.request.quantity > view.limits.max_order_quantity:
        raise _over(
            "ORDER_QUANTITY", "quantity", view.request.quantity, view.limits.max_order_quantity
        )
    most = view.share(view.limits.max_order_pct)
    if view.order_amount > most:
        raise _over("ORDER_AMOUNT", "amount", view.order_amount, most)


def exposure(view: View) -> None:
    if view.is_closing:
        return
    limits, amounts = view.limits, view.amounts
    count = sum(1 for amount in amounts.values() if amount)
    if count > limits.max_positions:
        raise _over("POSITIONS", "positions", count, limits.max_positions)
    sector = view.sector_of(view.request.symbol)
    in_sector = [abs(held) for name, held in amounts.items() if view.sector_of(name) == sector]
    values: tuple[tuple[str, Decimal, Decimal], ...] = (
        ("SYMBOL_AMOUNT", abs(amounts[view.request.symbol]), limits.max_symbol_pct),
        ("SECTOR_AMOUNT", sum(in_sector, ZERO), limits.max_sector_pct),
        ("GROSS_AMOUNT", sum(map(abs, amounts.values()), ZERO), limits.max_gross_pct),
        ("NET_AMOUNT", abs(sum(amounts.values(), ZERO)), limits.max_net_pct),
    )
    for code, value, pct in values:
        if value > view.share(pct):
            raise _over(code, "amount", value, view.share(pct))


def cash(view: View) -> None:
    request = view.request
    if request.product is not Product.CNC or request.side is Side.SELL:
        return
    wanted = view.order_amount + sum(
        order.open_quantity * (order.request.limit_price or ZERO)
        for order in view.open_entries
        if order.request.side is Side.BUY
    )
    if wanted > view.book.cash_amount:
        raise _over("CASH", "amount", wanted, view.book.cash_amount)


def losses(view: View) -> None:
    if view.is_closing:
        return
    book, limits = view.book, view.limits
    lost = book.session_start_amount - view.equity
    most = book.session_start_amount * limits.max_daily_loss_pct / 100
    if lost >= most:
        raise _over("DAILY_LOSS", "loss", lost, most)
    fall = 100 * (1 - view.equity / max(book.peak_amount, view.equity))
    if fall >= limits.max_drawdown_pct:
        raise _over("DRAWDOWN", "drawdown_pct", fall, limits.max_drawdown_pct)
    if book.consecutive_losses >= limits.max_consecutive_losses:
        raise _over("LOSSES", "losses", book.consecutive_losses, limits.max_consecutive_losses)
    if book.entry_count >= limits.max_trades:
        raise _over("TRADES", "trades", book.entry_count, limits.max_trades)


def value_at_risk(view: View) -> None:
    if view.is_closing:
        return
    amounts = {symbol: float(amount) for symbol, amount in view.amounts.items() if amount}
    deviation = view.covariances.deviation(amounts)
    if deviation is None:
        raise Denial("VAR_UNKNOWN", f"symbol={view.request.symbol}, covariances=unknown")
    normal = NormalDist()
    score = normal.inv_cdf(view.limits.var_confidence)
    shortfall = normal.pdf(score) / (1 - view.limits.var_confidence)
    for code, value, pct in (
        ("VAR", score * deviation, view.limits.max_var_pct),
        ("ES", shortfall * deviation, view.limits.max_es_pct),
    ):
        if value > float(view.share(pct)):
            raise _over(code, "amount", value, view.share(pct))


def rate(view: View) -> None:
    count = sum(1 for at in view.sent_at if at.replace(microsecond=0) == _second(view.now))
    if count >= view.limits.max_orders_per_second and not view.is_closing:
        raise _over("RATE", "orders_per_second", count, view.limits.max_orders_per_second)


def _second(at: datetime) -> datetime:
    return at.replace(microsecond=0)


CHECKS: tuple[Callable[[View], None], ...] = (
    trading_state,
    stream_ready,
    session,
    instrument_known,
    publication_fresh,
    lot_and_tick,
    price_known,
    price_band,
    price_collar,
    market_protection,
    product_rules,
    no_self_cross,
    duplicate_signal,
    open_orders,
    order_size,
    exposure,
    cash,
    losses,
    value_at_risk,
    rate,
)


def check(view: View) -> None:
    """Raise Denial if an order may not be sent."""
    for one in CHECKS:
        one(view)
