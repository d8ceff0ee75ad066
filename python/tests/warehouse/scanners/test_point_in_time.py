"""Delete or corrupt the future: no candidate, rejection or signal changes by a bit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

from duckbourse.settings import PROJECT
from tests.support.scanner_models import (
    Rows,
    answers,
    build,
    inputs_of,
    peeking,
    scanner_models,
)
from tests.support.warehouse import Warehouse, empty_store

# at a cutoff of most presets, and at the latest of a morning
NOWS = ("2010-05-06 09:45", "2010-05-06 09:50", "2010-05-28 10:00")


# of those without minutes, which count only in the records of patterns, some will do, and of what
# is to come some months
ONLY = """
    bar_ts < '2011-01-01'
    and (symbol < 'B' or symbol in (select symbol from built.bars.ohlcv where timeframe = '1m'))
"""


class Proof(NamedTuple):
    """Rows that changed with the future, as shipped and with planted mistakes: see `peeking`."""

    changed: list[tuple[str, str, str]]
    said_with_mistakes: dict[str, list[list[Rows]]]


# in a copy of a scanner, the session to the cutoff is the last that there will ever be
LAST = """
    create table duckbourse.scanners.peeked as
    select to_cutoff.* replace (
        last.open_price as open_price, last.high_to_cutoff as high_to_cutoff,
        last.low_to_cutoff as low_to_cutoff, last.last_price as last_price,
        last.volume_to_cutoff as volume_to_cutoff
    )
    from "duckbourse"."scanners"."session_to_cutoff" as to_cutoff
    inner join (
        from "duckbourse"."scanners"."session_to_cutoff"
        qualify session_date = max(session_date) over (partition by symbol, cutoff_time)
    ) as last using (symbol, cutoff_time)
"""
LATE = ("cutoffs.cutoff_minute,", "cutoffs.cutoff_minute + 30,")
# a minute, a volume or a day that is not over yet, in a feature
READERS = ("crp", "breakout", "technical", "opening_range", "sideways")
PLANTED = {
    "scanners.traded_to_cutoff": [LATE],
    "scanners.expected_volumes": [LATE, ("unnest(range(1, history_", "unnest(range(0, history_")],
    "scanners.prior_sessions": [("= previous.session_number + 1", "= previous.session_number")],
    "scanners.opening_ranges": [
        (
            "+ lengths.range_minutes as cutoff_minute",
            "+ lengths.range_minutes + 60 as cutoff_minute",
        )
    ],
    "scanners.last_five_minutes": [("bars.bar_end <= to_cutoff", "bars.bar_ts <= to_cutoff")],
    "scanners.histories": [("preceding and 1 preceding", "preceding and current row")],
}

# a feature that scanners read through another
READ_THROUGH = {"scanners.traded_to_cutoff": "scanners.session_to_cutoff"}


PLANTED_AT = "2010-05-06 09:50"


@pytest.fixture(scope="module")
def proof(sample: Warehouse) -> Proof:
    # of the long histories only what the lookbacks reach
    inputs = inputs_of(sample, since="2009-08-01", only=ONLY)
    said: dict[str, list[list[Rows]]] = defaultdict(list)

    def plant(now: str, future: str | None) -> None:
        if future and now != PLANTED_AT:
            return
        for name, rows in with_mistakes(sample, inputs):
            said[name].append(rows)

    return Proof(peeking(sample, inputs, *NOWS, meanwhile=plant), said)


def with_mistakes(
    sample: Warehouse, inputs: duckdb.DuckDBPyConnection
) -> Iterator[tuple[str, list[Rows]]]:
    """Plant a look-ahead into a copy of each scanner and feature, and return the rows."""
    inputs.execute(LAST)
    for name in scanner_models(sample).scanners:
        scanner = f"scanners.{name}"
        inputs.begin()
        build(sample, inputs, scanner, ('"scanners"."session_to_cutoff"', '"scanners"."peeked"'))
        yield scanner, [answers(inputs, scanner, PLANTED_AT)]
        inputs.rollback()
    for feature, mistakes in PLANTED.items():
        through = READ_THROUGH.get(feature, feature)
        read = '"{}"."{}"'.format(*through.split("."))
        readers = [f"scanners.{one}" for one in READERS]
        readers = [one for one in readers if read in scanner_models(sample).steps[one]]
        inputs.begin()
        build(sample, inputs, feature, *mistakes)
        if through != feature:
            build(sample, inputs, through)
        for reader in readers:
            build(sample, inputs, reader)
        yield feature, [answers(inputs, reader, PLANTED_AT) for reader in readers]
        inputs.rollback()


def test_nothing_uses_data_after_its_cutoff(proof: Proof) -> None:
    assert proof.changed == []


def test_the_proof_sees_a_look_ahead_wherever_it_is_planted(
    sample: Warehouse, proof: Proof
) -> None:
    """One is planted into a copy of each scanner and of each feature in turn."""
    scanners = {f"scanners.{name}" for name in scanner_models(sample).scanners}
    assert proof.said_with_mistakes.keys() == scanners | PLANTED.keys()
    unseen = [
        planted
        for planted, (as_built, *futures) in proof.said_with_mistakes.items()
        if all(future == as_built for future in futures)
    ]
    assert unseen == []


def test_a_warehouse_that_ends_at_the_cutoff_has_the_same_rows(
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
    for answer in scanner_models(sample).answers:
        rows = f"from {answer} as t where session_date + cutoff_time <= '{day} 10:00'"
        if answer == "scanners.signals":
            # the version of the data is another, and nothing else
            known = f"where known_ts <= '{day} 10:00'"
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
