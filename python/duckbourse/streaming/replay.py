"""
Replays a past session at any speed: its recorded ticks, or its minute bars as ticks.

A bar has four prices but not their times. Its ticks are the open, the end of the range that the bar
closes away from, the other end, and the close, at the start, one third, two thirds and the last
millisecond of the minute, with a quarter of the volume each. A fill at such a tick is no more
precise than the bar.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import numpy as np

from duckbourse import clock
from duckbourse.errors import BadInput
from duckbourse.streaming.feed import RECORD, Records, instant, microseconds, millionths
from duckbourse.streaming.tables import records_of
from duckbourse.warehouse import files_in

MINUTES = """
    select symbol, bar_ts, open::decimal(18, 6), high::decimal(18, 6), low::decimal(18, 6),
        close::decimal(18, 6), volume
    from bars.ohlcv
    where timeframe = '1m' and session_date = ? and calendar = ? and list_contains(?, symbol)
    order by bar_ts, symbol
"""
# the recording with the most ticks
RECORDED = """
    with recorded as (
        select * from read_parquet({files}) where calendar = $calendar
    )
    select * from recorded
    where recording = (
        select recording from recorded group by recording order by count(*) desc, recording limit 1
    )
"""
OFFSETS = (0, 20_000_000, 40_000_000, 59_999_000)
Bar = tuple[str, datetime, Decimal, Decimal, Decimal, Decimal, float]


class Replay:
    """
    The ticks of a session at `speed` times the original pace; 0 is as fast as possible.

    `at` is the time of the last tick, or where it resumed; the clock should be set to it.
    """

    def __init__(
        self,
        records: Records,
        symbols: tuple[str, ...],
        name: str,
        speed: float,
        *,
        is_synthetic: bool,
    ) -> None:
        self.name = name + (f", {speed:g} x" if speed else "")
        self.symbols = symbols
        self.is_synthetic = is_synthetic
        self._records = records[np.argsort(records["received_at"], kind="stable")]
        self._speed = speed
        self.start = instant(int(self._records["received_at"][0])) if len(records) else clock.now()
        self.end = instant(int(self._records["received_at"][-1])) if len(records) else self.start
        self.at = self.start

    def wait_seconds(self, after: datetime | None = None) -> float:
        """Return how long the ticks take at this speed, or those after an instant."""
        first = self.start if after is None else min(max(self.start, after), self.end)
        return (self.end - first).total_seconds() / self._speed if self._speed else 0.0

    def resume_after(self, at: datetime) -> Records:
        """Skip the ticks up to an instant, which were traded on before; return them."""
        is_before = self._records["received_at"] <= microseconds(at)
        before, self._records = self._records[is_before], self._records[~is_before]
        if len(before):
            self.at = min(at, self.end)
        if len(self._records):
            self.start = instant(int(self._records["received_at"][0]))
        return before

    def batches(self) -> Iterator[Records]:
        """Yield the ticks one instant at a time, without waiting."""
        if not len(self._records):
            return
        ends = np.flatnonzero(np.diff(self._records["received_at"])) + 1
        yield from np.split(self._records, ends)

    def counters(self) -> dict[str, int]:
        return {}

    async def ticks(self) -> AsyncIterator[Records]:
        began = clock.elapsed_seconds()
        for batch in self.batches():
            at = instant(int(batch["received_at"][0]))
            if self._speed:
                due = (at - self.start).total_seconds() / self._speed
                await asyncio.sleep(max(0.0, began + due - clock.elapsed_seconds()))
            self.at = at
            yield batch


def replay_minutes(
    connection: duckdb.DuckDBPyConnection,
    session_date: date,
    calendar: str,
    zone: ZoneInfo,
    symbols: Iterable[str],
    speed: float,
) -> Replay:
    """Return the replay of a session's minute bars from the published file."""
    bars = connection.execute(MINUTES, [session_date, calendar, list(symbols)]).fetchall()
    return replay_bars(bars, zone, session_date, speed)


def replay_bars(bars: list[Bar], zone: ZoneInfo, session_date: date, speed: float) -> Replay:
    """Return the replay of minute bars, with ticks as described at the top of this file."""
    symbols = tuple(sorted({bar[0] for bar in bars}))
    places = {symbol: place for place, symbol in enumerate(symbols)}
    records = np.zeros((len(bars), len(OFFSETS)), RECORD)
    for row, (symbol, bar_ts, opening, high, low, close, volume) in zip(records, bars, strict=True):
        first, second = (low, high) if close >= opening else (high, low)
        quantity, left = divmod(int(volume), len(OFFSETS))
        row["symbol"] = places[symbol]
        row["traded_at"] = microseconds(bar_ts.replace(tzinfo=zone).astimezone(UTC))
        row["price"] = [millionths(price) for price in (opening, first, second, close)]
        row["quantity"] = [quantity + (place < left) for place in range(len(OFFSETS))]
    records["traded_at"] += np.array(OFFSETS)
    records["received_at"] = records["traded_at"]
    records["cumulative_volume"] = -1
    name = f"minutes of {session_date}"
    return Replay(records.reshape(-1), symbols, name, speed, is_synthetic=True)


def replay_recorded(
    folder: Path, session_date: date, calendar: str, symbols: Iterable[str], speed: float
) -> Replay:
    """
    Return the replay of a session's recorded ticks; `folder` is the folder of all ticks.

    If there are several recordings, use the one with the most ticks; raise BadInput if there is
    none.
    """
    wanted = tuple(sorted(symbols))
    records = recorded_ticks(folder, session_date, calendar, wanted)
    if not len(records):
        raise BadInput(
            f"no ticks of {calendar} on {session_date} were recorded in {folder}",
            "replay its minutes, or choose another session with --date",
        )
    return Replay(records, wanted, f"recorded ticks of {session_date}", speed, is_synthetic=False)


def recorded_ticks(
    folder: Path, session_date: date, calendar: str, symbols: tuple[str, ...]
) -> Records:
    """Return the recorded ticks of a session's symbols, as indices into them; may be empty."""
    files = files_in(folder / session_date.isoformat(), "*.parquet")
    with duckdb.connect() as connection:
        try:
            return records_of(connection, RECORDED.format(files=files), symbols, calendar=calendar)
        except duckdb.Error as error:
            if "No files found" in str(error):
                return np.zeros(0, RECORD)
            raise BadInput(
                f"the recording in {folder} cannot be read: {str(error).splitlines()[0]}",
                "move the file that is not a recording elsewhere",
            ) from error
