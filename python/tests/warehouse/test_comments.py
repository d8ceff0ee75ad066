"""What a BI tool shows beside a table, a column or a macro are the words of its properties file."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest

from tests.support.warehouse import Warehouse

NOT_DESCRIBED = "('staging', 'build_state', 'information_schema', 'pg_catalog')"
LAYERS = "staging|bars|indicators|scanners|backtests|portfolio|risk|serving|seeds"
# what only those who have the project can follow
OUTSIDE = re.compile(r"\w\.(?:md|sql|yml|csv|py)\b|\b(?:models|macros|seeds|python)/|[a-z]__[a-z]")


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


def one_line(description: str) -> str:
    """Return a description with the line breaks of paragraphs, lists and formulas only."""
    lines: list[str] = []
    for line in description.strip().splitlines():
        starts = line.startswith("- ") or re.match(r" {4}\S", line)
        if not line or starts or not lines or not lines[-1]:
            lines.append(line)
        else:
            lines[-1] += f" {line.lstrip()}"
    return "\n".join(lines)


@pytest.fixture(scope="module")
def comments(sample: Warehouse) -> dict[str, str]:
    """Return every comment of a published relation, its columns, and the table macros."""
    unpublished = "select relation from build_state.unpublished"
    return {
        str(name): str(comment)
        for name, comment in sample.query(
            f"""
            with relations as (
                select schema_name || '.' || table_name as relation, comment from duckdb_tables()
                where schema_name not in {NOT_DESCRIBED}
                union all
                select schema_name || '.' || view_name, comment from duckdb_views()
                where not internal and schema_name not in {NOT_DESCRIBED}
            )
            from relations where relation not in ({unpublished})
            union all
            select relation || '.' || column_name, columns.comment
            from relations
            inner join duckdb_columns() as columns
                on relation = schema_name || '.' || table_name
            where relation not in ({unpublished})
            union
            select schema_name || '.' || function_name, comment from duckdb_functions()
            where function_type = 'table_macro' and not internal
            """
        )
        if comment
    }


def test_every_comment_explains_itself_in_the_file(comments: dict[str, str]) -> None:
    """It names no file of the project, and no relation that is not in the published file."""
    assert {name: said for name, said in comments.items() if OUTSIDE.search(said)} == {}
    lost = {
        f"{name}: {relation}"
        for name, said in comments.items()
        for relation in re.findall(rf"\b(?:{LAYERS})\.[a-z_]+", said)
        if relation not in comments
    }
    assert lost == set()


def test_no_comment_breaks_a_sentence_or_says_a_clause_twice(comments: dict[str, str]) -> None:
    broken = [name for name, said in comments.items() if said != one_line(said)]
    assert broken == []
    doubled = {
        name: clause
        for name, said in comments.items()
        for paragraph in re.split(r"\n(?:\n|- )", said)
        for clause, count in Counter(re.split(r"[.;:]\s+", f"{paragraph} ")).items()
        if count > 1 and " " in clause
    }
    assert doubled == {}


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
    described = {name: one_line(node["description"]) for name, node in relations.items()}
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
        (name, column["name"]): one_line(column["description"])
        for name, node in relations.items()
        for column in node["columns"].values()
    }
    assert {key: comment for key, comment in commented.items() if comment} == described
    # a private model describes only the columns that no other model does
    private = {name for name, node in relations.items() if node.get("access") == "private"}
    assert [
        key for key, comment in commented.items() if not comment and key[0] not in private
    ] == []


def by_default(argument: dict[str, Any]) -> str:
    default = argument.get("default_value")
    return "" if default is None else f", by default {default}"


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
        f"main.{function['name']}": "\n".join(
            [
                one_line(function["description"]),
                "",
                *(
                    f"- `{argument['name']}`{by_default(argument)}: {argument['description']}"
                    for argument in function["arguments"]
                ),
            ]
        )
        for function in manifest["functions"].values()
    }
    assert {name: commented[name] for name in described} == described
    indicators = {name: comment for name, comment in commented.items() if name not in described}
    assert all(str(name).startswith("indicators.") for name in indicators)
    assert indicators["indicators.rsi"] == (
        "Relative strength index. Source: Wilder (1978). 0 while the close has never moved.\n\n"
        "- `p_symbol`: Symbol of the series.\n"
        "- `p_timeframe`: Length of the bars: 1m, 5m, 15m, 30m, 1h, 1d or 1w.\n"
        "- `p_period`: a whole number of bars from 1 to 2047, by default 14."
    )
    assert [name for name, comment in indicators.items() if not comment] == []
