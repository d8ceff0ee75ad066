"""
Vendors' files that went wrong where we were not looking, each with the values it should have.

A folder of the review is a fault; a test says which. They are read where they lie.
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
from tests.support.commands import Said, bourse
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


@dataclass(frozen=True)
class Field:
    """Everything in one warehouse, and what was refused on the way."""

    warehouse: Warehouse
    refused: dict[str, Said]


def ingest(data: Path, *words: str | Path) -> Said:
    return bourse(data, "ingest", *map(str, words), BOURSE_SAMPLE="false")


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """Bhavcopies without a mapping, a pystock drop and three INFYs, built with tests of bars."""
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
        line = re.search(r"such as (\S+)", said(refused["drop"]))
        assert line is not None
        with seed.open("a") as lines:
            lines.write(f"{line[1]}\n")
        assert ingest(data, *drop).returncode == 0
        # of the same source, so the line counts for it too
        assert ingest(data, ADR, "--source", "pystock", "--calendar", "XNYS").returncode == 0

        same_days = (ADR_SAME_DAYS, "--source", "made", "--calendar", "XNYS")
        refused["same days"] = ingest(data, *same_days)
        prefix = re.search(r"--symbol-prefix (\S+)", said(refused["same days"]))
        assert prefix is not None
        assert ingest(data, *same_days, "--symbol-prefix", prefix[1]).returncode == 0
    warehouse.dbt(
        *("build", "--select", "+bars__ohlcv", "+bars__rejected", "+bars__staleness"),
        *("--indirect-selection", "cautious", "--exclude-resource-types", "unit_test"),
        *("--exclude", "resource_type:test,path:seeds"),
    )
    yield Field(warehouse, refused)


def said(done: Said) -> str:
    """Return what a command that failed said, on one line."""
    return " ".join(done.stderr.split())


def days(field: Field, symbols: str) -> list[tuple[object, ...]]:
    return field.warehouse.query(
        "select symbol, session_date::varchar, open, high, low, close, volume from bars.ohlcv"
        f" where timeframe = '1d' and symbol {symbols} order by all"
    )


@pytest.mark.some_day
def test_01_a_series_is_not_the_share(field: Field) -> None:
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
def test_two_exchanges_are_refused_by_name(field: Field) -> None:
    for name, source in (("drop", "pystock"), ("same days", "made")):
        done = field.refused[name]
        assert done.returncode == BadInput.exit_code
        assert (
            f"INFY is of XNYS here (source {source}) and of XNSE in the store"
            " (INFY: source kaldhen, INFY.csv)"
        ) in said(done)
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
    """Every row of the drop is a bar with its values, or rejected."""
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
    """The old bhavcopy as it was read before: without its series."""
    data = empty_store(tmp_path / "data")
    mapping = tmp_path / "m.toml"
    mapping.write_text("[columns]\nseries = ''\n")
    words = (OLD_BHAVCOPY, "--source", "nse", "--mapping", mapping)
    done = ingest(data, *words)
    assert done.returncode == BadInput.exit_code
    assert "rows 1 and 2 are both OLDB of 2024-01-02 and differ: open 100.0 and 1000.0" in said(
        done
    )
    assert "unused are SERIES" in said(done)
    done = ingest(data, *words, "--last-row-wins", "--json")
    [report] = json.loads(done.stdout)["files"]
    assert (report["rows_kept"], report["rows_duplicate"]) == (2, 1)
