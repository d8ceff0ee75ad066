"""
The slips in the seeds, each with its file and line, before dbt starts.

What a seed may hold is stated in its properties file, and only there: types of columns and data
tests of single rows. dbt checks the same after loading, and here they name the line of the CSV.
What depends on other tables, dbt alone tests.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import yaml

from duckbourse.names import did_you_mean, nearest
from duckbourse.warehouse import quoted
from duckbourse.words import counted

KINDS = {
    "date": "a date, such as 2010-05-28",
    "time": "a time of day, such as 09:50",
    "timestamp": "a time, such as 2010-05-28 09:50:00",
    "integer": "a whole number",
    "bigint": "a whole number",
    "boolean": "true or false",
}
NUMBER = "a number, such as 0.5"
WHOLE = re.compile(r"[+-]?\d+")

Cells = list[str | None]


@dataclass(frozen=True)
class Row:
    """A row of a CSV file by its columns, None where it is empty, and the line it starts on."""

    line: int
    values: Mapping[str, str | None]


@dataclass(frozen=True)
class Rule:
    """A condition in SQL on the columns of one row, and what is wrong if it is false."""

    sql: str
    problem: str


@dataclass
class Seed:
    """What the properties file of a seed says of it."""

    columns: list[str] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    sets: dict[str, list[str]] = field(default_factory=dict)
    keys: list[list[str]] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    delimiter: str = ","


def problems(folder: Path) -> list[str]:
    """Return every problem of every seed: a line that starts with the file and the line in it."""
    seeds, found = _seeds(folder)
    with duckdb.connect() as connection:
        for file in sorted(folder.rglob("*.csv")):
            place = file.relative_to(folder.parent)
            of_file = _of_file(connection, file, seeds.get(file.stem, Seed()))
            found += [f"{place}:{line}: {problem}" for line, problem in sorted(of_file)]
    return found


def _seeds(folder: Path) -> tuple[dict[str, Seed], list[str]]:
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
    columns = given.get("column_list") or ([column] if column else [])
    match name.removeprefix("dbt_expectations."):
        case "not_null" if column:
            seed.required.add(column)
        case "unique" | "expect_compound_columns_to_be_unique" if "row_condition" not in given:
            seed.keys.append(columns)
        case "accepted_values" | "expect_column_values_to_be_in_set" if column and len(given) == 1:
            seed.sets[column] = [str(value) for values in given.values() for value in values]
        case kind if (rule := _rule(kind, given, column)) and "config" not in content:
            described = content.get("description")
            seed.rules.append(replace(rule, problem=described) if described else rule)


def _rule(kind: str, given: Mapping[str, Any], column: str | None) -> Rule | None:
    match kind:
        case "expression_is_true" if given.keys() <= {"expression", "row_condition"}:
            sql = name = " ".join(str(given["expression"]).split())
        case "expect_column_values_to_be_between":
            strictly = given.get("strictly")
            bounds = [
                f"{column} {sign}{'' if strictly else '='} {given[bound]}"
                for bound, sign in (("min_value", ">"), ("max_value", "<"))
                if given.get(bound) is not None
            ]
            sql = name = " and ".join(bounds)
        case "expect_column_values_to_match_regex" if not given.keys() - {"regex", "row_condition"}:
            sql = f"regexp_matches({column}, {quoted(given['regex'])})"
            name = f"{column} matches {given['regex']}"
        case "expect_column_pair_values_A_to_be_greater_than_B":
            sign = ">=" if given.get("or_equal") else ">"
            sql = name = f"{given['column_A']} {sign} {given['column_B']}"
        case _:
            return None
    if "{{" in sql:
        return None  # it needs other tables
    if condition := given.get("row_condition"):
        sql = f"not ({condition}) or ({sql})"
    return Rule(sql, f"violates {name}")


def _of_file(
    connection: duckdb.DuckDBPyConnection, file: Path, seed: Seed
) -> Iterator[tuple[int, str]]:
    try:
        text = file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        yield error.object.count(b"\n", 0, error.start) + 1, "it is not UTF-8: save it as UTF-8"
        return
    lines, unread = _lines(text, seed.delimiter)
    if unread:
        yield unread, "a quoted value has no closing quote, or something after it"
    if not lines:
        return
    (_, header), *records = lines
    of_header = list(_of_header(header, seed))
    yield from ((1, problem) for problem in of_header)
    if of_header and all(len(values) != len(header) for _, values in records):
        return  # the header alone is wrong
    rows = []
    for line, values in records:
        if len(values) == len(header):
            rows.append(Row(line, dict(zip(header, (v or None for v in values), strict=True))))
            continue
        comma = "; quote any value that contains a comma" if len(values) > len(header) else ""
        yield line, f"{counted(len(values), 'value')}, but {counted(len(header), 'column')}{comma}"
    for check in (_blanks, _missing, _repeated, _outside):
        yield from check(rows, seed)
    yield from _untrue(connection, rows, seed)


def _lines(text: str, delimiter: str) -> tuple[list[tuple[int, list[str]]], int | None]:
    """Return the rows, each with the line that it starts on, and the line that ends the reading."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines = []
    start = 1
    try:
        for values in reader:
            if values:
                lines.append((start, values))
            start = reader.line_num + 1
    except csv.Error:
        return lines, start
    return lines, None


def _of_header(header: list[str], seed: Seed) -> Iterator[str]:
    expected = list(dict.fromkeys([*seed.columns, *seed.types]))
    if len(header) == 1 and len(expected) > 1 and (other := re.search(r"[;\t|]", header[0])):
        yield f"the columns are separated by {other[0]!r}: separate them by {seed.delimiter!r}"
        return
    missing = [name for name in expected if name not in header]
    for place, name in enumerate(header):
        if not name.strip():
            yield f"column {place + 1} has no name"
        elif name in header[:place]:
            yield f"there are two columns {name!r}"
        elif name not in expected:
            meant = [each for each in (nearest(name, missing),) if each]
            missing = [each for each in missing if each not in meant]
            # a seed whose columns are not described may have any
            if seed.columns or meant:
                yield f"there is no column {name!r}{did_you_mean(name, meant)}"
    if missing:
        yield f"there is no {', '.join(missing)}: add {counted(len(missing), 'column')}"


def _blanks(rows: list[Row], seed: Seed) -> Iterator[tuple[int, str]]:
    for row in rows:
        for name, value in row.values.items():
            if value and value != value.strip():
                yield row.line, f"{name} {value!r} has leading or trailing whitespace"


def _missing(rows: list[Row], seed: Seed) -> Iterator[tuple[int, str]]:
    for row in rows:
        for name in row.values:
            if name in seed.required and row.values[name] is None:
                yield row.line, f"{name} is empty"


def _repeated(rows: list[Row], seed: Seed) -> Iterator[tuple[int, str]]:
    for key in seed.keys:
        if not rows or not rows[0].values.keys() >= set(key):
            continue
        first: dict[tuple[str | None, ...], int] = {}
        for row in rows:
            values = tuple(row.values.get(name) for name in key)
            if not any(values):
                continue
            line = first.setdefault(values, row.line)
            if line != row.line:
                named = ", ".join(f"{n} {v}" for n, v in zip(key, values, strict=True) if v)
                yield row.line, f"{named} is already on line {line}"


def _outside(rows: list[Row], seed: Seed) -> Iterator[tuple[int, str]]:
    for row in rows:
        for name, known in seed.sets.items():
            value = row.values.get(name)
            if value is not None and value not in known:
                hint = did_you_mean(value, known) or f": it is one of {', '.join(known)}"
                yield row.line, f"{name} {value!r} is not known{hint}"


def _untrue(
    connection: duckdb.DuckDBPyConnection, rows: list[Row], seed: Seed
) -> Iterator[tuple[int, str]]:
    if not rows:
        return
    names = list(rows[0].values)
    types = [seed.types.get(name, "varchar") for name in names]
    cells: list[Cells] = [list(row.values.values()) for row in rows]
    rules = seed.rules
    found = _broken(connection, names, types, cells, rules)
    if found is None:  # dbt says more of a rule that cannot be run
        rules = [
            rule for rule in rules if _broken(connection, names, types, cells, [rule]) is not None
        ]
        found = _broken(connection, names, types, cells, rules) or []
    for place, misread, broken in found:
        row = rows[place]
        for name, kind, value, is_misread in zip(names, types, cells[place], misread, strict=True):
            if is_misread and value:
                yield row.line, f"{name} {value!r} is not {KINDS.get(kind.lower(), NUMBER)}"
        for rule, is_broken in zip(rules, broken, strict=True):
            if is_broken:
                said = [f"{n} = {row.values[n]}" for n in names if _is_in(rule, n)]
                yield row.line, f"{rule.problem}: {', '.join(said)}"


def _broken(
    connection: duckdb.DuckDBPyConnection,
    names: list[str],
    types: list[str],
    cells: list[Cells],
    rules: list[Rule],
) -> list[tuple[int, list[bool], list[bool]]] | None:
    """Return the rows with a value that is not of its type, or a rule that is false."""
    typed = ", ".join(
        f"try_cast(cells[{i}] as {kind}) as {_identifier(name)}"
        for i, (name, kind) in enumerate(zip(names, types, strict=True), start=1)
    )
    misread = ", ".join(
        f"cells[{i}] is not null and {_identifier(name)} is null"
        # a cast to a whole number rounds
        + (f" or not regexp_full_match(cells[{i}], '{WHOLE.pattern}')" if _is_whole(kind) else "")
        for i, (name, kind) in enumerate(zip(names, types, strict=True), start=1)
    )
    broken = ", ".join(f"not ({rule.sql})" for rule in rules)
    try:
        return connection.execute(
            f"""
            select place, misread, broken
            from (
                select place, [{misread}] as misread, [{broken}]::boolean[] as broken
                from (
                    select *, {typed}
                    from (
                        select
                            unnest(range(len($cells))) as place,
                            unnest($cells::varchar[][]) as cells
                    )
                )
            )
            where list_contains(misread, true) or list_contains(broken, true)
            order by place
            """,
            {"cells": cells},
        ).fetchall()
    except duckdb.Error:
        return None


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _is_in(rule: Rule, column: str) -> bool:
    return re.search(rf"\b{re.escape(column)}\b", rule.sql) is not None


def _is_whole(kind: str) -> bool:
    return kind.lower() in ("integer", "bigint")
