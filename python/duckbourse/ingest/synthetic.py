"""
Synthetic one-minute bars that agree with daily bars, generated from a seed, to build and measure.

They match each day's open, high, low, close and volume exactly; the minutes between are made up,
and their source is `synthetic`. A day takes six steps, for all symbols at once:

    1. shocks               from random bits of seed, symbol and date alone
    2. volatility           GARCH(1, 1), increased at the open and the close
    3. a walk               the cumulative shocks, tied to the day's open and close
    4. the day's range      bent at its highest and lowest points to reach high and low, and
                            reflected where it still leaves them
    5. bars                 rounded to the tick, each extended a little up and down
    6. volume               larger at both ends and when prices move, in whole units

No sum, logarithm or exponential here has a last bit that depends on the machine or on the number of
symbols: adding symbols does not change the others, and a seed gives the same bars everywhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import numpy.typing as npt

from duckbourse import clock
from duckbourse.errors import BadInput, ConfigurationError
from duckbourse.ingest.bars import constant, write, write_manifest
from duckbourse.ingest.calendars import SEEDS, calendars, minutes
from duckbourse.ingest.run import wrap_full_disk
from duckbourse.ingest.schema import TABLES, Kind
from duckbourse.ingest.store import RawStore
from duckbourse.ingest.withdrawals import again, withdrawn
from duckbourse.settings import PROJECT, settings
from duckbourse.warehouse import files_in, quoted

SOURCE = "synthetic"
# Part of a delivery's name: increase it when the same seed gives other bars.
METHOD = 1
# Made-up days use the returns of the shipped bars, whatever else is in the store.
SAMPLE = PROJECT / "data" / "sample"
PRECEDENCES = PROJECT / "seeds" / "reference" / "source_precedence.csv"
DEFAULT_SESSIONS = 20
TICKS_PER_UNIT = {"XNSE": 20}
DEFAULT_TICKS_PER_UNIT = 100
# Volumes that mean "at least", as in bars.rejected: 2^31 in hundreds, 2^31 - 1 and 2^32 - 1.
VOLUME_CAPS = (2_147_483_600, 2_147_483_647, 4_294_967_295)
# Made-up days form a chain that begins here, whatever days are requested. Each day pulls the price
# back toward its start by this fraction, so that it does not drift away.
CHAIN_START = date(2000, 1, 1)
PULL = 0.005
# How many days of real returns to draw from.
MAX_RETURNS = 20_000

# GARCH(1, 1) of one-minute returns; the remainder to one is the constant part.
SHOCK_WEIGHT = 0.12
MEMORY_WEIGHT = 0.85
# One bar in four opens a tick below or above the previous close.
BESIDE = np.array([-1.0, 1.0, 0, 0, 0, 0, 0, 0])
# The lower half of each half of a word; the standard deviation of the sum of four such numbers.
HALVES = np.uint64(0x0000FFFF0000FFFF)
DEVIATION_OF_FOUR = 37837.2

PARTS = ("open", "high", "low", "close", "volume")
USABLE = (
    "low > 0 and low <= least(open, close) and high >= greatest(open, close)"
    " and isfinite(open + high + low + close)"
    f" and volume > 0 and volume not in {VOLUME_CAPS}"
)

# Prices rarely repeat, so the writer should not search long for repetitions.
FAST = ", compression_level 1, dictionary_size_limit 1000"
SMALL = ", compression_level 15, row_group_size 40960"

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]
Stamps = npt.NDArray[np.datetime64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Session:
    """A trading date and the start of each of its minutes, in exchange-local time."""

    session_date: date
    bar_starts: Stamps


@dataclass(frozen=True)
class Days:
    """Daily bars: arrays of shape (sessions, symbols), or (symbols,) for one session."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def session(self, position: int) -> Days:
        """Return the bars of one session."""
        return Days(*(values[position] for values in self.columns()))

    def columns(self) -> tuple[Floats, ...]:
        """Return open, high, low, close and volume."""
        return self.open, self.high, self.low, self.close, self.volume


# Minute bars have the same parts, as arrays of shape (symbols, minutes).
Bars = Days


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


@dataclass(frozen=True)
class Outcome:
    """The outcome; `is_new` is false if the delivery already existed."""

    delivery: str
    is_new: bool
    byte_count: int
    seconds: float


@contextmanager
def connected() -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield DuckDB with our settings."""
    con = duckdb.connect(
        config={
            "threads": settings().threads,
            "memory_limit": settings().memory_limit,
            "temp_directory": str(settings().raw / ".incoming" / "spill"),
        }
    )
    try:
        yield con
    finally:
        con.close()


# ---------------------------------------------------------------------------------------------
# The plan


def plan(
    con: duckdb.DuckDBPyConnection,
    *,
    symbols: int | Sequence[str],
    calendar: str,
    seed: int,
    session_count: int | None = None,
    first: date | None = None,
    last: date | None = None,
    daily_stores: Sequence[Path] | None = None,
) -> Plan:
    """
    Return the sessions and daily bars to generate minutes for.

    `symbols` are names, or a number of symbols: those with the most real daily bars in these
    sessions, then made-up names. Sessions are from `first` to `last`, or `session_count` sessions
    from or up to one of them, or the latest with real daily bars. Real bars come from
    `daily_stores`, the latest delivery first; other days are made up from returns of the sample.
    """
    if calendar not in calendars():
        raise ConfigurationError(
            f"no calendar is called {calendar!r}", f"there are {', '.join(calendars())}"
        )
    if seed < 0:
        raise ConfigurationError(f"a seed of {seed} is negative", "use 0 or more")
    read_daily(con, calendar, daily_stores if daily_stores is not None else own_stores())
    sessions = read_sessions(con, calendar, session_count, first, last)
    names = (
        most_traded(con, symbols, calendar, sessions)
        if isinstance(symbols, int)
        else given(symbols)
    )
    days, real_day_count = daily_bars(con, calendar, seed, names, sessions)
    return Plan(calendar, seed, names, tuple(sessions), days, real_day_count)


def own_stores() -> list[Path]:
    """Return the stores of daily bars: the shipped and the ingested one."""
    return [*([settings().shipped] if settings().sample else []), settings().raw]


def given(symbols: Sequence[str]) -> tuple[str, ...]:
    """Return the named symbols, sorted; raise ConfigurationError if one is empty or repeated."""
    names = sorted(symbols)
    for name, following in zip(names, [*names[1:], ""], strict=True):
        if not name or name == following:
            raise ConfigurationError(
                f"the symbol {name!r} is given twice" if name else "a symbol is empty",
                "name each symbol once, as AAPL,IBM",
            )
    return tuple(names)


def read_daily(con: duckdb.DuckDBPyConnection, calendar: str, stores: Sequence[Path]) -> None:
    """
    Create the table `daily` of a calendar's usable daily bars, one per symbol and session.

    Of several, it is the one that the warehouse uses: see bars__checked_daily.
    """
    con.execute(
        "create or replace temp table delivered (symbol varchar, session_date date, open double,"
        " high double, low double, close double, volume double, source varchar,"
        " source_row bigint, delivery varchar, delivered_at timestamp)"
    )
    gone = {one for store in stores for one in withdrawn(con, RawStore(store))}
    for store in stores:
        if not any((store / "deliveries").glob("*.parquet")):
            continue
        con.execute(
            "insert into delivered by name"
            " select symbol, session_date, open, high, low, close, volume, source, source_row,"
            " delivery, delivered_at"
            f" from read_parquet({files_in(store / 'daily', '**/*.parquet')},"
            " hive_partitioning = false)"
            f" where calendar = {quoted(calendar)} and {USABLE} and delivery in"
            f" (select delivery from read_parquet({files_in(store / 'deliveries', '*.parquet')}))"
            " and not list_contains(?::varchar[], delivery)",
            [sorted(gone)],
        )
    con.execute(
        "create or replace temp table daily as"
        " select symbol, session_date, open, high, low, close, volume from delivered"
        f" left join read_csv({quoted(PRECEDENCES)}) as precedences using (source)"
        " qualify row_number() over (partition by symbol, session_date"
        " order by coalesce(precedence, 0) desc, delivered_at desc, delivery desc, source_row desc"
        ") = 1"
        " order by symbol, session_date"
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
            "--sessions, --from and --to cannot be combined", "leave one of them out"
        )
    if first is None and last is None:
        last = last_covered_day(con, calendar)
    hours = session_hours(con, calendar)
    dates = [
        day for day in hours if (first is None or first <= day) and (last is None or day <= last)
    ]
    wanted = count if count is not None else len(dates) if first and last else DEFAULT_SESSIONS
    if wanted < 1 or len(dates) < wanted:
        raise ConfigurationError(
            f"{calendar} has {len(dates):,} sessions from {first or min(hours)} to"
            f" {last or max(hours)}, but {wanted:,} were requested",
            "request at least one, within the calendar in seeds/calendars",
        )
    chosen = dates[:wanted] if first else dates[-wanted:]
    return [
        Session(day, np.concatenate([part_starts(day, *part) for part in hours[day]]))
        for day in chosen
    ]


def session_hours(
    con: duckdb.DuckDBPyConnection, calendar: str
) -> dict[date, list[tuple[str, str]]]:
    """Return the hours of each part of each session of a calendar, in order."""

    def seed(name: str, *texts: str) -> str:
        types = {column: "varchar" for column in texts}
        return (
            f"(select * from read_csv({quoted(SEEDS / f'{name}.csv')}, types = {types})"
            f" where calendar = {quoted(calendar)})"
        )

    found = con.execute(f"""
        with

        holidays as {seed("holidays", "name")},

        special_sessions as {seed("special_sessions", "open_time", "close_time")},

        regular_hours as {seed("regular_hours", "open_time", "close_time", "weekdays")},

        days as (
            select
                unnest(generate_series(effective_from, effective_to, interval 1 day))::date
                    as session_date,
                open_time,
                close_time,
                weekdays
            from regular_hours
        )

        select session_date, 1 as part, open_time, close_time
        from days
        anti join holidays using (session_date)
        anti join special_sessions using (session_date)
        where contains(weekdays, isodow(session_date)::varchar)
        union all
        select session_date, part, open_time, close_time from special_sessions
        order by session_date, part
    """).fetchall()
    hours: dict[date, list[tuple[str, str]]] = {}
    for day, _, opens, closes in found:
        hours.setdefault(day, []).append((opens, closes))
    return hours


def part_starts(day: date, opens: str, closes: str) -> Stamps:
    """Return the start of each minute in a part of a session."""
    since_midnight = np.arange(minutes(opens), minutes(closes)).astype("timedelta64[m]")
    return np.datetime64(day, "us") + since_midnight


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


# ---------------------------------------------------------------------------------------------
# Daily bars: real ones, and made-up ones for other days


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
    chain = [day for day in session_hours(con, calendar) if CHAIN_START <= day <= dates[-1]]
    made_up = made_up_days(con, calendar, seed, symbols, chain, len(dates))
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
        volume=np.clip(np.rint(volume * returns["volume"][draws]), 1, VOLUME_CAPS[0] - 1),
    )


def sample_returns(con: duckdb.DuckDBPyConnection) -> dict[str, Floats]:
    """
    Return days of the shipped sample: open over previous close, and the rest over the open.

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
                    lag(close) over share as last_close,
                    median(volume) over (partition by symbol, source) as usual_volume
                from read_parquet(
                    {files_in(SAMPLE / "daily", "**/*.parquet")}, hive_partitioning = false
                )
                where {USABLE} and low < high and session_date >= {quoted(CHAIN_START)}
                window share as (partition by symbol, source order by session_date)
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


# ---------------------------------------------------------------------------------------------
# Minute bars


def random_words(seed: int, symbol: str, what: str, count: int) -> Words:
    """Return random bits that depend only on these arguments."""
    key = hashlib.blake2b(f"{seed}\n{symbol}\n{what}".encode(), digest_size=16).digest()
    words: Words = np.random.Philox(key=int.from_bytes(key, "little")).random_raw(count)
    return words


def fraction(words: Words) -> Floats:
    """Return uniform numbers in [0, 1)."""
    return (words >> np.uint64(11)).astype(np.float64) * np.float64(2.0**-53)


def bell(words: Words) -> Floats:
    """Return approximately normal numbers, mean 0 and deviation 1: sums of four uniforms."""
    pairs = (words & HALVES) + ((words >> np.uint64(16)) & HALVES)
    total = (pairs & np.uint64(0xFFFFFFFF)) + (pairs >> np.uint64(32))
    return (total - 2.0 * 0xFFFF) / DEVIATION_OF_FOUR


def ticks(prices: Floats, per_unit: int) -> Floats:
    """Return prices rounded to the exchange's ticks, as the nearest doubles."""
    grid: Floats = np.rint(prices * per_unit) / per_unit
    return grid


def positive_ticks(prices: Floats, per_unit: int) -> Floats:
    """Return prices rounded to ticks, at least one tick."""
    return np.maximum(ticks(prices, per_unit), 1 / per_unit)


def minute_bars(
    day: Days, seed: int, symbols: Sequence[str], session: Session, per_unit: int
) -> Bars:
    """Return the minute bars of one session, shape (symbols, minutes), matching the days."""
    count = len(session.bar_starts)
    what = session.session_date.isoformat()
    words = np.stack([random_words(seed, symbol, what, 2 * count) for symbol in symbols])
    shocks, rest = bell(words[:, :count]), words[:, count:]
    opens, high, low, close = (values[:, None] for values in day.columns()[:4])
    # position in the session, from near -1 (first bar) to near 1 (last bar)
    place = (2 * np.arange(count) + 1 - count) / count
    early, late = (1 - place) / 2, (1 + place) / 2

    # not `**`, whose last bit depends on the machine
    early_4, late_4 = early * early * early * early, late * late * late * late
    early_8, late_8 = early_4 * early_4, late_4 * late_4

    heat = garch(shocks)
    variance = heat * (0.5 + 2.0 * early_8 + 0.6 * late_8)
    path, spread = price_path(shocks, variance, opens, high, low, close)

    closes = np.clip(ticks(path, per_unit), low, high)
    closes[:, -1:] = close
    first = np.concatenate([opens, closes[:, :-1]], axis=1)
    beside = BESIDE[(rest & np.uint64(7)).astype(np.int64)]
    starts = np.where(beside == 0, first, ticks(first + beside / per_unit, per_unit))
    starts = np.clip(starts, low, high)
    starts[:, :1] = opens

    above = spread * fraction(rest << np.uint64(8))
    below = spread * fraction(rest << np.uint64(32))
    highs = np.clip(ticks(np.maximum(starts, closes) + above, per_unit), low, high)
    lows = np.clip(ticks(np.minimum(starts, closes) - below, per_unit), low, high)
    highs = np.maximum(highs, np.maximum(starts, closes))
    lows = np.minimum(lows, np.minimum(starts, closes))
    # otherwise the open or the close is the day's extreme
    peaked = np.flatnonzero(day.high > np.maximum(day.open, day.close))
    highs[peaked, path.argmax(axis=1)[peaked]] = day.high[peaked]
    dipped = np.flatnonzero(day.low < np.minimum(day.open, day.close))
    lows[dipped, path.argmin(axis=1)[dipped]] = day.low[dipped]

    noise = 0.25 + 3 * fraction(rest << np.uint64(16)) * fraction(rest << np.uint64(40))
    weights = (0.5 + 1.5 * early_4 + 1.2 * late_8) * noise * (0.5 + 0.5 * heat)
    return Bars(starts, highs, lows, closes, shares(day.volume, weights))


def garch(shocks: Floats) -> Floats:
    """Return each minute's variance, 1 on average, from the shocks of earlier minutes."""
    growth = np.ascontiguousarray((SHOCK_WEIGHT * shocks * shocks + MEMORY_WEIGHT).T)
    heat = np.empty_like(growth)
    heat[0] = 1.0
    for minute in range(1, len(heat)):
        np.multiply(growth[minute - 1], heat[minute - 1], out=heat[minute])
        heat[minute] += 1 - SHOCK_WEIGHT - MEMORY_WEIGHT
    return np.ascontiguousarray(heat.T)


def price_path(
    shocks: Floats, variance: Floats, opens: Floats, high: Floats, low: Floats, close: Floats
) -> tuple[Floats, Floats]:
    """
    Return the price at the end of each minute, and its typical move within one.

    Time is measured in cumulative variance, so that corrections act when prices move.
    """
    passed = np.cumsum(variance, axis=1)
    passed /= passed[:, -1:]
    deviation = np.sqrt(variance)
    walk = np.cumsum(deviation * shocks, axis=1)
    walk -= passed * walk[:, -1:]
    reach = np.maximum(walk.max(axis=1, keepdims=True), 0) - np.minimum(
        walk.min(axis=1, keepdims=True), 0
    )
    day_range = high - low
    # the move from open to close is not part of the walk
    scale = (day_range - 0.7 * np.abs(close - opens)) / np.where(reach > 0, reach, 1)
    path = opens + passed * (close - opens) + scale * walk

    path += bend(path, passed, opens, high, low, close)
    # reflection at high and low
    turn = np.where(day_range > 0, 2 * day_range, 1)
    above_low = np.mod(path - low, turn)
    return low + np.minimum(above_low, turn - above_low), scale * deviation


def bend(
    path: Floats, passed: Floats, opens: Floats, high: Floats, low: Floats, close: Floats
) -> Floats:
    """
    Return what to add to a path so that its extremes are the day's.

    It is zero at the open and the close, and linear between. If the open or close already is the
    day's high or low, the path need not reach it again.
    """
    # not near the open or close, which leaves no time to return
    slack = np.sqrt(passed * (1 - passed))[:, :-1] if path.shape[1] > 1 else np.ones_like(path)
    inner = path[:, : slack.shape[1]]
    peak = ((inner - high) / slack).argmax(axis=1)[:, None]
    trough = ((inner - low) / slack).argmin(axis=1)[:, None]
    rise = high - np.take_along_axis(path, peak, axis=1)
    fall = low - np.take_along_axis(path, trough, axis=1)
    rise = np.where(high > np.maximum(opens, close), rise, np.minimum(rise, 0))
    fall = np.where(low < np.minimum(opens, close), fall, np.maximum(fall, 0))
    peak_first = peak < trough
    first_at, second_at = np.minimum(peak, trough), np.maximum(peak, trough)
    first_by = np.where(peak_first, rise, fall)
    second_by = np.where(peak_first, fall, rise)
    first_time = np.take_along_axis(passed, first_at, axis=1)
    second_time = np.take_along_axis(passed, second_at, axis=1)
    between = second_time - first_time
    after = 1 - second_time
    place = np.arange(path.shape[1])
    return np.where(
        place <= first_at,
        first_by * (passed / first_time),
        np.where(
            place <= second_at,
            first_by
            + (second_by - first_by) * ((passed - first_time) / np.where(between > 0, between, 1)),
            second_by * ((1 - passed) / np.where(after > 0, after, 1)),
        ),
    )


def shares(total: Floats, weights: Floats) -> Floats:
    """Split each total into whole parts in proportion to its row of weights."""
    passed = np.cumsum(weights, axis=1)
    until = np.floor(total[:, None] * (passed / passed[:, -1:]))
    until[:, -1] = total
    return np.diff(until, axis=1, prepend=0.0)


# ---------------------------------------------------------------------------------------------
# Into the store


def deliver(
    con: duckdb.DuckDBPyConnection,
    made: Plan,
    store: RawStore,
    *,
    delivered_at: datetime | None = None,
    progress: Progress = lambda done, total: None,
) -> Outcome:
    """
    Generate the bars of a plan into a store, session by session, the manifest last.

    The same plan again changes nothing. Raise StorageFull if the disk is full.
    """
    started = clock.elapsed_seconds()
    gone = withdrawn(con, store)
    while made.delivery in gone:
        made = replace(made, withdrawn_count=made.withdrawn_count + 1)
    if store.holds(made.delivery):
        return Outcome(made.delivery, False, 0, clock.elapsed_seconds() - started)
    instant = (delivered_at or clock.now()).astimezone(UTC)
    folder = store.incoming / made.delivery
    with wrap_full_disk(store.root), store.writing(con):
        write_bars(con, made, store, instant, progress)
        write_manifest(con, folder, manifest_row(made, instant), frozenset(made.symbols))
        byte_count = sum(file.stat().st_size for file in folder.rglob("*.parquet"))
        store.commit(made.delivery)
    return Outcome(made.delivery, True, byte_count, clock.elapsed_seconds() - started)


def write_bars(
    con: duckdb.DuckDBPyConnection,
    made: Plan,
    store: RawStore,
    delivered_at: datetime,
    progress: Progress,
) -> None:
    """Write the bars of a plan, in a file per session, or in one file if the store is flat."""
    per_unit = TICKS_PER_UNIT.get(made.calendar, DEFAULT_TICKS_PER_UNIT)
    for place, session in enumerate(made.sessions):
        day = made.days.session(place)
        bars = minute_bars(day, made.seed, made.symbols, session, per_unit)
        con.register("minutes", rows(made.symbols, session, bars))
        if store.flat and place == 0:
            con.execute("create or replace temp table collected as from minutes")
        elif store.flat:
            con.execute("insert into collected from minutes")
        else:
            copy_bars(con, "minutes", made, store, session, delivered_at, FAST)
        con.unregister("minutes")
        progress(place + 1, len(made.sessions))
    if store.flat:
        ordered = "(from collected order by symbol, bar_ts)"
        copy_bars(con, ordered, made, store, made.sessions[0], delivered_at, SMALL)
        con.execute("drop table collected")


def rows(symbols: Sequence[str], session: Session, bars: Bars) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of a session's bars, by symbol and minute."""
    count = len(session.bar_starts)
    prices = zip(PARTS, bars.columns(), strict=True)
    return {
        "symbol": np.repeat(np.array(symbols, dtype=object), count),
        "bar_ts": np.tile(session.bar_starts, len(symbols)),
        "session_date": np.repeat(np.datetime64(session.session_date, "us"), bars.open.size),
        **{name: values.ravel() for name, values in prices},
        "source_row": np.tile(np.arange(1, count + 1), len(symbols)),
    }


def copy_bars(
    con: duckdb.DuckDBPyConnection,
    minutes: str,
    made: Plan,
    store: RawStore,
    session: Session,
    delivered_at: datetime,
    options: str,
) -> None:
    """Write a session's bars to its file in `.incoming`."""
    same = {
        "calendar": made.calendar,
        "source": SOURCE,
        "source_file": made.source_file,
        "delivery": made.delivery,
    }
    # an enum of one value is written without scanning the rows, and read as text
    fields = {name: f"{name}::{kind} as {name}" for name, kind in TABLES[Kind.MINUTE].items()}
    fields |= {
        name: f"{quoted(text)}::enum({quoted(text)}) as {name}" for name, text in same.items()
    }
    fields["delivered_at"] = f"{constant(delivered_at, 'timestamp')} as delivered_at"
    folder = store.incoming / made.delivery / store.partition(Kind.MINUTE, session.session_date)
    write(
        con,
        f"select {', '.join(fields.values())} from {minutes}",
        folder / f"{made.delivery}.parquet",
        options,
    )


def manifest_row(made: Plan, delivered_at: datetime) -> dict[str, object]:
    """Return the row of the manifest."""
    return {
        "delivery": made.delivery,
        "kind": Kind.MINUTE.value,
        "source": SOURCE,
        "source_file": made.source_file,
        "calendar": made.calendar,
        "timezone": calendars()[made.calendar].timezone,
        "bar_label": "start",
        "delivered_at": delivered_at,
        "rows_read": made.bar_count,
        "rows_kept": made.bar_count,
        "rows_unreadable": 0,
        "rows_duplicate": 0,
        "rows_revised": 0,
        "symbol_count": len(made.symbols),
        "first_session": made.sessions[0].session_date,
        "last_session": made.sessions[-1].session_date,
    }
