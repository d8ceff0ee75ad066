"""The scanners room, as dbt compiled it, on bars that a test makes up or changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from typing import Any

import duckdb

from tests.support.warehouse import Warehouse

Rows = list[tuple[object, ...]]

# what a table of bars, or of indicators, is after the instant
FUTURES = {
    "deleted": "select * exclude (over_at) from {origin} where {known}",
    "corrupted": "select * exclude (over_at) replace ({nonsense}) from {origin}",
}
AS_IT_IS = "select * exclude (over_at) from {origin}"
LIES = {"DOUBLE": "{0} * -7 + 1e6", "SMALLINT": "(100 - {0})::smallint"}


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


def inputs_of(sample: Warehouse, since: str, *, only: str = "true") -> duckdb.DuckDBPyConnection:
    """
    Return a database in memory with copies of what scanners read, of bars since a day.

    Each bar and each value of an indicator says there when it was over.
    """
    connection = duckdb.connect()
    connection.execute(f"attach '{sample.file}' as built (read_only)")
    connection.execute("attach ':memory:' as origin")
    recent = f"bar_ts >= '{since}' and {only}"
    for relation in room(sample).inputs:
        connection.execute(f"create schema if not exists origin.{relation.split('.')[0]}")
        rows = f"from built.{relation}"
        if is_of_bars(connection, relation):
            ends = "select symbol, timeframe, bar_ts, bar_end as over_at from built.bars.ohlcv"
            rows += f" inner join ({ends}) using (symbol, timeframe, bar_ts) where {recent}"
        connection.execute(f"create table origin.{relation} as {rows}")
    return connection


def is_of_bars(connection: duckdb.DuckDBPyConnection, relation: str) -> bool:
    return {"timeframe", "bar_ts"} <= columns_of(connection, relation).keys()


def columns_of(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    described = connection.execute(f"describe built.{relation}").fetchall()
    return {name: kind for name, kind, *_ in described}


def lay_out(
    sample: Warehouse, connection: duckdb.DuckDBPyConnection, now: str, change: str | None
) -> None:
    """Put what scanners read in its place, but for what nobody knows yet, and build the room."""
    connection.execute("detach database if exists duckbourse")
    connection.execute("attach ':memory:' as duckbourse")
    is_known = f"over_at <= timestamp '{now}'"
    for relation in room(sample).inputs:
        connection.execute(f"create schema if not exists duckbourse.{relation.split('.')[0]}")
        rows = "from {origin}"
        nonsense = ""
        if is_of_bars(connection, relation):
            rows = change or AS_IT_IS
            nonsense = ", ".join(
                f"if({is_known}, {name}, {LIES[kind].format(name)}) as {name}"
                for name, kind in columns_of(connection, relation).items()
                if kind in LIES
            )
        view = rows.format(origin=f"origin.{relation}", known=is_known, nonsense=nonsense)
        connection.execute(f"create view duckbourse.{relation} as {view}")
    build_all(sample, connection)


def answers(connection: duckdb.DuckDBPyConnection, relation: str, now: str) -> Rows:
    """Return what a relation had to say by then."""
    known_ts = "known_ts" if relation == "scanners.signals" else "session_date + cutoff_time::time"
    return connection.execute(
        f"select t::varchar from duckbourse.{relation} as t "
        f"where {known_ts} <= timestamp '{now}' order by all"
    ).fetchall()


def peeking(
    sample: Warehouse,
    connection: duckdb.DuckDBPyConnection,
    *nows: str,
    may_be_silent: Collection[str] = (),
    meanwhile: Callable[[str, str | None], None] | None = None,
) -> list[tuple[str, str, str]]:
    """
    Return what says something else once the future is gone or a lie; nothing should.

    `meanwhile` is called in each world that is laid out, with its instant and its future's name.
    """
    relations = room(sample).answers
    lay_out(sample, connection, nows[-1], None)
    as_built = {(now, one): answers(connection, one, now) for now in nows for one in relations}
    silent = [one for one in relations if not as_built[nows[-1], one] and one not in may_be_silent]
    assert silent == [], f"what says nothing proves nothing: {silent}"
    if meanwhile:
        meanwhile(nows[-1], None)
    changed = []
    for now in nows:
        for name, change in FUTURES.items():
            lay_out(sample, connection, now, change)
            changed += [
                (one, now, name)
                for one in relations
                if answers(connection, one, now) != as_built[now, one]
            ]
            if meanwhile:
                meanwhile(now, name)
    return changed
