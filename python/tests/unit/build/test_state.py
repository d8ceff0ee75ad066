"""The recorded state of a build file over several runs."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from duckbourse import state
from duckbourse.errors import DatabaseLocked


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "build" / "duckbourse.duckdb"
    path.parent.mkdir()
    path.write_text("rows")
    return path


def test_a_subset_of_a_file_without_a_record_proves_nothing(database: Path) -> None:
    assert state.after("r1", {"model.a": "success"}, None, database, full=False) is None


def test_a_red_build_turns_green_once_each_red_node_does(database: Path) -> None:
    red = {"model.a": "success", "model.b": "error", "test.c": "skipped", "test.d": "fail"}
    first = state.after("r1", red, None, database, full=True)
    assert first is not None
    assert first.unproven == ("model.b", "test.c", "test.d")
    second = state.after(
        "r2", {"model.b": "success", "test.d": "warn"}, first, database, full=False
    )
    assert second is not None
    assert second.unproven == ("test.c",)
    third = state.after("r3", {"test.c": "pass"}, second, database, full=False)
    assert third is not None
    assert (third.unproven, third.invocation_id) == ((), "r3")


def test_a_subset_that_fails_makes_a_green_file_red(database: Path) -> None:
    green = state.after("r1", {"model.a": "success"}, None, database, full=True)
    red = state.after("r2", {"test.b": "fail"}, green, database, full=False)
    assert red is not None
    assert red.unproven == ("test.b",)


def test_what_is_older_than_it_should_be_is_remembered_until_it_is_built(database: Path) -> None:
    both = {"model.a": "success", "model.b": "success"}
    codes = {"model.a": "1", "model.b": "2"}
    first = state.after("r1", both, None, database, full=True, codes=codes)
    one = {"model.a": "success"}
    second = state.after(
        "r2", one, first, database, full=False, codes={"model.a": "3"}, outdated=["model.b"]
    )
    assert second is not None
    assert (second.codes, second.outdated) == ({"model.a": "3", "model.b": "2"}, ("model.b",))
    state.save(database, second)
    assert state.load(database) == second
    third = state.after("r3", {}, second, database, full=False, codes={})
    assert third is not None
    assert third.outdated == ("model.b",)
    fourth = state.after("r4", {"model.b": "success"}, third, database, full=False, codes={})
    assert fourth is not None
    assert fourth.outdated == ()
    # one that could not say what it built
    fifth = state.after("r5", {"model.b": "error"}, fourth, database, full=False)
    assert fifth is not None
    assert fifth.codes == {}


def test_what_a_part_read_otherwise_is_new_to_the_next_full_build(database: Path) -> None:
    """Else an edit that was built as a part, and taken back, stayed in the file."""
    read = {"raw/daily": "1", "models/a.sql": "2", "seeds/b.csv": "3"}
    first = state.after("r1", {}, None, database, full=True, inputs=read)
    assert first is not None
    assert first.inputs == read
    edited = {"raw/daily": "1", "models/a.sql": "4", "models/new.sql": "5"}
    part = state.after("r2", {}, first, database, full=False, inputs=edited)
    assert part is not None
    assert part.inputs == {"raw/daily": "1", "models/a.sql": "", "seeds/b.csv": ""}


def test_a_subset_with_other_variables_leaves_no_record(
    database: Path,
) -> None:
    green = state.after("r1", {"model.a": "success"}, None, database, full=True, variables="{a: 1}")
    for variables in ("", "{a: 2}"):
        found = state.after(
            "r2", {"model.a": "success"}, green, database, full=False, variables=variables
        )
        assert found is None


def test_a_full_build_forgets_what_was_red_before(database: Path) -> None:
    red = state.after("r1", {"model.gone": "error"}, None, database, full=True)
    green = state.after("r2", {"model.a": "success"}, red, database, full=True)
    assert green is not None
    assert green.unproven == ()


def test_a_saved_state_is_valid_until_the_file_changes(database: Path) -> None:
    green = state.after("r1", {"model.a": "success"}, None, database, full=True)
    state.save(database, green)
    assert state.load(database) == green
    os.utime(database, ns=(1, 1))
    assert state.load(database) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"invocation_id": "r1"}'])
def test_an_incomplete_state_is_none(database: Path, text: str) -> None:
    (database.parent / "state.json").write_text(text)
    assert state.load(database) is None


def test_a_second_build_is_refused_with_the_process_of_the_first(database: Path) -> None:
    with (
        state.sole_owner(database),
        pytest.raises(DatabaseLocked, match=f"process {os.getpid()}"),
        state.sole_owner(database),
    ):
        pass
    with state.sole_owner(database):
        pass


def test_a_lock_that_was_only_looked_at_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "owner"
    path.write_text("7")
    assert state.holder(path) is None
    looking = path.open()
    fcntl.flock(looking, fcntl.LOCK_SH)
    with path.open("a") as file:
        with monkeypatch.context() as patched:
            patched.setattr(time, "sleep", lambda seconds: None)
            with pytest.raises(BlockingIOError):
                state.lock(file.fileno())
            patched.setattr(time, "sleep", lambda seconds: looking.close())
            state.lock(file.fileno())
        assert state.holder(path) == "7"
    assert state.holder(path) is None
    assert state.holder(tmp_path / "none") is None
