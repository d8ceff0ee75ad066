"""
Bad days: a market that jumps and locks, a venue that is late, forgetful and refuses in bursts.

The same holds on all of them. At the end the account is flat, or people were notified that it is
not. Its cash and positions are those of the venue. And a position is left as soon as the market and
the venue let it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from duckbourse import clock
from duckbourse.brokers.paper import FillRules
from duckbourse.errors import BrokerError
from duckbourse.orders import events
from duckbourse.orders.book import Book
from duckbourse.orders.lifecycle import State
from duckbourse.orders.manager import Manager
from duckbourse.orders.order import Reason
from duckbourse.trading import loop as trading_loop
from duckbourse.trading.loop import Trader
from duckbourse.trading.publication import Signal
from duckbourse.trading.strategy import SignalStrategy
from tests.support.counted_loop import CountedLoop, run_counted
from tests.support.factories import LIMITS, request
from tests.support.market import ZONE, Market, at, instrument, signal, with_limits
from tests.support.venue import Faults, MarketFeed, MemoryJournal, Venue, path_of_prices

MOVE = st.tuples(
    st.sampled_from(["jump", "jump", "jump", "lock"]),
    st.sampled_from([-20, -10, -3, -1, -1, 0, 1, 1, 3, 10, 20]),
)
FAULTS = st.builds(
    Faults,
    max_delay_seconds=st.sampled_from([0.0, 0.1, 1.0, 5.0, 30.0]),
    lost_call_ratio=st.sampled_from([0.0, 0.05]),
    lost_answer_ratio=st.sampled_from([0.0, 0.1]),
    lost_update_ratio=st.sampled_from([0.0, 0.1]),
    rejecting=st.lists(
        st.tuples(st.integers(0, 1200), st.integers(1, 120)).map(
            lambda burst: (float(burst[0]), float(burst[0] + burst[1]))
        ),
        max_size=3,
    ).map(tuple),
    rests_stops=st.booleans(),
    seed=st.integers(0, 2**32),
)
# the longest that an exit may take where the market trades and the venue accepts: two look-ups of
# an order whose answers were lost, and two reconciliations
PATIENCE = timedelta(seconds=150)
# percent of the prior close, which is 100
BAND = Decimal(40)
# people are notified of what is open each minute, between two ticks
NOTIFIED_WITHIN = timedelta(seconds=65)


@dataclass
class Day:
    """What a day left behind, and when its session closed."""

    trader: Trader
    venue: Venue
    closes_at: datetime


SQUARE_OFF_LEAD = timedelta(minutes=LIMITS.square_off_lead_minutes)
# a day may end early when nothing has been open for so long: what is still on its way has arrived
QUIET = timedelta(seconds=60)


def signals_of_day() -> list[Signal]:
    """Return a long, a short, and two whose stops are far: one of them is held on most paths."""

    def later(signal_id: str, minute: int, direction: str, stop: int, target: int) -> Signal:
        return signal(
            signal_id=signal_id,
            known_at=at(9, minute),
            direction=direction,
            stop_price=Decimal(stop),
            target_price=Decimal(target),
        )

    return [
        signal(),
        later("again", 47, "short", 103, 90),
        later("far", 49, "long", 60, 130),
        later("far again", 51, "short", 135, 65),
    ]


def traded(folder: Path, moves: list[tuple[str, int]], faults: Faults) -> Day:
    """
    Trade the minutes of these moves, at least eight, and then the square-off.

    The market goes on until the close, a quarter of an hour later, or until nothing is open.
    """
    ticks = path_of_prices(moves, timedelta(seconds=2), at(9, 45, 1))
    for each in ticks:  # no exchange trades beyond its price band
        each["price"] = min(max(each["price"], 100 - BAND), 100 + BAND)
    square_off_at: datetime = max(ticks[-1]["at"], at(9, 53))
    closes_at = square_off_at + SQUARE_OFF_LEAD
    last = ticks[-1]
    while last["at"] < closes_at - timedelta(seconds=3):
        last = {**last, "at": last["at"] + timedelta(seconds=2), "quantity": 100_000}
        ticks.append(last)
    local = square_off_at.astimezone(ZONE)
    market = Market(
        folder,
        limits=with_limits(
            square_off_time=local.time(),
            entry_cutoff_time=(local - timedelta(seconds=30)).time(),
        ),
        instruments={"A": instrument(price_band_pct=BAND)},
        signals=signals_of_day(),
        closes=closes_at,
    )

    async def play(loop: CountedLoop) -> Day:
        venue = Venue(
            folder, {"A": Decimal("0.01")}, Decimal(100_000), FillRules(slippage_bps=Decimal(0))
        )
        venue.capabilities = replace(Venue.capabilities, can_rest_stops=faults.rests_stops)
        feed = MarketFeed(ticks, ("A",), venue=venue)
        manager = Manager(
            Book(Decimal(100_000)),
            MemoryJournal(),  # type: ignore[arg-type]
            venue,
            check=lambda *asked: trader.pre_trade_check(*asked),
        )
        strategies = {"signals": SignalStrategy()}
        trader = Trader(
            market.publication(),
            manager,
            feed,
            strategies,
            folder,
            # a look for a newer publication is a thread each second
            refresh_seconds=math.inf,
        )
        opened_at = square_off_at

        def is_over() -> bool:
            nonlocal opened_at
            book = trader.book
            if book.live or book.held_entries() or venue.symbols() or book.open_positions():
                opened_at = clock.now()
            return clock.now() - max(opened_at, square_off_at) > QUIET

        feed.is_over = is_over
        assert await trader.start() == ()
        venue.begin(faults)
        await trader.run()
        # what is on the way arrives, and the books are compared a last time
        for _ in range(4):
            await asyncio.sleep(40)
            with suppress(BrokerError):
                await trader.reconciliation.repeat()
        venue.end_calls()
        venue.close()
        return Day(trader, venue, closes_at)

    folder.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch, clock.driven_by(lambda: at(9, 44, 59)):
        # half of the steps, and of the time that a day takes
        patch.setattr(trading_loop, "IDLE_SECONDS", 1.0)
        return run_counted(play, arrival_seconds=0)


def check(day: Day, moves: list[tuple[str, int]], faults: Faults) -> None:
    trader, venue = day.trader, day.venue
    book, journal = trader.book, trader.manager.journal.events  # type: ignore[attr-defined]
    trades = venue._trades
    cash = Decimal(100_000) - sum(trade.fill.signed_quantity * trade.fill.price for trade in trades)
    held = sum(trade.fill.signed_quantity for trade in trades)
    assert book.cash_amount == cash
    assert sum(position.quantity for position in book.open_positions()) == held
    assert all(order.state is not State.UNKNOWN for order in book.open_orders())
    for entry in book.held_entries():
        # an exit may begin too late for a report: all do at the square-off, a quarter of an hour
        # before the close, or when the entry fills after it
        reported = [
            event.at
            for event in journal
            if isinstance(event, events.ExitDelayed) and event.entry_id == entry.request.order_id
        ]
        assert reported, "a position is open, and nobody was notified"
        assert day.closes_at - max(reported) <= NOTIFIED_WITHIN, "people were not notified again"
    # no more was ever sold than was held, and the venue has no order twice
    reports = [report.order_id for report in venue._orders.values()]
    assert len(reports) == len(set(reports))
    position = 0
    for trade in trades:
        order = book.orders[trade.fill.order_id]
        before, position = position, position + trade.fill.signed_quantity
        if order.request.reason is not Reason.ENTRY:
            assert abs(position) < abs(before) and position * before >= 0
    is_free = not faults.rejecting and not any(kind == "lock" for kind, _ in moves)
    if is_free:
        assert not held
        triggered = {
            event.entry_id: event.at
            for event in reversed(journal)
            if isinstance(event, events.ExitTriggered)
        }
        for entry_id, began in triggered.items():
            last = max(
                fill.filled_at
                for order in book.exits_of(entry_id)
                for fill in book.fills.values()
                if fill.order_id == order.request.order_id
            )
            assert last - began <= PATIENCE


# a failing day is printed as it is: to make it smaller takes longer than to read it
BAD_DAYS = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)


def of_bad_days(count: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the decorator of a test of so many days."""
    days = given(st.lists(MOVE, min_size=1, max_size=40), FAULTS)
    return lambda test: settings(BAD_DAYS, max_examples=count)(days(test))


def trade_and_check(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[str, int]], faults: Faults
) -> None:
    check(traded(tmp_path_factory.mktemp("day") / "session", moves, faults), moves, faults)


# a call that arrives when the broker has long denied the order: another in its place sold twice
@example(moves=[("jump", 3), ("jump", 1)], faults=Faults(max_delay_seconds=30.0, seed=355014))
@of_bad_days(25)
def test_every_bad_day_ends_flat_or_reported(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[str, int]], faults: Faults
) -> None:
    trade_and_check(tmp_path_factory, moves, faults)


@pytest.mark.long
@of_bad_days(10_000)
def test_ten_thousand_bad_days_end_flat_or_reported(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[str, int]], faults: Faults
) -> None:
    """The same for 40 minutes of one processor."""
    trade_and_check(tmp_path_factory, moves, faults)


@pytest.mark.parametrize("asked", ["cancel", "modify"])
def test_what_was_lost_on_the_wire_is_asked_again(tmp_path: Path, asked: str) -> None:
    """The broker was asked once, and the order stayed open with a cancel pending for ever."""

    async def play(loop: CountedLoop) -> Book:
        rules = FillRules()
        venue = Venue(tmp_path, {"A": Decimal("0.01")}, Decimal(100_000), rules)
        book = Book(Decimal(100_000))
        manager = Manager(
            book,
            MemoryJournal(),  # type: ignore[arg-type]
            venue,
            check=lambda *_: None,
        )
        manager.follow()
        order_id = (await manager.place(request(limit_price=Decimal(90)))).request.order_id

        async def ask() -> None:
            if asked == "cancel":
                await manager.cancel(order_id)
            else:
                await manager.modify(order_id, quantity=10, limit_price=Decimal(91))

        venue.begin(Faults(lost_call_ratio=1.0))
        await ask()
        assert book.orders[order_id].is_cancel_pending or book.orders[order_id].is_modify_pending
        venue.begin(Faults())
        await manager.wait_idle()
        await ask()
        await asyncio.sleep(0)
        venue.end_calls()
        venue.close()
        assert order_id in book.orders
        return book

    with clock.driven_by(lambda: at(9, 45)):
        [order] = run_counted(play, arrival_seconds=0).orders.values()
    if asked == "cancel":
        assert order.state is State.CANCELLED
    else:
        assert (order.request.limit_price, order.is_modify_pending) == (Decimal(91), False)
