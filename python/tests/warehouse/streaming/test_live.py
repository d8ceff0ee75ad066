"""A live session equals the next build, to the bit, and sees no later data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from duckbourse.errors import PublicationError
from duckbourse.streaming.live import LiveSession, Minute
from tests.support.warehouse import Warehouse

CALENDAR = "XNYS"
# the flash crash, and the last
DAYS = (date(2010, 5, 6), date(2010, 5, 28))
# scanners that read intraday indicators or patterns do not run live
NOT_LIVE = ("pattern", "sideways")


@pytest.fixture
def built(sample: Warehouse) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(sample.file), read_only=True) as connection:
        yield connection


def minutes_of(built: duckdb.DuckDBPyConnection, day: date) -> list[Minute]:
    found: list[Minute] = built.execute(
        "select symbol, bar_ts, open, high, low, close, volume from bars.ohlcv "
        "where timeframe = '1m' and session_date = ? and calendar = ? order by bar_ts, symbol",
        [day, CALENDAR],
    ).fetchall()
    return found


def signals_of(built: duckdb.DuckDBPyConnection, day: date) -> dict[str, dict[str, Any]]:
    answer = built.execute(
        "from scanners.signals where session_date = ? and calendar = ? "
        "and not list_contains(?, scanner)",
        [day, CALENDAR, list(NOT_LIVE)],
    )
    names = [column[0] for column in answer.description or []]
    rows = (dict(zip(names, row, strict=True)) for row in answer.fetchall())
    return {row["signal_id"]: row for row in rows}


def scanned(live: LiveSession, minutes: list[Minute], day: date) -> dict[str, dict[str, Any]]:
    """Scan at every cutoff, adding minutes as they complete."""
    signals: dict[str, dict[str, Any]] = {}
    given = 0
    for cutoff in live.cutoffs():
        now = datetime.combine(day, cutoff)
        over = sum(minute[1] + timedelta(minutes=1) <= now for minute in minutes)
        live.add_minutes(minutes[given:over])
        given = over
        live.advance_to(now)
        signals |= {row["signal_id"]: row for row in live.signals(cutoff)}
    live.add_minutes(minutes[given:])
    return signals


def test_every_live_query_is_one_query(built: duckdb.DuckDBPyConnection) -> None:
    queries = dict(built.execute("select relation, code from serving.live_models").fetchall())
    assert {"live.presets", "bars.ohlcv", "scanners.signals"} <= queries.keys()
    for relation, code in queries.items():
        (statement,) = duckdb.extract_statements(code)
        assert statement.type == duckdb.StatementType.SELECT, relation
        # the published file has another name than the one that is built
        assert '"duckbourse".' not in code, relation


@pytest.mark.parametrize("day", DAYS)
def test_live_signals_equal_the_builds(
    sample: Warehouse, built: duckdb.DuckDBPyConnection, day: date
) -> None:
    expected = signals_of(built, day)
    assert len(expected) >= 10
    live = LiveSession(CALENDAR, day, sample.file)
    assert scanned(live, minutes_of(built, day), day) == expected
    live.close()


def test_live_bars_and_indicators_equal_the_builds(
    sample: Warehouse, built: duckdb.DuckDBPyConnection
) -> None:
    day = DAYS[-1]
    live = LiveSession(CALENDAR, day, sample.file)
    live.add_minutes(minutes_of(built, day))
    live.advance_to(datetime.combine(day, datetime.max.time()))
    # the build's daily bar is the vendor's, and `source` differs by delivery
    bars = (
        f"select * exclude (source) from bars.ohlcv where session_date = '{day}' "
        f"and calendar = '{CALENDAR}' and timeframe not in ('1d', '1w') order by all"
    )
    expected = built.execute(bars).fetchall()
    assert len(expected) > 6_000
    assert live.fetch(bars) == expected
    for name, family, column, timeframe in (
        ("rsi", "momentum", "rsi_14", "5m"),
        ("ema", "moving_averages", "ema_20", "1m"),
        ("atr", "volatility", "atr_14", "15m"),
    ):
        ((value,),) = built.execute(
            f"select arg_max({column}, bar_ts) from indicators.{family} "
            f"where symbol = 'AAPL' and timeframe = '{timeframe}' and bar_ts < '{day}'::date + 1"
        ).fetchall()
        found = live.fetch(f"from duckbourse.indicators.{name}('AAPL', '{timeframe}')")
        assert max(found)[-1] == value
    live.close()


def test_a_session_sees_no_later_data(sample: Warehouse, built: duckdb.DuckDBPyConnection) -> None:
    day = DAYS[0]
    live = LiveSession(CALENDAR, day, sample.file)
    live.advance_to(datetime.combine(day, datetime.min.time()))
    for relation in ("bars.ohlcv", "scanners.session_minutes", "indicators.momentum"):
        column = "bar_ts" if relation == "indicators.momentum" else "session_date"
        ((latest,),) = live.fetch(f"select max({column})::date from {relation}")
        assert latest < day
        ((later,),) = built.execute(f"select max({column})::date from {relation}").fetchall()
        assert later > day
    live.close()


def test_a_session_without_a_minute_has_no_signals(sample: Warehouse) -> None:
    live = LiveSession(CALENDAR, DAYS[0], sample.file)
    for cutoff in live.cutoffs():
        live.advance_to(datetime.combine(DAYS[0], cutoff))
        assert live.signals(cutoff) == []
    live.close()


def test_incomplete_minutes_are_not_used(
    sample: Warehouse, built: duckdb.DuckDBPyConnection
) -> None:
    """Minutes after a cutoff change nothing, although they were added."""
    day = DAYS[0]
    minutes = minutes_of(built, day)
    live = LiveSession(CALENDAR, day, sample.file)
    live.add_minutes([(*minute[:5], 1.0, None) for minute in minutes[:20]])
    live.add_minutes(minutes)  # a minute added again replaces the first
    cutoff = live.cutoffs()[0]
    live.advance_to(datetime.combine(day, cutoff))
    known_ts = datetime.combine(day, cutoff)
    expected = {
        key: row for key, row in signals_of(built, day).items() if row["known_ts"] == known_ts
    }
    assert {row["signal_id"]: row for row in live.signals(cutoff)} == expected
    live.close()


def test_missing_inputs_are_errors(sample: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(PublicationError, match="there is no calendar 'XPAR'"):
        LiveSession("XPAR", DAYS[0], sample.file)
    with pytest.raises(PublicationError, match="nothing has been published"):
        LiveSession(CALENDAR, DAYS[0], tmp_path / "none.duckdb")
    old = tmp_path / "old.duckdb"
    duckdb.connect(str(old)).close()
    with pytest.raises(PublicationError, match="cannot serve a live session"):
        LiveSession(CALENDAR, DAYS[0], old)
