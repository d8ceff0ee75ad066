"""Real NSE and US bars, with every defect they came with: ingested, built, each one reported."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.support.commands import bourse
from tests.support.patterns import FUTURES, KNOWN, build, change_after, known, pattern_inputs
from tests.support.scanner_models import inputs_of, peeking
from tests.support.warehouse import SHARED, Warehouse, empty_store

MARKET = SHARED / "market"
pytestmark = pytest.mark.skipif(
    not MARKET.exists(), reason=f"the real market data is not at {MARKET}: set BOURSE_SHARED_DATA"
)


def written(folder: Path, name: str, sql: str) -> Path:
    path = folder / name
    form = "csv, header" if path.suffix == ".csv" else "parquet"
    with duckdb.connect() as connection:
        connection.execute(f"copy ({sql}) to '{path}' (format {form})")
    return path


def ingest(warehouse: Warehouse, *arguments: str | Path) -> None:
    done = bourse(warehouse.data, "ingest", *map(str, arguments))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def nse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Some real sessions, ingested as a user would and built with every test."""
    folder = tmp_path_factory.mktemp("nse")
    drops = folder / "drops"
    drops.mkdir()
    warehouse = Warehouse(empty_store(folder / "data"), folder / "target", sample=False)
    india = ("--calendar", "XNSE")

    end_labelled = written(
        drops,
        "nifty_banknifty.parquet",
        f"from '{MARKET}/minute_nifty_banknifty_2021_2023.parquet' where ts::date in "
        "('2021-02-23', '2021-02-24', '2021-02-25', '2021-11-03', '2021-11-04', '2022-10-24')",
    )
    ingest(warehouse, end_labelled, *india, "--source", "nifty_minute")
    circuit = written(
        drops,
        "nifty_2009.parquet",
        f"from '{MARKET}/minute_index_nifty_2009.parquet' "
        "where ts::date between '2009-05-15' and '2009-05-19'",
    )
    ingest(warehouse, circuit, *india, "--source", "nifty_2009")
    stocks = written(
        drops,
        "stocks.parquet",
        f"from read_parquet(['{MARKET}/minute_nse_2021.parquet', "
        f"'{MARKET}/minute_nse_2021_more.parquet']) "
        "where ts::date between '2021-04-15' and '2021-05-07' "
        "and symbol in ('RELIANCE', 'AXISBANK', 'INFY', 'TCS', 'SBIN', 'HCLTECH')",
    )
    ingest(warehouse, stocks, *india, "--source", "nse_minute")
    # ticks as they were recorded, 1970 and Saturday and twice-saved files and all, as minutes
    recorded = written(
        drops,
        "recorded.csv",
        "select symbol, time_bucket(interval 1 minute, ts) as ts, arg_min(price, ts) as open, "
        "max(price) as high, min(price) as low, arg_max(price, ts) as close, "
        "max(cum_volume) - min(cum_volume) as volume "
        f"from '{MARKET}/ticks_nse_2021_as_recorded.parquet' "
        "group by symbol, source_file, time_bucket(interval 1 minute, ts) order by all",
    )
    ingest(warehouse, recorded, *india, "--bar-label", "start", "--source", "recorded")
    daily = written(
        drops,
        "nifty50.parquet",
        f"from '{MARKET}/daily_nse_nifty50_2000_2021.parquet' "
        "where symbol in ('RELIANCE', 'TCS', 'BAJFINANCE', 'INFY')",
    )
    ingest(warehouse, daily, *india, "--source", "nifty50")
    ingest(
        warehouse, MARKET / "minute_us_2019_02.parquet", "--calendar", "XNYS", "--source", "eqker"
    )

    rows = "date,symbol,open,high,low,close,volume\n"
    rows += "2021-04-26,ACC,10,11,9,10,5\n2021-04-27,ACC,10,eleven,9,10,5\n2021-04-28,ACC,1,2\n"
    (drops / "careless.csv").write_text(rows)
    allowed = ("--max-unreadable-pct", "100")
    ingest(warehouse, drops / "careless.csv", *india, "--source", "careless", *allowed)

    # Left out is what no data changes, and the build of the sample has done: unit tests, tests of
    # seeds, and the table macros of indicators.
    same = ("resource_type:test,path:seeds", "serving__indicator_catalog+", "serving__live_models")
    # the scanners are found in the manifest
    warehouse.dbt(
        "--write-json", "build", "--exclude-resource-types", "unit_test", "--exclude", *same
    )
    return warehouse


def test_end_labelled_minutes_are_stamped_with_their_start(nse: Warehouse) -> None:
    assert nse.query(
        "select symbol, min(bar_ts)::time::varchar, max(bar_end)::time::varchar, count(*) "
        "from bars.ohlcv where timeframe = '1m' and session_date = '2021-02-25' "
        "and source = 'nifty_minute' group by symbol order by symbol"
    ) == [("BANKNIFTY", "09:15:00", "15:30:00", 375), ("NIFTY", "09:15:00", "15:30:00", 375)]
    assert nse.query(
        "select distinct min(bar_ts)::time::varchar, max(bar_end)::time::varchar from bars.ohlcv "
        "where timeframe = '1m' and source = 'eqker' and symbol = 'AAPL' group by session_date"
    ) == [("09:30:00", "16:00:00")]


def test_pre_open_prints_are_rejected_and_kept_in_sight(nse: Warehouse) -> None:
    assert nse.query(
        "select count(*) > 0, max(bar_ts::time) < time '09:15' from bars.rejected "
        "where source = 'nifty_minute' and rule = 'out_of_session' and bar_ts::time < '12:00' "
        "and session_date in ('2021-02-23', '2021-02-25', '2021-11-03')"
    ) == [(True, True)]


def test_the_outage_of_2021_is_two_parts_and_a_late_close(nse: Warehouse) -> None:
    assert nse.query(
        "select kind, close_ts::time::varchar, open_minutes from bars.sessions "
        "where calendar = 'XNSE' and session_date = '2021-02-24'"
    ) == [("outage", "17:00:00", 220)]
    assert nse.query(
        "select max(bar_end)::time::varchar, "
        "count(*) filter (where bar_ts::time between '11:40' and '15:44') "
        "from bars.ohlcv "
        "where symbol = 'NIFTY' and timeframe = '1m' and session_date = '2021-02-24'"
    ) == [("17:00:00", 0)]


def test_evening_sessions_are_sessions(nse: Warehouse) -> None:
    assert nse.query(
        "select session_date::varchar, min(bar_ts)::time::varchar, max(bar_end)::time::varchar "
        "from bars.ohlcv join bars.sessions using (calendar, session_date) "
        "where symbol = 'NIFTY' and timeframe = '1m' and kind = 'muhurat' "
        "group by session_date order by session_date"
    ) == [("2021-11-04", "18:15:00", "19:15:00"), ("2022-10-24", "18:15:00", "19:15:00")]
    # an hour on the session's own grid
    assert nse.query(
        "select bar_ts::time::varchar from bars.ohlcv where symbol = 'NIFTY' and timeframe = '1h' "
        "and session_date = '2022-10-24'"
    ) == [("18:15:00",)]


def test_hours_start_when_the_session_opens(nse: Warehouse) -> None:
    assert nse.query(
        "select list(bar_ts::time::varchar order by bar_ts), max(bar_end)::time::varchar "
        "from bars.ohlcv "
        "where symbol = 'NIFTY' and timeframe = '1h' and session_date = '2021-02-25'"
    ) == [([f"{hour:02}:15:00" for hour in range(9, 16)], "15:30:00")]


def test_saturdays_that_traded_are_sessions(nse: Warehouse) -> None:
    assert nse.query(
        "select count(distinct session_date) from bars.ohlcv where timeframe = '1d' "
        "and source = 'nifty50' and isodow(session_date) > 5"
    ) == [(24,)]


def test_every_day_of_the_exchanges_own_file_is_a_session(nse: Warehouse) -> None:
    assert nse.query("select count(*) from bars.rejected where source = 'nifty50'") == [(0,)]


def test_the_circuit_day_has_its_two_bars(nse: Warehouse) -> None:
    assert nse.query(
        "select count(*) from bars.ohlcv where symbol = 'NIFTY' and timeframe = '1m' "
        "and session_date = '2009-05-18'"
    ) == [(2,)]


def test_stamps_of_1970_and_of_a_saturday_are_rejected(nse: Warehouse) -> None:
    assert nse.query(
        "select rule, list(distinct session_date::varchar) from bars.rejected "
        "where source = 'recorded' and rule in ('epoch_stamp', 'no_session') "
        "group by rule order by rule"
    ) == [("epoch_stamp", ["1970-01-01"]), ("no_session", ["2021-06-12"])]


def test_a_day_delivered_twice_counts_once(nse: Warehouse) -> None:
    twice = nse.query(
        "select count(*) from bars.rejected where source = 'recorded' and rule = 'duplicate' "
        "and symbol = 'ADANIPORTS' and session_date = '2021-05-24'"
    )
    # the afternoon of 24 May was saved as «2» and as «(2)»
    assert twice == nse.query(
        "select count(*) from bars.ohlcv where source = 'recorded' and timeframe = '1m' "
        "and symbol = 'ADANIPORTS' and session_date = '2021-05-24' and bar_ts::time >= '13:00'"
    )
    assert twice[0] > (90,)


def test_a_late_start_is_reported_with_the_volume_it_carries(nse: Warehouse) -> None:
    ((seen, volume, ratio),) = nse.query(
        "select first_bar_ts::time::varchar, late_start_volume, late_start_volume_ratio "
        "from bars.missing where symbol = 'RELIANCE' and timeframe = '1m' "
        "and session_date = '2021-04-23' and is_late_start"
    )
    assert seen == "10:59:00"
    # all that had been traded since the open, as the exchange's cumulative volume has it
    ((cumulative,),) = duckdb.execute(
        f"select cum_volume from read_parquet('{MARKET}/minute_nse_2021*.parquet') "
        "where symbol = 'RELIANCE' and ts = timestamp '2021-04-23 10:59'"
    ).fetchall()
    assert volume == cumulative
    assert isinstance(ratio, float) and ratio > 100


def test_days_without_a_vendor_are_made_of_their_minutes(nse: Warehouse) -> None:
    assert nse.query(
        "select source, count(*) from bars.ohlcv where symbol = 'RELIANCE' and timeframe = '1d' "
        "and session_date between '2021-04-26' and '2021-05-07' group by source order by source"
    ) == [("nifty50", 5), ("nse_minute", 5)]


def test_unadjusted_splits_are_suspects_and_nothing_more(nse: Warehouse) -> None:
    assert nse.query(
        "select nearest_split from bars.suspect_jumps "
        "where symbol = 'BAJFINANCE' and session_date = '2016-09-08'"
    ) == [(10.0,)]
    assert nse.query(
        "select distinct adjustment_factor from bars.ohlcv where symbol = 'BAJFINANCE'"
    ) == [(1.0,)]


def test_rows_that_cannot_be_read_are_among_the_rejected(nse: Warehouse) -> None:
    assert nse.query(
        "select source_row, rule, content like '%eleven%' from bars.rejected "
        "where source = 'careless' order by source_row"
    ) == [(2, "unreadable_high", True), (3, "too_few_columns", False)]


def test_scanners_find_candidates_in_real_minutes(nse: Warehouse) -> None:
    ((crp, unknown),) = nse.query(
        "select (select count(*) from scanners.crp where rejected_by is null), "
        "(select count(*) from scanners.crp where session_date = '2021-04-23')"
    )
    assert isinstance(crp, int) and crp > 20
    # that day's first bar came at 10:59: there was nothing to scan at any cutoff
    assert unknown == 0


@pytest.mark.parametrize("at", ["2021-04-20 10:00", "2021-04-30 13:15", "2021-05-06 15:30"])
def test_no_pattern_of_real_minutes_is_known_before_its_time(nse: Warehouse, at: str) -> None:
    bars = "from built.bars.ohlcv where timeframe in ('15m', '1d') and source != 'eqker'"
    relations = [relation for relation in KNOWN if relation != "pattern"]

    def seen(future: str | None) -> dict[str, list[tuple[object, ...]]]:
        connection = pattern_inputs(nse, bars, candles="timeframe in ('15m', '1d')")
        if future:
            change_after(connection, future, at)
        return known(build(nse, connection), at, *relations)

    as_built = seen(None)
    assert all(as_built.values()), "an instant at which nothing is known proves nothing"
    for future in FUTURES:
        assert seen(future) == as_built, f"with the future {future}"


def test_no_scanner_knows_the_future_of_real_minutes(nse: Warehouse) -> None:
    inputs = inputs_of(nse, since="2020-01-01")
    nows = ("2021-04-28 10:00", "2021-05-05 10:00")
    # six shares in three weeks made no such high and no such move
    quiet = ("scanners.new_high", "scanners.momentum")
    assert peeking(nse, inputs, *nows, may_be_silent=quiet) == []
