"""
The process is killed at any point of a bad day, and started again on what it left.

A point is an event that is journaled, before or after it is queued for the disk, or a line of the
broker's book. Whatever the point: nothing is sent twice, no fill is booked twice, the book agrees
with the broker at every start and at the end, and what is not closed was reported.
"""

from __future__ import annotations

import os
import random
import signal as signals
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from duckbourse.brokers.paper import Line, PaperBroker
from duckbourse.orders import events
from duckbourse.orders.events import Event
from duckbourse.orders.journal import Journal, Written, read_journal
from duckbourse.orders.order import Reason
from duckbourse.trading.loop import Trader
from tests.support.market import Market, at, instrument, signal, tick
from tests.support.venue import path_of_prices

MOVES = [("jump", pct) for pct in (-20, -10, -3, -2, -1, 0, 1, 2, 3, 10)] + [("lock", 0)]
# the kills of one day: the process may be killed while it recovers from the last one
MAX_KILLS = 3
Ticks = list[dict[str, Any]]


def bad_day(folder: Path, draw: random.Random) -> tuple[Market, Ticks]:
    """Return a market of twenty minutes in which a long and a short are entered and left."""
    market = Market(
        folder,
        instruments={"A": instrument(price_band_pct=Decimal(40))},
        signals=[
            signal(),
            signal(
                signal_id="again",
                known_at=at(9, 48),
                direction="short",
                stop_price=Decimal(103),
                target_price=Decimal(90),
            ),
            signal(signal_id="at last", known_at=at(9, 52), stop_price=Decimal(60)),
        ],
        closes=at(10, 20),
    )
    moves = [draw.choice(MOVES) for _ in range(draw.randint(10, 60))]
    ticks = [
        {**known, "traded_at": known["at"]}
        for known in path_of_prices(moves, timedelta(seconds=2), at(9, 45, 1), 10)
    ]
    ticks = [known for known in ticks if known["at"] < at(10, 19)]
    last = ticks[-1]
    while last["at"] < at(10, 19, 50):
        last = tick(last["at"] + timedelta(seconds=5), last["price"])
        ticks.append(last)
    return market, ticks


@contextmanager
def points(reached: Callable[[], None]) -> Iterator[None]:
    """Call `reached` at each point of what happens in the block."""
    append, write = Journal.append, PaperBroker._write

    def appending(journal: Journal, event: Event) -> Written:
        reached()
        written = append(journal, event)
        reached()
        return written

    def writing(broker: PaperBroker, line: Line) -> None:
        write(broker, line)
        reached()

    Journal.append, PaperBroker._write = appending, writing  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Journal.append, PaperBroker._write = append, write  # type: ignore[method-assign]


def killed(market: Market, ticks: Ticks, point: int) -> bool:
    """Trade in a process that is killed at its n-th point; return False if it has fewer."""
    child = os.fork()
    if not child:
        left = point

        def reached() -> None:
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signals.SIGKILL)

        ended = 1
        try:
            with points(reached):
                market.trade(ticks)
            ended = 0
        finally:
            os._exit(ended)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -signals.SIGKILL), "the process failed by itself"
    return code != 0


def left_of(market: Market, ticks: Ticks) -> Ticks:
    """Return the ticks that a process which is started after a kill still receives."""
    recorded = read_journal(market.folder)
    last = max((event.at for event in recorded), default=at(0))
    return [known for known in ticks if known["at"] > last] or ticks[-1:]


def check(market: Market, trader: Trader) -> None:
    book, broker = trader.book, trader.manager.broker.adapter
    assert isinstance(broker, PaperBroker)
    reports, trades = list(broker._orders.values()), broker._trades
    assert len({report.order_id for report in reports}) == len(reports)
    assert {fill.fill_key for fill in book.fills.values()} == {
        trade.fill.fill_key for trade in trades
    }
    paid = sum(trade.fill.signed_quantity * trade.fill.price for trade in trades)
    assert book.cash_amount == market.limits.capital_amount - paid
    held = sum(trade.fill.signed_quantity for trade in trades)
    assert sum(position.quantity for position in book.open_positions()) == held
    position = 0
    for trade in trades:
        before, position = position, position + trade.fill.signed_quantity
        if book.orders[trade.fill.order_id].request.reason is not Reason.ENTRY:
            assert abs(position) < abs(before) and position * before >= 0
    recorded = read_journal(market.folder)
    reported = {event.entry_id for event in recorded if isinstance(event, events.ExitDelayed)}
    assert {entry.request.order_id for entry in book.held_entries()} <= reported


def trade_and_kill(folder: Path, seed: int) -> int:
    """Trade a day of this seed with kills, to its end; return how many there were."""
    draw = random.Random(seed)
    market, ticks = bad_day(folder / "session", draw)
    count = 0
    rest = ticks
    for _ in range(draw.randint(1, MAX_KILLS)):
        # most points are early: a day has some forty
        if not killed(market, rest, draw.randint(1, draw.choice([10, 40, 100]))):
            break
        count += 1
        rest = left_of(market, ticks)
    check(market, market.trade(rest))
    return count


def kill(tmp_path: Path, wanted: int, first_seed: int) -> None:
    count, seed = 0, first_seed
    while count < wanted:
        count += trade_and_kill(tmp_path / str(seed), seed)
        seed += 1


def test_a_kill_at_any_point_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    kill(tmp_path, 8, first_seed=1)


@pytest.mark.long
def test_two_hundred_kills_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    kill(tmp_path, 200, first_seed=1_000)
