"""Take the future away, or lie about it: no candidate, rejection or signal changes by one bit."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import duckdb
import pytest

from duckbourse.settings import PROJECT
from tests.support.scanner_room import (
    FUTURES,
    answers,
    build,
    inputs_of,
    lay_out,
    peeking,
    room,
)
from tests.support.warehouse import Warehouse, empty_store

# at a cutoff of most presets, and at the latest of a morning
NOWS = ("2010-05-06 09:45", "2010-05-06 09:50", "2010-05-28 10:00")


@pytest.fixture(scope="module")
def inputs(sample: Warehouse) -> duckdb.DuckDBPyConnection:
    # of the long histories only what the look-backs reach
    return inputs_of(sample, since="2009-08-01")


def test_nothing_knows_what_comes_after_its_cutoff(
    sample: Warehouse, inputs: duckdb.DuckDBPyConnection
) -> None:
    assert peeking(sample, inputs, *NOWS) == []


# in a copy of a scanner, the session so far is the last that there will ever be
LAST = """
    create table duckbourse.scanners.peeked as
    select so_far.* replace (
        last.open_price as open_price, last.high_to_cutoff as high_to_cutoff,
        last.low_to_cutoff as low_to_cutoff, last.last_price as last_price,
        last.volume_to_cutoff as volume_to_cutoff
    )
    from "duckbourse"."scanners"."sessions_so_far" as so_far
    inner join (
        from "duckbourse"."scanners"."sessions_so_far"
        qualify session_date = max(session_date) over (partition by symbol, cutoff_time)
    ) as last using (symbol, cutoff_time)
"""
LATE = ("cutoffs.cutoff_minute,", "cutoffs.cutoff_minute + 30,")
# a minute, a volume or a day that is not over yet, in a feature
READERS = ("crp", "breakout", "technical", "opening_range", "sideways")
PLANTED = {
    "scanners.sessions_so_far": [LATE],
    "scanners.expected_volumes": [LATE, ("unnest(range(1, history_", "unnest(range(0, history_")],
    "scanners.eves": [("= eve.session_number + 1", "= eve.session_number")],
    "scanners.opening_ranges": [
        (
            "+ lengths.range_minutes as cutoff_minute",
            "+ lengths.range_minutes + 60 as cutoff_minute",
        )
    ],
    "scanners.last_five_minutes": [("bars.bar_end <= so_far", "bars.bar_ts <= so_far")],
    "scanners.histories": [("preceding and 1 preceding", "preceding and current row")],
}


def test_the_proof_sees_a_look_ahead_wherever_it_is_planted(
    sample: Warehouse, inputs: duckdb.DuckDBPyConnection
) -> None:
    """Planted into a copy of each scanner, and of each feature, in turn."""
    now = "2010-05-06 09:50"
    seen: dict[str, list[object]] = defaultdict(list)
    for change in (None, *FUTURES.values()):
        lay_out(sample, inputs, now, change)
        inputs.execute(LAST)
        for name in room(sample).scanners:
            scanner = f"scanners.{name}"
            build(sample, inputs, scanner, ('"scanners"."sessions_so_far"', '"scanners"."peeked"'))
            seen[scanner].append(answers(inputs, scanner, now))
        for feature, mistakes in PLANTED.items():
            build(sample, inputs, feature, *mistakes)
            for name in READERS:
                build(sample, inputs, f"scanners.{name}")
            seen[feature].append([answers(inputs, f"scanners.{name}", now) for name in READERS])
            build(sample, inputs, feature)
    unseen = [
        planted
        for planted, (as_built, *futures) in seen.items()
        if all(future == as_built for future in futures)
    ]
    assert unseen == []


def test_a_warehouse_that_ends_at_the_cutoff_says_the_same(
    sample: Warehouse, tmp_path: Path
) -> None:
    day = "2010-05-06"
    cut = Warehouse(empty_store(tmp_path / "data"), tmp_path / "target", sample=False)
    shipped = PROJECT / "data" / "sample"
    # what had been delivered at 10:00 of that day
    for kind, known in (
        ("deliveries", "true"),
        ("daily", f"session_date < '{day}'"),
        ("minute", f"bar_ts < timestamp '{day} 10:00'"),
    ):
        duckdb.execute(
            f"copy (from read_parquet('{shipped}/{kind}/*.parquet') where {known}) "
            f"to '{cut.data}/raw/{kind}/known.parquet'"
        )
    cut.build("-s", "+scanners__signals", "+scanners__rejections")
    for answer in room(sample).answers:
        rows = f"from {answer} as t where session_date + cutoff_time::time <= '{day} 10:00'"
        if answer == "scanners.signals":
            # the version of the data is another, and nothing else
            known = f"where known_at <= '{day} 10:00'"
            rows = f"from (select * exclude (data_version) from {answer} {known}) as t"
        question = f"select t::varchar {rows} order by all"
        assert cut.query(question) == sample.query(question), answer

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
