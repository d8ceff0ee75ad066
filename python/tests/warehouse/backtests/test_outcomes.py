"""Entries and exits against a simulator that goes from bar to bar."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, datetime

import duckdb
import pytest

from tests.support.warehouse import Warehouse
from tests.warehouse.backtests.simulator import Bar, Exit, Signal, follow, rounded
from tests.warehouse.backtests.worlds import FIRST_DAY, MINUTE, Case, compiled, made, random_cases

Row = tuple[object, ...]
EXITS = """
    select
        (signal_id, trailing_stop_pct, trailing_stop_atr_ratio) as setting,
        entry_ts,
        entry_price,
        exit_ts,
        exit_price,
        exit_reason,
        missing_reason,
        if(exit_price is null, null, marked_return),
        if(exit_price is null, null, max_favorable_return),
        if(exit_price is null, null, max_adverse_return)
    from {}.exits
"""
PRIOR_RANGES = """
    select signals.signal_id, prior_sessions.natr_14 / 100 * prior_sessions.close
    from backtests.signals
    asof left join (
        from indicators.volatility inner join bars.ohlcv using (symbol, timeframe, bar_ts)
        select symbol, bar_end, natr_14, close
        where timeframe = '1d'
    ) as prior_sessions
        on signals.symbol = prior_sessions.symbol and signals.known_ts >= prior_sessions.bar_end
"""
INVARIANT = "assert_fills_are_prices_that_were_traded"
OPEN = FIRST_DAY.replace(hour=9, minute=15)


def exits_of(connection: duckdb.DuckDBPyConnection, schema: str) -> dict[Row, Row]:
    """Return each exit by its signal, and by the share or the ranges at which its stop trails."""
    rows = connection.execute(EXITS.format(schema)).fetchall()
    exits = {row[0]: row[1:] for row in rows}
    assert len(exits) == len(rows)
    return exits


def same(found: tuple[object, ...], wanted: Exit) -> bool:
    # prices have six decimals, returns eight
    tolerances = [2e-8 if name.endswith("return") else 2e-6 for name in Exit._fields]
    return all(
        one == pytest.approx(other, abs=tolerance) if isinstance(other, float) else one == other
        for one, other, tolerance in zip(found, wanted, tolerances, strict=True)
    )


def test_every_exit_of_the_sample_is_the_simulators(sample: Warehouse) -> None:
    with duckdb.connect(str(sample.file), read_only=True) as connection:
        sessions: dict[tuple[str, date], list[Bar]] = defaultdict(list)
        for symbol, day, *bar in connection.execute(
            "select symbol, session_date, bar_ts, bar_end, open, high, low, close "
            "from bars.ohlcv where timeframe = '1m' order by bar_ts"
        ).fetchall():
            sessions[symbol, day].append(Bar(*bar))
        signals = connection.execute(
            "select signal_id, symbol, session_date, known_ts, exit_time, direction, stop_price, "
            "target_price from backtests.signals"
        ).fetchall()
        ranges = dict(connection.execute(PRIOR_RANGES).fetchall())
        exits = exits_of(connection, "backtests")
        reasons: Counter[tuple[float | None, str | None]] = Counter()
        for signal_id, symbol, day, known_ts, exit_time, direction, stop, target in signals:
            exit_at = datetime.combine(day, exit_time)
            signal = Signal(known_ts, exit_at, direction == "long", stop, target)
            for trailing_pct, ratio in ((None, None), (1.5, None), (None, 0.5)):
                known = ratio is not None and ranges[signal_id] is not None
                distance = rounded(ratio * ranges[signal_id]) if known and ratio else None
                wanted = follow(signal, sessions[symbol, day], trailing_pct, distance)
                found = exits[signal_id, trailing_pct, ratio]
                assert same(found, wanted), (signal_id, trailing_pct, found, wanted)
                reasons[ratio, wanted.reason] += 1
    assert {reason for _, reason in reasons} == {"stop", "target", "trailing_stop", "time"}
    assert reasons[0.5, "trailing_stop"] > 50


def test_every_exit_of_hostile_bars_is_the_simulators(sample: Warehouse) -> None:
    cases = list(random_cases(1500, seed=20261126))
    connection = made(sample, cases, "entries", "minutes", "excursions", "exits")
    ends: Counter[tuple[str | None, str | None]] = Counter()
    trailing_pcts = [
        pct
        for (pct,) in connection.execute(
            "select distinct trailing_stop_pct from duckbourse.backtests.exits "
            "where trailing_stop_atr_ratio is null"
        ).fetchall()
    ]
    exits = exits_of(connection, "duckbourse.backtests")
    for name, signal, bars in cases:
        for trailing_pct in trailing_pcts:
            wanted = follow(signal, bars, trailing_pct)
            found = exits[name, trailing_pct, None]
            assert same(found, wanted), (name, trailing_pct, found, wanted)
            ends[wanted.reason, wanted.missing] += 1
    assert set(ends) == {
        *((reason, None) for reason in ("stop", "target", "time")),
        *((None, missing) for missing in ("no_bars", "locked_at_entry", "locked_at_exit")),
    }
    (invariant,) = (sample.target / "compiled" / "duckbourse" / "tests").rglob(f"{INVARIANT}.sql")
    assert connection.execute(invariant.read_text()).fetchall() == []


def test_trailing_stops_of_hostile_bars_are_the_simulators(sample: Warehouse) -> None:
    cases = list(random_cases(800, seed=7))
    connection = made(sample, cases, "entries", "minutes", "excursions")
    connection.execute(
        "insert into duckbourse.seeds.backtest_settings by name "
        "select 'XNSE' as calendar, unnest([0.25, 0.5, 1.0, 3.0]) as trailing_stop_pct"
    )
    sql = compiled(sample, "exits")
    connection.execute(f"create table duckbourse.backtests.exits as {sql}")
    reasons: Counter[str | None] = Counter()
    exits = exits_of(connection, "duckbourse.backtests")
    for name, signal, bars in cases:
        for trailing_pct in (0.25, 0.5, 1.0, 3.0):
            wanted = follow(signal, bars, trailing_pct)
            found = exits[name, trailing_pct, None]
            assert same(found, wanted), (name, trailing_pct, found, wanted)
            reasons[wanted.reason] += 1
    assert reasons["trailing_stop"] > 200
    assert reasons["stop"] > 20


def bars_of(*prices: tuple[float, float, float, float], start: datetime = OPEN) -> list[Bar]:
    return [
        Bar(start + k * MINUTE, start + (k + 1) * MINUTE, *price) for k, price in enumerate(prices)
    ]


LONG = Signal(OPEN, OPEN + 3 * MINUTE, True, 98.0, 104.0)
BY_HAND: dict[str, tuple[Signal, list[Bar], str | None, float | None]] = {
    "one bar touches both: the stop": (LONG, bars_of((100, 105, 97, 101)), "stop", 98.0),
    "a gap below the stop: the open": (
        LONG,
        bars_of((100, 101, 99, 100), (96, 105, 95, 100)),
        "stop",
        96.0,
    ),
    "a gap above the target comes first": (
        LONG,
        bars_of((100, 101, 99, 100), (106, 107, 90, 95)),
        "target",
        106.0,
    ),
    "the target on its price": (LONG, bars_of((100, 104, 99, 100)), "target", 104.0),
    "the last bar in time": (LONG, bars_of(*[(100, 101, 99, 100.5)] * 5), "time", 100.5),
    "a touch after the time": (
        LONG,
        bars_of(*[(100, 101, 99, 100)] * 3, (90, 90, 90, 90), (91, 91, 91, 91)),
        "time",
        100.0,
    ),
    "late bars: entered late": (
        LONG,
        bars_of((101, 102, 100, 101.5), start=OPEN + 2 * MINUTE),
        "time",
        101.5,
    ),
    "too late bars": (LONG, bars_of((101, 102, 100, 101.5), start=OPEN + 3 * MINUTE), None, None),
    "locked before it could be left": (
        LONG,
        bars_of((100, 101, 99, 100), *[(98.5, 98.5, 98.5, 98.5)] * 4),
        None,
        None,
    ),
    "a short, stopped above": (
        Signal(OPEN, OPEN + 3 * MINUTE, False, 102.0, 96.0),
        bars_of((100, 103, 95, 100)),
        "stop",
        102.0,
    ),
}


def test_exits_by_hand(sample: Warehouse) -> None:
    cases: list[Case] = [(name, signal, bars) for name, (signal, bars, *_) in BY_HAND.items()]
    connection = made(sample, cases, "entries", "minutes", "excursions", "exits")
    exits = exits_of(connection, "duckbourse.backtests")
    for name, (signal, bars, reason, price) in BY_HAND.items():
        found = exits[name, None, None]
        assert (found[4], found[3]) == (reason, price), name
        assert same(found, follow(signal, bars, None)), name
