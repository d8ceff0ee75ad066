"""
What differs between two publications: relations, columns, and rows by their keys.

Tables whose rows have the same hashes are equal and cost one scan each. Of the others, only rows
without an identical one on the other side are joined, by the key that the publication states;
without a key, rows are counted as a multiset. Views and macros differ if their SQL does. All of it
is SQL over both files, attached read-only, within the memory of the settings; beyond it, DuckDB
spills to a temporary folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import duckdb

from duckbourse.errors import BadInput, ConfigurationError, StorageFull
from duckbourse.names import did_you_mean
from duckbourse.publish import NOT_PUBLISHED
from duckbourse.settings import settings
from duckbourse.warehouse import fetch_rows, is_full, one_line, quoted

Kind = Literal["table", "view", "macro"]
Watch = Callable[[str, float], None]

BEFORE, AFTER = "before", "after"
# it states which publication a file is, and differs always
RECORD = "serving.publication"
# Columns that say what a row was made from. Any edit changes them in every row, whether or not it
# changes a value.
PROVENANCE = ("run_id", "scanner_version", "code_version", "data_version")
FLOATS = ("DOUBLE", "FLOAT")
NUMBERS = re.compile(r"DOUBLE|FLOAT|DECIMAL.*|U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)")
# What a row with a key of one column is about, such as a signal: its first columns of these types.
ABOUT = ("VARCHAR", "DATE", "TIME", "TIMESTAMP")
MOST_ABOUT = 6
# DuckDB writes the names in another order each time that it stores the SQL
EXCLUDED = re.compile(r"EXCLUDE \(([^()]*)\)")
RELATIONS = """
    select
        schema_name || '.' || table_name as name,
        'table' as kind,
        '' as text,
        estimated_size as row_count
    from duckdb_tables() where database_name = $side
    union all
    select schema_name || '.' || view_name, 'view', sql, 0
    from duckdb_views() where database_name = $side and not internal
    union all
    select
        schema_name || '.' || function_name,
        'macro',
        string_agg(parameters::varchar || macro_definition, ';' order by parameters::varchar),
        0
    from duckdb_functions()
    where database_name = $side and not internal and function_type in ('macro', 'table_macro')
    group by all
    order by all
"""
COLUMNS = """
    select schema_name || '.' || table_name as relation, column_name as name, data_type as type
    from duckdb_columns() where database_name = $side and not internal
    order by relation, column_index
"""


@dataclass(frozen=True)
class Tolerance:
    """Two DOUBLEs are equal if they differ by no more than `absolute` + `relative` x the larger."""

    relative: float = 1e-9
    absolute: float = 1e-12


@dataclass(frozen=True)
class Relation:
    """A table, view or macro of one publication; `text` is the SQL of a view or macro."""

    name: str
    kind: Kind
    text: str
    row_count: int
    columns: Mapping[str, str]


@dataclass(frozen=True)
class ColumnChange:
    """A column of which so many rows differ; `largest` is the largest difference of DOUBLEs."""

    name: str
    row_count: int
    largest: float | None


@dataclass
class Change:
    """
    A relation that differs.

    `key` is empty where rows are compared as a whole. Rows `within_tolerance` count as equal.
    Columns that are not on both sides with the same type are not compared.
    """

    name: str
    kind: Kind
    status: Literal["added", "removed", "changed"]
    rows_before: int | None = None
    rows_after: int | None = None
    rows_added: int = 0
    rows_removed: int = 0
    rows_changed: int = 0
    rows_within_tolerance: int = 0
    key: Sequence[str] = ()
    columns: Sequence[ColumnChange] = ()
    columns_added: Mapping[str, str] = field(default_factory=dict)
    columns_removed: Mapping[str, str] = field(default_factory=dict)
    types_changed: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    is_redefined: bool = False

    @property
    def is_of_columns(self) -> bool:
        """Whether columns or types differ."""
        return bool(self.columns_added or self.columns_removed or self.types_changed)

    @property
    def is_difference(self) -> bool:
        """Whether anything differs beyond the tolerance."""
        return (
            self.status != "changed"
            or self.is_of_columns
            or self.is_redefined
            or bool(self.rows_added or self.rows_removed or self.rows_changed)
        )


@dataclass(frozen=True)
class Row:
    """
    A row that differs.

    `about` says what the row is about if its key does not. `before` and `after` hold what differs
    of a row that changed, and every other column of one that is only on one side.
    """

    status: Literal["added", "removed", "changed"]
    key: Mapping[str, Any]
    about: Mapping[str, Any]
    before: Mapping[str, Any]
    after: Mapping[str, Any]


@dataclass(frozen=True)
class Counts:
    """The number of relations of a kind that were compared, and that differ."""

    compared: int
    different: int


class Comparison:
    """Two publications, to be compared; `opened` makes one."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        tolerance: Tolerance,
        ignored: Collection[str] = (),
    ) -> None:
        self._connection = connection
        self._tolerance = tolerance
        self.before = self._relations(BEFORE)
        self.after = self._relations(AFTER)
        both = (*self.before.values(), *self.after.values())
        self._columns = {column for relation in both for column in relation.columns}
        self.ignored = [name for name in ignored if name in self._columns]
        # of the later publication, since an old one may state none
        self._keys = self._stated_keys(BEFORE) | self._stated_keys(AFTER)

    def check_columns(self, names: Collection[str]) -> None:
        """Raise ConfigurationError for a column that no table has."""
        known = sorted(self._columns)
        for name in names:
            if name not in known:
                raise ConfigurationError(
                    f"neither publication has a column {name!r}{did_you_mean(name, known)}",
                    "`./bourse tables NAME` lists the columns of a table",
                )

    def choose(self, names: Collection[str]) -> None:
        """Compare only these tables; raise ConfigurationError for a name that neither has."""
        known = [*self.before, *self.after]
        tables = sorted({name for name in known if self._either(name).kind == "table"})
        for name in names:
            if name not in known:
                raise ConfigurationError(
                    f"neither publication has a table {name!r}{did_you_mean(name, tables)}",
                    "`./bourse tables` lists those that are published",
                )
            if name not in tables:
                raise ConfigurationError(
                    f"{name} is a {self._either(name).kind}, of which no rows are stored",
                    "name the tables that it reads",
                )
        self.before = {name: each for name, each in self.before.items() if name in names}
        self.after = {name: each for name, each in self.after.items() if name in names}

    def changes(self, watch: Watch = lambda name, share: None) -> list[Change]:
        """Return the relations that differ, or are equal only within the tolerance."""
        names = sorted(self.before.keys() | self.after.keys())
        # as long as there are values to read
        cost = {name: self._cost(name) for name in names}
        total, done = sum(cost.values()), 0
        found = []
        for name in names:
            watch(name, done / total)
            if change := self._change(name):
                found.append(change)
            done += cost[name]
        return found

    def counts(self, changes: Sequence[Change]) -> dict[Kind, Counts]:
        """Return how many relations of each kind were compared, and how many differ."""
        names = self.before.keys() | self.after.keys()
        kinds: tuple[Kind, ...] = ("table", "view", "macro")
        return {
            kind: Counts(
                sum(self._either(name).kind == kind for name in names),
                sum(change.kind == kind and change.is_difference for change in changes),
            )
            for kind in kinds
        }

    def rows(self, change: Change, limit: int) -> list[Row]:
        """
        Return the rows of a table that say most: of the removed, changed and added ones in turn.

        Those that changed are in the order of their largest relative difference; others, and equals
        among them, are in the order of the key.
        """
        if change.status != "changed":
            side = AFTER if change.status == "added" else BEFORE
            found = self._fetch(f"from {_table(side, change.name)} limit {limit}")
            return [_on_one_side(change.status, row) for row in found]
        columns = self._common(change.name)
        if not change.key:
            return self._rows_without_key(change.name, columns, limit)
        with self._unmatched(change.name, columns):
            return self._rows_by_key(change.key, columns, limit)

    def _relations(self, side: str) -> dict[str, Relation]:
        columns: dict[str, dict[str, str]] = {}
        for row in self._fetch(COLUMNS, side=side):
            columns.setdefault(row["relation"], {})[row["name"]] = row["type"]
        found = {
            row["name"]: Relation(
                **row | {"text": EXCLUDED.sub(_in_order, row["text"])},
                columns=columns.get(row["name"], {}),
            )
            for row in self._fetch(RELATIONS, side=side)
        }
        left_out = {RECORD}
        if "build_state.unpublished" in found:  # a build file
            unpublished = self._fetch(f"select relation from {side}.build_state.unpublished")
            left_out |= {row["relation"] for row in unpublished}
        return {
            name: relation
            for name, relation in found.items()
            if name not in left_out and name.partition(".")[0] not in NOT_PUBLISHED
        }

    def _stated_keys(self, side: str) -> dict[str, list[str]]:
        try:
            [row] = self._fetch(f"select keys from {side}.{RECORD}")
        except (duckdb.Error, ValueError):
            return {}
        return row["keys"] or {}

    def _either(self, name: str) -> Relation:
        return self.after.get(name) or self.before[name]

    def _cost(self, name: str) -> int:
        sides = [side[name] for side in (self.before, self.after) if name in side]
        return 1 + sum(each.row_count * len(each.columns) for each in sides)

    def _change(self, name: str) -> Change | None:
        before, after = self.before.get(name), self.after.get(name)
        if before is None or after is None or before.kind != after.kind:
            return self._change_of_one(before, after)
        change = Change(name, after.kind, "changed", is_redefined=before.text != after.text)
        old, new = before.columns, after.columns
        change.columns_added = {column: new[column] for column in new if column not in old}
        change.columns_removed = {column: old[column] for column in old if column not in new}
        change.types_changed = {
            column: (old[column], new[column])
            for column in new
            if column in old and old[column] != new[column]
        }
        is_same = True
        if after.kind == "table":
            is_same = self._compare_rows(change)
        return None if is_same and not change.is_difference else change

    def _change_of_one(self, before: Relation | None, after: Relation | None) -> Change:
        if after is None:
            assert before is not None
            return Change(
                before.name, before.kind, "removed", rows_before=self._count(BEFORE, before)
            )
        # a relation of another kind is a new one
        return Change(after.name, after.kind, "added", rows_after=self._count(AFTER, after))

    def _count(self, side: str, relation: Relation) -> int | None:
        if relation.kind != "table":
            return None
        [row] = self._fetch(f"select count(*) as rows from {_table(side, relation.name)}")
        return int(row["rows"])

    def _common(self, name: str) -> dict[str, str]:
        before, after = self.before[name].columns, self.after[name].columns
        return {
            column: type
            for column, type in after.items()
            if before.get(column) == type and column not in self.ignored
        }

    def _compare_rows(self, change: Change) -> bool:
        """Fill in how the rows differ; return whether all are identical."""
        columns = self._common(change.name)
        hashed = f"hash(hash({_list(columns) or '1'}))"
        (old, old_sum), (new, new_sum) = (
            self._fetch(
                f"select count(*) as n, sum({hashed}) as total from {_table(side, change.name)}"
            )[0].values()
            for side in (BEFORE, AFTER)
        )
        change.rows_before, change.rows_after = old, new
        if old == new and old_sum == new_sum:
            return True
        key = self._keys.get(change.name, [])
        if not (key and set(key) <= columns.keys() and self._compare_by_key(change, key, columns)):
            self._compare_as_multiset(change, hashed)
        return False

    def _compare_as_multiset(self, change: Change, hashed: str) -> None:
        [counts] = self._fetch(f"""
            select
                sum(greatest(is_after - is_before, 0))::bigint as added,
                sum(greatest(is_before - is_after, 0))::bigint as removed
            from (
                select row_hash, sum(is_before) as is_before, sum(is_after) as is_after
                from (
                    select {hashed} as row_hash, 1 as is_before, 0 as is_after
                    from {_table(BEFORE, change.name)}
                    union all
                    select {hashed}, 0, 1 from {_table(AFTER, change.name)}
                )
                group by row_hash
            )
        """)
        change.rows_added, change.rows_removed = counts["added"], counts["removed"]

    def _compare_by_key(
        self, change: Change, key: Sequence[str], columns: Mapping[str, str]
    ) -> bool:
        """Fill in how the rows differ; return False if the key is not one."""
        values = [column for column in columns if column not in key]
        assert change.rows_before is not None and change.rows_after is not None
        with self._unmatched(change.name, columns):
            [sizes] = self._fetch(f"""
                select
                    (select count(*) from gone) as gone,
                    (select count(*) from come) as come,
                    (select count(*) from (select distinct {_list(key)} from gone)) as gone_keys,
                    (select count(*) from (select distinct {_list(key)} from come)) as come_keys
            """)
            if (
                sizes["gone"] != sizes["gone_keys"]
                or sizes["come"] != sizes["come_keys"]
                or change.rows_before - sizes["gone"] != change.rows_after - sizes["come"]
            ):
                return False
            is_both = "gone.is_there and come.is_there"
            differs = {column: self._differs(column, columns[column]) for column in values}
            any_differs = " or ".join(differs.values()) or "false"
            parts = [
                "count(*) filter (gone.is_there is null) as added",
                "count(*) filter (come.is_there is null) as removed",
                f"count(*) filter ({is_both} and ({any_differs})) as changed",
                f"count(*) filter ({is_both} and not ({any_differs})) as near",
            ]
            for number, column in enumerate(values):
                parts.append(f"count(*) filter ({is_both} and {differs[column]}) as count_{number}")
                if columns[column] in FLOATS:
                    parts.append(
                        f"max(abs(gone.{_name(column)} - come.{_name(column)}))"
                        f" filter ({is_both} and {differs[column]}) as largest_{number}"
                    )
            [found] = self._fetch(f"select {', '.join(parts)} from {_joined(key)}")
        change.key = tuple(key)
        change.rows_added, change.rows_removed = found["added"], found["removed"]
        change.rows_changed, change.rows_within_tolerance = found["changed"], found["near"]
        change.columns = tuple(
            ColumnChange(column, found[f"count_{number}"], found.get(f"largest_{number}"))
            for number, column in enumerate(values)
            if found[f"count_{number}"]
        )
        return True

    def _differs(self, column: str, type: str) -> str:
        one, other = f"gone.{_name(column)}", f"come.{_name(column)}"
        if type not in FLOATS:
            return f"({one} is distinct from {other})"
        allowed = (
            f"{self._tolerance.absolute!r}::double"
            f" + {self._tolerance.relative!r}::double * greatest(abs({one}), abs({other}))"
        )
        # an infinity is near nothing, and neither is what is not a number
        return (
            f"({one} is distinct from {other} and not coalesce(isfinite({one}) and"
            f" isfinite({other}) and abs({one} - {other}) <= {allowed}, false))"
        )

    @contextmanager
    def _unmatched(self, name: str, columns: Collection[str]) -> Iterator[None]:
        """Make the tables `gone` and `come` of the rows that the other side does not have."""
        listed = _list(columns)
        for table, side, other in (("gone", BEFORE, AFTER), ("come", AFTER, BEFORE)):
            self._connection.execute(f"""
                create or replace temp table {table} as
                select {listed}, true as is_there from {_table(side, name)}
                anti join (select hash({listed}) as "row hash" from {_table(other, name)}) as known
                    on hash({listed}) = known."row hash"
            """)
        try:
            yield
        finally:
            self._connection.execute("drop table gone; drop table come")

    def _rows_by_key(self, key: Sequence[str], columns: Mapping[str, str], limit: int) -> list[Row]:
        values = [column for column in columns if column not in key]
        about: list[str] = []
        if len(key) == 1:
            is_about = [columns[column] in ABOUT for column in values]
            about = values[: [*is_about, False].index(False)][:MOST_ABOUT]
        named = [*about, *key]
        differs = {column: self._differs(column, columns[column]) for column in values}
        parts = [
            "gone.is_there is null",
            "come.is_there is null",
            *(f"coalesce(come.{_name(name)}, gone.{_name(name)})" for name in named),
            *(f"gone.{_name(name)}" for name in values),
            *(f"come.{_name(name)}" for name in values),
            *differs.values(),
        ]
        by_key = ", ".join(parts[2 : 2 + len(named)])
        far = [
            f"if({differs[column]}, {_relative(column)}, 0)"
            for column in values
            if NUMBERS.fullmatch(columns[column])
        ]
        # each sorted alone: a window over all of them would sort every row that differs
        found = [
            self._connection.execute(f"""
                select {", ".join(parts)} from {_joined(key)} where {are_these}
                order by {f"greatest({', '.join(far)}) desc," if far else ""} {by_key}
                limit {limit}
            """).fetchall()
            for are_these in (
                "come.is_there is null",
                f"gone.is_there and come.is_there and ({' or '.join(differs.values()) or 'false'})",
                "gone.is_there is null",
            )
        ]
        rows = []
        in_turn = (row for turn in zip_longest(*found) for row in turn if row is not None)
        for is_added, is_removed, *rest in islice(in_turn, limit):
            names = dict(zip(named, rest, strict=False))
            keys = {name: names[name] for name in key}
            rest = rest[len(named) :]
            old, new = (dict(zip(values, rest[begin:], strict=False)) for begin in (0, len(values)))
            if is_added or is_removed:
                left = [name for name in values if name not in about]
            else:
                left = [
                    name
                    for name, is_it in zip(values, rest[2 * len(values) :], strict=True)
                    if is_it
                ]
            rows.append(
                Row(
                    "added" if is_added else "removed" if is_removed else "changed",
                    keys,
                    {name: names[name] for name in about},
                    {} if is_added else {name: old[name] for name in left},
                    {} if is_removed else {name: new[name] for name in left},
                )
            )
        return rows

    def _rows_without_key(self, name: str, columns: Collection[str], limit: int) -> list[Row]:
        rows: list[Row] = []
        listed = _list(columns)
        sides: tuple[tuple[Literal["removed", "added"], str, str], ...] = (
            ("removed", BEFORE, AFTER),
            ("added", AFTER, BEFORE),
        )
        for status, side, other in sides:
            found = self._fetch(f"""
                select {listed} from {_table(side, name)}
                except all
                select {listed} from {_table(other, name)}
                order by all limit {limit - len(rows)}
            """)
            rows += [_on_one_side(status, row) for row in found]
        return rows

    def _fetch(self, query: str, **values: str) -> list[dict[str, Any]]:
        return fetch_rows(self._connection, query, values or None)


@contextmanager
def opened(
    before: Path,
    after: Path,
    tolerance: Tolerance | None = None,
    ignored: Collection[str] = (),
) -> Iterator[Comparison]:
    """
    Open two files of publications to compare them, except for columns of the ignored names.

    Rows whose key has such a column are compared as a whole.

    Raise BadInput for a file that cannot be read, and StorageFull if there is no space to spill.
    """
    with (
        TemporaryDirectory(prefix="duckbourse-diff-") as spill,
        duckdb.connect() as connection,
    ):
        connection.execute(f"set temp_directory = {quoted(spill)}")
        connection.execute(f"set memory_limit = {quoted(settings().memory_limit)}")
        connection.execute(f"set threads = {settings().threads}")
        connection.execute("set preserve_insertion_order = false")
        connection.execute("set TimeZone = 'UTC'")
        for side, path in ((BEFORE, before), (AFTER, after)):
            try:
                connection.execute(f"attach {quoted(path)} as {side} (read_only)")
            except duckdb.Error as error:
                raise BadInput(
                    f"{path} cannot be read: {one_line(error)}",
                    "compare publications: `./bourse publications` lists them",
                ) from error
        try:
            yield Comparison(connection, tolerance or Tolerance(), ignored)
        except duckdb.Error as error:
            if is_full(str(error)):
                raise StorageFull(
                    f"the disk of {spill} is full: {one_line(error)}",
                    "free some disk space, or set TMPDIR to a folder on a larger disk",
                ) from error
            raise BadInput(f"the files cannot be compared: {one_line(error)}") from error


def _on_one_side(status: Literal["added", "removed"], row: dict[str, Any]) -> Row:
    before, after = ({}, row) if status == "added" else (row, {})
    return Row(status, {}, {}, before, after)


def _in_order(excluded: re.Match[str]) -> str:
    return f"EXCLUDE ({', '.join(sorted(excluded[1].split(', ')))})"


def _relative(column: str) -> str:
    one, other = f"gone.{_name(column)}::double", f"come.{_name(column)}::double"
    share = f"abs({one} - {other}) / greatest(abs({one}), abs({other}))"
    # of NULL or an infinity, nothing is left
    return f"if(isfinite({share}), {share}, 1)"


def _joined(key: Sequence[str]) -> str:
    same = " and ".join(
        f"gone.{_name(name)} is not distinct from come.{_name(name)}" for name in key
    )
    return f"gone full join come on {same}"


def _table(side: str, name: str) -> str:
    schema, _, table = name.partition(".")
    return f"{side}.{_name(schema)}.{_name(table)}"


def _list(columns: Collection[str]) -> str:
    return ", ".join(map(_name, columns))


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
