"""Bars as ticks, by hand: their times, order, volume and pace."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duckbourse.errors import BadInput
from duckbourse.streaming.feed import (
    Records,
    Tick,
    conflate,
    decimal_price,
    instant,
    microseconds,
    millionths,
)
from duckbourse.streaming.replay import (
    OFFSETS,
    Bar,
    Replay,
    replay_bars,
    replay_recorded,
)
from tests.support.counted_loop import CountedLoop, run_counted

NEW_YORK = ZoneInfo("America/New_York")
DAY = date(2010, 5, 28)


def bar(symbol: str, minute: int, *prices: str, volume: float = 10) -> Bar:
    opening, high, low, close = map(Decimal, prices)
    return symbol, datetime(2010, 5, 28, 9, minute), opening, high, low, close, volume


def replay(*bars: Bar, speed: float = 0) -> Replay:
    return replay_bars(list(bars), NEW_YORK, DAY, speed)


def ticks_of(feed: Replay, records: Records) -> list[Tick]:
    return conflate(records, feed.symbols, feed.is_synthetic)


def collected(feed: Replay) -> list[list[Tick]]:
    async def play() -> list[list[Tick]]:
        found = []
        async for records in feed.ticks():
            ticks = ticks_of(feed, records)
            assert {tick.at for tick in ticks} == {feed.at}
            found.append(ticks)
        return found

    return asyncio.run(play())


def test_a_bar_that_rose_fell_first() -> None:
    ticks = [tick for (tick,) in collected(replay(bar("A", 30, "10", "12", "9", "11")))]
    assert [tick.price for tick in ticks] == [10, 9, 12, 11]
    assert [tick.quantity for tick in ticks] == [3, 3, 2, 2]
    # half past nine in summer is half past one in the afternoon, in UTC
    assert [tick.at for tick in ticks] == [
        datetime(2010, 5, 28, 13, 30, 0, tzinfo=UTC),
        datetime(2010, 5, 28, 13, 30, 20, tzinfo=UTC),
        datetime(2010, 5, 28, 13, 30, 40, tzinfo=UTC),
        datetime(2010, 5, 28, 13, 30, 59, 999_000, tzinfo=UTC),
    ]
    assert all(tick.is_synthetic for tick in ticks)


def test_a_bar_that_fell_rose_first() -> None:
    ticks = [tick for (tick,) in collected(replay(bar("A", 30, "11", "12", "9", "10")))]
    assert [tick.price for tick in ticks] == [11, 12, 9, 10]


def test_ticks_of_an_instant_come_together_and_in_order() -> None:
    batches = collected(
        replay(
            bar("A", 30, "10", "12", "9", "11"),
            bar("B", 30, "20", "21", "19", "20"),
            bar("A", 31, "11", "11", "11", "11"),
        )
    )
    assert [len(batch) for batch in batches] == [2, 2, 2, 2, 1, 1, 1, 1]
    times = [batch[0].at for batch in batches]
    assert times == sorted(times)


def test_ticks_already_traded_on_are_skipped() -> None:
    feed = replay(bar("A", 30, "10", "12", "9", "11"))
    feed.resume_after(datetime(2010, 5, 28, 13, 30, 20, tzinfo=UTC))
    assert [tick.price for (tick,) in collected(feed)] == [12, 11]
    feed.resume_after(datetime(2010, 5, 28, 15, tzinfo=UTC))
    assert collected(feed) == []


@pytest.mark.any_day
def test_the_replay_keeps_its_speed() -> None:
    feed = replay(*(bar("A", minute, "10", "12", "9", "11") for minute in (30, 31)), speed=600)

    async def seconds(loop: CountedLoop) -> list[float]:
        return [loop.seconds async for _ in feed.ticks()]

    # two minutes less a millisecond, at 600 x
    due = [(minute + offset / 1e6) / 600 for minute in (0, 60) for offset in OFFSETS]
    assert run_counted(seconds) == pytest.approx(due)


def test_a_resumed_replay_waits_only_for_the_ticks_that_are_left() -> None:
    resumed_at = datetime(2010, 5, 28, 13, 30, 20, tzinfo=UTC)
    feed = replay(bar("A", 30, "10", "12", "9", "11"), speed=2000)
    whole = feed.wait_seconds()
    left = feed.wait_seconds(resumed_at)
    assert 0 < left < whole == pytest.approx(59.999 / 2000)
    feed.resume_after(resumed_at)
    # the first tick that is left comes at once
    assert feed.start == datetime(2010, 5, 28, 13, 30, 40, tzinfo=UTC)
    assert feed.wait_seconds() == pytest.approx(19.999 / 2000)
    assert feed.wait_seconds(datetime(2010, 5, 28, 20, tzinfo=UTC)) == 0
    assert replay(bar("A", 30, "10", "12", "9", "11")).wait_seconds() == 0


@pytest.mark.any_day
def test_an_empty_replay_ends_at_once() -> None:
    feed = replay()
    assert collected(feed) == []
    assert feed.start == feed.end


@pytest.mark.parametrize(
    "sql", [None, "select 1 as price", "select 'XNYS' as calendar, 'mine' as recording"]
)
def test_a_file_that_is_not_a_recording_is_an_error(tmp_path: Path, sql: str | None) -> None:
    stray = tmp_path / str(DAY) / "stray.parquet"
    stray.parent.mkdir()
    stray.write_text("not Parquet")
    if sql is not None:
        duckdb.execute(f"copy ({sql}) to '{stray}'")
    with pytest.raises(BadInput) as refused:
        replay_recorded(tmp_path, DAY, "XNYS", ("A",), 0)
    assert str(refused.value).startswith(f"the recording in {tmp_path} cannot be read: ")
    assert "\n" not in str(refused.value)
    assert refused.value.remedy == "move the file that is not a recording elsewhere"
    stray.unlink()
    with pytest.raises(BadInput, match="no ticks of XNYS on 2010-05-28 were recorded"):
        replay_recorded(tmp_path, DAY, "XNYS", ("A",), 0)


@given(st.decimals(0, 10**9, places=6), st.datetimes(timezones=st.just(UTC)))
def test_prices_and_instants_come_back(price: Decimal, at: datetime) -> None:
    assert decimal_price(millionths(price)) == price
    assert instant(microseconds(at)) == at
