"""What seeds say of each other and of what was delivered: names, rows that have to be there."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
from jinja2 import Environment, StrictUndefined, TemplateError

from duckbourse.names import did_you_mean
from duckbourse.rules import one_of
from duckbourse.seeds.files import File, Row
from duckbourse.seeds.properties import Reference, Rule
from duckbourse.settings import PROJECT, settings
from duckbourse.warehouse import files_in, identifier
from duckbourse.words import counted

REF = re.compile(r"ref\('(\w+)'\)")
LISTED = re.compile(r"macro (\w+)\(\).*?return\((\[.*?\])\)", re.DOTALL)
CONFIG = re.compile(r"\{\{ *config\(")
# names that are delivered, of a model that has them: the columns of the raw store, in the order in
# which they are read, the long ones last
DELIVERED = {
    "bars__symbols": ("symbol", ("daily", "adjusted_close", "minute", "ticks")),
    "bars__deliveries": ("source", ("deliveries",)),
    "stg_journal__fills": ("account", ("fills",)),
}
# how many names are listed if no one is near
FEW = 12
# seeds that have such names as well
NAMED = {"bars__symbols": "instruments"}
# kinds of which nothing is shipped, and no delivery is withdrawn
OWN = ("fills", "ticks")


class NotHereError(Exception):
    """A relation that only a build has."""


class Relations:
    """The seeds as tables, and the templates of SQL that read them."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, files: Mapping[str, File], project: Path
    ) -> None:
        self.connection = connection
        self._files = files
        self._environment = Environment(undefined=StrictUndefined)
        self._environment.globals["ref"] = self._ref
        families = project / "macros/indicators/families.sql"
        if families.exists() and (found := LISTED.search(families.read_text())):
            self._environment.globals[found[1]] = lambda: ast.literal_eval(found[2])

    def query(self, template: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query; raise NotHereError if only a build can run it."""
        try:
            sql = self._environment.from_string(template).render()
            return self.connection.execute(sql).fetchall()
        except (TemplateError, duckdb.Error) as error:
            raise NotHereError from error

    def rendered(self, rules: Iterable[Rule]) -> Iterator[Rule]:
        """Yield the rules whose relations are seeds, with the names of their tables."""
        for rule in rules:
            if "{{" not in rule.sql:
                yield rule
                continue
            try:
                yield replace(rule, sql=self._environment.from_string(rule.sql).render())
            except (TemplateError, NotHereError):
                continue

    def missing(self, reference: Reference, names: set[str]) -> tuple[set[str], set[str]]:
        """Return the names that do not exist, and, if there are any, those that do."""
        missing, known = set(names), set()
        sources = list(self._sources(reference))
        for source in sources:
            if not missing:
                break
            missing -= self._names(source, missing)
        if missing:
            known = set().union(*(self._names(source) for source in sources))
        return missing, known

    def _sources(self, reference: Reference) -> Iterator[str]:
        found = REF.fullmatch(reference.to)
        if found and found[1] in DELIVERED:
            yield from self._delivered(found[1])
            return
        to = f"{{{{ {reference.to} }}}}" if found else reference.to
        yield f"select {reference.field} as name from {to} where {reference.among}"

    def _delivered(self, model: str) -> Iterator[str]:
        column, kinds = DELIVERED[model]
        if seed := NAMED.get(model):
            yield f"select {column} as name from {self._ref(seed)}"
        stored = [each for each in map(_stored, kinds) if each]
        yield from (f"select {column} as name from {each}" for each in stored)
        yield "select null::varchar as name where false"

    def _names(self, source: str, among: set[str] | None = None) -> set[str]:
        wanted = ""
        if among is not None:
            listed = ", ".join("'" + name.replace("'", "''") + "'" for name in among)
            wanted = f"where name in ({listed})"
        rows = self.query(f"select distinct name from ({source}) {wanted}")
        return {str(name) for (name,) in rows if name is not None}

    def _ref(self, name: str) -> str:
        if name in DELIVERED:
            named = " union all ".join(self._delivered(name))
            return f"(select name as {DELIVERED[name][0]} from ({named}))"
        file = self._files.get(name)
        if file is None or not file.is_whole:
            raise NotHereError(name)
        return identifier(name)


@dataclass(frozen=True)
class Unknown:
    """A name that does not exist, where it is first, and what to say of it."""

    file: File
    row: Row
    line_count: int
    text: str
    hint: str
    warning: str | None


def unknown_names(relations: Relations, files: Mapping[str, File]) -> Iterator[Unknown]:
    """Yield each name that does not exist, once for all seeds that have it."""
    found: dict[tuple[str, str], list[Unknown]] = defaultdict(list)
    for file in files.values():
        for reference in file.seed.references:
            for name, unknown in _unknown(relations, files, file, reference):
                found[reference.noun, name].append(unknown)
    for same in found.values():
        first, *others = same
        line_count = sum(unknown.line_count for unknown in same)
        lines = f" (on {line_count:,} lines" if line_count > 1 else ""
        of_seeds = f" of {counted(len(same), 'seed')}" if others else ""
        text = f"{first.text}{lines}{of_seeds}{')' if lines else ''}{first.hint}"
        yield replace(first, line_count=line_count, text=text)


def missing_rows(relations: Relations, file: File) -> Iterator[str]:
    """Yield what is to be said of each row that a seed lacks."""
    for cover in file.seed.covers:
        columns = ", ".join(cover.columns)
        try:
            rows = relations.query(
                f"select {columns} from {cover.of} anti join"
                f" (from {identifier(file.name)} where {cover.among}) using ({columns})"
            )
        except NotHereError:
            continue
        for row in rows:
            named = ", ".join(f"{n} {v}" for n, v in zip(cover.columns, row, strict=True))
            among = "" if cover.among == "true" else f" and {cover.among}"
            yield f"there is no row with {named}{among}: add it"


def invariants(
    relations: Relations, files: Mapping[str, File], tests: Path
) -> Iterator[tuple[str, str]]:
    """Yield the place and problem of each row of those data tests that read nothing but seeds."""
    for file in (each for each in files.values() if each.is_whole):
        # what is there twice is named, and counts once
        for number, row in enumerate(file.rows):
            if any(row.slipped >= set(key) for key in file.seed.keys):
                relations.connection.execute(
                    f"delete from {identifier(file.name)} where rowid = ?", [number]
                )
    for test in sorted(tests.rglob("assert_*.sql")):
        sql = test.read_text()
        read = set(REF.findall(sql))
        if not read or not read <= files.keys() or CONFIG.search(sql) or "as problem" not in sql:
            continue
        try:
            rows = relations.query(sql)
        except NotHereError:
            continue
        for (problem,) in rows:
            place, _, said = str(problem).partition(": ")
            yield place, said


def _unknown(
    relations: Relations, files: Mapping[str, File], file: File, reference: Reference
) -> Iterator[tuple[str, Unknown]]:
    column = reference.column
    if column not in file.columns or _is_slipped(files, reference):
        return
    try:
        places = relations.query(
            f"select rowid from {identifier(file.name)}"
            f" where {identifier(column)} is not null and ({reference.of}) order by rowid"
        )
        rows: dict[str, list[Row]] = defaultdict(list)
        for (place,) in places:
            row = file.rows[place]
            if column not in row.slipped:
                rows[str(row.values[column])].append(row)
        missing, known = relations.missing(reference, set(rows))
    except NotHereError:
        return
    named = "" if column in reference.noun else f"{column}: "
    for name in rows:
        if name in missing:
            hint = did_you_mean(name, sorted(known))
            if not hint and reference.remedy:
                hint = f": {reference.remedy}"
            elif not hint and known and len(known) <= FEW:
                hint = f": {one_of(sorted(known))}"
            text = f"{named}there is no {reference.noun} {name!r}"
            first, count = rows[name][0], len(rows[name])
            yield name, Unknown(file, first, count, text, hint, reference.warning)


def _is_slipped(files: Mapping[str, File], reference: Reference) -> bool:
    # the names are wrong, and not who uses them
    to = REF.search(reference.to)
    words = set(re.findall(r"\w+", f"{reference.field} {reference.among}"))
    return bool(to and to[1] in files and any(row.slipped & words for row in files[to[1]].rows))


def _stored(kind: str) -> str | None:
    files = _files(kind)
    withdrawn = _files("withdrawals")
    if files and withdrawn and kind not in OWN:
        return f"""{files} where delivery not in (
            select delivery from {withdrawn} group by delivery
            having max(withdrawn_at) > coalesce(max(restored_at), '-infinity'::timestamp)
        )"""
    return files


def _files(kind: str) -> str | None:
    folders = [settings().raw]
    if settings().sample and kind not in OWN:
        # a data folder elsewhere has the sample from its first build on
        shipped = settings().shipped
        folders.append(shipped if shipped.exists() else PROJECT / "data" / "sample")
    found = [folder / kind for folder in folders if any((folder / kind).rglob("*.parquet"))]
    globs = ", ".join(files_in(folder, "**/*.parquet") for folder in found)
    return f"read_parquet([{globs}], hive_partitioning = false)" if found else None
