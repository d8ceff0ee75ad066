"""Handling of dbt's events, messages and variables."""

from __future__ import annotations

from typing import Any

import pytest

from duckbourse.build import check_variables, report_failure
from duckbourse.errors import BuildFailed, ConfigurationError, StorageFull
from duckbourse.progress import Failure, Outcome, Progress, one_line


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
    progress = Progress({"model.p.a": 10.0, "model.p.b": 30.0, "test.p.c": 2.0})
    assert progress.seconds_left() is None
    progress.see(ended("model.p.a", 3, 5.0))
    assert progress.seconds_left() == 16.0


def test_the_time_left_of_nodes_never_seen_is_their_mean() -> None:
    progress = Progress({"model.p.other": 10.0})
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
        ("{as_off: 1}", "'as_of' is close"),
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
        ("3 failing rows", BuildFailed, "1 of 2 nodes failed"),
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
    outcome = Outcome("r1", 1.0, statuses, (Failure("a", "model", problem, "", ""),))
    found = report_failure(outcome)
    assert type(found) is error
    assert says in str(found)
    assert found.remedy
