"""The slips in the rows of one seed, each with its line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import duckdb

from duckbourse import rules
from duckbourse.names import did_you_mean
from duckbourse.rules import one_of
from duckbourse.seeds.files import File, Row
from duckbourse.seeds.properties import Rule
from duckbourse.warehouse import identifier

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

Slips = Iterator[tuple[int, str]]


def single_values(file: File) -> Slips:
    """Yield what is wrong with values, whatever else there is: blanks, gaps, repeats, words."""
    for check in (_blanks, _missing, _repeated, _outside):
        yield from check(file)


def load(connection: duckdb.DuckDBPyConnection, file: File) -> Slips:
    """Make a table of the seed's name, and yield the values that are not of their type."""
    names = file.columns
    types = [file.seed.types.get(name, "varchar") for name in names]
    cells = [list(row.values.values()) for row in file.rows]
    typed = ", ".join(
        f"try_cast(cells[{i}] as {kind}) as {identifier(name)}"
        for i, (name, kind) in enumerate(zip(names, types, strict=True), start=1)
    )
    connection.execute(
        f"create table {identifier(file.name)} as select {typed}"
        " from (select unnest($cells::varchar[][]) as cells)",
        {"cells": cells},
    )
    kinds = {n: k for n, k in zip(names, types, strict=True) if k.lower() != "varchar"}
    if not kinds or not file.rows:
        return
    are_read = ", ".join(f"list({identifier(name)} is not null order by rowid)" for name in kinds)
    [lists] = connection.execute(f"select {are_read} from {identifier(file.name)}").fetchall()
    for (name, kind), read in zip(kinds.items(), lists, strict=True):
        for row, is_read in zip(file.rows, read, strict=True):
            value = row.values[name]
            # a cast to a whole number rounds
            if value and not (is_read and (not _is_whole(kind) or WHOLE.fullmatch(value))):
                row.slipped.add(name)
                yield row.line, f"{name} {value!r} is not {KINDS.get(kind.lower(), NUMBER)}"


def broken_rules(
    connection: duckdb.DuckDBPyConnection, file: File, given: Iterable[Rule]
) -> Iterator[tuple[Row, Rule, str]]:
    """Yield each row that breaks a rule, once for each of the rule's conditions, with its words."""
    rules_of_file = list(given)
    try:
        broken = _is_any_broken(connection, file, rules_of_file)
    except duckdb.Error:
        broken = True
    if not broken:
        return
    for rule in rules_of_file:
        # dbt says more of a rule that cannot be run
        for row in _rows_against(connection, file, rule, rule.sql) or []:
            yield from _conditions(connection, file, rule, row)


def _is_any_broken(
    connection: duckdb.DuckDBPyConnection, file: File, given: Iterable[Rule]
) -> bool:
    wrong = " or ".join(f"(({rule.condition}) and not ({rule.sql}))" for rule in given)
    query = f"select 1 from {identifier(file.name)} where {wrong or 'false'} limit 1"
    return bool(connection.execute(query).fetchall())


def _conditions(
    connection: duckdb.DuckDBPyConnection, file: File, rule: Rule, row: Row
) -> Iterator[tuple[Row, Rule, str]]:
    split = [(rule.sql, rule.words)] if rule.words else rules.parts(connection, rule.sql)
    for sql, words in split:
        against = _rows_against(connection, file, rule, sql)
        if against is None or row in against:
            of_rule = f"{rule.condition} {sql}" if rule.words else sql
            values = [f"{name} = {row.values[name]}" for name in _in(of_rule, file.columns)]
            yield row, rule, f"{words or f'violates {sql}'}: {', '.join(values)}"


def _rows_against(
    connection: duckdb.DuckDBPyConnection, file: File, rule: Rule, sql: str
) -> list[Row] | None:
    columns = set(_in(f"{rule.condition} {sql}", file.columns))
    try:
        found = connection.execute(
            f"select rowid from {identifier(file.name)}"
            f" where ({rule.condition}) and not ({sql}) order by rowid"
        ).fetchall()
    except duckdb.Error:
        return None
    rows = [file.rows[place] for (place,) in found]
    return [row for row in rows if not row.slipped & columns]


def _blanks(file: File) -> Slips:
    for row in file.rows:
        for name, value in row.values.items():
            if value and value != value.strip():
                row.slipped.add(name)
                yield row.line, f"{name} {value!r} has leading or trailing whitespace"


def _missing(file: File) -> Slips:
    for row in file.rows:
        for name in row.values:
            if name in file.seed.required and row.values[name] is None:
                row.slipped.add(name)
                yield row.line, f"{name} is empty"


def _repeated(file: File) -> Slips:
    for key in file.seed.keys:
        if not set(file.columns) >= set(key):
            continue
        first: dict[tuple[str | None, ...], int] = {}
        for row in file.rows:
            values = tuple(row.values.get(name) for name in key)
            if not any(values):
                continue
            line = first.setdefault(values, row.line)
            if line != row.line:
                row.slipped.update(key)
                named = ", ".join(f"{n} {v}" for n, v in zip(key, values, strict=True) if v)
                yield row.line, f"{named} is already on line {line}"


def _outside(file: File) -> Slips:
    for row in file.rows:
        for name, known in file.seed.sets.items():
            value = row.values.get(name)
            if value is not None and value not in known and name not in row.slipped:
                row.slipped.add(name)
                hint = did_you_mean(value, known) or f": {one_of(known)}"
                yield row.line, f"{name} {value!r} is not known{hint}"


def _in(sql: str, columns: Iterable[str]) -> list[str]:
    return [name for name in columns if re.search(rf"\b{re.escape(name)}\b", sql)]


def _is_whole(kind: str) -> bool:
    return kind.lower() in ("integer", "bigint")
