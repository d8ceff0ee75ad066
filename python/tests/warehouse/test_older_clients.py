"""
What is stored avoids what clients before DuckDB 2.0 misread.

`python/benchmarks/try_clients.py` asks those clients themselves; this needs none of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from duckbourse.warehouse import quoted
from tests.support.warehouse import Warehouse

# DuckDB 2.0 stores each as a function; before 2.0 there is none of that name
UNKNOWN = {"if", "ifnull"}


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    for child in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(child, dict | list):
            yield from nodes(child)


def faults(sample: Warehouse, query: str) -> set[str]:
    """Return what older clients misread in the stored tree of a query."""
    [(serialized,)] = sample.query(f"select json_serialize_sql({quoted(query)})::varchar")
    tree = json.loads(str(serialized))
    assert not tree["error"], tree
    found = set()
    for node in nodes(tree):
        name = node.get("function_name")
        if node.get("class") == "WINDOW":
            if name in ("lag", "lead") and len(node["arguments"]) > 1:
                found.add(f"offset of {name}")
            if node["start_expr"] or node["end_expr"]:
                found.add("bound of a frame")
        if name in UNKNOWN:
            found.add(f"{name}(…)")
    return found


def test_macros_and_views_avoid_what_older_clients_misread(sample: Warehouse) -> None:
    stored = sample.query(
        "select schema_name || '.' || function_name, macro_definition from duckdb_functions()"
        " where function_type = 'table_macro' and not internal"
        " union all select schema_name || '.' || view_name, regexp_extract(sql, ' AS (.*)', 1, 's')"
        " from duckdb_views() where not internal and schema_name not in ('staging', 'build_state')"
    )
    assert len(stored) > 70
    assert {name: found for name, query in stored if (found := faults(sample, str(query)))} == {}


def test_text_of_a_macro_is_one_concat(sample: Warehouse) -> None:
    # as hundreds of nested `||`, DuckDB 1.5 plans `indicators.aroon` for minutes
    texts = sample.query(
        "select function_name, macro_definition from duckdb_functions()"
        " where schema_name = 'indicators' and function_type = 'table_macro'"
    )
    assert {name for name, text in texts if "FROM query(concat(" not in str(text)} == set()


def test_each_fault_is_found(sample: Warehouse) -> None:
    assert faults(sample, "select lag(x) over (order by y), case when x then y end from t") == set()
    assert faults(sample, "select lag(x, 2) over (order by y) from t") == {"offset of lag"}
    assert faults(
        sample, "select sum(x) over (order by y rows between 5 preceding and current row) from t"
    ) == {"bound of a frame"}
    assert faults(sample, "select if(x, y, z) from t") == {"if(…)"}
