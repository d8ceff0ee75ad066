"""After a withdrawal the next build makes, byte for byte, what it would have made without."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from duckbourse.ingest import RawStore
from duckbourse.ingest.withdrawals import withdraw
from duckbourse.settings import PROJECT
from tests.support.deliveries import deliver, shipped
from tests.support.warehouse import Warehouse, empty_store

SYMBOLS = "('AAPL', 'GS', 'IBM', 'KO', 'XOM')"
MINUTES = "('AAPL', 'IBM', 'XOM')"


def deliver_the_right_ones(warehouse: Warehouse) -> None:
    """Deliver a year of days, three weeks of minutes to a Thursday, and adjusted closes."""
    for name, kind, which in (
        ("days", "daily", f"symbol in {SYMBOLS} and source != 'wiki5'"),
        ("minutes", "minute", f"symbol in {MINUTES} and session_date >= '2010-05-10'"),
        ("closes", "adjusted_close", "session_date between '2009-01-01' and '2010-05-27'"),
    ):
        known = "session_date <= '2010-05-27'"
        deliver(warehouse, name, kind, f"from {shipped(kind)} where {which} and {known}")


def deliver_the_wrong_ones(warehouse: Warehouse) -> None:
    """Deliver corrections, another symbol, earlier and later days, bad rows, and a next session."""
    later = "2026-11-03"
    wrong_days = f"""
        select * replace (close * 1.01 as close, high * 1.02 as high) from {shipped("daily")}
        where symbol in ('AAPL', 'KO') and session_date between '2010-03-01' and '2010-03-05'
            and source != 'wiki5'
        union all
        select * replace ('WRONG' as symbol) from {shipped("daily")}
        where symbol = 'PG' and session_date between '2010-01-04' and '2010-05-28'
        union all
        select * from {shipped("daily")} where symbol = 'IBM' and source = 'wiki5'
            and session_date between '2009-06-01' and '2009-06-10'
        union all
        select * replace (-close as close) from {shipped("daily")}
        where symbol = 'GS' and session_date = '2010-04-01'
        union all
        select * from {shipped("daily")} where symbol in {SYMBOLS} and session_date = '2010-05-28'
    """
    wrong_minutes = f"""
        select * replace (close + 0.01 as close, high + 0.02 as high) from {shipped("minute")}
        where symbol = 'IBM' and session_date = '2010-05-20'
        union all
        select * from {shipped("minute")} where symbol in {MINUTES} and session_date = '2010-05-28'
    """
    deliver(warehouse, "wrong_days", "daily", wrong_days, later)
    deliver(warehouse, "wrong_minutes", "minute", wrong_minutes, later)
    closes = f"""
        select * replace (adjusted_close * 1.1 as adjusted_close) from {shipped("adjusted_close")}
        where session_date between '2010-02-01' and '2010-05-28'
    """
    deliver(warehouse, "wrong_closes", "adjusted_close", closes, later)
    unreadable = f"""
        select * from (select null) left join {shipped("unreadable")} on true
    """
    with duckdb.connect() as connection:
        connection.execute(
            "copy (select * replace ('no_timestamp' as rule, 'wrong_days' as delivery) "
            f"from ({unreadable})) to '{warehouse.data}/raw/unreadable/wrong_days.parquet'"
        )


WRONG = ("wrong_days", "wrong_minutes", "wrong_closes")
# the two that are of the code alone take as long as all others together
ALL = ("--exclude", "serving__indicator_catalog+", "serving__live_models")
WITHDRAWN_AT = datetime(2026, 11, 5, tzinfo=UTC)
# some of each layer, and all that goes on from build to build
FAMILIES = re.findall(r"'(\w+)'", (PROJECT / "macros/indicators/families.sql").read_text())
MOVED = {
    *("bars.ohlcv", "bars.rejected", "bars.restatements", "bars.symbol_days", "bars.last_bars"),
    *("bars.data_version", "bars.total_return_closes"),
    *(f"indicators.{family}" for family in FAMILIES),
    *("scanners.session_minutes", "scanners.histories"),
    *("scanners.pattern_events", "scanners.pattern_records", "scanners.signals"),
    *("backtests.outcomes", "backtests.trades", "backtests.equity", "backtests.summary"),
    *("portfolio.returns", "portfolio.performance", "risk.var_estimates"),
    *("serving.latest_bars", "serving.latest_indicators"),
}
BARS = ("bars__rejected", "bars__restatements", "bars__data_version")
IN_BARS = ("bars.ohlcv", "bars.rejected", "bars.restatements", "bars.data_version")


Stored = dict[str, tuple[int, int]]


def moved(before: Stored, after: Stored) -> set[str]:
    """Return the tables of which the rows are others."""
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def test_a_build_after_a_withdrawal_is_one_without(tmp_path: Path) -> None:
    warehouse = Warehouse(empty_store(tmp_path / "data"), tmp_path / "target", sample=False)
    deliver_the_right_ones(warehouse)
    # on more cores than what goes on from it
    replace(warehouse, cores=3).build(*ALL)
    without = warehouse.stored()

    deliver_the_wrong_ones(warehouse)
    warehouse.build(*ALL)
    with_them = warehouse.stored()
    assert moved(without, with_them) >= MOVED, "or nothing would be proven of these"

    store = RawStore(warehouse.data / "raw")
    with duckdb.connect() as con, store.writing(con):
        withdraw(con, store, WRONG, WITHDRAWN_AT, "the wrong files")
    warehouse.build(*ALL)
    assert moved(without, warehouse.stored()) == set()

    # what was known before the withdrawal is still known
    warehouse.build("-s", "+bars__ohlcv", *BARS, "--vars", "{as_of: '2026-11-04'}")
    assert moved(with_them, warehouse.stored()) & {*IN_BARS} == set()
