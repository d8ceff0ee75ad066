"""Former publications are kept within limits, listed and put back, whatever happens in between."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

import duckbourse
from duckbourse import clock, history, state
from duckbourse.publish import publish, roll_back
from duckbourse.settings import settings
from tests.support.commands import Ended, bourse
from tests.support.publications import make
from tests.support.waiting import HANG_SECONDS

processes = multiprocessing.get_context("spawn")
EVENING = datetime(2026, 11, 27, 18, 45, 10, tzinfo=UTC)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return tmp_path / "duckbourse.duckdb"


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a test set limits in the environment."""
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


def build(published: Path, generation: int) -> state.State:
    return make(published.parent / "build" / "duckbourse.duckdb", generation)


def publish_evening(published: Path, generation: int, **environment: str) -> Ended:
    """Publish a build of its own number, on the evening of that number."""
    build(published, generation)
    with clock.driven_by(lambda: EVENING + timedelta(days=generation - 1)):
        return bourse(published.parent, "publish", **environment)


def generation_in(path: Path) -> int:
    with duckdb.connect(str(path), read_only=True) as connection:
        [(generation, low, high)] = connection.execute(
            "select generation, min(close)::integer, max(close)::integer"
            " from bars.twin cross join bars.ohlcv group by generation"
        ).fetchall()
    assert generation == low == high
    return int(generation)


def kept(published: Path) -> list[str]:
    return sorted(path.name for path in history.folder_of(published).glob("*"))


def test_a_publication_keeps_the_one_before_without_a_copy(published: Path) -> None:
    assert publish_evening(published, 1).returncode == 0
    inode = published.stat().st_ino
    assert not history.folder_of(published).exists()
    assert publish_evening(published, 2).stderr == ""
    [former] = history.folder_of(published).iterdir()
    assert former.name == "20261127T184510-b1.duckdb"
    assert former.stat().st_ino == inode
    assert (generation_in(former), generation_in(published)) == (1, 2)


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({}, ["20261128T184510-b2", "20261129T184510-b3", "20261130T184510-b4"]),
        ({"BOURSE_KEEP_PUBLICATIONS": "1"}, ["20261130T184510-b4"]),
        ({"BOURSE_KEEP_DAYS": "2"}, ["20261129T184510-b3", "20261130T184510-b4"]),
        # each has about 1.8 MB
        ({"BOURSE_KEEP_GB": "0.004"}, ["20261129T184510-b3", "20261130T184510-b4"]),
        ({"BOURSE_KEEP_PUBLICATIONS": "0"}, []),
    ],
    ids=["by default", "count", "days", "size", "none"],
)
def test_publications_beyond_a_limit_are_removed(
    published: Path, environment: dict[str, str], names: list[str]
) -> None:
    for generation in range(1, 6):
        done = publish_evening(published, generation, **environment)
        assert (done.returncode, done.stderr) == (0, "")
    assert kept(published) == [f"{name}.duckdb" for name in names]
    assert generation_in(published) == 5


def test_a_file_with_a_name_of_its_own_is_kept_for_ever(published: Path) -> None:
    publish_evening(published, 1)
    publish_evening(published, 2)
    [former] = history.folder_of(published).iterdir()
    former.rename(former.with_name("before-the-split.duckdb"))
    (former.parent / "notes.txt").write_text("mine")
    (former.parent / "20200101T000000.duckdb").write_text("mine")
    for generation in (3, 4, 5, 6):
        publish_evening(published, generation, BOURSE_KEEP_PUBLICATIONS="1")
    assert kept(published) == [
        "20200101T000000.duckdb",
        "20261201T184510-b5.duckdb",
        "before-the-split.duckdb",
        "notes.txt",
    ]
    assert bourse(published.parent, "rollback", "before").returncode == 0
    assert generation_in(published) == 1


def test_the_current_one_is_never_removed_and_the_newest_not_for_its_age(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for generation in (1, 2, 3):
        publish_evening(published, generation)
    bourse(published.parent, "rollback", "b1")
    with clock.driven_by(lambda: EVENING + timedelta(days=1000)):
        history.apply_limits(published)
        assert kept(published) == ["20261127T184510-b1.duckdb", "20261129T184510-b3.duckdb"]
        monkeypatch.setenv("BOURSE_KEEP_PUBLICATIONS", "0")
        settings.cache_clear()
        history.apply_limits(published)
    assert kept(published) == ["20261127T184510-b1.duckdb"]
    assert generation_in(published) == 1


def test_where_links_are_not_possible_it_is_copied(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    publish_evening(published, 1)
    publish_evening(published, 2)
    former = history.folder_of(published) / "20261127T184510-b1.duckdb"
    assert former.stat().st_nlink == 1
    assert generation_in(former) == 1
    assert bourse(published.parent, "rollback").returncode == 0
    assert generation_in(published) == 1
    names = [each.name for each in history.publications(published) if each.is_current]
    assert names == ["20261127T184510-b1"]
    assert list(published.parent.rglob(".*")) == []


def test_a_publication_does_not_fail_because_none_can_be_kept(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_evening(published, 1)
    copyfile = shutil.copyfile

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    def full_in_history(source: Path, target: Path) -> None:
        if target.parent.name == "publications":
            target.write_text("half")
            full()
        copyfile(source, target)

    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr(shutil, "copyfile", full_in_history)
    done = publish_evening(published, 2)
    folder = history.folder_of(published)
    assert done.returncode == 0
    assert done.stderr == (
        "warning: the former publication is not kept: the disk is full, writing"
        f" {folder}/20261127T184510-b1.duckdb: No space left on device\n"
    )
    assert generation_in(published) == 2
    assert kept(published) == []


def test_a_damaged_former_one_is_replaced_with_a_warning(published: Path) -> None:
    publish_evening(published, 1)
    publish_evening(published, 2)
    published.unlink()
    published.write_text("damaged" * 1000)
    done = publish_evening(published, 3)
    assert done.returncode == 0
    assert done.stderr == (
        f"warning: the former publication is not kept: {published} is damaged, or is not a DuckDB"
        " database\n"
    )
    assert generation_in(published) == 3
    assert kept(published) == ["20261127T184510-b1.duckdb"]


def test_kept_ones_free_space_on_a_full_disk_oldest_first(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for generation in (1, 2, 3, 4):
        publish_evening(published, generation)
    size = published.stat().st_size

    class Usage:
        @property
        def free(self) -> int:
            # each that is gone frees a third of what one needs
            return size * (4 - len(kept(published))) // 3

    monkeypatch.setattr("duckbourse.history.shutil.disk_usage", lambda _: Usage())
    done = publish_evening(published, 5)
    assert done.returncode == 0
    assert done.stderr == (
        "warning: the disk was nearly full; removed: 20261127T184510-b1, 20261128T184510-b2\n"
    )
    assert kept(published) == ["20261129T184510-b3.duckdb", "20261130T184510-b4.duckdb"]


@pytest.mark.parametrize(("sizes", "names"), [(3, ["b1", "b2", "b3"]), (2, ["b3"])])
def test_a_full_disk_removes_none_in_vain_and_never_the_newest(
    published: Path, monkeypatch: pytest.MonkeyPatch, sizes: int, names: list[str]
) -> None:
    for generation in (1, 2, 3, 4):
        publish_evening(published, generation)
    monkeypatch.setattr("duckbourse.history.shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    smallest = min(path.stat().st_size for path in history.folder_of(published).iterdir())
    history.free_space(published, sizes * smallest)
    assert [path.removesuffix(".duckdb")[-2:] for path in kept(published)] == names


def test_a_kept_file_with_a_second_name_frees_no_space(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for generation in (1, 2, 3, 4):
        publish_evening(published, generation)
    monkeypatch.setattr("duckbourse.history.shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    first, second, _ = sorted(history.folder_of(published).iterdir())
    os.link(first, published.with_name("mine.duckdb"))
    assert history.free_space(published, second.stat().st_size + 1) == []
    assert history.free_space(published, second.stat().st_size) == [first, second]


def test_publications_on_another_disk_free_no_space(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for generation in (1, 2, 3, 4):
        publish_evening(published, generation)
    monkeypatch.setattr("duckbourse.history.shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    folder = history.folder_of(published)
    real = Path.stat

    def stat(path: Path, **options: bool) -> os.stat_result:
        found = real(path, **options)
        if path != folder:
            return found
        return os.stat_result((*found[:2], found.st_dev + 1, *found[3:]))

    monkeypatch.setattr(Path, "stat", stat)
    assert history.free_space(published, 1) == []


def test_a_whole_name_is_not_the_beginning_of_others(published: Path) -> None:
    known = [
        history.Publication(name, published, False, 0, {}) for name in ("mine-2", "mine", "mine-3")
    ]
    assert history.find(known, "mine").name == "mine"


@pytest.mark.some_day
def test_what_is_no_file_is_listed_and_never_opened(published: Path) -> None:
    publish_evening(published, 1)
    folder = history.folder_of(published)
    folder.mkdir(exist_ok=True)
    os.mkfifo(folder / "pipe.duckdb")
    (folder / os.fsdecode(b"b\xff.duckdb")).write_text("not UTF-8")
    (folder / "folder.duckdb").mkdir()
    found = {each.name: each.problem for each in history.publications(published)}
    assert found["pipe"] == f"{folder}/pipe.duckdb is a pipe, not a DuckDB database"
    assert found["folder"] == f"{folder}/folder.duckdb is a folder, not a DuckDB database"
    assert found["b\\udcff"] == f"the name of {folder}/b\\udcff.duckdb is not UTF-8"
    for words in (("publications",), ("publications", "--json"), ("status",)):
        assert bourse(published.parent, *words).returncode == 0
    assert bourse(published.parent, "rollback", "pipe", "--yes").returncode != 0


def test_they_are_listed_newest_first(published: Path) -> None:
    done = bourse(published.parent, "publications")
    assert (done.returncode, done.stderr) == (
        5,
        f"error: nothing has been published at {published}\n  remedy: run `./bourse build`\n",
    )
    publish_evening(published, 1)
    publish_evening(published, 2)
    (history.folder_of(published) / "broken.duckdb").write_text("broken" * 1000)
    done = bourse(published.parent, "publications")
    assert done.returncode == 0
    assert [" ".join(line.split()) for line in done.stdout.splitlines()] == [
        "publication published (UTC) build revision data size rows signals",
        "* 20261128T184510-b2 2026-11-28 18:45 b2 abc123 0123456789ab 1.8 MB 5",
        "20261127T184510-b1 2026-11-27 18:45 b1 abc123 0123456789ab 1.8 MB 5",
        "broken 0.0 MB",
    ]
    assert done.stderr.splitlines() == [
        "retention besides the current publication: up to 3, 30 days, 5 GB total",
        f"warning: broken cannot be read: {history.folder_of(published)}/broken.duckdb is damaged,"
        " or is not a DuckDB database",
    ]
    found = json.loads(bourse(published.parent, "publications", "--json").stdout)
    assert [(each["name"], each["is_current"]) for each in found] == [
        ("20261128T184510-b2", True),
        ("20261127T184510-b1", False),
        ("broken", False),
    ]
    assert found[0] == {
        "name": "20261128T184510-b2",
        "is_current": True,
        "path": str(published),
        "bytes": published.stat().st_size,
        "problem": None,
        "build_id": "b2",
        "git_revision": "abc123",
        "data_version": "0123456789abcdef",
        "invocation_id": "run-2",
        "published_at": "2026-11-28T18:45:10",
        "row_count": 5,
        "signal_count": None,
    }


@pytest.mark.some_day
def test_back_and_forward_again(published: Path) -> None:
    for generation in (1, 2, 3):
        publish_evening(published, generation)
    with duckbourse.open(published) as market:
        done = bourse(published.parent, "rollback")
        assert done.stdout.splitlines() == [
            "rolled back to 20261128T184510-b2, build b2, from revision abc123, data 0123456789ab",
            "to undo: ./bourse rollback 20261129T184510-b3",
            "the next ./bourse build will replace it",
        ]
        newest = "to return to the newest: ./bourse rollback 20261129T184510-b3"
        shown = bourse(published.parent, "status").stdout.splitlines()
        assert shown[3].strip() == f"a newer one is kept; {newest}"
        assert market.sql("from bars.twin").fetchall() == [(3,)]
        assert market.refresh() is True
        assert market.sql("from bars.twin").fetchall() == [(2,)]
    bourse(published.parent, "rollback")
    assert generation_in(published) == 1
    shown = bourse(published.parent, "status").stdout.splitlines()
    assert shown[3].strip() == f"2 newer ones are kept; {newest}"
    done = bourse(published.parent, "rollback")
    assert done.returncode == 5
    assert done.stderr == (
        "error: no publication before the current one is kept, but newer ones are\n"
        "  remedy: `./bourse diff current 20261129T184510-b3` compares with the newest, and"
        " `./bourse publications` lists all\n"
    )
    done = bourse(published.parent, "rollback", "20261129T184510-b3", "--json")
    assert json.loads(done.stdout) == {
        "published": "20261129T184510-b3",
        "former": "20261127T184510-b1",
        "is_changed": True,
    }
    assert generation_in(published) == 3
    report = json.loads(bourse(published.parent, "status", "--json").stdout)
    assert report["publication"]["newer"] == []
    done = bourse(published.parent, "rollback", "current")
    assert done.stdout == ("20261129T184510-b3 is the current publication; nothing was changed\n")
    # the next build follows as ever
    publish_evening(published, 4)
    assert generation_in(published) == 4
    assert [path.removesuffix(".duckdb")[-2:] for path in kept(published)] == ["b1", "b2", "b3"]


@pytest.mark.parametrize(
    ("name", "error", "remedy"),
    [
        (
            "2026112",
            "'2026112' is the beginning of 2 publications: 20261128T184510-b2, 20261127T184510-b1",
            "write more of the name",
        ),
        (
            "20261128T184510-b3",
            "there is no publication '20261128T184510-b3'; did you mean '20261128T184510-b2'?",
            "`./bourse publications` lists them",
        ),
        (
            "previuos",
            "there is no publication 'previuos'; did you mean 'previous'?",
            "`./bourse publications` lists them",
        ),
    ],
)
def test_a_name_that_is_not_one(published: Path, name: str, error: str, remedy: str) -> None:
    publish_evening(published, 1)
    publish_evening(published, 2)
    done = bourse(published.parent, "rollback", name)
    assert (done.returncode, done.stderr) == (2, f"error: {error}\n  remedy: {remedy}\n")
    assert generation_in(published) == 2


def test_a_damaged_one_is_not_put_back(published: Path) -> None:
    publish_evening(published, 1)
    publish_evening(published, 2)
    [former] = history.folder_of(published).iterdir()
    former.unlink()
    former.write_text("damaged" * 1000)
    done = bourse(published.parent, "rollback", former.stem)
    assert done.returncode == 5
    assert done.stderr == (
        f"error: {former.stem} was not published again, since it cannot be read: {former} is"
        " damaged, or is not a DuckDB database\n"
        "  remedy: choose another one: `./bourse publications`\n"
    )
    assert generation_in(published) == 2


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "damaged"])
def test_a_lost_or_damaged_publication_is_replaced(published: Path, lost: bool) -> None:
    publish_evening(published, 1)
    publish_evening(published, 2)
    published.unlink()
    if not lost:
        published.write_text("damaged" * 1000)
    done = bourse(published.parent, "rollback")
    assert done.returncode == 0
    assert done.stdout.splitlines()[1:] == [
        "what was published before could not be read and is not kept",
        "the next ./bourse build will replace it",
    ]
    assert generation_in(published) == 1


def test_no_rollback_during_a_build(published: Path) -> None:
    publish_evening(published, 1)
    publish_evening(published, 2)
    built = published.parent / "build" / "duckbourse.duckdb"
    with state.sole_owner(built):
        done = bourse(published.parent, "rollback")
    assert done.returncode == 4
    assert done.stderr == (
        f"error: {built} is being built, published or restored by process {os.getpid()}\n"
        "  remedy: wait until it has ended, or end it; then run this again\n"
    )
    assert generation_in(published) == 2


def publish_and_die(published: Path, step: int) -> None:
    built = published.parent / "build" / published.name
    green = make(built, 3)
    _die_at(step)
    with clock.driven_by(lambda: EVENING + timedelta(days=2)):
        publish(built, published, green)


def roll_back_and_die(published: Path, step: int) -> None:
    _die_at(step)
    roll_back(published, history.find(history.publications(published), history.PREVIOUS))


def _die_at(step: int) -> None:
    """Die at this change of names from now on; SIGKILL leaves no time to clean up."""
    left = [step]

    def changed(event: str, words: tuple[Any, ...]) -> None:
        is_removed = event == "os.remove" and Path(words[0]).exists()
        if event in ("os.link", "os.rename") or is_removed:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(changed)


@pytest.mark.parametrize("action", [publish_and_die, roll_back_and_die])
def test_a_kill_at_any_step_loses_nothing(published: Path, action: Any) -> None:
    start = published.with_name("start") / published.name
    publish_evening(start, 1)
    publish_evening(start, 2)
    outcomes: list[int] = []
    code: int | None = -signal.SIGKILL
    while code:
        data = published.parent / str(len(outcomes))
        shutil.copytree(start.parent, data)
        child = processes.Process(target=action, args=(data / published.name, len(outcomes)))
        child.start()
        child.join(HANG_SECONDS)
        code = child.exitcode
        assert code in (0, -signal.SIGKILL)
        outcomes.append(generation_in(data / published.name))
        history.remove_leftovers(data / published.name)
        assert list(data.rglob(".*")) == []
        files = [data / published.name, *history.folder_of(data / published.name).iterdir()]
        assert {generation_in(path) for path in files} >= {1, 2}
    assert outcomes[0] == 2
    assert outcomes[-1] == (3 if action is publish_and_die else 1)
    # at least before the current one is linked, named, and replaced, and after that
    assert len(outcomes) >= 4
