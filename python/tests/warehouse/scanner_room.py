"""The scanners room, as dbt compiled it, on bars that a test makes up or changes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import duckdb

from tests.warehouse.conftest import Warehouse


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
