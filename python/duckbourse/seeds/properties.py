"""What the properties files of the seeds say of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from duckbourse.warehouse import quoted


@dataclass(frozen=True)
class Rule:
    """
    A condition in SQL on the columns of one row, for the rows of which another one is true.

    Its words are what is wrong if it is false; None if the condition has to say so. A warning has
    the name of its data test.
    """

    sql: str
    words: str | None = None
    condition: str = "true"
    warning: str | None = None


@dataclass(frozen=True)
class Reference:
    """Names in a column that have to exist elsewhere; `names_what_exists` describes the fields."""

    column: str
    noun: str
    to: str
    field: str
    of: str = "true"
    among: str = "true"
    remedy: str | None = None
    warning: str | None = None


@dataclass(frozen=True)
class Cover:
    """Rows that a seed has to have; `has_a_row_for_each` describes the fields."""

    columns: list[str]
    of: str
    among: str = "true"


@dataclass
class Seed:
    """What the properties file of a seed says of it."""

    columns: list[str] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    sets: dict[str, list[str]] = field(default_factory=dict)
    keys: list[list[str]] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    covers: list[Cover] = field(default_factory=list)
    delimiter: str = ","


def seeds_in(folder: Path) -> tuple[dict[str, Seed], list[str]]:
    """Return the seeds that properties files describe, and the lines that are no YAML."""
    seeds, unread = {}, []
    for file in sorted(folder.rglob("*.yml")):
        try:
            content = yaml.load(file.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except yaml.YAMLError as error:
            unread.append(f"{file.relative_to(folder.parent)}:{_of_yaml(error)}")
            continue
        for properties in (content.get("seeds") or []) if isinstance(content, dict) else []:
            with suppress(KeyError, TypeError, AttributeError):  # dbt says what is wrong with it
                seeds[properties["name"]] = _seed(properties)
    return seeds, unread


def _of_yaml(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError):
        return f"1: it cannot be read as YAML: {' '.join(str(error).split())}"
    # a quote that is never closed is where it opens
    mark = error.context_mark if "end of stream" in str(error.problem) else error.problem_mark
    line = mark.line + 1 if mark else 1
    return f"{line}: it cannot be read as YAML: {error.problem}"


def _seed(properties: Mapping[str, Any]) -> Seed:
    config = properties.get("config") or {}
    seed = Seed(
        columns=[column["name"] for column in properties.get("columns") or []],
        types=dict(config.get("column_types") or {}),
        delimiter=config.get("delimiter") or ",",
    )
    for test in properties.get("data_tests") or []:
        _add_test(seed, test, None)
    for column in properties.get("columns") or []:
        for test in column.get("data_tests") or []:
            _add_test(seed, test, column["name"])
    return seed


def _add_test(seed: Seed, test: str | Mapping[str, Any], column: str | None) -> None:
    name, content = (test, {}) if isinstance(test, str) else next(iter(test.items()))
    given = content.get("arguments") or {}
    config = content.get("config") or {}
    if config.keys() - {"severity"}:
        return
    warning = content.get("name") if config.get("severity") == "warn" else None
    columns = given.get("column_list") or ([column] if column else [])
    match name.removeprefix("dbt_expectations."):
        case "not_null" if column:
            seed.required.add(column)
        case "unique" | "expect_compound_columns_to_be_unique" if "row_condition" not in given:
            seed.keys.append(columns)
        case "accepted_values" | "expect_column_values_to_be_in_set" if column and len(given) == 1:
            seed.sets[column] = [str(value) for values in given.values() for value in values]
        case "names_what_exists" if column:
            seed.references.append(Reference(column, **{"field": column} | given, warning=warning))
        case "has_a_row_for_each":
            seed.covers.append(Cover(columns, given["of"], given.get("among", "true")))
        case kind if sql := _condition(kind, given, column):
            condition = given.get("row_condition") or "true"
            seed.rules.append(Rule(sql, content.get("description"), condition, warning))


def _condition(kind: str, given: Mapping[str, Any], column: str | None) -> str | None:
    match kind:
        case "expression_is_true" if given.keys() <= {"expression", "row_condition"}:
            return " ".join(str(given["expression"]).split())
        case "expect_column_values_to_be_between":
            equal = "" if given.get("strictly") else "="
            return " and ".join(
                f"{column} {sign}{equal} {given[bound]}"
                for bound, sign in (("min_value", ">"), ("max_value", "<"))
                if given.get(bound) is not None
            )
        case "expect_column_values_to_match_regex" if not given.keys() - {"regex", "row_condition"}:
            return f"regexp_matches({column}, {quoted(given['regex'])})"
        case "expect_column_pair_values_A_to_be_greater_than_B":
            sign = ">=" if given.get("or_equal") else ">"
            return f"{given['column_A']} {sign} {given['column_B']}"
    return None
