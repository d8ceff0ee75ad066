"""What a BI tool shows beside a table, a column or a macro are the words of its properties file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.warehouse import Warehouse

NOT_DESCRIBED = "('staging', 'build_state', 'information_schema', 'pg_catalog')"


@pytest.fixture(scope="module")
def manifest(sample: Warehouse) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((sample.target / "manifest.json").read_text())
    return read


@pytest.fixture(scope="module")
def relations(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the published models and the seeds, by the name of the relation."""
    return {
        f"{node['schema']}.{node['alias']}": node
        for node in manifest["nodes"].values()
        if node["resource_type"] in ("model", "seed")
        and node["schema"] != "staging"
        and node["config"]["materialized"] != "ephemeral"
    }


def test_every_table_says_what_one_row_is(
    sample: Warehouse, relations: dict[str, dict[str, Any]]
) -> None:
    commented = sample.query(
        "select schema_name || '.' || table_name, comment from duckdb_tables()"
        f" where schema_name not in {NOT_DESCRIBED}"
        " union all"
        " select schema_name || '.' || view_name, comment from duckdb_views()"
        f" where not internal and schema_name not in {NOT_DESCRIBED}"
    )
    described = {name: node["description"].strip() for name, node in relations.items()}
    assert {name: comment for name, comment in commented} == described
    assert all(described.values())


def test_every_column_says_what_it_holds(
    sample: Warehouse, relations: dict[str, dict[str, Any]]
) -> None:
    commented = {
        (relation, column): comment
        for relation, column, comment in sample.query(
            "select schema_name || '.' || table_name, column_name, comment from duckdb_columns()"
            f" where not internal and schema_name not in {NOT_DESCRIBED}"
        )
    }
    described = {
        (name, column["name"]): column["description"].strip()
        for name, node in relations.items()
        for column in node["columns"].values()
    }
    assert {key: comment for key, comment in commented.items() if comment} == described
    # a private model describes only the columns that no other model does
    private = {name for name, node in relations.items() if node.get("access") == "private"}
    assert [
        key for key, comment in commented.items() if not comment and key[0] not in private
    ] == []


def test_every_table_macro_says_what_it_answers(
    sample: Warehouse, manifest: dict[str, Any]
) -> None:
    commented = {
        name: comment
        for name, comment in sample.query(
            "select schema_name || '.' || function_name, comment from duckdb_functions()"
            " where function_type = 'table_macro' and not internal"
        )
    }
    described = {
        f"main.{function['name']}": function["description"].strip()
        for function in manifest["functions"].values()
    }
    assert {name: commented[name] for name in described} == described
    indicators = {name: comment for name, comment in commented.items() if name not in described}
    assert all(str(name).startswith("indicators.") for name in indicators)
    assert str(indicators["indicators.rsi"]).startswith("Relative strength index. Source: Wilder")
    assert [name for name, comment in indicators.items() if not comment] == []
