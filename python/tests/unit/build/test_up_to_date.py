"""Whether a full build would make the same file again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from duckbourse import build, state
from duckbourse.build import Request, inputs, up_to_date
from duckbourse.settings import settings

ALL = Request()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project whose build file is of all that is there now."""
    monkeypatch.setattr(build, "PROJECT", tmp_path)
    monkeypatch.setattr(build, "__file__", str(tmp_path / "python" / "build.py"))
    monkeypatch.setenv("BOURSE_DATA_DIR", str(tmp_path / "data"))
    settings.cache_clear()
    for name in (
        *(f"{folder}/a/b.txt" for folder in build.READ_FOLDERS),
        *build.READ_FILES,
        *(f"python/{name}" for name in build.MADE_BY),
        "data/raw/daily/a.parquet",
        "data/sample/minute/b.parquet",
        "data/build/duckbourse.duckdb",
    ):
        write(tmp_path / name, name)
    record(tmp_path)
    yield tmp_path
    settings.cache_clear()


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def record(project: Path, **others: object) -> None:
    database = project / "data" / "build" / "duckbourse.duckdb"
    known = state.after("r1", {}, None, database, full=True, inputs=inputs(ALL))
    assert known is not None
    state.save(database, replace(known, **others))  # type: ignore[arg-type]


def test_a_build_of_the_same_is_not_needed(project: Path) -> None:
    built = up_to_date(ALL)
    assert built is not None
    assert built.invocation_id == "r1"
    # neither what nothing of a build reads, nor the time of change of what is read whole
    write(project / "analyses" / "question.sql", "select 1")
    write(project / "data" / "raw" / "daily" / "notes.txt", "")
    os.utime(project / "models" / "a" / "b.txt", (1, 1))
    assert up_to_date(ALL) == built


@pytest.mark.parametrize(
    "request_",
    [Request(full_refresh=True), Request(select="a"), Request(variables="{as_of: 2024-01-31}")],
)
def test_what_is_asked_for_is_built(project: Path, request_: Request) -> None:
    assert up_to_date(request_) is None


DATA = ("data/raw/daily/a.parquet", "data/sample/minute/b.parquet")
FILES = (*(f"{folder}/a/b.txt" for folder in build.READ_FOLDERS), *build.READ_FILES)


@pytest.mark.parametrize("name", [*DATA, *FILES, *(f"python/{name}" for name in build.MADE_BY)])
def test_what_is_edited_is_built_again(project: Path, name: str) -> None:
    (project / name).write_text("edited")
    assert up_to_date(ALL) is None


@pytest.mark.parametrize("name", [*DATA, *FILES])
def test_what_is_removed_or_renamed_is_built_again(project: Path, name: str) -> None:
    path = project / name
    path.rename(path.with_name(f"other_{path.name}"))
    assert up_to_date(ALL) is None
    path.with_name(f"other_{path.name}").unlink()
    assert up_to_date(ALL) is None


@pytest.mark.parametrize("name", ["models/a/new.sql", "data/raw/fills/new.parquet"])
def test_what_is_new_is_built(project: Path, name: str) -> None:
    write(project / name, "")
    assert up_to_date(ALL) is None


def test_data_of_the_same_size_is_known_by_its_time(project: Path) -> None:
    path = project / "data" / "raw" / "daily" / "a.parquet"
    before = path.stat().st_mtime_ns
    path.write_text(path.read_text()[::-1])
    os.utime(path, ns=(before + 1, before + 1))
    assert up_to_date(ALL) is None


def test_inputs_differ_by_name(project: Path) -> None:
    """A build of what is new begins at what differs."""
    before = inputs(ALL)
    write(project / "data" / "raw" / "fills" / "year" / "new.parquet", "")
    write(project / "data" / "raw" / "daily" / "a.parquet", "edited")
    write(project / "models" / "a" / "b.txt", "edited")
    (project / "seeds" / "a" / "b.txt").unlink()
    changed = ["models/a/b.txt", "raw/daily", "raw/fills", "seeds/a/b.txt"]
    assert build.differences(before, inputs(ALL)) == changed
    with_variables = inputs(Request(variables="{as_of: 2024-01-31}"))
    assert build.differences(inputs(ALL), with_variables) == ["variables"]


def test_the_sample_counts_only_if_it_is_read(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOURSE_SAMPLE", "false")
    settings.cache_clear()
    assert up_to_date(ALL) is None
    record(project)
    (project / "data" / "sample" / "minute" / "b.parquet").unlink()
    assert up_to_date(ALL) is not None


def test_another_version_of_an_engine_builds_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in build.ENGINES:
        with monkeypatch.context() as patch:
            patch.setattr(build, "version", lambda each, name=name: "9" if each == name else "1")
            assert up_to_date(ALL) is None


def test_only_a_green_build_of_everything_is_up_to_date(project: Path) -> None:
    record(project, unproven=("test.a",))
    assert up_to_date(ALL) is None
    record(project, inputs="")  # a part was built since, or an earlier version wrote the state
    assert up_to_date(ALL) is None
    record(project)
    assert up_to_date(ALL) is not None
    write(project / "data" / "build" / "duckbourse.duckdb", "somebody else")
    assert up_to_date(ALL) is None


def test_a_part_that_was_built_from_the_same_leaves_nothing_to_build(project: Path) -> None:
    database = project / "data" / "build" / "duckbourse.duckdb"
    known = state.load(database)
    assert known is not None
    after = state.after("r2", {}, known, database, full=False, inputs=inputs(ALL))
    assert after is not None
    state.save(database, after)
    assert up_to_date(ALL) == after
    # but not if something that follows from it was left out, or is red
    for part in ({"outdated": ("model.a",)}, {"unproven": ("test.b",)}):
        state.save(database, replace(after, **part))  # type: ignore[arg-type]
        assert up_to_date(ALL) is None
