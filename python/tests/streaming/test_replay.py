"""Bars as ticks, by hand: their times, their order, their volume, and how fast they come."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from duckbourse import clock
from duckbourse.streaming.feed import Tick
from duckbourse.streaming.replay import Bar, Replay, bar_ticks

NEW_YORK = ZoneInfo("America/New_York")
DAY = date(2010, 5, 28)


def bar(symbol: str, minute: int, *prices: str, volume: float = 10) -> Bar:
    opening, high, low, close = map(Decimal, prices)
    return symbol, datetime(2010, 5, 28, 9, minute), opening, high, low, close, volume


def test_a_bar_that_rose_fell_first() -> None:
    ticks = bar_ticks(bar("A", 30, "10", "12", "9", "11"), NEW_YORK)
    assert [tick.price for tick in ticks] == [10, 9, 12, 11]
    assert [tick.quantity for tick in ticks] == [3, 3, 2, 2]
    # half past nine in summer is half past one in the afternoon, in UTC
    assert [tick.at for tick in ticks] == [
        datetime(2010, 5, 28, 13, 30, 0, tzinfo=UTC),
        datetime(2010, 5, 28, 13, 30, 20, tzinfo=UTC),
        datetime(2010, 5, 28, 13, 30, 40, tzinfo=UTC),
        datetime(2010, 5, 28, 13, 30, 59, 999_000, tzinfo=UTC),
    ]
    assert all(tick.is_made_up for tick in ticks)


def test_a_bar_that_fell_rose_first() -> None:
    ticks = bar_ticks(bar("A", 30, "11", "12", "9", "10"), NEW_YORK)
    assert [tick.price for tick in ticks] == [11, 12, 9, 10]


def collected(feed: Replay) -> list[list[Tick]]:
    async def play() -> list[list[Tick]]:
        found = []
        async for batch in feed.ticks():
            assert {tick.at for tick in batch} == {feed.at}
            found.append(batch)
        return found

    return asyncio.run(play())


def test_ticks_of_an_instant_come_together_and_in_order() -> None:
    bars = [
        bar("A", 30, "10", "12", "9", "11"),
        bar("B", 30, "20", "21", "19", "20"),
        bar("A", 31, "11", "11", "11", "11"),
    ]
    batches = collected(Replay(bars, NEW_YORK, DAY, 0))
    assert [len(batch) for batch in batches] == [2, 2, 2, 2, 1, 1, 1, 1]
    times = [batch[0].at for batch in batches]
    assert times == sorted(times)


def test_what_was_traded_on_is_left_out() -> None:
    feed = Replay([bar("A", 30, "10", "12", "9", "11")], NEW_YORK, DAY, 0)
    feed.go_on_after(datetime(2010, 5, 28, 13, 30, 20, tzinfo=UTC))
    assert [tick.price for (tick,) in collected(feed)] == [12, 11]


def test_a_speed_is_kept() -> None:
    bars = [bar("A", minute, "10", "12", "9", "11") for minute in (30, 31)]
    feed = Replay(bars, NEW_YORK, DAY, 600)
    started = clock.elapsed_seconds()
    assert len(collected(feed)) == 8
    # two minutes, but for a millisecond, at 600 x
    assert 0.19 <= clock.elapsed_seconds() - started < 1
