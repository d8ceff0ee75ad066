"""
NautilusTrader's order round trip: from submit to filled at its own simulated venue, not on disk.

bench_orders runs it with the Python that has nautilus_trader; it prints its figures as JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import Any

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money, Price
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

START_NS, SECOND_NS = 10**18, 10**9


class BuyOnEveryQuote(Strategy):  # type: ignore[misc]
    """Sends one market order per quote and measures the microseconds until its fill event."""

    def __init__(self, instrument: Any) -> None:
        super().__init__()
        self.instrument = instrument
        self.took: list[float] = []
        self.submitted = 0

    def on_start(self) -> None:
        self.subscribe_quote_ticks(self.instrument.id)

    def on_quote_tick(self, tick: Any) -> None:
        quantity = self.instrument.make_qty(1)
        self.submitted = time.perf_counter_ns()
        order = self.order_factory.market(self.instrument.id, OrderSide.BUY, quantity)
        self.submit_order(order)

    def on_order_filled(self, event: Any) -> None:
        self.took.append((time.perf_counter_ns() - self.submitted) / 1000)


def main(count: int) -> None:
    """Send the orders one second apart, since it accepts a hundred a second."""
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(log_level="ERROR")))
    account = {"base_currency": USD, "starting_balances": [Money(10**9, USD)]}
    engine.add_venue(Venue("XNAS"), OmsType.NETTING, AccountType.MARGIN, **account)
    instrument = TestInstrumentProvider.equity("AAPL", "XNAS")
    engine.add_instrument(instrument)
    bid, ask, size = Price.from_str("100.00"), Price.from_str("100.01"), instrument.make_qty(10**5)
    times = (START_NS + number * SECOND_NS for number in range(count))
    engine.add_data([QuoteTick(instrument.id, bid, ask, size, size, at, at) for at in times])
    strategy = BuyOnEveryQuote(instrument)
    engine.add_strategy(strategy)
    cpu = time.process_time()
    engine.run()
    cpu = time.process_time() - cpu
    took = sorted(strategy.took)
    if len(took) != count:
        raise SystemExit(f"{len(took)} of {count} orders were filled")
    figures = {
        "p50_us": statistics.median(took),
        "p99_us": took[int(0.99 * count)],
        "cpu_us": cpu * 1e6 / count,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(int(sys.argv[1]))
