"""
A session that was, once more: the minute bars of the published file as ticks, at any speed.

A bar tells four prices and not when they were. Its ticks are its open, the end of the range that it
closes away from, the other end, and its close, at the start, thirds and the last millisecond of the
minute, with a quarter of the volume each. What a fill at such a tick means is no more than the bar.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from zoneinfo import ZoneInfo

import duckdb

from duckbourse import clock
from duckbourse.streaming.feed import Tick

MINUTES = """
    select symbol, bar_ts, open::decimal(18, 6), high::decimal(18, 6), low::decimal(18, 6),
        close::decimal(18, 6), volume
    from bars.ohlcv
    where timeframe = '1m' and session_date = ? and calendar = ? and list_contains(?, symbol)
    order by bar_ts, symbol
"""
Bar = tuple[str, datetime, Decimal, Decimal, Decimal, Decimal, float]


class Replay:
    """
    The ticks of a session, `speed` times as fast as they were; 0 is as fast as they are taken.

    `at` is the time of the last tick, which is what the clock should tell.
    """

    def __init__(self, bars: list[Bar], zone: ZoneInfo, session_date: date, speed: float) -> None:
        self.name = f"replay of {session_date}" + (f", {speed:g} x" if speed else "")
        self._ticks = sorted(
            (tick for bar in bars for tick in bar_ticks(bar, zone)), key=lambda tick: tick.at
        )
        self._speed = speed
        self.at = self._ticks[0].at if self._ticks else clock.now()
        self.end = self._ticks[-1].at if self._ticks else self.at
        self.start = self.at

    def go_on_after(self, instant: datetime) -> None:
        """Leave out what was up to an instant: it was traded on before."""
        self._ticks = [tick for tick in self._ticks if tick.at > instant]

    def batches(self) -> Iterator[list[Tick]]:
        """Return the ticks, an instant at a time, at once."""
        for _, batch in groupby(self._ticks, key=lambda tick: tick.at):
            yield list(batch)

    async def ticks(self) -> AsyncIterator[list[Tick]]:
        began = clock.elapsed_seconds()
        for batch in self.batches():
            at = batch[0].at
            if self._speed:
                due = (at - self.start).total_seconds() / self._speed
                await asyncio.sleep(max(0.0, began + due - clock.elapsed_seconds()))
            self.at = at
            yield batch


def replay_of(
    connection: duckdb.DuckDBPyConnection,
    session_date: date,
    calendar: str,
    zone: ZoneInfo,
    symbols: Iterable[str],
    speed: float,
) -> Replay:
    """Return the replay of a session's symbols from the published file."""
    bars = connection.execute(MINUTES, [session_date, calendar, list(symbols)]).fetchall()
    return Replay(bars, zone, session_date, speed)


def bar_ticks(bar: Bar, zone: ZoneInfo) -> list[Tick]:
    """Return the four ticks of a bar, as the head of this file says."""
    symbol, bar_ts, opening, high, low, close, volume = bar
    start = bar_ts.replace(tzinfo=zone).astimezone(UTC)
    first, second = (low, high) if close >= opening else (high, low)
    quantity, left = divmod(int(volume), 4)
    return [
        Tick(symbol, start + after, price, quantity + (place < left), is_made_up=True)
        for place, (after, price) in enumerate(
            (
                (timedelta(0), opening),
                (timedelta(seconds=20), first),
                (timedelta(seconds=40), second),
                (timedelta(seconds=59.999), close),
            )
        )
    ]
