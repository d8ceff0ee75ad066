"""CRP and breakout on bars that were scored with pen and paper from the specification."""

from __future__ import annotations

import duckdb
import pytest

from tests.support.scanner_models import build_all, scanner_models
from tests.support.warehouse import Warehouse

DAY = "2024-01-10"

# symbol: open, high, low, last and volume by 09:50 of the day; volume by 09:50 of a prior session
TODAY: dict[str, tuple[float, float, float, float, float, float]] = {
    # high - low is 2.5% of last: range in full; last 1% below high; volume x 1.5; up 1%
    "LONG": (99.0, 101.0, 98.5, 100.0, 150_000, 100_000),
    # the mirror: last 1% above low; down 1%, which a short counts as momentum
    "SHORT": (101.0, 101.5, 99.0, 100.0, 150_000, 100_000),
    # 5% below high and above low: mid range; range 10% is over 1.5 thresholds; volume as usual
    "MIDDLE": (100.0, 105.25, 95.25, 100.0, 100_000, 100_000),
    # both extremes within 2%, the low nearer; range 2% in full; volume halved; unchanged
    "TIGHT": (100.0, 101.2, 99.2, 100.0, 50_000, 100_000),
    # both extremes equally near: the high counts; no range; volume x 0.6; unchanged
    "UNMOVED": (100.0, 100.0, 100.0, 100.0, 60_000, 100_000),
    # the same, but nothing was traded before
    "NEW_VOLUME": (100.0, 100.0, 100.0, 100.0, 60_000, 0),
    # on the bounds: exactly 2% below the high and 49,999 shares, one too few
    "THIN": (98.0, 100.0, 97.0, 98.0, 49_999, 50_000),
    # dearer than the preset's 2,000
    "DEAR": (2001.0, 2001.0, 2001.0, 2001.0, 100_000, 100_000),
}
# in the order of the weights: close .4, range .3, volume .2, momentum .1
CRP: dict[str, tuple[str, str, float, int | None]] = {
    "LONG": ("long", "near_high", 100 * (0.4 + 0.3 + 0.2 + 0.1), 1),
    "SHORT": ("short", "near_low", 100 * (0.4 + 0.3 + 0.2 + 0.1), 2),
    "MIDDLE": ("none", "mid_range", 100 * (0.4 / 4 + 0.3 / 6 + 0.2 * 0.75 + 0.1 * 0.2), None),
    # of equal scores, the higher relative volume is first
    "UNMOVED": ("long", "near_high", 100 * (0.4 + 0.3 + 0.2 / 4 + 0.1 * 0.2), 3),
    "TIGHT": ("short", "near_low", 100 * (0.4 + 0.3 + 0.2 / 4 + 0.1 * 0.2), 4),
}
REJECTED = {
    "MIDDLE": "no_direction",
    "NEW_VOLUME": "no_volume_in_history",
    "THIN": "volume_out_of_bounds",
    "DEAR": "price_out_of_bounds",
    "FRESH": "missing_volume_history",
    "SILENT": "no_bars_by_cutoff",
}


@pytest.fixture(scope="module")
def scanned(sample: Warehouse) -> duckdb.DuckDBPyConnection:
    """Seven sessions of hand-made bars, with the shipped presets and the compiled scanners."""
    connection = duckdb.connect()
    connection.execute(f"attach '{sample.file}' as built (read_only)")
    connection.execute("attach ':memory:' as duckbourse")
    for relation in scanner_models(sample).inputs:
        schema = relation.split(".")[0]
        connection.execute(f"create schema if not exists duckbourse.{schema}")
        empty = "" if schema == "seeds" or relation == "bars.sessions" else " limit 0"
        connection.execute(f"create table duckbourse.{relation} as from built.{relation}{empty}")

    def bar(symbol: str, timeframe: str, start: str, end: str, *values: float) -> None:
        connection.execute(
            "insert into duckbourse.bars.ohlcv by name select ? as symbol, ? as timeframe, "
            "?::timestamp as bar_ts, ?::timestamp as bar_end, ?::timestamp::date as session_date, "
            "? as open, ? as high, ? as low, ? as close, ? as volume, ? as adjusted_open, "
            "? as adjusted_high, ? as adjusted_low, ? as adjusted_close, ? as adjusted_volume, "
            "1 as adjustment_factor, 'XNSE' as calendar, 'by hand' as source",
            [symbol, timeframe, start, end, start, *values, *values],
        )

    prior_sessions = ["2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"]
    for symbol, (open_, high, low, last, volume, volume_before) in TODAY.items():
        for day in prior_sessions:
            bar(symbol, "1m", f"{day} 09:15", f"{day} 09:16", last, last, last, last, volume_before)
            bar(symbol, "1d", f"{day} 09:15", f"{day} 15:30", last, last, last, last, 1e6)
        bar(symbol, "1m", f"{DAY} 09:15", f"{DAY} 09:16", open_, high, low, open_, volume)
        bar(symbol, "1m", f"{DAY} 09:49", f"{DAY} 09:50", open_, last, last, last, 0)
        # one minute too late for the cutoff, and wild
        bar(symbol, "1m", f"{DAY} 09:50", f"{DAY} 09:51", last, 9e9, 1e-9, 7e7, 8e8)
        bar(symbol, "1d", f"{DAY} 09:15", f"{DAY} 15:30", last, 9e9, 1e-9, 7e7, 8e8)
    for day in prior_sessions[1:]:
        bar("FRESH", "1m", f"{day} 09:15", f"{day} 09:16", 100, 100, 100, 100, 100_000)
    bar("FRESH", "1m", f"{DAY} 09:15", f"{DAY} 09:16", 100, 100, 100, 100, 100_000)
    for day in prior_sessions:
        bar("SILENT", "1m", f"{day} 09:15", f"{day} 09:16", 100, 100, 100, 100, 100_000)

    # five sessions between 96 and 100; then 103 by 09:50, 3% above, on four times the volume
    for k, day in enumerate(prior_sessions):
        for name in ("BREAK", "FLAT"):
            bar(name, "1m", f"{day} 09:15", f"{day} 09:16", 98, 98, 98, 98, 25_000)
            bar(name, "1d", f"{day} 09:15", f"{day} 15:30", 98, 100 - (k % 2), 96, 98, 1e6)
    bar("BREAK", "1m", f"{DAY} 09:15", f"{DAY} 09:16", 101, 103, 101, 103, 100_000)
    # 0.5% above is not more than 0.5% above
    bar("FLAT", "1m", f"{DAY} 09:15", f"{DAY} 09:16", 100, 100.5, 100, 100.5, 100_000)

    connection.execute(
        "insert into duckbourse.bars.symbol_days by name select distinct symbol, session_date, "
        f"calendar, timestamp '{DAY} 15:30' as known_until, 1 as adjustment_factor, 1 as version "
        "from duckbourse.bars.ohlcv"
    )
    connection.execute(
        "insert into duckbourse.bars.day_changes by name select symbol, session_date, "
        "1 as version_changed_in from duckbourse.bars.symbol_days"
    )
    build_all(sample, connection)
    return connection


@pytest.mark.parametrize("symbol", CRP)
def test_crp_equals_the_scores_by_hand(scanned: duckdb.DuckDBPyConnection, symbol: str) -> None:
    direction, position, score, rank = CRP[symbol]
    (found,) = scanned.execute(
        "select direction, range_zone, score from duckbourse.scanners.crp "
        f"where preset = 'standard' and session_date = '{DAY}' and symbol = '{symbol}'"
    ).fetchall()
    assert found == (direction, position, pytest.approx(score, abs=1e-6))
    ((order,),) = scanned.execute(
        "select list(symbol order by signal_rank) from duckbourse.scanners.crp "
        f"where preset = 'standard' and session_date = '{DAY}' and signal_rank is not null "
        f"and symbol in {tuple(CRP)}"
    ).fetchall()
    assert (order.index(symbol) + 1 if symbol in order else None) == rank


@pytest.mark.parametrize("symbol", REJECTED)
def test_every_symbol_that_crp_rejects_has_a_reason(
    scanned: duckdb.DuckDBPyConnection, symbol: str
) -> None:
    assert scanned.execute(
        "select rule from duckbourse.scanners.rejections where scanner = 'crp' "
        f"and preset = 'standard' and session_date = '{DAY}' and symbol = '{symbol}'"
    ).fetchall() == [(REJECTED[symbol],)]


def test_a_breakout_equals_the_one_by_hand(scanned: duckdb.DuckDBPyConnection) -> None:
    assert scanned.execute(
        "select symbol, direction, resistance, support, breakout_pct, consolidation_pct, "
        "relative_volume, is_stale_breakout, has_gapped, score "
        "from duckbourse.scanners.breakout "
        f"where preset = 'standard' and session_date = '{DAY}' and rejected_by is null"
    ).fetchall() == [
        # 3% beyond, volume x 4, up 1.98% since the open, each in full; opened 1% above: gapped
        (
            "BREAK",
            "long",
            100.0,
            96.0,
            pytest.approx(3.0),
            pytest.approx(4 / 98 * 100, abs=1e-6),
            4.0,
            False,
            True,
            100.0,
        )
    ]
    assert scanned.execute(
        "select rule from duckbourse.scanners.rejections where scanner = 'breakout' "
        f"and preset = 'standard' and session_date = '{DAY}' and symbol = 'FLAT'"
    ).fetchall() == [("no_break",)]
