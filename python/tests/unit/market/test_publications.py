"""A notebook's market over handmade publications: which one it reads, until when, and what not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import tomllib
import traceback
from pathlib import Path

import duckdb
import pytest

import duckbourse
from duckbourse.errors import PublicationError
from duckbourse.publish import publish
from duckbourse.settings import PROJECT
from tests.support.publications import make

# What a fresh environment has after `pip install ./python`; everything else is refused.
BARE = """
import sys
from importlib.abc import MetaPathFinder

BASE = {"_duckdb", "_duckdb-stubs", "annotated_types", "dotenv", "duckbourse", "duckdb",
        "pydantic", "pydantic_core", "pydantic_settings", "typing_extensions", "typing_inspection"}

class Refuse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        root = name.split(".")[0]
        is_ours = root in BASE or root in sys.stdlib_module_names or "sysconfig" in root
        if not is_ours:
            raise ModuleNotFoundError(f"No module named {root!r}", name=root)

sys.meta_path.insert(0, Refuse())
import duckbourse
print(sorted({"duckdb", "pydantic"} & set(sys.modules)))
with duckbourse.open(sys.argv[1]) as market:
    print(market.sql("from bars.twin").fetchall())
"""


def published(folder: Path, generation: int) -> Path:
    """Publish a build whose tables all hold the number of its generation."""
    build = folder / "build" / "duckbourse.duckdb"
    state = make(build, generation)
    publish(build, folder / "duckbourse.duckdb", state)
    return folder / "duckbourse.duckdb"


@pytest.mark.some_day
def test_refresh_moves_to_the_next_publication_and_relations_keep_theirs(tmp_path: Path) -> None:
    market = duckbourse.open(published(tmp_path, 1))
    former = market.sql("from bars.twin")
    assert market.refresh() is False
    published(tmp_path, 2)
    assert market.sql("from bars.twin").fetchall() == [(1,)]
    assert market.refresh() is True
    assert market.refresh() is False
    assert market.sql("from bars.twin").fetchall() == [(2,)]
    assert former.fetchall() == [(1,)]
    assert former.filter("generation = 1").fetchall() == [(1,)]
    market.close()


@pytest.mark.some_day
def test_a_refresh_that_fails_keeps_what_was_open(tmp_path: Path) -> None:
    path = published(tmp_path, 1)
    with duckbourse.open(path) as market:
        path.unlink()
        with pytest.raises(PublicationError, match="nothing has been published at"):
            market.refresh()
        newer(tmp_path / "newer.duckdb", 2)
        (tmp_path / "newer.duckdb").rename(path)
        with pytest.raises(PublicationError, match="has version 2 of the public tables"):
            market.refresh()
        assert market.sql("from bars.twin").fetchall() == [(1,)]


@pytest.mark.some_day
def test_readers_never_see_half_a_publication(tmp_path: Path) -> None:
    path = published(tmp_path, 1)
    is_over = threading.Event()
    seen: list[set[int]] = []
    problems: list[object] = []

    def read() -> None:
        generations: set[int] = set()
        seen.append(generations)
        try:
            with duckbourse.open(path) as market:
                is_last = False
                while not is_last:
                    is_last = is_over.is_set()
                    market.refresh()
                    [(twin, low, high)] = market.sql(
                        "select generation, min(close), max(close)"
                        " from bars.twin cross join bars.ohlcv group by generation"
                    ).fetchall()
                    generations.add(twin)
                    if not twin == low == high:
                        problems.append((twin, low, high))
        except BaseException as error:
            problems.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for generation in range(2, 7):
        published(tmp_path, generation)
    is_over.set()
    for reader in readers:
        reader.join()
    assert problems == []
    assert all(6 in generations for generations in seen)


@pytest.mark.some_day
def test_nothing_is_read_after_it_was_closed(tmp_path: Path) -> None:
    path = published(tmp_path, 1)
    with duckbourse.open(str(path)) as market:
        taken = market.sql("from bars.twin")
    with pytest.raises(PublicationError) as caught:
        market.sql("from bars.twin")
    assert str(caught.value) == f"{path} was closed"
    assert caught.value.remedy == "open it again: duckbourse.open()"
    with pytest.raises(duckdb.ConnectionException, match="Connection has already been closed"):
        taken.fetchall()
    assert repr(market) == f"duckbourse: {path}, closed"
    market.close()


def test_it_says_when_it_was_published_and_as_of_when(tmp_path: Path) -> None:
    path = tmp_path / "as_of.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema serving")
        connection.execute(
            "create table serving.publication as select timestamp '2024-01-03 18:45:10' as"
            " published_at, timestamp '2024-01-02 09:00' as as_of, 'abc' as git_revision,"
            " '0123456789abcdef' as data_version"
        )
        connection.execute(
            "create table serving.latest_bars (symbol text, timeframe text, session_date date)"
        )
    with duckbourse.open(path) as market:
        assert repr(market).splitlines() == [
            f"duckbourse: {path}",
            "  published 2024-01-03 18:45 UTC",
            "  as known on 2024-01-02 09:00 UTC",
            "  from revision abc and data 0123456789ab",
            "  0 symbols in no timeframe, newest bar none",
        ]


def test_nothing_published_names_the_remedy_below_the_traceback(tmp_path: Path) -> None:
    with pytest.raises(PublicationError) as caught:
        duckbourse.open(tmp_path / "none.duckdb")
    assert traceback.format_exception_only(caught.value) == [
        "duckbourse.errors.PublicationError: "
        f"nothing has been published at {tmp_path}/none.duckdb\n",
        "remedy: run `./bourse build` in the project, or name its file: "
        "duckbourse.open('data/duckbourse.duckdb')\n",
    ]


def newer(path: Path, version: int) -> None:
    """Write a file that states a version of the public tables."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema serving")
        connection.execute(
            f"create table serving.publication as select {version} as contract_version"
        )


def test_a_newer_contract_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "newer.duckdb"
    newer(path, 2)
    with pytest.raises(PublicationError) as caught:
        duckbourse.open(path)
    assert str(caught.value) == (
        f"{path} has version 2 of the public tables, and this duckbourse reads up to version 1"
    )
    assert caught.value.remedy == "install the duckbourse of the project that published it"


def test_a_file_that_is_no_publication_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.duckdb"
    duckdb.connect(str(path)).close()
    with pytest.raises(PublicationError) as caught:
        duckbourse.open(path)
    assert str(caught.value) == f"{path} is a DuckDB database, but not a publication"
    damaged = tmp_path / "damaged.duckdb"
    damaged.write_text("not a database" * 1000)
    pipe = tmp_path / "pipe.duckdb"
    os.mkfifo(pipe)
    for wrong, problem in (
        (damaged, "is damaged, or is not a DuckDB database"),
        (tmp_path, "is a folder, not a DuckDB database"),
        (pipe, "is a pipe, not a DuckDB database"),
    ):
        with pytest.raises(PublicationError, match=problem) as caught:
            duckbourse.open(wrong)
        assert caught.value.remedy.startswith("open data/duckbourse.duckdb")


@pytest.mark.some_day
def test_reading_needs_no_more_than_the_package_depends_on(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BARE, str(published(tmp_path, 7))],
        cwd=PROJECT / "python",
        capture_output=True,
        text=True,
        check=False,
    )
    # the package alone loads neither DuckDB nor settings
    assert (done.stdout.splitlines(), done.stderr) == (["[]", "[(7,)]"], "")


def test_installed_elsewhere_it_finds_the_project_around_a_notebook(tmp_path: Path) -> None:
    package = shutil.copytree(
        PROJECT / "python" / "duckbourse",
        tmp_path / "lib" / "site-packages" / "duckbourse",
        ignore=shutil.ignore_patterns("__pycache__"),
    )

    def project_seen_from(folder: Path) -> str:
        code = "from duckbourse.settings import PROJECT; print(PROJECT)"
        environment = {**os.environ, "PYTHONPATH": str(package.parent)}
        command = [sys.executable, "-c", code]
        return subprocess.check_output(command, cwd=folder, env=environment, text=True).strip()

    assert project_seen_from(PROJECT / "analyses") == str(PROJECT)
    assert project_seen_from(tmp_path) == str(package.parents[1])


def test_the_package_depends_on_what_the_commands_are_locked_with() -> None:
    project = tomllib.loads((PROJECT / "python" / "pyproject.toml").read_text())["project"]
    required = (PROJECT / "python" / "requirements.in").read_text().splitlines()
    assert project["dependencies"]
    assert set(project["dependencies"]) <= set(required)
