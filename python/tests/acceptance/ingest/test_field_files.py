"""
Vendor files from users that went wrong, each with the values it should have.

Each folder of these files has a fault, which its test names. All faults in the warehouse are tested
here, in one build. How files are written (07, 10 to 13) is in
unit/ingest/test_field.py, Kite's wire (14) in unit/brokers/test_zerodha_stream.py, the bounds of a
pattern that never came true (02) in warehouse/backtests/test_figures.py, and a flat benchmark and a
year of 365 sessions (06, crypto-year) in warehouse/portfolio.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from duckbourse.errors import BadInput
from duckbourse.ingest import identity
from duckbourse.ingest.identity import VENDOR_SYMBOLS_HEADER
from tests.support.commands import Ended, bourse
from tests.support.warehouse import SHARED, Warehouse, empty_store

REVIEW = SHARED.parent / "review" / "inputs"
DROP = SHARED / "market" / "feed_pystock" / "20160801.tar.gz"
pytestmark = pytest.mark.skipif(
    not (REVIEW.exists() and DROP.exists()),
    reason=f"files from the field are not at {REVIEW} and {DROP}: set BOURSE_SHARED_DATA",
)

BHAVCOPY = REVIEW / "01-bhavcopy-series" / "BhavCopy_NSE_CM_0_0_0_20240102_F_0000.csv"
OLD_BHAVCOPY = REVIEW / "01-bhavcopy-series" / "cm02JAN2024bhav.csv"
FULL_BHAVCOPY = REVIEW / "07-volume-column-silently-dropped" / "sec_bhavdata_full_02012024.csv"
INFY = REVIEW / "two-exchanges" / "INFY.csv"
ADR = REVIEW / "two-exchanges" / "us_adr.csv"
ADR_SAME_DAYS = REVIEW / "two-exchanges" / "INFY_adr_same_days.csv"
# files that need no options
DELIVERED = (
    ("03-volume-above-1e15-blocks-all/PEPELIKE.csv", "coin", "--calendar", "ALWAYS"),
    ("04-ib-minus-one-volume/IBX.csv", "ib"),
    ("08-100x-high-unseen/GBPH.csv", "yahoo", "--calendar", "XNYS"),
    ("09-high-below-close-by-rounding/YFNOISE2.csv", "yf", "--calendar", "XNYS"),
    ("rows-twice/prices.csv", "twice", "--calendar", "XNYS"),
    ("rows-twice/minutes.csv", "twice-minutes", "--calendar", "XNSE"),
    ("adjusted-days/TATASTEEL_days.csv", "kite", "--symbol", "TATASTEEL"),
    ("adjusted-days/TATASTEEL_minutes.csv", "ticks", "--symbol", "TATASTEEL"),
)


@dataclass(frozen=True)
class Field:
    """One warehouse with all files, and the refused ones."""

    warehouse: Warehouse
    refused: dict[str, Ended]


def ingest(data: Path, *words: str | Path) -> Ended:
    return bourse(data, "ingest", *map(str, words), BOURSE_SAMPLE="false")


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """Bhavcopies without a mapping, a pystock archive and three INFYs, built with tests of bars."""
    folder = tmp_path_factory.mktemp("field")
    warehouse = Warehouse(empty_store(folder / "data"), folder / "target", sample=False)
    data = warehouse.data
    seed = folder / "vendor_symbols.csv"
    seed.write_text(",".join(VENDOR_SYMBOLS_HEADER) + "\n")
    refused = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identity, "VENDOR_SYMBOLS", seed)
        for path in (BHAVCOPY, OLD_BHAVCOPY, FULL_BHAVCOPY):
            done = ingest(data, path, "--source", "nse")
            assert done.returncode == 0, done.stderr
        assert ingest(data, INFY, "--source", "kaldhen").returncode == 0

        drop = (DROP, "--source", "pystock", "--calendar", "XNYS")
        refused["drop"] = ingest(data, *drop)
        line = re.search(r"such as (\S+)", error_line(refused["drop"]))
        assert line is not None
        with seed.open("a") as lines:
            lines.write(f"{line[1]}\n")
        assert ingest(data, *drop).returncode == 0
        # of the same source, so the line applies to it too
        assert ingest(data, ADR, "--source", "pystock", "--calendar", "XNYS").returncode == 0

        same_days = (ADR_SAME_DAYS, "--source", "made", "--calendar", "XNYS")
        refused["same days"] = ingest(data, *same_days)
        prefix = re.search(r"--symbol-prefix (\S+)", error_line(refused["same days"]))
        assert prefix is not None
        assert ingest(data, *same_days, "--symbol-prefix", prefix[1]).returncode == 0
        for file, source, *words in DELIVERED:
            done = ingest(data, REVIEW / file, "--source", source, *words)
            assert done.returncode == 0, done.stderr
    warehouse.dbt(
        *("build", "--select", "+bars__ohlcv", "+bars__rejected", "+bars__staleness"),
        *("+bars__suspect_extremes", "+bars__day_minute_conflicts"),
        *("--indirect-selection", "cautious", "--exclude-resource-types", "unit_test"),
        *("--exclude", "resource_type:test,path:seeds"),
    )
    yield Field(warehouse, refused)


def error_line(done: Ended) -> str:
    """Return the output of a failed command on one line."""
    return " ".join(done.stderr.split())


def days(field: Field, symbols: str) -> list[tuple[object, ...]]:
    return field.warehouse.query(
        "select symbol, session_date::varchar, open, high, low, close, volume from bars.ohlcv"
        f" where timeframe = '1d' and symbol {symbols} order by all"
    )


@pytest.mark.some_day
def test_01_another_series_is_not_the_stock(field: Field) -> None:
    assert days(field, "similar to '(IRFCX|ONLYEQ|OLDB).*'") == [
        ("IRFCX", "2024-01-02", 100, 100.42, 98.89, 99.27, 100_000),
        ("IRFCX-N2", "2024-01-02", 1100, 1105.5, 1099, 1101.25, 12),
        ("OLDB", "2024-01-02", 100, 100.42, 98.89, 99.27, 100_000),
        ("OLDB-N1", "2024-01-02", 1000, 1001, 999, 1000.5, 5),
        ("ONLYEQ", "2024-01-02", 100, 100.42, 98.89, 99.27, 100_000),
        ("ONLYEQ-BL", "2024-01-02", 100, 100, 100, 100, 500_000),
    ]


@pytest.mark.some_day
def test_01_the_file_with_deliveries_needs_no_mapping(field: Field) -> None:
    assert days(field, "= 'FULLB'") == [
        ("FULLB", "2024-01-02", 100, 100.42, 98.89, 99.27, 100_000),
        ("FULLB", "2024-01-03", 99.27, 99.52, 98.56, 98.78, 100_001),
        ("FULLB", "2024-01-04", 98.78, 99.47, 98.73, 99.08, 100_002),
        ("FULLB", "2024-01-05", 99.08, 99.5, 97.92, 98.14, 100_003),
        ("FULLB", "2024-01-08", 98.14, 98.66, 97.92, 98.66, 100_004),
    ]


@pytest.mark.some_day
def test_03_a_coin_may_trade_more_than_a_thousand_billion(field: Field) -> None:
    volumes = [(313 + day) * 1e12 for day in range(7)]
    assert [volume for *_, volume in days(field, "= 'PEPELIKE'")] == volumes
    assert field.warehouse.query(
        "select volume from bars.ohlcv where symbol = 'PEPELIKE' and timeframe = '1w'"
    ) == [(sum(volumes),)]


@pytest.mark.some_day
def test_04_no_volume_is_unknown_and_the_prices_are_kept(field: Field) -> None:
    assert field.warehouse.query(
        "select count(*), count(volume), min(low), max(high) from bars.ohlcv"
        " where symbol = 'IBX' and timeframe = '1m'"
    ) == [(390, 0, 99, 101)]


@pytest.mark.some_day
def test_08_a_high_a_hundred_times_too_large_is_shown(field: Field) -> None:
    assert field.warehouse.query(
        "select session_date::varchar, kind, round(high), close, outlier_ratio > 90"
        " from bars.suspect_extremes where symbol = 'GBPH'"
    ) == [("2024-01-16", "high", 9963, 98.85, True)]


@pytest.mark.some_day
def test_09_a_high_below_the_close_by_rounding_is_kept(field: Field) -> None:
    assert field.warehouse.query(
        "select count(*), count(*) filter (where high = greatest(open, high, low, close)),"
        " count(*) filter (where low = least(open, high, low, close))"
        " from bars.ohlcv where symbol = 'YFNOISE2' and timeframe = '1d'"
    ) == [(240, 240, 240)]


@pytest.mark.some_day
def test_repeated_rows_count_once(field: Field) -> None:
    assert field.warehouse.query(
        "select symbol, count(*) from bars.ohlcv"
        " where source = 'twice' and timeframe = '1d' group by symbol order by symbol"
    ) == [(symbol, 2) for symbol in ("AMOV", "FCFS", "IBM", "MSG", "PGTI", "RRD")]
    assert field.warehouse.query(
        "select symbol, count(*) from bars.ohlcv"
        " where source = 'twice-minutes' and timeframe = '1m' group by symbol order by symbol"
    ) == [(symbol, 45) for symbol in ("DRREDDY", "M&M", "ONGC", "SBILIFE", "TECHM", "TITAN")]
    assert field.warehouse.query(
        "select source, rule, count(*) from bars.rejected"
        " where source like 'twice%' group by all order by all"
    ) == [("twice", "duplicate", 10), ("twice-minutes", "duplicate", 225)]


@pytest.mark.some_day
def test_adjusted_days_are_compared_with_their_minutes(field: Field) -> None:
    """A 10-for-1 split in 2022: the days are adjusted for it, the minutes are as traded."""
    conflicts = field.warehouse.query(
        "select round(close_ratio), day_source, minute_source"
        " from bars.day_minute_conflicts where symbol = 'TATASTEEL'"
        " and compared_with = 'own_minutes'"
    )
    assert conflicts == [(10, "kite", "ticks")] * 8


@pytest.mark.some_day
def test_two_exchanges_are_refused_by_name(field: Field) -> None:
    for name, source in (("drop", "pystock"), ("same days", "made")):
        done = field.refused[name]
        assert done.returncode == BadInput.exit_code
        assert (
            f"INFY is in XNYS here (source {source}) and in XNSE in the store"
            " (INFY: source kaldhen, INFY.csv)"
        ) in error_line(done)
        assert "Traceback" not in done.stderr


@pytest.mark.some_day
def test_two_exchanges_are_two_series(field: Field) -> None:
    rupees = field.warehouse.query(
        "select count(*), min(close), max(close), list(distinct source) from bars.ohlcv"
        " where symbol = 'INFY' and timeframe = '1d'"
    )
    with duckdb.connect() as connection:
        [(count, least, most)] = connection.execute(
            f"select count(*), min(close), max(close) from read_csv('{INFY}')"
        ).fetchall()
    assert rupees == [(count, least, most, ["kaldhen"])]
    dollars = days(field, "= 'XNYS:INFY'")
    assert ("XNYS:INFY", "2017-01-31", 13.68, 13.79, 13.58, 13.77, 8_966_300) in dollars
    assert ("XNYS:INFY", "2017-03-31", 15.71, 15.92, 15.66, 15.80, 4_090_700) in dollars
    assert ("XNYS:INFY", "2020-10-01", 13.79, 13.87, 13.67, 13.75, 1_112_686) in dollars
    assert all(isinstance(close, float) and close < 20 for *_, close, _ in dollars)


@pytest.mark.some_day
def test_two_exchanges_leave_the_rest_of_the_drop_alone(field: Field, tmp_path: Path) -> None:
    """Every row of the archive is a bar with its values, or rejected."""
    with tarfile.open(DROP) as archive:
        packed = archive.extractfile("prices.csv")
        assert packed is not None
        (tmp_path / "prices.csv").write_bytes(packed.read())
    with duckdb.connect() as connection:
        connection.execute(f"attach '{field.warehouse.file}' as built (read_only)")
        rows = connection.execute(f"""
            with
            given as (
                select distinct
                    if(symbol = 'INFY', 'XNYS:INFY', symbol) as symbol, date as session_date,
                    open, high, low, close, volume::double as volume
                from read_csv('{tmp_path}/prices.csv', all_varchar = false, nullstr = ['', '-'])
            ),
            had as (
                select symbol, session_date, open, high, low, close, volume
                from built.bars.ohlcv where timeframe = '1d' and source = 'pystock'
                union all
                select symbol, session_date, open, high, low, close, volume
                from built.bars.rejected where timeframe = '1d' and source = 'pystock'
            )
            select
                (select count(distinct symbol) from given),
                (select count(*) from given),
                (select count(*) from (from given except from had))
        """).fetchall()
    [(symbols, bars, missing)] = rows
    assert symbols > 6_000
    assert bars > symbols
    assert missing == 0


@pytest.mark.some_day
def test_two_values_of_one_bar_are_an_error_that_names_both_rows(tmp_path: Path) -> None:
    """The old bhavcopy, read without its series."""
    data = empty_store(tmp_path / "data")
    mapping = tmp_path / "m.toml"
    mapping.write_text("[columns]\nseries = ''\n")
    words = (OLD_BHAVCOPY, "--source", "nse", "--mapping", mapping)
    done = ingest(data, *words)
    assert done.returncode == BadInput.exit_code
    assert (
        "rows 1 and 2 are both OLDB of 2024-01-02 and differ: open 100.0 and 1000.0"
        in error_line(done)
    )
    assert "the unused columns are SERIES" in error_line(done)
    done = ingest(data, *words, "--last-row-wins", "--json")
    [report] = json.loads(done.stdout)["files"]
    assert (report["rows_kept"], report["rows_duplicate"]) == (2, 1)
