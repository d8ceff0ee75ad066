"""Every mutant of the tables can be planted, and those of the runtime are caught."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from duckbourse.settings import PROJECT
from tests.mutants.proof import BROKEN, NOBODY, Finding, batches, copy_project, finding_of
from tests.mutants.table import RUNTIME, Mutant, lost, read_table

TABLE = read_table()
OF_RUNTIME = read_table(RUNTIME)
LAYERS = {path.name for path in (PROJECT / "models").iterdir() if path.is_dir()}


def test_every_mutant_can_be_planted() -> None:
    assert lost([*TABLE, *OF_RUNTIME]) == []


@pytest.mark.parametrize("table", [TABLE, OF_RUNTIME])
def test_no_mutant_is_repeated_or_without_effect(table: list[Mutant]) -> None:
    assert len({mutant.key for mutant in table}) == len(table)
    assert [mutant.fault for mutant in table if mutant.text == mutant.instead] == []


def test_every_part_of_the_runtime_has_many() -> None:
    parts = Counter(mutant.layer for mutant in OF_RUNTIME)
    assert parts.keys() == {"brokers", "orders", "risk", "streaming", "trading"}
    assert min(parts.values()) >= 10
    assert sum(parts.values()) >= 60


def test_the_tests_that_catch_a_mutant_of_the_runtime_exist() -> None:
    for mutant in OF_RUNTIME:
        assert mutant.tests, mutant.fault
        for test in mutant.tests:
            file, _, name = test.partition("::")
            assert f"def {name.partition('[')[0]}(" in (PROJECT / file).read_text(), test


@pytest.mark.long
@pytest.mark.parametrize("mutant", OF_RUNTIME, ids=[mutant.fault for mutant in OF_RUNTIME])
def test_every_mutant_of_the_runtime_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    copy_project(tmp_path / "project", mutant)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("BOURSE_", "DBT_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *mutant.tests],
        cwd=tmp_path / "project",
        env={**kept, "PYTHONPATH": str(tmp_path / "project" / "python")},
        capture_output=True,
        text=True,
        check=False,
    )
    # 1: a test failed; what cannot be run is no proof
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr[-2000:]


def test_every_layer_that_computes_has_many() -> None:
    layers = Counter(mutant.layer for mutant in TABLE)
    # staging only renames
    assert layers.keys() == LAYERS - {"staging"} | {"functions", "seeds"}
    assert sum(layers.values()) >= 100


def test_a_missing_or_repeated_text_is_reported(tmp_path: Path) -> None:
    (tmp_path / "twice.sql").write_text("a + b, a + b")
    (tmp_path / "once.sql").write_text("a + b")

    def mutant(file: str, text: str) -> Mutant:
        return Mutant("bars", "The sum is a difference.", file, text, "a - b")

    mutants = [mutant("once.sql", "a + b"), mutant("once.sql", "a * b")]
    mutants += [mutant("twice.sql", "a + b"), mutant("gone.sql", "a + b")]
    assert lost(mutants, tmp_path) == [
        "once.sql has 'a * b' 0 times (The sum is a difference.)",
        "twice.sql has 'a + b' 2 times (The sum is a difference.)",
        "gone.sql is gone (The sum is a difference.)",
    ]


def in_model(model: str, text: str) -> Mutant:
    return Mutant("bars", "A fault.", f"models/bars/{model}.sql", text, "")


def test_only_faults_in_different_models_are_planted_together() -> None:
    one, other, elsewhere = in_model("a", "x"), in_model("a", "y"), in_model("b", "x")
    nowhere = in_model("c", "x")

    def models(mutant: Mutant) -> frozenset[str]:
        return frozenset() if mutant is nowhere else frozenset({mutant.file})

    planted = list(batches([one, other, elsewhere, nowhere], models))
    assert planted == [[one, elsewhere], [other], [nowhere]]


def test_a_failure_catches_a_fault_and_an_error_does_not() -> None:
    test = "unit_test.duckbourse.bars__ohlcv.every_timeframe"
    data_test = "test.duckbourse.assert_bars_add_up.1a2b"
    assert finding_of({test: "pass", data_test: "fail"}) == Finding("dbt", ("assert_bars_add_up",))
    assert finding_of({test: "fail", data_test: "error"}) == Finding("dbt", ("every_timeframe",))
    assert finding_of({test: "error", data_test: "pass"}) == Finding(BROKEN, ("every_timeframe",))
    assert finding_of({test: "pass", data_test: "pass"}) == Finding(NOBODY)
