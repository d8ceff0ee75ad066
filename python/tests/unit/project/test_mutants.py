"""Every mutant of the table can be planted: its text is in its file exactly once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from duckbourse.settings import PROJECT
from tests.mutants.proof import BROKEN, NOBODY, Finding, batches, finding_of
from tests.mutants.table import Mutant, lost, read_table

TABLE = read_table()
LAYERS = {path.name for path in (PROJECT / "models").iterdir() if path.is_dir()}


def test_every_mutant_can_be_planted() -> None:
    assert lost(TABLE) == []


def test_no_mutant_is_repeated_or_without_effect() -> None:
    assert len({mutant.key for mutant in TABLE}) == len(TABLE)
    assert [mutant.fault for mutant in TABLE if mutant.text == mutant.instead] == []


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
