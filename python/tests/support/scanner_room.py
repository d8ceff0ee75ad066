"""The scanners room, as dbt compiled it, on bars that a test makes up or changes."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any

import duckdb

from tests.support.warehouse import Warehouse

Rows = list[tuple[object, ...]]

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
        scanners = [f"scanners.{name}" for name in self.scanners]
        return (*scanners, "scanners.rejections", "scanners.signals")


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


def build(
    sample: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    *mistakes: tuple[str, str],
) -> None:
    """Build a relation of the scanners from its own SQL, or from SQL with mistakes in it."""
    sql = room(sample).steps[relation]
    for right, wrong in mistakes:
        assert right in sql, relation
        sql = sql.replace(right, wrong)
    connection.execute(f"create or replace table duckbourse.{relation} as {sql}")


def build_all(sample: Warehouse, connection: duckdb.DuckDBPyConnection) -> None:
    """Build every relation of the room, each after those that it reads."""
    connection.execute("create schema duckbourse.scanners")
    # nothing was built before
    connection.execute(
        "create table duckbourse.scanners.built_days "
        "(symbol varchar, session_date date, version ubigint)"
    )
    for relation in room(sample).steps:
        build(sample, connection, relation)


def inputs_of(sample: Warehouse, since: str) -> duckdb.DuckDBPyConnection:
    """Return a database in memory with copies of what scanners read, of bars since a day."""
    connection = duckdb.connect()
    connection.execute(f"attach '{sample.file}' as built (read_only)")
    connection.execute("attach ':memory:' as origin")
    for relation in room(sample).inputs:
        connection.execute(f"create schema if not exists origin.{relation.split('.')[0]}")
        recent = f" where bar_ts >= '{since}'" if is_of_bars(connection, relation) else ""
        connection.execute(f"create table origin.{relation} as from built.{relation}{recent}")
    return connection


def is_of_bars(connection: duckdb.DuckDBPyConnection, relation: str) -> bool:
    names = connection.execute(f"describe built.{relation}").fetchall()
    return {"timeframe", "bar_ts"} <= {name for name, *_ in names}


def lay_out(
    sample: Warehouse, connection: duckdb.DuckDBPyConnection, now: str, change: str | None
) -> None:
    """Put what scanners read in its place, and change what nobody knows yet."""
    connection.execute("detach database if exists duckbourse")
    connection.execute("attach ':memory:' as duckbourse")
    for relation in room(sample).inputs:
        connection.execute(f"create schema if not exists duckbourse.{relation.split('.')[0]}")
        connection.execute(f"create table duckbourse.{relation} as from origin.{relation}")
        if change and is_of_bars(connection, relation):
            key = "(symbol, timeframe, bar_ts)"
            is_known = f"bar_end <= timestamp '{now}'"
            if relation != "bars.ohlcv":
                is_known = f"{key} in (select {key} from origin.bars.ohlcv where {is_known})"
            columns = connection.execute(f"describe duckbourse.{relation}").fetchall()
            lies = {"DOUBLE": "{0} = {0} * -7 + 1e6", "SMALLINT": "{0} = 100 - {0}"}
            nonsense = ", ".join(
                lies[kind].format(name) for name, kind, *_ in columns if kind in lies
            )
            connection.execute(
                change.format(relation=f"duckbourse.{relation}", known=is_known, nonsense=nonsense)
            )
    build_all(sample, connection)


def answers(connection: duckdb.DuckDBPyConnection, relation: str, now: str) -> Rows:
    """Return what a relation had to say by then."""
    known_at = "known_at" if relation == "scanners.signals" else "session_date + cutoff_time::time"
    return connection.execute(
        f"select t::varchar from duckbourse.{relation} as t "
        f"where {known_at} <= timestamp '{now}' order by all"
    ).fetchall()


def peeking(
    sample: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    *nows: str,
    may_be_silent: Collection[str] = (),
) -> list[tuple[str, str, str]]:
    """Return what says something else once the future is gone or a lie; nothing should."""
    told = room(sample).answers
    lay_out(sample, connection, nows[-1], None)
    as_built = {(now, one): answers(connection, one, now) for now in nows for one in told}
    silent = [one for one in told if not as_built[nows[-1], one] and one not in may_be_silent]
    assert silent == [], f"what says nothing proves nothing: {silent}"
    changed = []
    for now in nows:
        for name, change in FUTURES.items():
            lay_out(sample, connection, now, change)
            changed += [
                (one, now, name)
                for one in told
                if answers(connection, one, now) != as_built[now, one]
            ]
    return changed
