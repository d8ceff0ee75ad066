"""Take the future away, or lie about it: no candidate changes by one bit."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from duckbourse.settings import PROJECT
from tests.warehouse.conftest import Warehouse, empty_store

# in the order in which they read each other; ephemeral models are inside those that read them
STEPS = ("sessions_so_far", "relative_volume", "crp", "breakout", "rejections")
ANSWERS = ("crp", "breakout", "rejections")

# what is known at a cutoff of 10:00, the latest of any preset, on the day that is scanned
KNOWN = "(session_date < '{day}' or bar_end <= timestamp '{day} 10:00')"
FUTURES = {
    "deleted": "delete from duckbourse.bars.ohlcv where not {known}",
    "corrupted": """
        update duckbourse.bars.ohlcv
        set open = open * 7, high = high * 9, low = low / 9, close = close * 8, volume = 1e9,
            adjusted_open = -1, adjusted_high = 1e9, adjusted_low = -1, adjusted_close = 1e6,
            adjusted_volume = 1e12
        where not {known}
    """,
}


def scanned(sample: Warehouse, day: str, change: str | None) -> dict[str, list[tuple[object, ...]]]:
    """Return every answer about a day, from bars that were changed first."""
    connection = sample.scanner_inputs("bars.ohlcv")
    connection.execute("delete from duckbourse.bars.ohlcv where session_date < date '2009-08-01'")
    if change:
        connection.execute(change.format(known=KNOWN.format(day=day)))
    for step in STEPS:
        sql = sample.compiled(f"scanners__{step}")
        connection.execute(f"create table duckbourse.scanners.{step} as {sql}")
    return {
        answer: connection.execute(
            f"select t::varchar from duckbourse.scanners.{answer} as t "
            f"where session_date = '{day}' order by all"
        ).fetchall()
        for answer in ANSWERS
    }


@pytest.mark.parametrize("day", ["2010-04-15", "2010-05-06", "2010-05-07", "2010-05-28"])
def test_no_candidate_knows_what_comes_after_its_cutoff(sample: Warehouse, day: str) -> None:
    as_built = scanned(sample, day, None)
    assert as_built["crp"], "a day without candidates proves nothing"
    for name, change in FUTURES.items():
        assert scanned(sample, day, change) == as_built, f"with the future {name}"


def test_the_proof_sees_a_planted_look_ahead(sample: Warehouse) -> None:
    original = Warehouse.compiled

    def peeking(warehouse: Warehouse, model: str) -> str:
        sql = original(warehouse, model)
        if model != "scanners__sessions_so_far":
            return sql
        assert "bars.bar_end <= bars.session_date" in sql
        return sql.replace(
            "bars.bar_end <= bars.session_date",
            "bars.bar_end - interval 1 hour <= bars.session_date",
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Warehouse, "compiled", peeking)
        day = "2010-05-06"
        as_built = scanned(sample, day, None)
        assert all(scanned(sample, day, change) != as_built for change in FUTURES.values())


def test_a_warehouse_that_ends_at_the_cutoff_says_the_same(
    sample: Warehouse, tmp_path: Path
) -> None:
    day = "2010-05-06"
    cut = Warehouse(empty_store(tmp_path / "data"), tmp_path / "target", sample=False)
    shipped = PROJECT / "data" / "sample"
    # what had been delivered at 10:00 of that day, the latest cutoff
    for kind, known in (
        ("deliveries", "true"),
        ("daily", f"session_date < '{day}'"),
        ("minute", f"bar_ts < timestamp '{day} 10:00'"),
    ):
        duckdb.execute(
            f"copy (from read_parquet('{shipped}/{kind}/*.parquet') where {known}) "
            f"to '{cut.data}/raw/{kind}/known.parquet'"
        )
    cut.build("-s", "+scanners__crp", "+scanners__breakout", "+scanners__rejections")
    for answer in ANSWERS:
        rows = f"from scanners.{answer} as t where session_date = '{day}'"
        question = f"select t::varchar {rows} order by all"
        assert cut.query(question) == sample.query(question), answer
        assert cut.query(question), "a day without candidates proves nothing"

    # nor is any bar there that was not over, or that the rest of the day then changed
    assert cut.query("select max(bar_end)::varchar from bars.ohlcv") == [(f"{day} 10:00:00",)]
    with duckdb.connect() as connection:
        connection.execute(f"attach '{cut.file}' as cut (read_only)")
        connection.execute(f"attach '{sample.file}' as whole (read_only)")
        prices = "* exclude (adjustment_factor_total)"  # dividends to come are in that one
        assert connection.execute(
            f"select count(*) from (select {prices} from cut.bars.ohlcv "
            f"except all select {prices} from whole.bars.ohlcv)"
        ).fetchall() == [(0,)]
