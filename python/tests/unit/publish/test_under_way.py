"""Readers during publications, and publications that are killed."""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
from multiprocessing.synchronize import Event, Semaphore
from pathlib import Path
from typing import Any

import duckdb
import pytest

import duckbourse
from duckbourse import state
from duckbourse.errors import PublicationError
from duckbourse.history import CURRENT, find
from duckbourse.publish import publish
from duckbourse.settings import settings
from duckbourse.warehouse import open_published
from tests.support.dbt_server import cpu_seconds
from tests.support.publications import make
from tests.support.waiting import DEATHS, HANG_SECONDS, die_after

pytestmark = pytest.mark.some_day

processes = multiprocessing.get_context("spawn")


def read_until(path: str, begun: Semaphore, stop: Event, found: Any) -> None:
    """
    Open, compare the tables of one publication, close, again; report every disagreement.

    The first read precedes `begun`, and the last starts after `stop`.
    """
    reads = 0
    generations = set()
    problems = []
    is_last = False
    while not is_last:
        is_last = stop.is_set()
        try:
            with duckdb.connect(path, read_only=True) as connection:
                [(twin, low, high, build)] = connection.execute(
                    """
                    select
                        (select generation from bars.twin),
                        min(close)::integer,
                        max(close)::integer,
                        (select build_id from serving.publication where published_at is not null)
                    from bars.ohlcv
                    """
                ).fetchall()
            if not (twin == low == high and build == f"b{twin}"):
                problems.append(f"half a publication: {twin} {low} {high} {build}")
            generations.add(twin)
        except duckdb.Error as error:
            problems.append(str(error))
        reads += 1
        if reads == 1:
            begun.release()
    found.put((reads, len(generations), problems[:3]))


def publish_while_reading(tmp_path: Path, publications: int, readers: int) -> None:
    source, target = tmp_path / "build" / "duckbourse.duckdb", tmp_path / "duckbourse.duckdb"
    publish(source, target, make(source, 1))
    begun, stop, found = processes.Semaphore(0), processes.Event(), processes.Queue()
    crowd = [
        processes.Process(target=read_until, args=(str(target), begun, stop, found))
        for _ in range(readers)
    ]
    for reader in crowd:
        reader.start()
    for _ in crowd:
        assert begun.acquire(timeout=HANG_SECONDS)
    for generation in range(2, publications + 2):
        publish(source, target, make(source, generation, rows=5000))
    stop.set()
    answers = [found.get(timeout=HANG_SECONDS) for _ in crowd]
    for reader in crowd:
        reader.join(HANG_SECONDS)
    assert [problems for _, _, problems in answers if problems] == []
    assert all(reads > 1 for reads, _, _ in answers)
    assert all(seen > 1 for _, seen, _ in answers)


def test_readers_never_see_half_a_publication(tmp_path: Path) -> None:
    publish_while_reading(tmp_path, publications=6, readers=2)


@pytest.mark.long
def test_ten_readers_over_fifty_publications_see_none_in_half(tmp_path: Path) -> None:
    publish_while_reading(tmp_path, publications=50, readers=10)


def publish_and_die(source: Path, target: Path, cpu_seconds: float) -> None:
    """Publish, and die after this much CPU time from the start of the copy."""

    def copied(event: str, words: tuple[Any, ...]) -> None:
        if event == "shutil.copyfile":
            die_after(cpu_seconds)

    sys.addaudithook(copied)
    publish(source, target, state.load(source))


def kill_publications(tmp_path: Path, kills: int) -> None:
    source, target = tmp_path / "build" / "duckbourse.duckdb", tmp_path / "duckbourse.duckdb"
    publish(source, target, make(source, 1))
    chance = random.Random(7)
    make(source, 1, rows=20_000)
    used = cpu_seconds()
    publish(source, tmp_path / "build" / "other.duckdb", state.load(source))
    used = cpu_seconds() - used
    published = 1
    killed = []
    for generation in range(2, kills + 2):
        make(source, generation, rows=20_000)
        # the first certainly before the copy starts; the others at random times after that
        moment = 0 if generation == 2 else chance.uniform(0, used)
        child = processes.Process(target=publish_and_die, args=(source, target, moment))
        child.start()
        child.join(HANG_SECONDS)
        assert child.exitcode in (0, *DEATHS)
        killed.append(child.exitcode in DEATHS)
        with duckdb.connect(str(target), read_only=True) as connection:
            [(seen,)] = connection.execute("select generation from bars.twin").fetchall()
            [(count,)] = connection.execute(
                "select count(*) from bars.ohlcv where close = ?", [seen]
            ).fetchall()
        assert seen in (published, generation)
        assert count == (20_000 if seen > 1 else 3)
        published = seen
    assert killed[0]
    assert any(killed[1:])
    publish(source, target, make(source, kills + 2))
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "build",
        "duckbourse.duckdb",
        "publications",
    ]
    assert list(tmp_path.rglob(".*")) == []


def test_a_killed_publication_leaves_the_one_before(tmp_path: Path) -> None:
    kill_publications(tmp_path, 3)


@pytest.mark.long
def test_ten_killed_publications_leave_the_one_before(tmp_path: Path) -> None:
    kill_publications(tmp_path, 10)


def test_whoever_asks_during_the_first_build_is_asked_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remedy was to run the build that was running."""
    monkeypatch.setenv("BOURSE_DATA_DIR", str(tmp_path))
    settings.cache_clear()
    path = settings().published_database
    try:
        for ask in (open_published, lambda: duckbourse.open(path), lambda: find([], CURRENT)):
            with (
                state.sole_owner(settings().build_database),
                pytest.raises(PublicationError) as asked,
            ):
                ask()
            assert f"yet: process {os.getpid()} is building it" in str(asked.value)
            assert "no build is running" in asked.value.remedy
            with pytest.raises(PublicationError) as asked:
                ask()
            assert asked.value.remedy == "run `./bourse build`"
    finally:
        settings.cache_clear()
