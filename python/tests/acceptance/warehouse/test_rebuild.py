"""A build does again only what changed, and ends with what a full build would have made."""

from __future__ import annotations

import duckdb

from tests.support.deliveries import deliver, shipped
from tests.support.warehouse import Warehouse

BARS = (
    "-s",
    *("+bars__ohlcv", "+bars__rejected", "bars__restatements", "scanners__session_minutes"),
)
RELATIONS = ("bars.ohlcv", "bars.rejected", "scanners.session_minutes")


def test_a_build_of_changes_is_a_build_of_all(warehouse: Warehouse) -> None:
    warehouse.build(*BARS)
    first = warehouse.content(*RELATIONS)
    (bars_before,) = warehouse.query("select count(*) from bars.ohlcv")

    warehouse.build(*BARS)
    assert warehouse.content(*RELATIONS) == first, "nothing new, nothing changed"

    deliver(
        warehouse,
        "corrected_days",
        "daily",
        "select * replace (close * 1.001 as close, high * 1.01 as high) "
        f"from {shipped('daily')} "
        "where source = 'bytetheory' and symbol in ('MMM', 'KO') and session_date = '2010-03-03'",
    )
    deliver(
        warehouse,
        "corrected_minutes",
        "minute",
        "select * replace (high + 0.05 as high) "
        f"from {shipped('minute')} where symbol = 'IBM' and session_date = '2010-05-20'",
    )
    deliver(
        warehouse,
        "new_days",
        "daily",
        f"select * replace ('NEWLY_LISTED' as symbol) from {shipped('daily')} where symbol = 'FB'",
    )
    deliver(
        warehouse,
        "bad_days",
        "daily",
        "select * replace (-close as close) "
        f"from {shipped('daily')} where symbol = 'FB' and session_date = '2012-08-01'",
    )
    deliver(
        warehouse,
        "copied_days",
        "daily",
        "select * replace (name as symbol, 'careless' as source) "
        f"from {shipped('daily')}, unnest(['C1', 'C2', 'C3', 'C4', 'C5']) as n (name) "
        "where symbol = 'FB' and session_date = '2012-08-02'",
    )
    deliver(
        warehouse,
        "future_days",
        "daily",
        "select * replace (date '2027-06-01' as session_date) "
        f"from {shipped('daily')} where symbol = 'FB' and session_date = '2012-08-03'",
    )
    # what fails after the rows were written leaves neither them nor the record of them
    with duckdb.connect(str(warehouse.file)) as connection:
        connection.execute("alter table build_state.models rename is_rebuilt to missing")
    assert "is_rebuilt" in warehouse.dbt("build", *BARS, check=False)
    with duckdb.connect(str(warehouse.file)) as connection:
        connection.execute("alter table build_state.models rename missing to is_rebuilt")
    assert warehouse.content(*RELATIONS) == first
    warehouse.build(*BARS)
    changed = warehouse.content(*RELATIONS)
    assert warehouse.query(
        "select rule, count(*) from bars.rejected "
        "where delivery in ('copied_days', 'future_days') group by rule order by rule"
    ) == [("copied_across_symbols", 5), ("future_stamp", 1)]
    assert warehouse.query(
        "select count(*) from bars.ohlcv where symbol = 'FB' and timeframe = '1d' "
        "and session_date = '2012-08-02'"
    ) == [(1,)], "the prices that were copied are not to blame"
    for relation in ("bars.ohlcv", "scanners.session_minutes"):
        assert changed[relation] != first[relation]
    assert warehouse.query(
        "select count(*) from bars.ohlcv where symbol = 'NEWLY_LISTED' and timeframe = '1d'"
    ) > [(100,)]
    # the last delivery counts
    assert warehouse.query(
        "select count(*) from bars.ohlcv join bars.restatements using (symbol, timeframe, bar_ts) "
        "where symbol = 'IBM' and ohlcv.high = restatements.high"
    ) == [(390,)]
    # a later row that breaks the contract is rejected, and the sound one before it still counts
    assert warehouse.query("select rule from bars.rejected where delivery = 'bad_days'") == [
        ("price_not_positive",)
    ]
    assert warehouse.query(
        "select count(*) from bars.ohlcv where symbol = 'FB' and session_date = '2012-08-01' "
        "and timeframe = '1d' and close > 0"
    ) == [(1,)]
    assert warehouse.query(
        "select symbol, timeframe, count(*) from bars.restatements group by all order by all"
    ) == [("FB", "1d", 1), ("IBM", "1m", 390), ("KO", "1d", 1), ("MMM", "1d", 1)]

    # what a model that was since renamed, or is no relation any more, would have left
    with duckdb.connect(str(warehouse.file)) as connection:
        connection.execute("create table bars.orphan as select 1 as one")
        connection.execute("create view bars.orphan_view as select 1 as one")
        connection.execute("create table build_state.orphan as select 1 as one")
        connection.execute("create view bars.checked_daily as select 1 as one")
    warehouse.build(*BARS, "--full-refresh")
    assert warehouse.query(
        "select count(*) from information_schema.tables "
        "where table_name like 'orphan%' or table_name = 'checked_daily'"
    ) == [(0,)]
    assert warehouse.content(*RELATIONS) == changed, "step by step is all at once"

    warehouse.build(*BARS, "--vars", "{as_of: '2026-11-01 12:00:00'}")
    assert warehouse.content(*RELATIONS) == first, "what was known before the corrections"
    assert warehouse.query("select count(*) from bars.ohlcv") == [bars_before]
