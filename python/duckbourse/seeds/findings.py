"""Every slip of every seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from duckbourse.seeds.checks import broken_rules, load, single_values
from duckbourse.seeds.files import File, read
from duckbourse.seeds.properties import Seed, seeds_in
from duckbourse.seeds.references import Relations, invariants, missing_rows, unknown_names


@dataclass
class Findings:
    """Lines that start with a file and the line in it; `warned` are the data tests of warnings."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    warned: set[str] = field(default_factory=set)


def check(folder: Path) -> Findings:
    """Return every slip of the seeds in a project's folder of them."""
    seeds, unread = seeds_in(folder)
    findings = Findings(errors=unread)
    files = {
        path.stem: read(path, seeds.get(path.stem, Seed()))
        for path in sorted(folder.rglob("*.csv"))
    }
    warnings: list[tuple[str, int, str]] = []
    with duckdb.connect() as connection:
        for file in files.values():
            file.slips += single_values(file)
            try:
                file.slips += load(connection, file)
            except duckdb.Error:  # a type that does not exist is for dbt to name
                file.is_whole = False
        _of_several(connection, files, folder, findings.warned, warnings)
    errors = [
        (_place(file, folder), line, problem)
        for file in files.values()
        for line, problem in file.slips
    ]
    findings.errors += [
        f"{place}:{line}: {problem}" for place, line, problem in sorted(set(errors))
    ]
    findings.warnings = [f"{place}:{line}: {problem}" for place, line, problem in sorted(warnings)]
    return findings


def _of_several(
    connection: duckdb.DuckDBPyConnection,
    files: dict[str, File],
    folder: Path,
    warned: set[str],
    warnings: list[tuple[str, int, str]],
) -> None:
    relations = Relations(connection, files, folder.parent)

    def add(file: File, line: int, problem: str, warning: str | None) -> None:
        if warning is None:
            file.slips.append((line, problem))
        else:
            warned.add(warning)
            warnings.append((_place(file, folder), line, problem))

    for unknown in unknown_names(relations, files):
        add(unknown.file, unknown.row.line, unknown.text, unknown.warning)
    for file in files.values():
        rules = relations.rendered(file.seed.rules)
        for row, rule, problem in broken_rules(connection, file, rules):
            add(file, row.line, problem, rule.warning)
        for problem in missing_rows(relations, file):
            add(file, 1, problem, None)
    by_place = {_place(file, folder): file for file in files.values()}
    for place, problem in invariants(relations, files, folder.parent / "tests"):
        path, _, line = place.rpartition(":")
        if path in by_place:
            by_place[path].slips.append((int(line), problem))


def _place(file: File, folder: Path) -> str:
    return str(file.path.relative_to(folder.parent))
