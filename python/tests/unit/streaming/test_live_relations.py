"""What stands for a model in a live session has the columns that the model's contract promises."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
import yaml

from duckbourse.settings import PROJECT
from duckbourse.streaming.live import SESSION_MODELS, SETUP, session_relations

MODELS = PROJECT / "models"
# ephemeral, with no contract; every other column they have is used by the models that read them
UNPROMISED = {"bars__stale_symbols", "bars__checked_daily", "scanners__stale_sessions"}


def promised(model: str) -> dict[str, str]:
    (file,) = MODELS.rglob(f"{model}.yml")
    found: dict[str, Any] = yaml.safe_load(file.read_text())["models"][0]
    return {column["name"]: column["data_type"].upper() for column in found.get("columns", [])}


@pytest.fixture(scope="module")
def session() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for schema in ("live", "bars", "scanners", "staging"):
        connection.execute(f"create schema {schema}")
    connection.execute(SETUP)
    connection.execute("set variable session_date = date '2024-01-02'")
    connection.execute("set variable calendar = 'XNYS'")
    factors = ", ".join(" ".join(column) for column in promised("bars__adjustment_factors").items())
    connection.execute(f"create table bars.adjustment_factors ({factors})")
    for relation, sql in session_relations().items():
        connection.execute(f"create view {relation} as {sql}")
    return connection


@pytest.mark.parametrize(
    ("model", "relation"), list(zip(SESSION_MODELS, session_relations(), strict=True))
)
def test_a_session_relation_has_the_columns_of_its_model(
    session: duckdb.DuckDBPyConnection, model: str, relation: str
) -> None:
    described = session.execute(f"describe {relation}").fetchall()
    found = {name: kind for name, kind, *_ in described}
    columns = promised(model)
    assert (columns == {}) == (model in UNPROMISED)
    if columns:
        assert found == columns


def test_every_session_relation_is_used() -> None:
    assert {file.name for file in MODELS.rglob("*.live.sql")} == {
        f"{model}.live.sql" for model in SESSION_MODELS
    }
