"""What a rule in SQL says, in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import duckdb

Node = dict[str, Any]

OF_NUMBERS = {
    "COMPARE_GREATERTHAN": "above",
    "COMPARE_GREATERTHANOREQUALTO": "at least",
    "COMPARE_LESSTHAN": "below",
    "COMPARE_LESSTHANOREQUALTO": "at most",
    "COMPARE_EQUAL": "equal to",
    "COMPARE_NOTEQUAL": "different from",
}
OF_TIMES = OF_NUMBERS | {
    "COMPARE_GREATERTHAN": "after",
    "COMPARE_GREATERTHANOREQUALTO": "not before",
    "COMPARE_LESSTHAN": "before",
    "COMPARE_LESSTHANOREQUALTO": "not after",
}
# how the columns of times end
TIMES = ("_time", "_date", "_ts", "_at")
# the least of some values is above a bound if each of them is
EACH = {
    "least": ("COMPARE_GREATERTHAN", "COMPARE_GREATERTHANOREQUALTO"),
    "greatest": ("COMPARE_LESSTHAN", "COMPARE_LESSTHANOREQUALTO"),
}


def parts(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[str, str | None]]:
    """
    Return the conditions that a rule consists of, each with its words.

    The rule is false where one of them is. A condition that is no plain comparison has None.
    """
    statement = _one(connection, "select json_serialize_sql('select ' || ?)", sql)
    parsed = json.loads(statement)
    if parsed["error"]:
        return [(sql, None)]
    select = parsed["statements"][0]["node"]["select_list"]
    found = []
    for node, words in _conditions(select[0]):
        select[:] = [node]
        text = _one(connection, "select json_deserialize_sql(?::json)", json.dumps(parsed))
        found.append((text.removeprefix("SELECT "), words))
    return found


def one_of(values: Iterable[object]) -> str:
    """Return the words for a column that must have one of some values."""
    return f"it is one of {', '.join(map(str, values))}"


def _one(connection: duckdb.DuckDBPyConnection, sql: str, value: str) -> str:
    [(found,)] = connection.execute(sql, [value]).fetchall()
    return str(found)


def _conditions(node: Node) -> Iterator[tuple[Node, str | None]]:
    match node:
        case {"type": "CONJUNCTION_AND", "children": children}:
            for child in children:
                yield from _conditions(child)
        case {"type": "CONJUNCTION_OR", "children": children} if others := [
            child for child in children if child["type"] != "OPERATOR_IS_NULL"
        ]:
            # what is not given need not be so
            guards = [child for child in children if child not in others]
            if len(others) > 1 or not guards:
                yield node, None
                return
            for part, words in _conditions(others[0]):
                yield node | {"children": [*guards, part]}, words
        case {"left": {"function_name": name, "arguments": arguments}, "type": kind} if (
            kind in EACH.get(name, ())
        ):
            for argument in arguments:
                compared = node | {"left": argument["expression"]}
                yield compared, _words(compared)
        case _:
            yield node, _words(node)


def _words(node: Node) -> str | None:
    match node:
        case {"type": "COMPARE_BETWEEN"}:
            one, low, high = (_value(node[side]) for side in ("input", "lower", "upper"))
            return f"{one} must be between {low} and {high}" if one and low and high else None
        case {"type": kind} if kind in OF_NUMBERS:
            one, other = _value(node["left"]), _value(node["right"])
            signs = OF_TIMES if one and one.endswith(TIMES) else OF_NUMBERS
            return f"{one} must be {signs[kind]} {other}" if one and other else None
        case {"type": "OPERATOR_COALESCE", "children": [first, {"literal": {"text": "false"}}]}:
            return _words(first)
        case {"function_name": "regexp_matches", "arguments": [of, pattern]}:
            one, form = _value(of["expression"]), _value(pattern["expression"])
            return f"{one} must match {form}" if one and form else None
        case {"type": "OPERATOR_IS_NULL", "children": [one]} if column := _value(one):
            return f"{column} must be empty"
        case {"type": "OPERATOR_IS_NOT_NULL", "children": [one]} if column := _value(one):
            return f"{column} must be given"
        case _:
            return None


def _value(node: Node) -> str | None:
    match node:
        case {"type": "COLUMN_REF", "column_names": names}:
            return str(names[-1])
        case {"type": "VALUE_CONSTANT", "literal": {"text": text}}:
            return str(text)
        case {"function_name": name, "arguments": arguments, "is_operator": is_operator}:
            values = [_value(argument["expression"]) for argument in arguments]
            if None in values:
                return None
            if is_operator:
                return f" {name} ".join(map(str, values))
            return f"the {name} of {', '.join(map(str, values))}" if name in EACH else None
        case _:
            return None
