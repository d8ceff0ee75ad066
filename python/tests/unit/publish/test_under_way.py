"""Readers that never notice, and publications that are killed."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import duckdb
import pytest

from duckbourse import state
from duckbourse.publish import publish
from tests.support.publications import make

pytestmark = pytest.mark.some_day

processes = multiprocessing.get_context("spawn")


def read_until(path: str, stop: Event, found: Any) -> None:
    """Open, compare the tables of one publication, close, again; report every disagreement."""
    reads = 0
    generations = set()
    problems = []
    while not stop.is_set():
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
    found.put((reads, len(generations), problems[:3]))


def publish_while_reading(tmp_path: Path, publications: int, readers: int) -> None:
    source, target = tmp_path / "build" / "duckbourse.duckdb", tmp_path / "duckbourse.duckdb"
    publish(source, target, make(source, 1))
    stop, found = processes.Event(), processes.Queue()
    crowd = [
        processes.Process(target=read_until, args=(str(target), stop, found))
        for _ in range(readers)
    ]
    for reader in crowd:
        reader.start()
    time.sleep(2)
    for generation in range(2, publications + 2):
        publish(source, target, make(source, generation, rows=5000))
    stop.set()
    answers = [found.get(timeout=60) for _ in crowd]
    for reader in crowd:
        reader.join()
    assert [problems for _, _, problems in answers if problems] == []
    assert all(reads > 1 for reads, _, _ in answers)
    assert max(seen for _, seen, _ in answers) > 1


def test_readers_never_see_half_a_publication(tmp_path: Path) -> None:
    publish_while_reading(tmp_path, publications=6, readers=2)


@pytest.mark.long
def test_ten_readers_over_fifty_publications_see_none_in_half(tmp_path: Path) -> None:
    publish_while_reading(tmp_path, publications=50, readers=10)


def publish_in_child(source: Path, target: Path) -> None:
    publish(source, target, state.load(source))


def kill_publications(tmp_path: Path, kills: int) -> None:
    source, target = tmp_path / "build" / "duckbourse.duckdb", tmp_path / "duckbourse.duckdb"
    publish(source, target, make(source, 1))
    chance = random.Random(7)
    published = 1
    killed = 0
    for generation in range(2, kills + 2):
        make(source, generation, rows=20_000)
        child = processes.Process(target=publish_in_child, args=(source, target))
        child.start()
        assert child.pid is not None
        # from before the copy is begun to after it is renamed
        deadline = time.monotonic() + 30
        while not list(tmp_path.glob(".publishing-*")) and child.is_alive():
            assert time.monotonic() < deadline
        time.sleep(chance.uniform(0, 0.08))
        if child.is_alive():
            os.kill(child.pid, signal.SIGKILL)
            killed += 1
        child.join()
        with duckdb.connect(str(target), read_only=True) as connection:
            [(seen,)] = connection.execute("select generation from bars.twin").fetchall()
            [(count,)] = connection.execute(
                "select count(*) from bars.ohlcv where close = ?", [seen]
            ).fetchall()
        assert seen in (published, generation)
        assert count == (20_000 if seen > 1 else 3)
        published = seen
    assert killed
    publish(source, target, make(source, kills + 2))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["build", "duckbourse.duckdb"]


def test_a_killed_publication_leaves_the_one_before(tmp_path: Path) -> None:
    kill_publications(tmp_path, 3)


@pytest.mark.long
def test_ten_killed_publications_leave_the_one_before(tmp_path: Path) -> None:
    kill_publications(tmp_path, 10)
