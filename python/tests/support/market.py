"""A market made by hand: a publication, ticks, and a session traded on them by the real loop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.brokers.opening import BrokerSetup
from duckbourse.brokers.paper import FillRules, PaperBroker
from duckbourse.orders.events import Event
from duckbourse.orders.order import Order, Reason
from duckbourse.risk.checks import Check
from duckbourse.risk.limits import Covariances, Instrument, Limits
from duckbourse.streaming.feed import RECORD, microseconds, millionths
from duckbourse.streaming.replay import Replay
from duckbourse.trading.loop import Trader
from duckbourse.trading.publication import Publication, Signal
from duckbourse.trading.session import SessionConfig, TradingSession
from duckbourse.trading.strategy import SignalStrategy, Strategy
from tests.support.factories import LIMITS

ZONE = ZoneInfo("America/New_York")
DAY = date(2026, 11, 25)


def at(hour: int, minute: int = 0, second: float = 0) -> datetime:
    """Return an instant of the session, given as New York's time."""
    local = datetime.combine(DAY, time(hour, minute), ZONE)
    return local.astimezone(UTC) + timedelta(seconds=second)


def instrument(symbol: str = "A", **changed: Any) -> Instrument:
    """Return a share of its own sector that closed at 100, in cents and single shares."""
    fields: dict[str, Any] = {
        "symbol": symbol,
        "sector": symbol,
        "tick_size": Decimal("0.01"),
        "lot_size": 1,
        "prior_close": Decimal(100),
    }
    return Instrument(**{**fields, **changed})


def signal(symbol: str = "A", **changed: Any) -> Signal:
    """Return a signal of 9:45 to buy at 100 with a fifth of the equity: stop 98, target 110."""
    fields: dict[str, Any] = {
        "signal_id": f"signal {symbol}",
        "scanner": "crp",
        "preset": "standard",
        "symbol": symbol,
        "direction": "long",
        "known_at": at(9, 45),
        "entry_price": Decimal(100),
        "stop_price": Decimal(98),
        "target_price": Decimal(110),
        "exit_at": at(15, 15),
        "position_pct": Decimal(20),
        "signal_rank": 1,
    }
    return Signal(**{**fields, **changed})


def tick(when: datetime, price: str | float, symbol: str = "A", **changed: Any) -> dict[str, Any]:
    """Return a tick of 100,000 shares, received when it was traded."""
    fields = {"at": when, "price": price, "symbol": symbol, "quantity": 100_000, "traded_at": when}
    return {**fields, **changed}


@dataclass
class Market:
    """One account on one day; `limits` and `hours` may be changed before it is traded."""

    folder: Path
    limits: Limits = LIMITS
    instruments: dict[str, Instrument] = field(default_factory=lambda: {"A": instrument()})
    signals: Sequence[Signal] = field(default_factory=lambda: [signal()])
    opens: datetime = field(default_factory=lambda: at(9, 30))
    closes: datetime = field(default_factory=lambda: at(16))
    session_date: date = DAY
    rules: FillRules = field(default_factory=lambda: FillRules(slippage_bps=Decimal(0)))
    broker: Callable[..., PaperBroker] = PaperBroker
    strategy: Callable[[], Strategy] = SignalStrategy
    # strategies beside it, by the name that their orders are booked under
    others: dict[str, Callable[[], Strategy]] = field(default_factory=dict)
    checks: dict[str, Check] = field(default_factory=dict)
    # what the machine's clock shows at an instant
    shown: Callable[[datetime], datetime] = lambda now: now
    events: list[Event] = field(default_factory=list)

    def publication(self) -> Publication:
        """Return the publication that is traded; every covariance is 0, every variance 0.0001."""
        pairs = {
            (one, other): 0.0001 if one == other else 0.0
            for one in self.instruments
            for other in self.instruments
            if one <= other
        }
        return Publication(
            build_id="build",
            data_version="1",
            limits=self.limits,
            zone=ZONE,
            session_date=self.session_date,
            opens_at=self.opens,
            closes_at=self.closes,
            sessions_behind=0,
            instruments=self.instruments,
            signals=tuple(self.signals),
            charges=(),
            covariances=Covariances(pairs),
        )

    def feed(self, ticks: Sequence[dict[str, Any]]) -> Replay:
        """Return a replay of ticks; those of one instant are one batch."""
        symbols = tuple(sorted(self.instruments))
        records = np.zeros(len(ticks), RECORD)
        for record, known in zip(records, ticks, strict=True):
            record["symbol"] = symbols.index(known["symbol"])
            record["received_at"] = microseconds(known["at"])
            record["traded_at"] = microseconds(known["traded_at"])
            record["price"] = millionths(Decimal(str(known["price"])))
            record["quantity"] = known["quantity"]
            for side in ("bid", "ask"):
                record[side] = millionths(Decimal(str(known.get(side, 0))))
            record["cumulative_volume"] = -1
        return Replay(records, symbols, "by hand", 0, is_synthetic=True)

    def trade(
        self,
        ticks: Sequence[dict[str, Any]],
        *,
        at_tick: dict[int, Callable[[Trader], object]] | None = None,
        to_end: bool = True,
    ) -> Trader:
        """
        Trade on these ticks, after what was traded before in the folder.

        `at_tick` are things to do after a batch, by its number from 1. Unless it goes `to_end`,
        the process is gone after the last tick.
        """
        feed = self.feed(ticks)
        strategies = {"signals": self.strategy()}
        strategies |= {name: strategy() for name, strategy in self.others.items()}
        config = SessionConfig(
            publication=self.publication(),
            folder=self.folder,
            feed=feed,
            broker=self.open_broker,
            strategies=strategies,
            checks=self.checks,
            grace_seconds=0,
        )

        async def play() -> None:
            assert await session.trader.start() == ()
            count = 0
            async for records in feed.ticks():
                await session.trader.on_records(records)
                count += 1
                if at_tick and count in at_tick:
                    done = at_tick[count](session.trader)
                    if inspect.isawaitable(done):
                        await done
            if to_end:
                await session.trader.relay.end()

        with (
            TradingSession.open(config) as session,
            clock.driven_by(lambda: self.shown(feed.at)),
        ):
            session.trader.manager.bus.subscribe(
                Event, lambda message: self.events.append(message.event)
            )
            asyncio.run(play())
        return session.trader

    def open_broker(self, setup: BrokerSetup) -> PaperBroker:
        """Open the broker of the market, which follows the ticks."""
        broker = self.broker(
            setup.folder, dict(setup.tick_sizes), setup.capital_amount, self.rules, setup.charges
        )
        assert setup.relay is not None
        setup.relay.follow(broker)
        return broker

    def of(self, kind: type[Event]) -> list[Any]:
        """Return the events of a kind, of all that was traded here."""
        return [event for event in self.events if isinstance(event, kind)]


def exits(trader: Trader) -> list[Order]:
    """Return the orders that close a position, in the order in which they were tried."""
    return [
        order for order in trader.book.orders.values() if order.request.reason is not Reason.ENTRY
    ]


def with_limits(**changed: Any) -> Limits:
    """Return the limits with some changed."""
    return replace(LIMITS, **changed)
