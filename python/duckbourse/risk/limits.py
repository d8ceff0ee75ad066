"""Account limits and instruments: rows of the seeds `trading_accounts` and `instruments`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import time
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import combinations, starmap
from operator import mul

import msgspec

from duckbourse.orders.order import Product
from duckbourse.orders.pacing import Rate


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """
    A tradable symbol; columns and units are those of the seed.

    `prior_close` is the unadjusted close of the prior session, in shares of today if there was a
    split since then: the base of the price band.
    """

    symbol: str
    sector: str | None
    tick_size: Decimal
    lot_size: int
    freeze_quantity: int | None = None
    price_band_pct: Decimal | None = None
    prior_close: Decimal | None = None

    @property
    def price_band(self) -> tuple[Decimal, Decimal | None]:
        """The lowest and the highest price of an order, in whole ticks; None where none is set."""
        if self.price_band_pct is None or self.prior_close is None:
            return self.tick_size, None
        low, high = (
            self.prior_close * (1 + sign * self.price_band_pct / 100) / self.tick_size
            for sign in (-1, 1)
        )
        return (
            max(int(low.to_integral_value(ROUND_CEILING)), 1) * self.tick_size,
            int(high.to_integral_value(ROUND_FLOOR)) * self.tick_size,
        )


def unlisted(symbol: str) -> Instrument:
    """Return what is assumed of a symbol that is held and no longer published."""
    return Instrument(symbol=symbol, sector=None, tick_size=Decimal("0.05"), lot_size=1)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of an account; columns and units are those of the seed."""

    account: str
    broker: str
    calendar: str
    segment: str
    product: Product
    capital_amount: Decimal
    entry_cutoff_time: time
    square_off_time: time
    max_positions: int
    max_order_quantity: int
    max_order_pct: Decimal
    max_symbol_pct: Decimal
    max_sector_pct: Decimal
    max_gross_pct: Decimal
    max_net_pct: Decimal
    max_open_orders: int
    max_trades: int
    max_daily_loss_pct: Decimal
    max_drawdown_pct: Decimal
    max_consecutive_losses: int
    var_confidence: float
    max_var_pct: Decimal
    max_es_pct: Decimal
    max_collar_pct: Decimal
    protection_pct: Decimal
    max_tick_age_ms: int
    max_sessions_behind: int
    max_orders_per_second: int
    max_orders_per_minute: int
    max_orders_per_session: int
    margin_pct: Decimal
    exit_reprice_ms: int
    exit_alert_seconds: int
    square_off_lead_minutes: int
    max_tick_move_pct: Decimal
    max_silence_seconds: int

    @property
    def rates(self) -> tuple[Rate, ...]:
        """The rates at which the broker may be sent requests."""
        return (
            Rate(self.max_orders_per_second, 1),
            Rate(self.max_orders_per_minute, 60),
            Rate(self.max_orders_per_session, math.inf),
        )


class Covariances(msgspec.Struct, frozen=True):
    """Covariances of daily returns, by pair of symbols in alphabetical order."""

    by_pair: dict[tuple[str, str], float]

    def standard_deviation(self, amounts: dict[str, float]) -> float | None:
        """
        Return the standard deviation of one session's profit on these amounts, in money.

        None if a covariance is missing, and NaN if one is no finite number.
        """
        symbols = sorted(amounts)
        held = [amounts[symbol] for symbol in symbols]
        try:
            variances = [self.by_pair[symbol, symbol] for symbol in symbols]
            covariances = list(map(self.by_pair.__getitem__, combinations(symbols, 2)))
        except KeyError:
            return None
        products = starmap(mul, combinations(held, 2))
        total = 2 * sum(map(mul, products, covariances))
        total += sum(map(mul, map(mul, held, held), variances))
        return math.sqrt(max(total, 0.0)) if math.isfinite(total) else math.nan


# the columns of trading_accounts.csv that hold what a check compares with, by the check's code
COLUMNS: Mapping[str, str] = {
    "PUBLICATION": "max_sessions_behind",
    "TICK_AGE": "max_tick_age_ms",
    "PRICE_COLLAR": "max_collar_pct",
    "ENTRY_CUTOFF": "entry_cutoff_time",
    "PRODUCT": "product",
    "OPEN_ORDERS": "max_open_orders",
    "ORDER_QUANTITY": "max_order_quantity",
    "ORDER_AMOUNT": "max_order_pct",
    "POSITIONS": "max_positions",
    "SYMBOL_AMOUNT": "max_symbol_pct",
    "SECTOR_AMOUNT": "max_sector_pct",
    "GROSS_AMOUNT": "max_gross_pct",
    "NET_AMOUNT": "max_net_pct",
    "MARGIN": "margin_pct",
    "DAILY_LOSS": "max_daily_loss_pct",
    "DRAWDOWN": "max_drawdown_pct",
    "LOSSES": "max_consecutive_losses",
    "TRADES": "max_trades",
    "VAR": "max_var_pct",
    "ES": "max_es_pct",
}
