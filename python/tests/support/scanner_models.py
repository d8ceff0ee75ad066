"""The models of `scanners`, as dbt compiled them, on bars that a test makes up or changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from typing import Any

import duckdb

from tests.support.warehouse import Warehouse

Rows = list[tuple[object, ...]]

# what becomes of bars and indicators after the instant
FUTURES = {
    "deleted": "select * exclude (over_at) from {origin} where {known}",
    "corrupted": "select * exclude (over_at) replace ({nonsense}) from {origin}",
}
AS_IT_IS = "select * exclude (over_at) from {origin}"
LIES = {"DOUBLE": "{0} * -7 + 1e6", "SMALLINT": "(100 - {0})::smallint"}


@dataclass(frozen=True)
class ScannerModels:
    """The models of the scanners in build order, and the other relations that they read."""

    steps: dict[str, str]  # relation to SQL
    inputs: tuple[str, ...]
    scanners: tuple[str, ...]

    @property
    def answers(self) -> tuple[str, ...]:
        scanners = [f"scanners.{name}" for name in self.scanners]
        return (*scanners, "scanners.rejections", "scanners.signals")


@cache
def scanner_models(sample: Warehouse) -> ScannerModels:
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
    return ScannerModels(
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
    """Build a relation of the scanners from its own SQL, or from SQL with planted mistakes."""
    sql = scanner_models(sample).steps[relation]
    for right, wrong in mistakes:
        assert right in sql, relation
        sql = sql.replace(right, wrong)
    connection.execute(f"create or replace table duckbourse.{relation} as {sql}")


def build_all(sample: Warehouse, connection: duckdb.DuckDBPyConnection) -> None:
    """Build every relation, each after those that it reads."""
    connection.execute("create schema duckbourse.scanners")
    # as before the first build
    connection.execute("create schema duckbourse.build_state")
    connection.execute(
        "create table duckbourse.build_state.models (model varchar, built_through bigint)"
    )
    for relation in scanner_models(sample).steps:
        build(sample, connection, relation)


def inputs_of(sample: Warehouse, since: str, *, only: str = "true") -> duckdb.DuckDBPyConnection:
    """
    Return an in-memory database with copies of what scanners read, with bars since a day.

    `over_at` is the end of the bar, for bars and for indicators.
    """
    connection = duckdb.connect()
    connection.execute(f"attach '{sample.file}' as built (read_only)")
    connection.execute("attach ':memory:' as origin")
    recent = f"bar_ts >= '{since}' and {only}"
    for relation in scanner_models(sample).inputs:
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
    """Build the models on their inputs as of an instant; `change` is what the future becomes."""
    connection.execute("detach database if exists duckbourse")
    connection.execute("attach ':memory:' as duckbourse")
    is_known = f"over_at <= timestamp '{now}'"
    for relation in scanner_models(sample).inputs:
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
    """Return the rows of a relation that were known by an instant."""
    known_ts = "known_ts" if relation == "scanners.signals" else "session_date + cutoff_time"
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
    Return the relations whose rows change when the future is deleted or corrupted: none should.

    `meanwhile` is called after each build, with its instant and the name of its future.
    """
    relations = scanner_models(sample).answers
    lay_out(sample, connection, nows[-1], None)
    as_built = {(now, one): answers(connection, one, now) for now in nows for one in relations}
    silent = [one for one in relations if not as_built[nows[-1], one] and one not in may_be_silent]
    assert silent == [], f"without rows there is no proof: {silent}"
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
