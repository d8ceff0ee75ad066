"""Handling of dbt's events, messages and variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from duckbourse.build import Request, _no_build, check_variables, report_failure
from duckbourse.cli.build import shown_changes, signal_changes
from duckbourse.errors import BuildFailed, ConfigurationError, StorageFull
from duckbourse.progress import Failure, Outcome, Progress, one_line, outcome_of
from duckbourse.summary import SignalCounts
from tests.support.commands import bourse


def event(name: str, node: str = "", level: str = "info", **data: Any) -> dict[str, Any]:
    if node:
        kind = node.split(".")[0]
        status = data.pop("status", "started")
        data["node_info"] = {
            "unique_id": node,
            "node_name": node.split(".")[-1],
            "node_status": status,
            "resource_type": kind,
            "node_relation": {"schema": "bars", "alias": node.split("__")[-1]},
        }
    info = {"name": name, "level": level, "invocation_id": "r1", "msg": "said"}
    return {"info": info, "data": data}


def started(node: str, total: int) -> dict[str, Any]:
    return event("LogStartLine", node, index=1, total=total)


def ended(node: str, total: int, seconds: float, status: str = "success") -> dict[str, Any]:
    return event(
        "LogModelResult", node, index=1, total=total, execution_time=seconds, status=status
    )


def test_running_and_finished_nodes_are_tracked() -> None:
    progress = Progress({})
    assert progress.see(event("ConcurrencyLine", node_count=2)) is None
    assert progress.total == 2
    assert progress.see(started("model.p.bars__ohlcv", 2)) is None
    assert list(progress.running.values()) == ["bars.ohlcv"]
    assert progress.see(ended("model.p.bars__ohlcv", 2, 1.5)) == "model.p.bars__ohlcv"
    assert progress.running == {}
    assert progress.done == {"model.p.bars__ohlcv": "success"}
    assert progress.invocation_id == "r1"


def test_the_time_left_weighs_nodes_by_their_last_time_at_todays_pace() -> None:
    expected = {f"test.p.t{n}": 1.0 for n in range(88)} | {"model.p.a": 10.0, "model.p.b": 80.0}
    progress = Progress(expected)
    assert progress.seconds_left() is None
    progress.see(ended("model.p.a", 90, 10.0))
    assert progress.seconds_left() == pytest.approx(80 + 88)
    # twice as slow: what is left takes nearly twice as long
    usual = 178 / 90
    for n in range(60):
        progress.see(ended(f"test.p.t{n}", 90, 2.0))
    pace = (130 + 20 * usual) / (70 + 20 * usual)
    assert progress.seconds_left() == pytest.approx(108 * pace)


@pytest.mark.parametrize("total", [95, 90, 85])
def test_a_node_more_or_less_does_not_move_the_time_left(total: int) -> None:
    progress = Progress({f"model.p.{n}": 2.0 for n in range(90)})
    progress.see(ended("model.p.0", total, 2.0))
    assert progress.seconds_left() == pytest.approx(2 * (total - 1))


def test_the_time_left_of_a_part_does_not_jump() -> None:
    """One slow node at first says little of the others."""
    progress = Progress({f"model.p.{n}": 1.0 for n in range(900)})
    progress.see(ended("model.p.0", 100, 50.0))
    assert progress.seconds_left() == pytest.approx(99 * 70 / 21)
    for n in range(1, 50):
        progress.see(ended(f"model.p.{n}", 100, 1.0))
    assert progress.seconds_left() == pytest.approx(50 * 119 / 70)


@pytest.mark.parametrize("total", [60, 89])
def test_of_a_part_it_is_not_known_which_nodes_are_left(total: int) -> None:
    progress = Progress({"model.p.0": 50.0} | {f"model.p.{n}": 1.0 for n in range(1, 100)})
    progress.see(ended("model.p.0", total, 50.0))
    assert progress.seconds_left() == pytest.approx((total - 1) * (50 + 20 * 1.49) / 21)


def test_the_time_left_of_nodes_never_seen_is_their_mean() -> None:
    progress = Progress({})
    progress.see(ended("model.p.a", 4, 2.0))
    assert progress.seconds_left() == 6.0


def test_an_error_outside_of_nodes_is_kept() -> None:
    progress = Progress({})
    progress.see(event("MainEncounteredError", level="error", exc="Parsing Error\n  no model"))
    assert progress.messages == ["Parsing Error\n  no model"]


def test_a_message_becomes_one_line_without_headline_and_colors() -> None:
    message = (
        "Runtime Error in model bars__ohlcv (models/bars/bars__ohlcv.sql)\n"
        "  Binder Error: \x1b[31mReferenced column\x1b[0m\n\n  LINE 5: x"
    )
    assert one_line(message) == "Binder Error: Referenced column LINE 5: x"


def test_a_problem_that_names_its_file_is_not_that_of_the_node() -> None:
    message = (
        "Compilation Error in unit test rsi_of_two (models/indicators/_unit_tests.yml)\n"
        "  models/indicators/indicators__momentum.sql: rsii(14): there is no indicator 'rsii';"
        " did you mean 'rsi'?\n\n"
        "  > in macro series_error (macros/series/formula.sql)\n"
        "  > called by macro indicators (macros/indicators/indicators.sql)\n"
    )
    file = "models/indicators/_unit_tests.yml"
    failure = Failure("rsi_of_two", "unit test", one_line(message), file, "")
    assert str(failure) == (
        "models/indicators/indicators__momentum.sql: rsii(14): there is no indicator 'rsii';"
        " did you mean 'rsi'?"
    )


MODEL = """with

bars as (
    select * from {{ ref('bars__ohlcv') }}
),

final as (
    select symbol, clos from bars
    inner join sessions using (symbol)
    inner join sessions using (symbol)
)
"""
PREFACE = (
    "An error occurred during execution of unit test 'x_of_two'. There may be an error in the unit"
    " test definition: check the data types.\n "
)
RUNTIME = "Runtime Error in unit_test x_of_two (models/bars/bars__x.yml)\n  "
BINDER = 'Binder Error: Referenced column "clos" not found'


@pytest.mark.parametrize(
    ("node", "message", "says"),
    [
        (
            "unit_test.duckbourse.bars__x.x_of_two",
            f"{RUNTIME}{PREFACE}{BINDER}\n\nLINE 74:     select symbol, clos from bars\n      ^",
            f"model bars__x: {BINDER} LINE 74:     select symbol, clos from bars ^"
            " (models/bars/bars__x.sql:8)",
        ),
        (
            "unit_test.duckbourse.bars__x.x_of_two",
            f"{PREFACE}{BINDER}\nLINE 9: ...symbol, clos from...\n",
            f"model bars__x: {BINDER} LINE 9: ...symbol, clos from... (models/bars/bars__x.sql:8)",
        ),
        # a line that a macro wrote, and one that is there twice
        (
            "unit_test.duckbourse.bars__x.x_of_two",
            f"{PREFACE}Parser Error: syntax error\nLINE 9: avg(clos)\n",
            "model bars__x: Parser Error: syntax error LINE 9: avg(clos) (models/bars/bars__x.sql)",
        ),
        (
            "model.duckbourse.bars__x",
            f"{BINDER}\nLINE 9:     inner join sessions using (symbol)\n",
            f"model bars__x: {BINDER} LINE 9:     inner join sessions using (symbol)"
            " (models/bars/bars__x.sql, compiled: target/x.sql)",
        ),
        (
            "model.duckbourse.bars__x",
            f"{BINDER}\nLINE 9:     select symbol, clos from bars\n",
            f"model bars__x: {BINDER} LINE 9:     select symbol, clos from bars"
            " (models/bars/bars__x.sql:8, compiled: target/x.sql)",
        ),
        # the rows of the unit test itself
        (
            "unit_test.duckbourse.bars__x.x_of_two",
            f"{PREFACE}Conversion Error: Could not convert string 'x' to INT32",
            f"unit test x_of_two: {PREFACE.strip()} Conversion Error: Could not convert string 'x'"
            " to INT32 (models/bars/bars__x.yml)",
        ),
    ],
)
def test_the_error_of_a_model_is_reported_with_its_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: str, message: str, says: str
) -> None:
    """Also if a unit test was the first to run it."""
    monkeypatch.setattr("duckbourse.progress.PROJECT", tmp_path)
    file = tmp_path / "models" / "bars" / "bars__x.sql"
    file.parent.mkdir(parents=True)
    file.write_text(MODEL)
    is_model = node.startswith("model.")
    result = {
        "unique_id": node,
        "status": "error",
        "message": message,
        "name": node.rpartition(".")[2],
        "file": f"models/bars/bars__x.{'sql' if is_model else 'yml'}",
        "compiled": "target/x.sql" if is_model else None,
    }
    [failure] = outcome_of(Progress({}, results=[result]), 1.0).failures
    assert str(failure) == says


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (
            "Model 'model.duckbourse.scanners__cutoffs' (models/scanners/features/"
            "scanners__cutoffs.sql) depends on a node named 'crp_prests' which was not found",
            "models/scanners/features/scanners__cutoffs.sql: there is no model or seed"
            " 'crp_prests'; did you mean 'crp_presets'?",
        ),
        (
            "Model 'model.duckbourse.mine' (models/mine.sql) depends on a node named"
            " 'bars__ohlvc' in package or project 'duckbourse' which was not found",
            "mine: there is no model or seed 'bars__ohlvc'; did you mean 'bars__ohlcv'?",
        ),
    ],
)
def test_a_name_that_does_not_exist_is_named_with_its_file(found: str, says: str) -> None:
    progress = Progress({}, messages=[f"Compilation Error\n  {found}"])
    assert str(_no_build(progress, [], 2)) == says


def test_a_scanner_in_the_list_without_presets_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in ("seeds/scanners/crp_presets.csv", "macros/scanners/scanners.sql"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("'crpp': {'lengths': [], 'is_live': true},")
    monkeypatch.setattr("duckbourse.build.PROJECT", tmp_path)
    found = "'model.duckbourse.scanners__cutoffs' depends on a node named 'crpp_presets' which was"
    error = _no_build(Progress({}, messages=[f"Compilation Error\n  {found} not found"]), [], 2)
    assert str(error) == (
        "macros/scanners/scanners.sql: 'crpp': there is no seed crpp_presets; did you mean 'crp'?"
    )
    assert error.remedy == "correct the name, or add seeds/scanners/crpp_presets.csv"


def test_a_build_says_which_presets_have_other_signals() -> None:
    before = SignalCounts(None, {"crp.standard": 1108, "gap.standard": 7, "crp.old": 2})
    after = SignalCounts(None, {"crp.standard": 96, "gap.standard": 7, "crp.new": 1})
    assert signal_changes(before, after) == [
        "crp.new: 0 → 1 signal",
        "crp.old: 2 → 0 signals",
        "crp.standard: 1,108 → 96 signals",
    ]
    assert signal_changes(None, after) == []


def test_several_names_follow_select(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    selected = []

    def run(request: Request, watch: object) -> Outcome:
        selected.append(request.select)
        raise BuildFailed("not now")

    monkeypatch.setattr("duckbourse.cli.build.run_build", run)
    bourse(tmp_path, "build", "-s", "crp_presets+", "gap_presets+", "--no-publish")
    bourse(tmp_path, "build", "-s", "crp_presets+ gap_presets+")
    assert selected == ["crp_presets+ gap_presets+"] * 2


def test_a_broken_contract_names_the_columns() -> None:
    message = """Compilation Error in model bars__ohlcv (models/bars/bars__ohlcv.sql)
      This model has an enforced contract that failed.
      Please ensure the name, data_type, and number of columns in your contract match.

      | column_name | definition_type | contract_type | mismatch_reason    |
      | ----------- | --------------- | ------------- | ------------------ |
      | close       | INTEGER         | DOUBLE        | data type mismatch |
    """
    line = one_line(message)
    assert line.startswith("its columns differ from its contract: | close ")
    assert "data type mismatch" in line


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{as_off: 1}", "did you mean 'as_of'"),
        ("{nothing_like_it: 1}", "there is no variable 'nothing_like_it'"),
        ("[1", "cannot be read"),
        ("{as_of: 2024-02-30}", "cannot be read"),
        ("as_of", "is not a mapping"),
    ],
)
def test_a_variable_that_dbt_would_ignore_is_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        check_variables(text)


def test_an_existing_variable_is_accepted() -> None:
    check_variables("{as_of: 2024-01-31}")
    check_variables(None)


@pytest.mark.parametrize(
    ("problem", "error", "says"),
    [
        (
            "3 failing rows",
            BuildFailed,
            "1 of 4 nodes failed, and 2 that depend on it were skipped",
        ),
        (
            'IO Error: Could not write file "x": No space left on device',
            StorageFull,
            "the disk of",
        ),
        (
            "Out of Memory Error: could not allocate block of size 256.0 KiB",
            BuildFailed,
            "of memory was not enough",
        ),
    ],
)
def test_the_error_of_a_red_build_gives_the_reason(problem: str, error: type, says: str) -> None:
    statuses = {"model.p.a": "error", "model.p.b": "success"}
    statuses |= {"model.p.c": "skipped", "test.p.d": "skipped"}
    outcome = Outcome("r1", 1.0, statuses, (Failure("a", "model", problem, "", ""),))
    found = report_failure(outcome)
    assert type(found) is error
    assert says in str(found)
    assert found.remedy


def test_an_outcome_has_what_was_not_rebuilt() -> None:
    progress = Progress({}, outdated=["model.p.b"])
    progress.results.append({"unique_id": "model.p.a", "status": "success"})
    assert outcome_of(progress, 1.0).outdated == ("model.p.b",)


@pytest.mark.parametrize(
    ("select", "outdated", "remedy"),
    [
        (
            "b c+",
            ("model.p.d", "model.p.e", "function.p.f"),
            "2 tables that read what you built were not rebuilt, which may be the reason: run"
            " ./bourse build -s 'b+ c+'; or fix what is listed above and run it again; nothing was"
            " published",
        ),
        (
            "b",
            ("model.p.d",),
            "1 table that reads what you built was not rebuilt, which may be the reason: run"
            " ./bourse build -s b+; or fix what is listed above and run it again; nothing was"
            " published",
        ),
        ("b+", (), "fix what is listed above and run it again; nothing was published"),
        (None, (), "fix what is listed above and run it again; nothing was published"),
    ],
)
def test_a_part_that_fails_says_what_was_not_rebuilt(
    select: str | None, outdated: tuple[str, ...], remedy: str
) -> None:
    failed = Failure("a", "test", "251 failing rows", "", "")
    outcome = Outcome("r1", 1.0, {"test.p.a": "fail"}, (failed,), outdated)
    assert report_failure(outcome, select).remedy == remedy


def test_what_changed_is_followed_by_the_way_to_more_if_the_former_one_is_kept() -> None:
    changes = ["crp.standard: 108 → 96 signals"]
    details = "details: ./bourse diff"
    assert shown_changes(changes, "20261127T184502-0a1b2c3d") == [*changes, details]
    assert shown_changes(changes, None) == changes
    assert shown_changes([], "20261127T184502-0a1b2c3d") == []
