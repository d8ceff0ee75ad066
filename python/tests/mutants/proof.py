"""
Plant every mutant of the table in turn, and see who sees it.

First dbt's unit tests of the models that a fault reaches. Who passes those is built, and dbt's data
tests of it run; then with the models that read it; who passes those too meets the whole of
`./bourse test` in a copy of the project. Faults that reach different models are planted together,
since a unit test sees no model but its own. The checkout is never changed: dbt is given the project
as it was read, with the fault in it.

What was found is kept under `target/mutants` until the project changes, so that a run that was
stopped goes on from there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from duckbourse.settings import PROJECT
from duckbourse.state import GREEN
from tests.mutants.table import Mutant, lost, read_table
from tests.support.dbt_server import DATA_AS_READ, forked, locate_sources, read_project
from tests.support.warehouse import Warehouse, copied_from

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

FOLDER = PROJECT / "target" / "mutants"
# The code that decides whether a fault is caught. Python only matters for what dbt missed.
DECISIVE = ("models", "macros", "seeds", "functions", "tests", "packages", "dbt_project.yml")
# The share of all faults that dbt must catch without pytest
MIN_SEEN_BY_DBT = 0.9

console = Console(stderr=True)


@dataclass(frozen=True)
class Finding:
    """What caught a mutant: `dbt`, `pytest` or nothing; and which tests."""

    seen_by: str
    tests: tuple[str, ...] = ()


NOBODY, BROKEN = "nobody", "broken"


class Proof:
    """All dbt runs, with their results to date."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._file = folder / f"{_digest()}.json"
        known = json.loads(self._file.read_text()) if self._file.exists() else {}
        self._found: dict[str, Finding] = {
            key: Finding(found["seen_by"], tuple(found["tests"])) for key, found in known.items()
        }
        self._manifest = read_project()
        self._models_of_macros = _models_of_macros(self._manifest)
        self._warehouse = _copy_of_sample(folder / "warehouse")

    def found(self, mutant: Mutant) -> Finding | None:
        return self._found.get(mutant.key)

    def check_without_faults(self) -> None:
        """Fail if a unit test fails without a fault: it would seem to catch every fault."""
        if "" in self._found:
            return
        statuses = self._dbt(["test", "--select", "test_type:unit"], self._warehouse)
        failed = sorted(_name(node) for node, status in statuses.items() if status not in GREEN)
        if failed:
            sys.exit(f"without any fault, unit tests fail: {', '.join(failed)}")
        self._keep("", Finding("dbt"))

    def in_unit_tests(self, mutants: Iterable[Mutant], progress: Progress) -> list[Mutant]:
        """Run the unit tests that mutants reach; return the mutants that no test catches."""
        missed = []
        waiting = [mutant for mutant in mutants if mutant.key not in self._found]
        task = progress.add_task("unit tests", total=len(waiting))
        for batch in batches(waiting, self._reached_by):
            statuses = self._unit_tests(batch)
            for mutant in batch:
                of_mutant = {
                    test: status
                    for test, (model, status) in statuses.items()
                    if model in self._reached_by(mutant)
                }
                finding = finding_of(of_mutant)
                if finding.seen_by == NOBODY:
                    missed.append(mutant)
                else:
                    self._keep(mutant.key, finding)
                progress.advance(task)
        return missed

    def in_own_tests(self, mutants: Collection[Mutant], progress: Progress) -> list[Mutant]:
        """Build the mutants' models with data tests; return the mutants that no test catches."""
        missed = []
        task = progress.add_task("data tests", total=len(mutants))
        # without seeds, since dbt skips whatever reads a seed whose test fails
        functions = [mutant for mutant in mutants if mutant.file.startswith("functions/")]
        others = [mutant for mutant in mutants if mutant not in functions]
        planted = [*batches(functions, self._apart), *batches(others, self._apart)]
        for batch in planted:
            nodes = sorted({node for mutant in batch for node in self._reached_by(mutant)})
            statuses = self._build(nodes, batch) if nodes else {}
            for mutant in batch:
                tests = self._tests_of(mutant)
                finding = finding_of({it: how for it, how in statuses.items() if it in tests})
                if finding.seen_by == NOBODY:
                    missed.append(mutant)
                else:
                    self._keep(mutant.key, finding)
                progress.advance(task)
        return missed

    def in_a_build(self, mutants: Collection[Mutant], progress: Progress) -> list[Mutant]:
        """Build the mutants' models and their children, with data tests; return the survivors."""
        missed = []
        task = progress.add_task("builds", total=len(mutants))
        for mutant in mutants:
            finding = Finding(NOBODY)
            for readers in ("+1", "+"):
                nodes = [f"{node}{readers}" for node in sorted(self._reached_by(mutant))]
                if finding.seen_by == NOBODY and nodes:
                    finding = finding_of(self._build([*nodes, "--fail-fast"], [mutant]))
            if finding.seen_by == NOBODY:
                missed.append(mutant)
            else:
                self._keep(mutant.key, finding)
            progress.advance(task)
        return missed

    def in_everything(self, mutants: Collection[Mutant], progress: Progress) -> None:
        """Run `./bourse test` on a copy of the project that contains the fault."""
        task = progress.add_task("./bourse test", total=len(mutants))
        for mutant in mutants:
            copy = self._folder / "project"
            copy_project(copy, mutant)
            words = ["-m", "duckbourse.cli", "test"]
            for stage in ("build", "unit", "warehouse", "acceptance"):
                words += ["--only", stage]
            kept = {k: v for k, v in os.environ.items() if not k.startswith(("BOURSE_", "DBT_"))}
            done = subprocess.run(
                [sys.executable, *words],
                cwd=copy,
                env={**kept, "PYTHONPATH": str(copy / "python")},
                capture_output=True,
                text=True,
                check=False,
            )
            failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
            seen_by = "pytest" if done.returncode else NOBODY
            self._keep(mutant.key, Finding(seen_by, tuple(failed[:3])))
            progress.advance(task)

    def _keep(self, key: str, finding: Finding) -> None:
        self._found[key] = finding
        text = json.dumps({key: asdict(found) for key, found in self._found.items()}, indent=1)
        partial = self._file.with_suffix(".part")
        partial.write_text(text)
        partial.replace(self._file)

    def _reached_by(self, mutant: Mutant) -> frozenset[str]:
        """Return the models whose SQL contains the fault."""
        if mutant.models:
            return frozenset(mutant.models)
        if mutant.file.startswith("macros/"):
            return frozenset(
                model
                for macro in self._manifest.macros.values()
                if macro.original_file_path == mutant.file and mutant.text in macro.macro_sql
                for model in self._models_of_macros.get(macro.unique_id, ())
            )
        return frozenset({Path(mutant.file).stem})

    def _tests_of(self, mutant: Mutant) -> frozenset[str]:
        """Return the ids of the faulty nodes and of the data tests that read them."""
        names = self._reached_by(mutant)
        nodes = [*self._manifest.nodes.values(), *self._manifest.functions.values()]
        read = {node.unique_id for node in nodes if node.name in names}
        return frozenset(read).union(
            node.unique_id for node in nodes if read & set(node.depends_on_nodes)
        )

    def _apart(self, mutant: Mutant) -> frozenset[str]:
        # children of a model are built with its fault too, so models go one by one
        if mutant.file.startswith(("seeds/", "functions/")):
            return self._tests_of(mutant)
        return frozenset()

    def _build(self, chosen: Iterable[str], mutants: Iterable[Mutant]) -> dict[str, str]:
        folder = self._folder / "built"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        words = ["build", "--full-refresh", "--exclude-resource-types", "unit_test"]
        return self._dbt(
            [*words, "--select", *chosen], copied_from(self._warehouse, folder), mutants
        )

    def _unit_tests(self, batch: Collection[Mutant]) -> dict[str, tuple[str, str]]:
        tested = {
            test.unique_id: test.model
            for test in self._manifest.unit_tests.values()
            if any(test.model in self._reached_by(mutant) for mutant in batch)
        }
        if not tested:
            return {}
        models = sorted(set(tested.values()))
        chosen = ["--select", *(f"{model},test_type:unit" for model in models)]
        statuses = self._dbt(["test", *chosen], self._warehouse, batch)
        # operations at the start and end of a run have a status, too
        return {it: (tested[it], status) for it, status in statuses.items() if it in tested}

    def _dbt(
        self, words: list[str], warehouse: Warehouse, mutants: Iterable[Mutant] = ()
    ) -> dict[str, str]:
        """Return the status of each node, by its id."""
        answer = self._folder / "statuses.json"
        answer.unlink(missing_ok=True)
        warehouse.target.mkdir(parents=True, exist_ok=True)
        printed = warehouse.target / "printed.txt"

        def command() -> int:
            from dbt.cli.main import dbtRunner

            for mutant in mutants:
                _plant(mutant, self._manifest, warehouse.target)
            locate_sources(self._manifest, str(warehouse.data), warehouse.sample)
            os.environ |= {
                "BOURSE_DATA_DIR": str(warehouse.data),
                "DBT_TARGET_PATH": str(warehouse.target),
                "DBT_LOG_PATH": str(warehouse.target / "logs"),
            }
            before = ["--no-use-colors", "--quiet", "--no-write-json"]
            outcome = dbtRunner(self._manifest).invoke([*before, *words])
            results: Any = getattr(outcome.result, "results", [])
            statuses = {result.node.unique_id: str(result.status) for result in results}
            answer.write_text(json.dumps(statuses))
            return 0

        forked(printed, command)
        if not answer.exists():
            sys.exit(f"dbt ended before it answered:\n{printed.read_text()[-2000:]}")
        found: dict[str, str] = json.loads(answer.read_text())
        return found


def _digest() -> str:
    digest = hashlib.sha256()
    for name in DECISIVE:
        place = PROJECT / name
        for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if file.is_file():
                digest.update(f"{file.relative_to(PROJECT)}\0".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _models_of_macros(manifest: Manifest) -> dict[str, frozenset[str]]:
    """Return the models and data tests in which each macro is rendered, by the macro's id."""
    from dbt.artifacts.resources.types import NodeType

    models: dict[str, set[str]] = {}
    for node in manifest.nodes.values():
        is_data_test = node.resource_type is NodeType.Test and node.name.startswith("assert_")
        if node.resource_type is not NodeType.Model and not is_data_test:
            continue
        seen: set[str] = set()
        waiting = list(node.depends_on.macros)
        while waiting:
            name = waiting.pop()
            macro = manifest.macros.get(name)
            if macro is None or name in seen:
                continue
            seen.add(name)
            waiting += macro.depends_on.macros
            models.setdefault(name, set()).add(node.name)
    return {macro: frozenset(names) for macro, names in models.items()}


def batches(
    mutants: Iterable[Mutant], reached_by: Callable[[Mutant], frozenset[str]]
) -> Iterator[list[Mutant]]:
    """Group mutants that reach different models."""
    batches: list[tuple[set[str], list[Mutant]]] = []
    for mutant in mutants:
        models = reached_by(mutant)
        for taken, batch in batches:
            if models and not taken & models:
                taken |= models
                batch.append(mutant)
                break
        else:
            batches.append((set(models), [mutant]))
    for _, batch in batches:
        yield batch


def _plant(mutant: Mutant, manifest: Manifest, target: Path) -> None:
    from dbt.artifacts.resources.base import FileHash
    from dbt.artifacts.resources.types import NodeType

    for node in (*manifest.nodes.values(), *manifest.functions.values()):
        if node.original_file_path != mutant.file:
            continue
        if node.resource_type is NodeType.Seed:
            # dbt reads a seed again, from a file of the same name
            changed = target / "mutant" / Path(mutant.file).name
            changed.parent.mkdir(parents=True, exist_ok=True)
            changed.write_text(mutant.applied((PROJECT / mutant.file).read_text()))
            node.original_file_path = os.path.relpath(changed, PROJECT)
        else:
            node.raw_code = mutant.applied(node.raw_code)
            node.checksum = FileHash.from_contents(node.raw_code)
    for macro in manifest.macros.values():
        if macro.original_file_path == mutant.file:
            macro.macro_sql = mutant.applied(macro.macro_sql)


def finding_of(statuses: dict[str, str]) -> Finding:
    failed = tuple(sorted(_name(node) for node, status in statuses.items() if status == "fail"))
    broken = tuple(sorted(_name(node) for node, status in statuses.items() if status == "error"))
    if failed:
        return Finding("dbt", failed)
    return Finding(BROKEN, broken) if broken else Finding(NOBODY)


def _name(node: str) -> str:
    parts = node.split(".")
    return parts[-1] if node.startswith("unit_test") else parts[2]


def _copy_of_sample(folder: Path) -> Warehouse:
    built = Warehouse(PROJECT / DATA_AS_READ, PROJECT / "target" / "test")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return copied_from(built, folder)


def copy_project(copy: Path, mutant: Mutant) -> None:
    """Copy the project, with a fault in it."""
    shutil.rmtree(copy, ignore_errors=True)
    listed = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        text=True,
    )
    for path in listed.split("\0"):
        if path and (PROJECT / path).is_file():
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / path, copy / path)
    file = copy / mutant.file
    file.write_text(mutant.applied(file.read_text()))


def _report(mutants: Collection[Mutant], proof: Proof, as_json: bool) -> int:
    found = {mutant: proof.found(mutant) or Finding(NOBODY) for mutant in mutants}
    layers: dict[str, dict[str, int]] = {}
    for mutant, finding in found.items():
        layer = layers.setdefault(mutant.layer, {"mutants": 0, "dbt": 0, "pytest": 0, NOBODY: 0})
        layer["mutants"] += 1
        layer[finding.seen_by] = layer.get(finding.seen_by, 0) + 1
    if as_json:
        rows = [{**asdict(mutant), **asdict(finding)} for mutant, finding in found.items()]
        print(json.dumps({"layers": layers, "mutants": rows}, indent=2))
    else:
        table = Table("layer", "mutants", "seen by dbt", "seen by pytest", "survived", box=None)
        for name, layer in layers.items():
            table.add_row(name, *(str(layer[it]) for it in ("mutants", "dbt", "pytest", NOBODY)))
        console.print(table)
    problems = [
        f"{'does not run' if finding.seen_by == BROKEN else 'survived'}: {mutant.fault}"
        f" ({mutant.file}){': ' + ', '.join(finding.tests) if finding.tests else ''}"
        for mutant, finding in found.items()
        if finding.seen_by in (NOBODY, BROKEN)
    ]
    seen = sum(finding.seen_by == "dbt" for finding in found.values())
    if seen < MIN_SEEN_BY_DBT * len(found):
        problems.append(f"dbt alone sees {seen} of {len(found)}, fewer than nine in ten")
    for problem in problems:
        console.print(problem, markup=False, highlight=False)
    return 1 if problems else 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("layers", nargs="*")
    parser.add_argument("--json", action="store_true", dest="as_json")
    asked = parser.parse_args()
    table = read_table()
    mutants = [mutant for mutant in table if not asked.layers or mutant.layer in asked.layers]
    if unknown := set(asked.layers) - {mutant.layer for mutant in table}:
        sys.exit(f"no mutant is in {', '.join(sorted(unknown))}")
    if gone := lost(mutants):
        sys.exit("\n".join([*gone, f"rewrite them in {Path(__file__).parent}/mutants.yml"]))
    proof = Proof()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        proof.check_without_faults()
        missed = proof.in_unit_tests(mutants, progress)
        missed = proof.in_own_tests(missed, progress)
        missed = proof.in_a_build(missed, progress)
        proof.in_everything(missed, progress)
    return _report(mutants, proof, asked.as_json)


if __name__ == "__main__":
    sys.exit(main())
