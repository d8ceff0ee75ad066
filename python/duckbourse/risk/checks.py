"""
Pre-trade checks, in the order in which they run; the first that fails denies the order.

Each is a function of the same context that returns nothing or raises OrderDeniedError with its code
and both numbers. An order that only closes a position skips the checks of size, money and risk,
since it reduces all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from operator import itemgetter
from statistics import NormalDist
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

from msgspec.structs import replace

from duckbourse import plugins
from duckbourse.errors import ConfigurationError
from duckbourse.orders.book import Book
from duckbourse.orders.charges import Charges, charges_on, order_charges
from duckbourse.orders.denial import OrderDeniedError
from duckbourse.orders.events import TradingState
from duckbourse.orders.lifecycle import TRIGGERED
from duckbourse.orders.order import Exits, Order, OrderType, Product, Reason, Request, Side
from duckbourse.orders.positions import ZERO
from duckbourse.risk.exits import due_at_once
from duckbourse.risk.limits import Covariances, Instrument, Limits
from duckbourse.streaming.feed import decimal_price
from duckbourse.streaming.prices import Prices
from duckbourse.words import priced


class Opening(NamedTuple):
    """
    What an order may still fill, the most that it is expected to trade for, and its charges.

    `order` is None for a request that is not sent yet.
    """

    request: Request
    quantity: int
    order: Order | None
    amount: Decimal
    charges_amount: Decimal


UNKNOWN = Covariances({})
Found = TypeVar("Found")


class once(Generic[Found]):
    """A property that is computed once; functools' own takes a lock, in Python 3.11 a slow one."""

    def __init__(self, compute: Callable[[Any], Found]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type) -> Found:
        # what is stored under the name is found before this is called again
        found = instance.__dict__[self._name] = self._compute(instance)
        return found


class AccountContext:
    """
    An account as the checks see it: its book, last prices and published data.

    Every open entry counts as if it were filled. `now` is an instant in UTC, whose day chooses
    among `charges`, the schedule of the account's segment. Without instruments and covariances,
    sectors and VaR are not known.
    """

    def __init__(
        self,
        book: Book,
        *,
        now: datetime,
        limits: Limits,
        prices: Prices,
        instruments: Mapping[str, Instrument] = MappingProxyType({}),
        covariances: Covariances = UNKNOWN,
        charges: tuple[Charges, ...] = (),
    ) -> None:
        self.book = book
        self.now = now
        self.limits = limits
        self.instruments = instruments
        self.prices = prices
        self.covariances = covariances
        self.charges = charges

    @once
    def equity(self) -> Decimal:
        return self.book.equity_amount(self.prices)

    @once
    def margin_amount(self) -> Decimal:
        """Equity without unrealized gains, on which brokers give no margin."""
        gains = sum(
            (
                max(ZERO, held.unrealized_amount(price))
                for held in self.book.open_positions()
                if (price := self.book.last_price(held.symbol, self.prices)) is not None
            ),
            ZERO,
        )
        return self.equity - gains

    def required_margin_amount(self, pct: Decimal) -> Decimal:
        """Return so many percent of positions and open entries, and the charges on these."""
        charges = sum((opening.charges_amount for opening in self.openings), ZERO)
        return self.gross_amount * pct / 100 + charges

    @once
    def required_cash_amount(self) -> Decimal:
        """What the open purchases cost, with their charges."""
        return sum(
            (
                opening.amount + opening.charges_amount
                for opening in self.openings
                if opening.request.side is Side.BUY
            ),
            ZERO,
        )

    @once
    def used_amount(self) -> Decimal:
        """What positions and open entries take: margin, or cash of an account of deliveries."""
        if self.limits.product is Product.MIS:
            return self.required_margin_amount(self.limits.margin_pct)
        return self.required_cash_amount

    @once
    def available_amount(self) -> Decimal:
        """What is left of what gives margin, or of cash; negative if too much is used."""
        is_margin = self.limits.product is Product.MIS
        return (self.margin_amount if is_margin else self.book.cash_amount) - self.used_amount

    @once
    def buying_power_amount(self) -> Decimal:
        """For how much may be bought before charges: several times as much on margin."""
        pct = self.limits.margin_pct if self.limits.product is Product.MIS else Decimal(100)
        return max(ZERO, self.available_amount) * 100 / pct

    @once
    def gross_amount(self) -> Decimal:
        return sum(map(abs, self.amounts.values()), ZERO)

    def amount(self, request: Request, quantity: int) -> Decimal:
        """
        Return the most that a quantity of an order is expected to trade for.

        A purchase costs no more than its limit. A sale brings no less than that: with a limit below
        the market, it brings the last price.
        """
        return _amount(request, quantity, self.last_known(request.symbol))

    def last_known(self, symbol: str) -> Decimal:
        """Return the last price of a symbol, or its mark, at which equity has it; 0 without any."""
        return self.book.last_price(symbol, self.prices) or ZERO

    @once
    def rates(self) -> Charges | None:
        return charges_on(self.charges, self.now.date())

    @once
    def openings(self) -> list[Opening]:
        """The open entries."""
        return self.open_entries

    @once
    def open_entries(self) -> list[Opening]:
        set_aside, rates = self.set_aside, self.rates
        return [
            _opening_of(order, self.last_known(order.request.symbol), rates)
            for order in self.book.opening_orders()
            if order.request.order_id not in set_aside
        ]

    def others(self, orders: Iterable[Order]) -> list[Order]:
        """Return those of the open orders that count, at their worst terms."""
        set_aside = self.set_aside
        return [_at_worst(each) for each in orders if each.request.order_id not in set_aside]

    @once
    def set_aside(self) -> frozenset[str]:
        """The ids of the open orders that do not count."""
        return frozenset()

    @property
    def open_order_count(self) -> int:
        live = self.book.live
        return len(live) - sum(order_id in live for order_id in self.set_aside)

    @once
    def amounts(self) -> dict[str, Decimal]:
        """
        Signed exposure by symbol if every opening were filled.

        Strategies on both sides of a symbol offset each other only until one side is closed, so the
        larger side counts alone.
        """
        return {
            symbol: long if long >= -short else short
            for symbol, (short, long) in self.sides.items()
        }

    @once
    def scenarios(self) -> tuple[dict[str, Decimal], ...]:
        """
        Signed exposures by symbol that the closing of one side could leave.

        What symbols offset in each other is counted with the larger sides, with the long sides and
        with the short sides; where no symbol has two sides, these are the same.
        """
        if not any(short and long for short, long in self.sides.values()):
            return (self.amounts,)
        longs = {symbol: long or short for symbol, (short, long) in self.sides.items()}
        shorts = {symbol: short or long for symbol, (short, long) in self.sides.items()}
        return (self.amounts, longs, shorts)

    @once
    def sides(self) -> dict[str, tuple[Decimal, Decimal]]:
        """The short side (0 or less) and the long side by symbol, over all strategies."""
        legs: dict[tuple[str, str, Product], tuple[Decimal, Decimal]] = {}
        for leg, quantity in self.book.legs().items():
            price = self.last_known(leg[1])
            amount = quantity * price if price else self.book.leg_cost(*leg)
            legs[leg] = (amount, amount)
        flat, buy = (ZERO, ZERO), Side.BUY
        for request, _, _, amount, _ in self.openings:
            key = (request.strategy, request.symbol, request.product)
            least, most = legs.get(key, flat)
            legs[key] = (least, most + amount) if request.side is buy else (least - amount, most)
        sides: dict[str, tuple[Decimal, Decimal]] = {}
        for (_, symbol, _), (least, most) in legs.items():
            short, long = sides.get(symbol, flat)
            sides[symbol] = (
                short + least if least < 0 else short,
                long + most if most > 0 else long,
            )
        return sides

    def sector_of(self, symbol: str) -> str:
        """Return a symbol's sector; a symbol without one forms its own sector."""
        known = self.instruments.get(symbol)
        return (known.sector if known else None) or symbol

    @once
    def by_sector(self) -> dict[str, Decimal]:
        """The gross exposure of each sector."""
        found: dict[str, Decimal] = {}
        for symbol, amount in self.amounts.items():
            sector = self.sector_of(symbol)
            found[sector] = found.get(sector, ZERO) + abs(amount)
        return found

    def limit_amount(self, pct: Decimal) -> Decimal:
        return self.equity * pct / 100


class OrderContext(AccountContext):
    """
    The inputs of a pre-trade check: the request, and the account with it and its open entries.

    `opens_at` and `closes_at` are the session's and `entries_end_at` is the account's, all in UTC.
    `unbelieved_seconds` are those by which the machine's clock was set since the session began.
    `replaces` is the order that the request would modify, or None for a new one.
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
        unbelieved_seconds: int = 0,
        charges: tuple[Charges, ...] = (),
        replaces: Order | None = None,
    ) -> None:
        super().__init__(
            book,
            now=now,
            limits=limits,
            instruments=instruments,
            prices=prices,
            covariances=covariances,
            charges=charges,
        )
        self.request = request
        self.opens_at = opens_at
        self.closes_at = closes_at
        self.entries_end_at = entries_end_at
        self.sessions_behind = sessions_behind
        self.is_stream_ready = is_stream_ready
        self.unbelieved_seconds = unbelieved_seconds
        self.replaces = replaces

    @once
    def instrument(self) -> Instrument:
        return self.instruments[self.request.symbol]

    @once
    def last_price(self) -> Decimal:
        return self.prices[self.request.symbol][0]

    @once
    def is_closing(self) -> bool:
        """
        Whether the order only closes: its strategy holds no less than all that closes it.

        An exit closes what its strategy holds, also if others hold the opposite. Any other order
        closes only if the account's position gets smaller too.
        """
        request = self.request
        closable = -self.own_quantity * request.side.sign
        if closable <= 0 or self.own_open_quantity > closable:
            return False
        closable = -self.book.quantity(request.symbol, request.product) * request.side.sign
        return request.reason is not Reason.ENTRY or 0 < closable >= self.open_quantity

    @once
    def own_quantity(self) -> int:
        """The shares that the strategy of this request holds."""
        request = self.request
        return self.book.quantity_of(request.strategy, request.symbol, request.product)

    @once
    def set_aside(self) -> frozenset[str]:
        """
        The ids of the open orders that do not count beside the request.

        They are the one that it would modify, or the resting stops that give way to a new request
        before it is sent.
        """
        if self.replaces is not None:
            return frozenset({self.replaces.request.order_id})
        return frozenset(order.request.order_id for order in self.book.giving_way_to(self.request))

    @once
    def orders_on_its_side(self) -> list[Order]:
        """The other open orders of the request's symbol, product and side."""
        request = self.request
        return self.others(
            order
            for order in self.book.open_orders_of(request.symbol, request.side)
            if order.request.product is request.product
        )

    @once
    def open_quantity(self) -> int:
        """The quantity that this request and the open orders on its side may still fill."""
        return self.working_quantity + sum(order.open_quantity for order in self.orders_on_its_side)

    @once
    def own_open_quantity(self) -> int:
        """
        That of this strategy's orders; orders that are not ours count with every strategy.

        Beside an exit these do not count: it is not kept from leaving by somebody else's order.
        """
        is_entry = self.request.reason is Reason.ENTRY
        return self.working_quantity + sum(
            order.open_quantity
            for order in self.orders_on_its_side
            if (is_entry if order.is_external else order.request.strategy == self.request.strategy)
        )

    @once
    def openings(self) -> list[Opening]:
        """This order and the open entries."""
        own = _opening(
            self.request, self.working_quantity, self.replaces, self.order_amount, self.rates
        )
        return [own, *self.open_entries]

    @once
    def order_amount(self) -> Decimal:
        return self.amount(self.request, self.working_quantity)

    @once
    def working_quantity(self) -> int:
        """The quantity of the request that is not filled yet."""
        return self.request.quantity - (self.replaces.filled_quantity if self.replaces else 0)


Check = Callable[[OrderContext], None]
# the group of entry points by which a package adds checks
GROUP = "duckbourse.checks"
# the highest price that a tick can have
MAX_PRICE = decimal_price(2**63 - 1)


def _at_worst(order: Order) -> Order:
    """
    Return an order with the larger of its quantities: that of now, or that which is pending.

    Either limit may be in force, so both stay in it.
    """
    old, new = order.request, order.pending
    if new is None:
        return order
    quantity = max(old.quantity, new.quantity)
    return replace(
        order,
        request=replace(old, quantity=quantity),
        pending=replace(new, quantity=quantity),
    )


def _amount(request: Request, quantity: int, last: Decimal) -> Decimal:
    limit = request.limit_price or last
    return quantity * (limit if request.side is Side.BUY else max(limit, last))


def _opening(
    request: Request, quantity: int, order: Order | None, amount: Decimal, rates: Charges | None
) -> Opening:
    charges = ZERO
    if rates is not None:
        count, worth, paid = quantity, amount, ZERO
        if order is not None:
            count += order.filled_quantity
            worth += order.filled_amount
            paid = order.charges_amount
        charges = order_charges(rates, request.side, count, worth) - paid
    return Opening(request, quantity, order, amount, charges)


# an order is frozen, so beside the next request it opens the same again
@lru_cache(4096)
def _opening_of(order: Order, last: Decimal, rates: Charges | None) -> Opening:
    order = _at_worst(order)
    quantity = order.open_quantity
    terms = (order.request, order.pending)
    # of the terms of now and the pending ones, those that trade for more
    amount, dearest = max(
        ((_amount(each, quantity, last), each) for each in terms if each is not None),
        key=itemgetter(0),
    )
    return _opening(dearest, quantity, order, amount, rates)


@lru_cache(64)
def _normal_tail(confidence: float) -> tuple[float, float]:
    """Return the quantile of the normal distribution, and the mean beyond it."""
    normal = NormalDist()
    score = normal.inv_cdf(confidence)
    return score, normal.pdf(score) / (1 - confidence)


class Use(NamedTuple):
    """
    What an account uses of a limit, in the unit of `limit`; `code` is that of the denial.

    An order with which it were more is denied, and if `is_full_at` the limit, every further one
    there. `of` is the symbol or sector that has it, and `detail` says how it is computed.
    """

    code: str
    name: str
    value: Decimal | float
    limit: Decimal | float
    of: str = ""
    detail: str = ""
    is_full_at: bool = False

    def require(self) -> None:
        """Raise OrderDeniedError if there is no more left of the limit."""
        if self.value > self.limit or (self.is_full_at and self.value == self.limit):
            raise _over_limit(self.code, self.name, self.value, self.limit, self.detail)


def _over_limit(
    code: str, name: str, value: object, limit: object, of: str = ""
) -> OrderDeniedError:
    detail = f"{name}={_formatted(value)}, max_{name}={_formatted(limit)}"
    return OrderDeniedError(code, detail + of)


def _formatted(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, Decimal | float) else str(value)


def trading_state(context: OrderContext) -> None:
    state = context.book.state
    if state is TradingState.ACTIVE or (context.is_closing and state is TradingState.REDUCING):
        return
    if context.is_closing and context.request.reason is not Reason.ENTRY:
        return  # a protective exit is sent in any state
    raise OrderDeniedError("TRADING_STATE", f"state={state}, reason={context.book.state_reason}")


def stream_ready(context: OrderContext) -> None:
    if not context.is_stream_ready and not context.is_closing:
        raise OrderDeniedError("STREAM_NOT_READY", "ready=no, required=yes")


def session(context: OrderContext) -> None:
    if context.unbelieved_seconds and not context.is_closing:
        # one of two clocks is wrong, and with it the time at which all is squared off
        raise OrderDeniedError("CLOCK", f"set_by_seconds={context.unbelieved_seconds}")
    is_exit = context.is_closing and context.request.reason is not Reason.ENTRY
    # an exit is for the broker to refuse: this machine's clock may be wrong
    if not is_exit and not context.opens_at <= context.now < context.closes_at:
        raise OrderDeniedError("SESSION", f"now={context.now:%F %T}, open={context.opens_at:%F %T}")
    if context.now >= context.entries_end_at and not context.is_closing:
        raise OrderDeniedError(
            "ENTRY_CUTOFF", f"now={context.now:%T}, cutoff={context.entries_end_at:%T}"
        )


def instrument_listed(context: OrderContext) -> None:
    if context.request.symbol not in context.instruments:
        raise OrderDeniedError("INSTRUMENT", f"symbol={context.request.symbol}, listed=no")


def publication_fresh(context: OrderContext) -> None:
    if context.sessions_behind > context.limits.max_sessions_behind and not context.is_closing:
        raise _over_limit(
            "PUBLICATION",
            "sessions_behind",
            context.sessions_behind,
            context.limits.max_sessions_behind,
        )


def possible_prices(context: OrderContext) -> None:
    request = context.request
    _require_possible(limit_price=request.limit_price, trigger_price=request.trigger_price)
    if request.exits is not None:
        _require_possible_exits(request.exits)


def _require_possible_exits(exits: Exits) -> None:
    _require_possible(
        stop_price=exits.stop_price,
        target_price=exits.target_price,
        trail_distance=exits.trail_distance,
    )


def _require_possible(**prices: Decimal | None) -> None:
    for name, price in prices.items():
        if price is not None and not (price.is_finite() and abs(price) <= MAX_PRICE):
            raise OrderDeniedError("PRICE", f"{name}={price}, max_price={MAX_PRICE}")


def lot_and_tick(context: OrderContext) -> None:
    request, instrument = context.request, context.instrument
    # an odd lot can still be closed
    is_odd_lot = request.quantity % instrument.lot_size and not context.is_closing
    if request.quantity <= 0 or is_odd_lot:
        raise OrderDeniedError(
            "LOT", f"quantity={request.quantity}, lot_size={instrument.lot_size}"
        )
    if context.working_quantity <= 0:
        filled = request.quantity - context.working_quantity
        raise OrderDeniedError("LOT", f"quantity={request.quantity}, filled_quantity={filled}")
    for name in ("limit_price", "trigger_price"):
        price = getattr(request, name)
        if price is not None and (price <= 0 or price % instrument.tick_size):
            raise OrderDeniedError(
                "TICK", f"{name}={price}, tick_size={instrument.tick_size.normalize()}"
            )
    most = instrument.freeze_quantity
    if most is not None and request.quantity > most:
        raise _over_limit("FREEZE", "quantity", request.quantity, most)


def stop_trigger(context: OrderContext) -> None:
    request = context.request
    limit, trigger = request.limit_price, request.trigger_price
    is_stop = request.order_type in (OrderType.SL, OrderType.SL_M)
    if is_stop != (trigger is not None):
        raise OrderDeniedError(
            "TRIGGER", f"order_type={request.order_type}, trigger_price={trigger or 'none'}"
        )
    if limit is not None and trigger is not None and (limit - trigger) * request.side.sign < 0:
        raise OrderDeniedError("TRIGGER", f"limit_price={limit}, trigger_price={trigger}")


def price_available(context: OrderContext) -> None:
    known = context.prices.get(context.request.symbol)
    if known is None and context.is_closing:
        return
    if known is None:
        raise OrderDeniedError("NO_PRICE", f"symbol={context.request.symbol}, ticks=0")
    age = context.now - known[1]
    if age > timedelta(milliseconds=context.limits.max_tick_age_ms) and not context.is_closing:
        raise _over_limit(
            "TICK_AGE",
            "tick_age_ms",
            int(age.total_seconds() * 1000),
            context.limits.max_tick_age_ms,
        )


def price_band(context: OrderContext) -> None:
    instrument = context.instrument
    if instrument.price_band_pct is None or instrument.prior_close is None:
        return
    for price in (context.request.limit_price, context.request.trigger_price):
        if price is None:
            continue
        distance = 100 * abs(price / instrument.prior_close - 1)
        if distance > instrument.price_band_pct:
            raise _over_limit(
                "PRICE_BAND",
                "distance_pct",
                distance,
                instrument.price_band_pct,
                f", prior_close={priced(instrument.prior_close)}",
            )


def price_collar(context: OrderContext) -> None:
    price = context.request.limit_price
    # an exit has protection that widens up to the price band
    if price is not None and context.request.reason is Reason.ENTRY:
        # a stop order trades where it is triggered
        expected = context.request.trigger_price or context.last_price
        distance = 100 * abs(price / expected - 1)
        if distance > context.limits.max_collar_pct:
            of = "trigger" if context.request.trigger_price else "last"
            raise _over_limit(
                "PRICE_COLLAR",
                "distance_pct",
                distance,
                context.limits.max_collar_pct,
                f", {of}_price={priced(expected)}, allowed={_collar(context, expected)}",
            )


def _collar(context: OrderContext, expected: Decimal) -> str:
    """Return the limits that the collar allows, in whole ticks: the first and the last one."""
    tick, most = context.instrument.tick_size, context.limits.max_collar_pct / 100
    low = (expected * (1 - most) / tick).to_integral_value(ROUND_CEILING) * tick
    high = (expected * (1 + most) / tick).to_integral_value(ROUND_FLOOR) * tick
    return f"{priced(low)} to {priced(high)}"


def market_protection(context: OrderContext) -> None:
    request = context.request
    if request.limit_price is None:
        raise OrderDeniedError(
            "PROTECTION", "limit_price=none, required=a limit beyond the last price"
        )


def exits_ahead(context: OrderContext) -> None:
    """Deny an order whose stop or target would close it at once."""
    request = context.request
    if request.exits is not None and not context.is_closing:
        require_exits_ahead(request.exits, request, context.last_price, context.now)


def require_exits_ahead(
    exits: Exits, request: Request, last: Decimal, now: datetime, *, is_held: bool = False
) -> None:
    """
    Raise OrderDeniedError if exits are impossible, or would close at once what a request opens.

    `last` is the price that exits go by now. What is held of the request is closed there, and what
    it has yet to open trades where it is triggered, or at its limit, if the price has to come there
    first.
    """
    _require_possible_exits(exits)
    expected = last
    if not is_held:
        prices = [last, request.limit_price or last]
        expected = request.trigger_price or (min if request.side is Side.BUY else max)(prices)
    if detail := due_at_once(exits, request.side, expected, now):
        raise OrderDeniedError("EXITS", detail)


def product_rules(context: OrderContext) -> None:
    request, held = context.request, context.own_quantity
    if request.reason is not Reason.ENTRY and not context.is_closing:
        raise OrderDeniedError("REDUCE_ONLY", f"quantity={request.quantity}, held={held}")
    if request.reason is Reason.ENTRY and held * request.side.sign < 0:
        for entry in context.book.held_entries():
            theirs = entry.request
            is_same = (theirs.strategy, theirs.symbol, theirs.product) == (
                request.strategy,
                request.symbol,
                request.product,
            )
            if is_same and (reason := context.book.exit_reason.get(theirs.order_id)):
                raise OrderDeniedError("EXIT_AT_WORK", f"held={held}, exit_reason={reason}")
    if request.product is Product.CNC and request.side is Side.SELL:
        on_the_way = context.own_open_quantity
        if on_the_way > held:
            raise OrderDeniedError("SHORT", f"quantity={on_the_way}, held={held}")
    if request.product is not context.limits.product and not context.is_closing:
        raise OrderDeniedError(
            "PRODUCT",
            f"product={request.product}, and the account trades {context.limits.product} only: see"
            " `product` in trading_accounts.csv",
        )


def no_self_cross(context: OrderContext) -> None:
    request = context.request
    for order in context.others(context.book.open_orders_of(request.symbol, request.side.other)):
        if request.reason is not Reason.ENTRY and (
            order.is_external or order.is_cancel_pending or order.request.reason is Reason.ENTRY
        ):
            continue  # entries are cancelled before an exit, which does not wait for the answer
        is_waiting = request.trigger_price is not None or (
            order.request.trigger_price is not None and order.state not in TRIGGERED
        )
        if is_waiting:
            continue  # the other order has traded before the price reaches the trigger
        ours = request.limit_price
        for terms in (order.request, order.pending):
            if terms is None:
                continue
            theirs = terms.limit_price
            if theirs is None or ours is None or (ours - theirs) * request.side.sign >= 0:
                raise OrderDeniedError("SELF_CROSS", f"limit_price={ours}, open={theirs}")


def duplicate_signal(context: OrderContext) -> None:
    signal_id = context.request.signal_id
    if signal_id is None or context.request.reason is not Reason.ENTRY or context.replaces:
        return
    for order in context.book.entries_of_signal(signal_id):
        raise OrderDeniedError(
            "DUPLICATE_SIGNAL", f"signal={signal_id}, order={order.request.order_id}"
        )


def open_orders(context: OrderContext) -> None:
    if not context.is_closing:
        _open_orders_used(context).require()


def _open_orders_used(context: AccountContext) -> Use:
    count, most = context.open_order_count, context.limits.max_open_orders
    return Use("OPEN_ORDERS", "open_orders", count, most, is_full_at=True)


def order_size(context: OrderContext) -> None:
    if context.is_closing:
        return
    if context.request.quantity > context.limits.max_order_quantity:
        raise _over_limit(
            "ORDER_QUANTITY",
            "quantity",
            context.request.quantity,
            context.limits.max_order_quantity,
        )
    most = context.limit_amount(context.limits.max_order_pct)
    if context.order_amount > most:
        raise _over_limit("ORDER_AMOUNT", "amount", context.order_amount, most)


def exposure(context: OrderContext) -> None:
    if context.is_closing:
        return
    symbol = context.request.symbol
    for use in _exposures(context, symbol, context.sector_of(symbol)):
        use.require()


def _exposures(context: AccountContext, symbol: str, sector: str) -> list[Use]:
    limits, amounts = context.limits, context.amounts
    count = sum(1 for amount in amounts.values() if amount)
    values: tuple[tuple[str, Decimal, Decimal, str], ...] = (
        ("SYMBOL_AMOUNT", abs(amounts.get(symbol, ZERO)), limits.max_symbol_pct, symbol),
        ("SECTOR_AMOUNT", context.by_sector.get(sector, ZERO), limits.max_sector_pct, sector),
        ("GROSS_AMOUNT", context.gross_amount, limits.max_gross_pct, ""),
        (
            "NET_AMOUNT",
            max(abs(sum(each.values(), ZERO)) for each in context.scenarios),
            limits.max_net_pct,
            "",
        ),
    )
    return [
        Use("POSITIONS", "positions", count, limits.max_positions),
        *(
            Use(code, "amount", value, context.limit_amount(pct), of)
            for code, value, pct, of in values
        ),
    ]


def cash(context: OrderContext) -> None:
    request = context.request
    if request.product is Product.CNC and request.side is Side.BUY:
        _cash_used(context).require()


def _cash_used(context: AccountContext) -> Use:
    return Use("CASH", "amount", context.required_cash_amount, context.book.cash_amount)


def margin(context: OrderContext) -> None:
    if context.request.product is Product.MIS and not context.is_closing:
        _margin_used(context).require()


def _margin_used(context: AccountContext) -> Use:
    required = context.required_margin_amount(context.limits.margin_pct)
    return Use("MARGIN", "margin", required, context.margin_amount)


def losses(context: OrderContext) -> None:
    if context.is_closing:
        return
    for use in _lost(context):
        use.require()
    if context.replaces is None:
        _trades_used(context).require()


def _lost(context: AccountContext) -> list[Use]:
    book, limits, equity = context.book, context.limits, context.equity
    start, peak = book.session_start_amount, max(book.peak_amount, context.equity)
    values: tuple[tuple[str, str, Decimal | float, Decimal | float], ...] = (
        ("DAILY_LOSS", "loss", start - equity, start * limits.max_daily_loss_pct / 100),
        ("DRAWDOWN", "drawdown_pct", 100 * (1 - equity / peak), limits.max_drawdown_pct),
        ("LOSSES", "losses", book.consecutive_losses, limits.max_consecutive_losses),
    )
    return [Use(*each, is_full_at=True) for each in values]


def _trades_used(context: AccountContext) -> Use:
    count, most = context.book.entry_count, context.limits.max_trades
    return Use("TRADES", "trades", count, most, is_full_at=True)


def value_at_risk(context: OrderContext) -> None:
    if not context.is_closing:
        for use in _tail_losses(context, context.request.symbol):
            use.require()


def _tail_losses(context: AccountContext, symbol: str) -> list[Use]:
    """Return VaR and expected shortfall; raise OrderDeniedError if they cannot be computed."""
    deviation = 0.0
    for scenario in context.scenarios:
        amounts = {symbol: float(amount) for symbol, amount in scenario.items() if amount}
        found = context.covariances.standard_deviation(amounts)
        if found is None:
            raise OrderDeniedError("VAR_UNAVAILABLE", f"symbol={symbol}, covariances=missing")
        if not math.isfinite(found):
            raise OrderDeniedError("NOT_FINITE", f"symbol={symbol}, standard_deviation={found}")
        deviation = max(deviation, found)
    limits = context.limits
    score, shortfall = _normal_tail(limits.var_confidence)
    how = f", confidence={limits.var_confidence:g}, horizon_sessions=1"
    return [
        Use(code, "amount", factor * deviation, float(context.limit_amount(pct)), detail=how)
        for code, factor, pct in (
            ("VAR", score, limits.max_var_pct),
            ("ES", shortfall, limits.max_es_pct),
        )
    ]


def limits_used(context: AccountContext) -> list[Use]:
    """
    Return what an account uses of its limits, as the checks of its next order count it.

    Of the limits of a symbol, a sector and an order it is the largest. VaR and expected shortfall
    are left out if they cannot be computed: then an order that opens is denied.
    """
    limits, openings = context.limits, context.openings
    symbol = _largest(context.amounts)
    uses = [
        *_lost(context),
        *_exposures(context, symbol, _largest(context.by_sector)),
        _open_orders_used(context),
        _trades_used(context),
        Use(
            "ORDER_QUANTITY",
            "quantity",
            max((each.request.quantity for each in openings), default=0),
            limits.max_order_quantity,
        ),
        Use(
            "ORDER_AMOUNT",
            "amount",
            max((each.amount for each in openings), default=ZERO),
            context.limit_amount(limits.max_order_pct),
        ),
        _margin_used(context) if limits.product is Product.MIS else _cash_used(context),
    ]
    with suppress(OrderDeniedError):
        uses += _tail_losses(context, symbol)
    return uses


def _largest(amounts: Mapping[str, Decimal]) -> str:
    return max(amounts, key=lambda name: abs(amounts[name]), default="")


CHECKS: tuple[Check, ...] = (
    trading_state,
    stream_ready,
    session,
    instrument_listed,
    publication_fresh,
    possible_prices,
    lot_and_tick,
    stop_trigger,
    price_available,
    price_band,
    price_collar,
    market_protection,
    exits_ahead,
    product_rules,
    no_self_cross,
    duplicate_signal,
    open_orders,
    order_size,
    exposure,
    cash,
    margin,
    losses,
    value_at_risk,
)


def pre_trade_check(context: OrderContext, own: Mapping[str, Check] = MappingProxyType({})) -> None:
    """
    Run all checks; raise OrderDeniedError for the first that fails.

    `own` checks, by name, follow ours and replace none. They do not see an order that only closes.
    One that raises any other error denies the order too, and so do numbers that ours
    cannot compute with: they are the order's fault, and no reason to stop others.
    """
    for one in CHECKS:
        try:
            one(context)
        except ArithmeticError as error:
            detail = f"check={one.__name__}, error={type(error).__name__}"
            raise OrderDeniedError("ARITHMETIC", detail) from error
    if context.is_closing:
        return
    for name, check in own.items():
        try:
            check(context)
        except OrderDeniedError:
            raise
        except BaseException as error:  # user code: an order that was not checked is not sent
            plugins.raise_interruption(error)
            raise OrderDeniedError("CHECK_FAILED", f"check={name}, error={error!r}") from error


def open_checks(names: Iterable[str]) -> dict[str, Check]:
    """
    Return the checks that installed packages add, and those named as module:function.

    Raise ConfigurationError for one that does not exist or is no function.
    """
    found = plugins.installed(GROUP) | {
        name: plugins.load(GROUP, "check", name, {}) for name in names
    }
    for name, check in found.items():
        if not callable(check):
            raise ConfigurationError(
                f"the check {name} is no function", "name a function of an OrderContext"
            )
        plugins.refuse_async(f"the check {name}", check)
    return found
