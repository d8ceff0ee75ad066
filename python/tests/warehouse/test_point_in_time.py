"""Take the future away, or lie about it: no candidate, rejection or signal changes by one bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest

from duckbourse.settings import PROJECT
from tests.warehouse.conftest import Warehouse, empty_store

DAYS = ("2010-04-15", "2010-05-06", "2010-05-07", "2010-05-28")
# the latest cutoff of a morning preset; what is scanned later must be the same on the days before
TIME = "10:00"

# each of these is done to bars and indicators after the instant
FUTURES = {
    "deleted": "delete from {relation} where not {known}",
    "corrupted": "update {relation} set {nonsense} where not {known}",
}


@dataclass(frozen=True)
class Room:
    """The scanners' models in the order in which they read each other, and what else they read."""

    steps: dict[str, str]  # relation to SQL
    inputs: tuple[str, ...]
    scanners: tuple[str, ...]

    @property
    def answers(self) -> tuple[str, ...]:
        return (*(f"scanners.{name}" for name in self.scanners), "scanners.rejections")


@cache
def room(sample: Warehouse) -> Room:
    nodes: dict[str, Any] = json.loads((sample.target / "manifest.json").read_text())["nodes"]
    models = {
        name: node
        for name, node in nodes.items()
        if node["resource_type"] == "model" and node["schema"] == "scanners"
    }

    def parents(name: str) -> set[str]:
        return set(nodes[name]["depends_on"]["nodes"])

    def compiled(name: str) -> str:
        path = str(nodes[name]["original_file_path"])
        return (sample.target / "compiled" / "duckbourse" / path).read_text()

    def relation(name: str) -> str:
        return f"{nodes[name]['schema']}.{nodes[name]['alias']}"

    ordered: list[str] = []
    while len(ordered) < len(models):
        ordered += [
            name
            for name in models
            if name not in ordered and parents(name) & set(models) <= set(ordered)
        ]
    stored = [name for name in ordered if models[name]["config"]["materialized"] != "ephemeral"]
    inputs = {parent for name in models for parent in parents(name)} - set(models)
    return Room(
        steps={relation(name): compiled(name) for name in stored},
        inputs=tuple(sorted(relation(name) for name in inputs)),
        scanners=tuple(
            sorted(models[name]["alias"] for name in stored if "/scans/" in models[name]["path"])
        ),
    )


@pytest.fixture(scope="module")
def inputs(sample: Warehouse) -> duckdb.DuckDBPyConnection:
    """A database in memory with copies of what scanners read, under dbt's own names."""
    connection = duckdb.connect()
    connection.execute(f"attach '{sample.file}' as built (read_only)")
    connection.execute("attach ':memory:' as origin")
    for relation in room(sample).inputs:
        connection.execute(f"create schema if not exists origin.{relation.split('.')[0]}")
        # of the long histories only what the look-backs reach
        recent = " where bar_ts >= '2009-08-01'" if is_of_bars(connection, relation) else ""
        connection.execute(f"create table origin.{relation} as from built.{relation}{recent}")
    return connection


def is_of_bars(connection: duckdb.DuckDBPyConnection, relation: str) -> bool:
    names = connection.execute(f"describe built.{relation}").fetchall()
    return {"timeframe", "bar_ts"} <= {name for name, *_ in names}


def scanned(
    sample: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    day: str,
    change: str | None,
    mutated: Callable[[str, str], str] = lambda relation, sql: sql,
) -> dict[str, list[tuple[object, ...]]]:
    """Return every answer that was known by 10:00 of a day, from bars that were changed first."""
    connection.execute("detach database if exists duckbourse")
    connection.execute("attach ':memory:' as duckbourse")
    connection.execute("create schema duckbourse.scanners")
    # nothing was built before
    connection.execute(
        "create table duckbourse.scanners.built_days "
        "(symbol varchar, session_date date, version ubigint)"
    )
    now = f"timestamp '{day} {TIME}'"
    for relation in room(sample).inputs:
        connection.execute(f"create schema if not exists duckbourse.{relation.split('.')[0]}")
        connection.execute(f"create table duckbourse.{relation} as from origin.{relation}")
        if change and is_of_bars(connection, relation):
            key = "(symbol, timeframe, bar_ts)"
            known = (
                f"bar_end <= {now}" if relation == "bars.ohlcv" else
                f"{key} in (select {key} from origin.bars.ohlcv where bar_end <= {now})"
            )  # fmt: skip
            columns = connection.execute(f"describe duckbourse.{relation}").fetchall()
            nonsense = ", ".join(
                f"{name} = {name} * -7 + 1e6" for name, kind, *_ in columns if kind == "DOUBLE"
            )
            connection.execute(
                change.format(relation=f"duckbourse.{relation}", known=known, nonsense=nonsense)
            )
    for relation, sql in room(sample).steps.items():
        connection.execute(
            f"create or replace table duckbourse.{relation} as {mutated(relation, sql)}"
        )
    return {
        relation: connection.execute(
            f"select t::varchar from duckbourse.{relation} as t "
            f"where session_date + cutoff_time::time <= {now} order by all"
        ).fetchall()
        for relation in room(sample).answers
    } | {
        "scanners.signals": connection.execute(
            "select t::varchar from duckbourse.scanners.signals as t "
            f"where known_at <= {now} order by all"
        ).fetchall()
    }


@pytest.mark.parametrize("day", DAYS)
def test_nothing_knows_what_comes_after_its_cutoff(
    sample: Warehouse, inputs: duckdb.DuckDBPyConnection, day: str
) -> None:
    as_built = scanned(sample, inputs, day, None)
    for name, change in FUTURES.items():
        after = scanned(sample, inputs, day, change)
        for relation, rows in as_built.items():
            assert after[relation] == rows, f"{relation}, with the future {name}"


def test_there_is_something_to_prove(sample: Warehouse, inputs: duckdb.DuckDBPyConnection) -> None:
    seen = scanned(sample, inputs, DAYS[-1], None)
    assert [relation for relation, rows in seen.items() if not rows] == []


def test_the_proof_sees_a_look_ahead_in_any_scanner(
    sample: Warehouse, inputs: duckdb.DuckDBPyConnection
) -> None:
    """In a copy of each scanner in turn, the last price is that of an hour later."""
    later = """(
        select so_far.* replace (later.last_price as last_price)
        from "duckbourse"."scanners"."sessions_so_far" as so_far
        inner join "duckbourse"."scanners"."session_minutes" as later
            on so_far.symbol = later.symbol and so_far.session_date = later.session_date
            and later.cutoff_minute
            = 60 * hour(so_far.cutoff_time::time) + minute(so_far.cutoff_time::time) + 60
    )"""
    day = "2010-05-06"
    caught = set()
    for scanner in room(sample).scanners:

        def peeking(relation: str, sql: str, scanner: str = scanner) -> str:
            if relation != f"scanners.{scanner}":
                return sql
            assert '"duckbourse"."scanners"."sessions_so_far"' in sql
            return sql.replace('"duckbourse"."scanners"."sessions_so_far"', later)

        told = f"scanners.{scanner}"
        as_built = scanned(sample, inputs, day, None, peeking)[told]
        if all(
            scanned(sample, inputs, day, change, peeking)[told] != as_built
            for change in FUTURES.values()
        ):
            caught.add(scanner)
    assert caught == set(room(sample).scanners)


@pytest.mark.parametrize("feature", ["sessions_so_far", "expected_volumes", "histories"])
def test_the_proof_sees_a_look_ahead_in_a_feature(
    sample: Warehouse, inputs: duckdb.DuckDBPyConnection, feature: str
) -> None:
    """The feature counts a minute, a volume or a day that is not over yet."""
    late = ("cutoffs.cutoff_minute,", "cutoffs.cutoff_minute + 30,")
    planted = {
        "sessions_so_far": [late],
        "expected_volumes": [late, ("unnest(range(1, history_", "unnest(range(0, history_")],
        "histories": [("preceding and 1 preceding", "preceding and current row")],
    }

    def peeking(relation: str, sql: str) -> str:
        if relation != f"scanners.{feature}":
            return sql
        for right, wrong in planted[feature]:
            assert right in sql
            sql = sql.replace(right, wrong)
        return sql

    as_built = scanned(sample, inputs, "2010-05-06", None, peeking)
    for change in FUTURES.values():
        assert scanned(sample, inputs, "2010-05-06", change, peeking) != as_built


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
        ("minute", f"bar_ts < timestamp '{day} {TIME}'"),
    ):
        duckdb.execute(
            f"copy (from read_parquet('{shipped}/{kind}/*.parquet') where {known}) "
            f"to '{cut.data}/raw/{kind}/known.parquet'"
        )
    cut.build("-s", "+scanners__signals", "+scanners__rejections")
    for answer in room(sample).answers:
        rows = f"from {answer} as t where session_date + cutoff_time::time <= '{day} {TIME}'"
        question = f"select t::varchar {rows} order by all"
        assert cut.query(question) == sample.query(question), answer
    signals = "select t.* exclude (data_version) from scanners.signals as t"
    known = f"{signals} where known_at <= '{day} {TIME}' order by all"
    assert cut.query(known) == sample.query(known)
    assert cut.query(known), "no signals prove nothing"

    # nor is any bar there that was not over, or that the rest of the day then changed
    assert cut.query("select max(bar_end)::varchar from bars.ohlcv") == [(f"{day} {TIME}:00",)]
    with duckdb.connect() as connection:
        connection.execute(f"attach '{cut.file}' as cut (read_only)")
        connection.execute(f"attach '{sample.file}' as whole (read_only)")
        prices = "* exclude (adjustment_factor_total)"  # dividends to come are in that one
        assert connection.execute(
            f"select count(*) from (select {prices} from cut.bars.ohlcv "
            f"except all select {prices} from whole.bars.ohlcv)"
        ).fetchall() == [(0,)]
