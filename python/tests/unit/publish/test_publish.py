"""A publication is whole, has all that a reader needs, and comes only from a green build."""

from __future__ import annotations

import os
import struct
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from duckbourse import state
from duckbourse.errors import BourseError, DatabaseLocked, PublicationError
from duckbourse.publish import NOT_PUBLIC, publish
from duckbourse.warehouse import open_published, relation, wrap_duckdb_error
from tests.support.publications import make

pytestmark = pytest.mark.any_day


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "build" / "duckbourse.duckdb"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "duckbourse.duckdb"


def fill_with_free_blocks(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table big as select random() as r from range(2_000_000)")
        connection.execute("create table last as select random() as r from range(100_000)")
    with duckdb.connect(str(path)) as connection:
        connection.execute("drop table big")


@pytest.mark.parametrize("compacted", [False, True])
def test_everything_but_staging_survives(source: Path, target: Path, compacted: bool) -> None:
    green = make(source)
    if compacted:
        fill_with_free_blocks(source)
        green = replace(green, size=source.stat().st_size, mtime_ns=source.stat().st_mtime_ns)
    (source.parent / "daily.parquet").unlink()
    published = publish(source, target, green)
    assert published.is_compacted is compacted
    assert published.byte_count < source.stat().st_size or not compacted
    elsewhere = target.rename(target.with_name("renamed.duckdb"))
    with duckdb.connect(str(elsewhere), read_only=True) as connection:

        def rows(query: str) -> list[tuple[object, ...]]:
            return connection.execute(query).fetchall()

        assert rows("select count(*) from bars.ohlcv") == [(3,)]
        assert rows("select count(*) from bars.dear") == [(0,)]
        assert rows("select close::varchar from serving.closes('S2')") == [("1.0000",)]
        tables = "select table_name, comment from duckdb_tables() where schema_name != 'main'"
        assert sorted(rows(tables)) == [
            ("ohlcv", "one row is a symbol Key: symbol."),
            ("publication", None),
            ("twin", NOT_PUBLIC),
        ]
        assert rows("select comment from duckdb_views() where not internal") == [
            (f"Expensive ones:\n\n- above 1\n\n{NOT_PUBLIC}",)
        ]
        # of those that are in the file
        assert rows("select keys from serving.publication") == [({"bars.ohlcv": ["symbol"]},)]
        assert rows("select comment from duckdb_columns() where comment is not null") == [
            ("as traded",)
        ]
        kinds = rows("select constraint_type from duckdb_constraints() order by all")
        assert kinds == [("CHECK",), ("NOT NULL",), ("PRIMARY KEY",)]
        assert rows("from duckdb_schemas() where schema_name in ('staging', 'build_state')") == []
        [(counts, is_dated)] = rows(
            "select row_counts, published_at > timestamp '2020-01-01' from serving.publication"
        )
        assert counts == published.row_counts
        assert is_dated
    assert published.row_counts["bars.ohlcv"] == 3
    assert published.row_counts["serving.publication"] == 1


def test_every_client_since_1_0_can_open_it(source: Path, target: Path) -> None:
    publish(source, target, make(source))
    header = target.read_bytes()[:20]
    assert struct.unpack("<Q", header[12:20]) == (64,)


@pytest.mark.parametrize("why", ["no state", "changed since", "unproven", "of another run", "gone"])
def test_only_green_builds_are_published(source: Path, target: Path, why: str) -> None:
    publish(source, target, make(source))
    green: state.State | None = make(source, generation=2)
    assert green is not None
    match why:
        case "no state":
            green = None
        case "changed since":
            os.utime(source)
        case "unproven":
            green = replace(green, unproven=("model.duckbourse.bars__ohlcv",))
        case "of another run":
            green = replace(green, invocation_id="run-3")
        case "gone":
            source.unlink()
    with pytest.raises(PublicationError) as refused:
        publish(source, target, green)
    assert "`./bourse build`" in refused.value.remedy
    with open_published(target) as connection:
        assert relation(connection, "bars.twin").fetchall() == [(1,)]
    assert list(target.parent.glob(".publishing-*")) == []


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        ("drop table serving.publication", "serving.publication"),
        ("alter table serving.publication drop invocation_id", "serving.publication"),
        ("insert into serving.publication from serving.publication", "serving.publication"),
        (
            "create view bars.local as select * from staging.stg_raw__daily",
            "the view bars.local cannot be read",
        ),
        (
            "create view bars.local as from read_parquet('{folder}/daily.parquet')",
            "the view bars.local cannot be read",
        ),
    ],
)
def test_a_file_that_readers_could_not_use_is_refused(
    source: Path, target: Path, spoil: str, says: str
) -> None:
    green = make(source)
    with duckdb.connect(str(source)) as connection:
        connection.execute(spoil.format(folder=source.parent))
    green = replace(green, size=source.stat().st_size, mtime_ns=source.stat().st_mtime_ns)
    with pytest.raises(PublicationError, match=says):
        publish(source, target, green)
    assert not target.exists()
    assert list(target.parent.glob(".publishing-*")) == []


def test_a_reader_keeps_its_publication_and_the_next_sees_the_new_one(
    source: Path, target: Path
) -> None:
    publish(source, target, make(source, generation=1))
    with open_published(target) as before:
        publish(source, target, make(source, generation=2))
        assert relation(before, "bars.twin").fetchall() == [(1,)]
        with open_published(target) as after:
            assert relation(after, "bars.twin").fetchall() == [(2,)]


def test_leftovers_of_a_killed_publication_are_removed(source: Path, target: Path) -> None:
    for name in (".publishing-1.duckdb", ".publishing-1.duckdb.wal"):
        (target.parent / name).write_text("half")
    green = make(source)
    publish(source, target, green)
    assert list(target.parent.glob(".publishing-*")) == []


def test_a_build_file_that_is_being_written_is_not_copied(source: Path, target: Path) -> None:
    green = make(source)
    holder = os.fork()
    if not holder:
        import fcntl
        import signal

        with source.open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            (source.parent / "held").touch()
            signal.pause()
        os._exit(0)
    try:
        while not (source.parent / "held").exists():
            pass
        with pytest.raises(DatabaseLocked, match=f"process {holder}"):
            publish(source, target, green)
    finally:
        os.kill(holder, 9)
        os.waitpid(holder, 0)


def test_a_full_disk_is_one_line(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    green = make(source)

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("duckbourse.publish.shutil.copyfile", no_space)
    with pytest.raises(BourseError) as full:
        publish(source, target, green)
    assert full.value.exit_code == 6
    assert "\n" not in str(full.value)
    assert not target.exists()


def test_without_a_publication_the_error_has_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(PublicationError) as absent:
        open_published(tmp_path / "none.duckdb")
    assert absent.value.remedy.startswith("run `./bourse build`")


def test_published_connections_are_read_only(source: Path, target: Path) -> None:
    publish(source, target, make(source))
    with open_published(target) as connection:
        with pytest.raises(duckdb.InvalidInputException):
            connection.execute("delete from bars.twin")
        with pytest.raises(PublicationError, match=r"bars\.nosuch"):
            relation(connection, "bars.nosuch")


@pytest.mark.parametrize(
    ("text", "exit_code", "expected"),
    [
        (
            'IO Error: Could not set lock on file "x": Conflicting lock is held in '
            "/usr/bin/python3.11 (PID 4711). However, you would be able to",
            4,
            "open in another program: /usr/bin/python3.11, process 4711",
        ),
        (
            "IO Error: Trying to read a database file with version number 69, but we can only "
            "read versions between 64 and 68.",
            1,
            "written by a newer DuckDB",
        ),
        (
            "IO Error: Could not write all bytes to file: No space left on device",
            6,
            "the disk is full",
        ),
        ("IO Error: Cannot open file: Permission denied", 1, "Permission denied"),
    ],
)
def test_an_error_of_duckdb_is_worded_for_the_user(
    text: str, exit_code: int, expected: str
) -> None:
    error = wrap_duckdb_error(duckdb.IOException(text), Path("x.duckdb"))
    assert error.exit_code == exit_code
    assert expected in str(error)
    assert error.remedy
