"""
The days to generate minutes for: real daily bars from the published file, made-up ones elsewhere.

A made-up day has the returns of a random real day of the shipped sample, whatever else has been
published, so that a seed gives the same made-up days everywhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import numpy as np

from duckbourse import clock
from duckbourse.errors import BadInput, ConfigurationError
from duckbourse.ingest.calendars import calendar_meant, calendars
from duckbourse.ingest.withdrawals import again
from duckbourse.settings import PROJECT, settings
from duckbourse.synthetic.minutes import (
    Days,
    Floats,
    Session,
    Stamps,
    fraction,
    positive_ticks,
    random_words,
)
from duckbourse.warehouse import attach, files_in, quoted, unpublished
from duckbourse.words import counted

SOURCE = "synthetic"
# Part of a delivery's name: increase it when the same seed gives other bars.
METHOD = 1
SAMPLE = PROJECT / "data" / "sample"
DEFAULT_SESSIONS = 20
TICKS_PER_UNIT = {"XNSE": 20}
DEFAULT_TICKS_PER_UNIT = 100
# Made-up days form a chain that begins here, whatever days are requested. Each day pulls the price
# back toward its start by this fraction, so that it does not drift away.
CHAIN_START = date(2000, 1, 1)
PULL = 0.005
# How many days of real returns to draw from.
MAX_RETURNS = 20_000
# A volume of the sample that means "at least": 2^31 in hundreds.
CAPPED_VOLUME = 2_147_483_600

PARTS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Plan:
    """What to generate: each symbol's daily bar in each session, and how many are real."""

    calendar: str
    seed: int
    symbols: tuple[str, ...]
    sessions: tuple[Session, ...]
    days: Days
    real_day_count: int
    # how often it has been delivered and withdrawn
    withdrawn_count: int = 0

    @property
    def bar_count(self) -> int:
        """The number of minute bars."""
        return len(self.symbols) * sum(len(session.bar_starts) for session in self.sessions)

    @property
    def day_count(self) -> int:
        """The number of daily bars."""
        return len(self.symbols) * len(self.sessions)

    @property
    def ticks_per_unit(self) -> int:
        """The number of price ticks in one unit of currency."""
        return TICKS_PER_UNIT.get(self.calendar, DEFAULT_TICKS_PER_UNIT)

    @property
    def source_file(self) -> str:
        """The value of `source_file`."""
        return f"sample-minutes --seed {self.seed}"

    @cached_property
    def delivery(self) -> str:
        """The delivery's name, a hash of everything that determines its bars."""
        inputs = [METHOD, self.seed, self.calendar, *self.symbols]
        digest = hashlib.sha256(json.dumps(inputs).encode())
        for session in self.sessions:
            digest.update(session.bar_starts.astype("<i8").tobytes())
        for values in self.days.columns():
            digest.update(values.astype("<f8").tobytes())
        name = digest.hexdigest()[:16]
        for _ in range(self.withdrawn_count):
            name = again(name)
        return name


@contextmanager
def connected(published: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield DuckDB with our settings and the published file."""
    published = published or settings().published_database
    if not published.exists():
        raise unpublished(published)
    with duckdb.connect(
        config={
            "threads": settings().threads,
            "memory_limit": settings().memory_limit,
            "temp_directory": str(settings().raw / ".incoming" / "spill"),
        }
    ) as con:
        attach(con, published, read_only=True)
        yield con


def plan(
    con: duckdb.DuckDBPyConnection,
    *,
    symbols: int | Sequence[str],
    calendar: str,
    seed: int,
    session_count: int | None = None,
    first: date | None = None,
    last: date | None = None,
) -> Plan:
    """
    Return the sessions and daily bars to generate minutes for.

    `symbols` are names, or a number of symbols: those with the most real daily bars in these
    sessions, then made-up names. Sessions are from `first` to `last`, or `session_count` sessions
    from or up to one of them, or the latest with real daily bars. Days without a real bar are made
    up from returns of the sample.
    """
    if calendar not in calendars():
        raise ConfigurationError(
            f"no calendar is called {calendar!r}{calendar_meant(calendar)}",
            f"there are {', '.join(calendars())}",
        )
    if seed < 0:
        raise ConfigurationError(f"a seed of {seed} is negative", "use 0 or more")
    read_daily(con, calendar)
    sessions = read_sessions(con, calendar, session_count, first, last)
    names = (
        most_traded(con, symbols, calendar, sessions)
        if isinstance(symbols, int)
        else named_symbols(symbols)
    )
    days, real_day_count = daily_bars(con, calendar, seed, names, sessions)
    return Plan(calendar, seed, names, tuple(sessions), days, real_day_count)


def named_symbols(symbols: Sequence[str]) -> tuple[str, ...]:
    """Return the named symbols, sorted; raise ConfigurationError if one is empty or repeated."""
    names = sorted(symbols)
    for name, following in zip(names, [*names[1:], ""], strict=True):
        if not name or name == following:
            raise ConfigurationError(
                f"the symbol {name!r} is given twice" if name else "a symbol is empty",
                "name each symbol once, as AAPL,IBM",
            )
    return tuple(names)


def read_daily(con: duckdb.DuckDBPyConnection, calendar: str) -> None:
    """
    Create the table `daily` of a calendar's published daily bars, with volume.

    Days that were built from minutes are left out: those minutes may be ours.
    """
    con.execute(
        "create or replace temp table daily as"
        f" select symbol, session_date, {', '.join(PARTS)} from bars.ohlcv"
        " where calendar = ? and timeframe = '1d' and volume > 0 and source not in (?, 'mixed')"
        " order by symbol, session_date",
        [calendar, SOURCE],
    )


def read_sessions(
    con: duckdb.DuckDBPyConnection,
    calendar: str,
    count: int | None,
    first: date | None,
    last: date | None,
) -> list[Session]:
    """Return sessions of a calendar, oldest first; raise ConfigurationError if too few."""
    if count is not None and first is not None and last is not None:
        raise ConfigurationError(
            "--sessions, --since and --until cannot be combined", "leave one of them out"
        )
    if first is None and last is None:
        last = last_covered_day(con, calendar)
    parts = dict(
        con.execute(
            "select session_date, parts from bars.sessions where calendar = ?"
            " order by session_date",
            [calendar],
        ).fetchall()
    )
    dates = [
        day for day in parts if (first is None or first <= day) and (last is None or day <= last)
    ]
    wanted = count if count is not None else len(dates) if first and last else DEFAULT_SESSIONS
    if wanted < 1 or len(dates) < wanted:
        raise ConfigurationError(
            f"{calendar} has {counted(len(dates), 'session')} from {first or min(parts)} to"
            f" {last or max(parts)}, but {wanted:,} were requested",
            "request at least one, within the calendar in seeds/calendars",
        )
    chosen = dates[:wanted] if first else dates[-wanted:]
    return [Session(day, np.concatenate([*map(bar_starts, parts[day])])) for day in chosen]


def bar_starts(part: dict[str, datetime]) -> Stamps:
    """Return the start of each minute in a part of a session."""
    opens, closes = (np.datetime64(part[end], "m") for end in ("open_ts", "close_ts"))
    return np.arange(opens, closes).astype("datetime64[us]")


def last_covered_day(con: duckdb.DuckDBPyConnection, calendar: str) -> date:
    """Return the last day with real bars for most symbols, or yesterday if there is none."""
    [(covered,)] = con.execute(
        "select max(session_date) from (select session_date, count(*) as symbol_count,"
        " max(symbol_count) over () as most from daily group by session_date)"
        " where symbol_count >= most / 2"
    ).fetchall()
    if isinstance(covered, date):
        return covered
    return clock.now().astimezone(ZoneInfo(calendars()[calendar].timezone)).date() - timedelta(1)


def most_traded(
    con: duckdb.DuckDBPyConnection, count: int, calendar: str, sessions: Sequence[Session]
) -> tuple[str, ...]:
    """Return `count` symbols: those with the most real bars and turnover, then made-up ones."""
    if count < 1:
        raise ConfigurationError(f"{count} symbols were requested", "request at least one")
    real = con.execute(
        "select symbol from daily where session_date between ? and ?"
        " group by symbol order by count(*) desc, sum(close * volume) desc, symbol limit ?",
        [sessions[0].session_date, sessions[-1].session_date, count],
    ).fetchall()
    made_up = (f"{calendar}{number:04}" for number in range(1, count - len(real) + 1))
    return tuple(sorted([*(symbol for (symbol,) in real), *made_up]))


def daily_bars(
    con: duckdb.DuckDBPyConnection,
    calendar: str,
    seed: int,
    symbols: Sequence[str],
    sessions: Sequence[Session],
) -> tuple[Days, int]:
    """Return a daily bar for each symbol and session, and how many of them are real."""
    dates = [session.session_date for session in sessions]
    real = Days(*(real_values(con, name, symbols, dates) for name in PARTS))
    is_real = np.isfinite(real.close)
    real_day_count = int(is_real.sum())
    if is_real.all():
        return real, real_day_count
    if dates[0] < CHAIN_START:
        raise ConfigurationError(
            f"not every symbol has a daily bar on {dates[0]}, and days before {CHAIN_START} are"
            " not made up",
            "request later days, or symbols that have daily bars then",
        )
    chain = con.execute(
        "select session_date from bars.sessions where calendar = ? and session_date between ? and ?"
        " order by session_date",
        [calendar, CHAIN_START, dates[-1]],
    ).fetchall()
    made_up = made_up_days(con, calendar, seed, symbols, [day for (day,) in chain], len(dates))
    both = zip(real.columns(), made_up.columns(), strict=True)
    return Days(*(np.where(is_real, have, rest) for have, rest in both)), real_day_count


def real_values(
    con: duckdb.DuckDBPyConnection, name: str, symbols: Sequence[str], dates: Sequence[date]
) -> Floats:
    """Return one part of the real daily bars, shape (sessions, symbols), NaN without a bar."""
    found = con.execute(
        f"""
        with symbols as (select unnest($symbols) as symbol, unnest(range(len($symbols))) as place),
        dates as (select unnest($dates) as session_date, unnest(range(len($dates))) as place)
        select dates.place as row_at, symbols.place as column_at, daily.{name} as value
        from daily
        inner join symbols using (symbol)
        inner join dates using (session_date)
        """,
        {"symbols": list(symbols), "dates": list(dates)},
    ).fetchnumpy()
    values = np.full((len(dates), len(symbols)), np.nan)
    values[np.asarray(found["row_at"]), np.asarray(found["column_at"])] = found["value"]
    return values


def made_up_days(
    con: duckdb.DuckDBPyConnection,
    calendar: str,
    seed: int,
    symbols: Sequence[str],
    chain: Sequence[date],
    count: int,
) -> Days:
    """
    Return the last days of a chain of made-up days.

    A made-up day has the returns of one random real day of the sample. The chain begins at a random
    price, or at the first real open, and is pulled back toward that, or toward the last real
    close.
    """
    returns = sample_returns(con)
    closes = real_values(con, "close", symbols, chain)
    words = np.stack([random_words(seed, symbol, "days", len(chain) + 2) for symbol in symbols])
    draws = (words[:, 2:] % np.uint64(len(returns["gap"]))).astype(np.int64).T
    price, volume = first_prices_and_volumes(con, symbols)
    target = np.where(np.isnan(price), 50 + 1950 * fraction(words[:, 0]), price)
    volume = np.where(np.isnan(volume), 50_000 + 2_950_000 * fraction(words[:, 1]), volume)
    per_unit = TICKS_PER_UNIT.get(calendar, DEFAULT_TICKS_PER_UNIT)
    days: list[tuple[Floats, ...]] = []
    level = target
    for draw, real_close in zip(draws, closes, strict=True):
        opens = positive_ticks((level + PULL * (target - level)) * returns["gap"][draw], per_unit)
        level = positive_ticks(opens * returns["close"][draw], per_unit)
        days.append((opens, level))
        is_real = np.isfinite(real_close)
        level = np.where(is_real, real_close, level)
        target = np.where(is_real, real_close, target)
    opens, close = (np.stack(values) for values in zip(*days[-count:], strict=True))
    draws = draws[-count:]
    high = positive_ticks(opens * returns["high"][draws], per_unit)
    low = positive_ticks(opens * returns["low"][draws], per_unit)
    return Days(
        open=opens,
        high=np.maximum(high, np.maximum(opens, close)),
        low=np.minimum(low, np.minimum(opens, close)),
        close=close,
        volume=np.clip(np.rint(volume * returns["volume"][draws]), 1, CAPPED_VOLUME - 1),
    )


def sample_returns(con: duckdb.DuckDBPyConnection) -> dict[str, Floats]:
    """
    Return days of the shipped sample: open over prior close, and the rest over the open.

    `volume` is relative to the symbol's median. Days on which a price moves by a factor
    outside 0.8 to 1.25 may be splits, and are left out.
    """
    try:
        found = con.execute(f"""
            with

            bars as (
                select
                    symbol,
                    source,
                    session_date,
                    open,
                    high,
                    low,
                    close,
                    volume,
                    lag(close) over history as last_close,
                    median(volume) over (partition by symbol, source) as usual_volume
                from read_parquet(
                    {files_in(SAMPLE / "daily", "**/*.parquet")}, hive_partitioning = false
                )
                where
                    low < high
                    and low <= least(open, close)
                    and high >= greatest(open, close)
                    and volume not in (0, {CAPPED_VOLUME})
                    and session_date >= {quoted(CHAIN_START)}
                window history as (partition by symbol, source order by session_date)
            )

            select
                open / last_close as gap,
                high / open as high,
                low / open as low,
                close / open as close,
                least(volume / usual_volume, 20) as volume
            from bars
            where close / last_close between 0.8 and 1.25 and open / last_close between 0.8 and 1.25
            order by md5(symbol || source || session_date), symbol, source, session_date
            limit {MAX_RETURNS}
        """).fetchnumpy()
    except duckdb.IOException as error:
        raise BadInput(
            f"{SAMPLE / 'daily'} cannot be read, but made-up days need it: {error}",
            "restore data/sample from git",
        ) from error
    return {name: np.asarray(values) for name, values in found.items()}


def first_prices_and_volumes(
    con: duckdb.DuckDBPyConnection, symbols: Sequence[str]
) -> tuple[Floats, Floats]:
    """Return each symbol's first real open and median volume, NaN without real bars."""
    found = con.execute(
        "with symbols as (select unnest($symbols) as symbol, unnest(range(len($symbols))) as place)"
        " select arg_min(open, session_date), median(volume) from symbols"
        " left join daily using (symbol) group by place order by place",
        {"symbols": list(symbols)},
    ).fetchall()
    price, volume = np.array(found, dtype=np.float64).T
    return price, volume
