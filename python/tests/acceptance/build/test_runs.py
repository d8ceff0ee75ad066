"""Builds of a minimal project: green, red, stopped, killed, locked out, and on a full disk."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.support.minimal_project import MinimalProject
from tests.support.receiver import Receiver
from tests.support.waiting import HANG_SECONDS, wait_until

# takes hours, so that it cannot end by itself
SLOW = "select sum(a.i % b.i) as n from range(40000000) as a (i), range(40000000) as b (i)"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> MinimalProject:
    minimal_project = MinimalProject.create(tmp_path_factory.mktemp("built") / "project")
    process = minimal_project.bourse("build", "--json")
    assert process.returncode == 0, process.stderr
    (minimal_project.folder / "answer.json").write_text(process.stdout)
    return minimal_project


@pytest.fixture
def minimal_project(built: MinimalProject, tmp_path: Path) -> MinimalProject:
    return built.copy(tmp_path / "project")


def last_lines(process: subprocess.CompletedProcess[str]) -> tuple[str, str]:
    assert "Traceback" not in process.stderr + process.stdout
    *_, error, remedy = process.stderr.splitlines()
    assert error.startswith("error: ")
    assert remedy.startswith("  remedy: ")
    return error, remedy


def test_a_green_build_is_published_and_summarized(built: MinimalProject) -> None:
    answer = json.loads((built.folder / "answer.json").read_text())
    assert answer["nodes"] == {"model": 4, "test": 2}
    assert answer["signals"] is None
    assert answer["published"]["bytes"] == built.published.stat().st_size
    assert built.rows("select n from bars.count") == [(3,)]
    [(run, counts)] = built.rows("select invocation_id, row_counts from serving.publication")
    assert run == answer["invocation_id"]
    assert counts == {"bars.count": 1, "bars.ohlcv": 3, "serving.publication": 1}


def test_nothing_is_built_or_published_if_nothing_is_new(
    minimal_project: MinimalProject, receiver: Receiver
) -> None:
    hook = {"BOURSE_WEBHOOK_URL": f"{receiver.address}/T0ken"}
    published = minimal_project.published.stat().st_ino
    second = minimal_project.bourse("build", "--json", **hook)
    assert second.returncode == 0, second.stderr
    answer = json.loads(second.stdout)
    assert (answer["nodes"], answer["published"]["seconds"]) == ({}, 0)
    first = json.loads((minimal_project.folder / "answer.json").read_text())
    assert answer["invocation_id"] == first["invocation_id"]
    assert minimal_project.published.stat().st_ino == published
    assert not receiver.got
    third = minimal_project.bourse("build")
    assert third.stdout.splitlines()[0] == (
        "✓ nothing is new since the last build, so nothing was built"
    )
    # what was not published is published then, without a build
    minimal_project.published.unlink()
    fourth = minimal_project.bourse("build", "--json")
    assert json.loads(fourth.stdout)["nodes"] == {}
    assert minimal_project.rows("select n from bars.count") == [(3,)]


COUNT, BARS = "models/bars/bars__count.sql", "models/bars/bars__ohlcv.sql"


def built_again(
    minimal_project: MinimalProject, *words: str
) -> tuple[int, dict[str, int], list[object]]:
    done = minimal_project.bourse("build", *words, "--json")
    nodes = json.loads(done.stdout)["nodes"] if done.returncode == 0 else {}
    with duckdb.connect(str(minimal_project.built), read_only=True) as connection:
        rows = connection.execute("select n from bars.count").fetchall()
    return done.returncode, nodes, [n for (n,) in rows]


def test_what_is_edited_is_built_with_what_follows_from_it(
    minimal_project: MinimalProject,
) -> None:
    """An edit of one model built the whole warehouse."""
    minimal_project.write(COUNT, "select 1 as n")
    assert built_again(minimal_project) == (0, {"model": 2}, [1])
    # a red edit is built again, with what it kept from being built
    minimal_project.write(BARS, "select symbol, 1 as day from {{ ref('stg_raw__daily') }}")
    minimal_project.write(COUNT, "select count(*) as n from {{ ref('bars__ohlcv') }}")
    assert built_again(minimal_project) == (1, {}, [1])
    minimal_project.write(BARS, "select symbol, day from {{ ref('stg_raw__daily') }}")
    assert built_again(minimal_project) == (0, {"model": 3, "test": 2}, [3])


@pytest.mark.long
def test_each_build_is_of_what_is_there_however_parts_were_built(
    minimal_project: MinimalProject,
) -> None:
    # an edit that was built as a part, and taken back
    shipped = (minimal_project.folder / COUNT).read_text()
    minimal_project.write(COUNT, "select 5 as n")
    assert built_again(minimal_project, "-s", "bars__count") == (0, {"model": 2}, [5])
    minimal_project.write(COUNT, shipped)
    assert built_again(minimal_project) == (0, {"model": 2}, [3])
    assert built_again(minimal_project) == (0, {}, [3])
    # other variables are for everything
    whole = {"model": 4, "test": 2}
    assert built_again(minimal_project, "--vars", "{rows: 7}") == (0, whole, [7])
    assert built_again(minimal_project) == (0, whole, [3])
    # and so is a macro that dbt calls by itself
    names = minimal_project.folder / "macros" / "names.sql"
    minimal_project.write("macros/dbt/names.sql", names.read_text())
    names.unlink()
    assert built_again(minimal_project) == (0, whole, [3])


def test_a_red_build_reports_what_failed_and_publishes_nothing(
    minimal_project: MinimalProject, receiver: Receiver
) -> None:
    minimal_project.write("tests/assert_none.sql", "select * from {{ ref('bars__ohlcv') }}")
    sentence = "seeds/weights.csv:2: there is no symbol 'MSTF'; did you mean 'MSFT'?"
    literal = sentence.replace("'", "''")
    named = f"select '{literal}' as problem from {{{{ ref('bars__ohlcv') }}}}"
    minimal_project.write("tests/assert_named.sql", named)
    minimal_project.write(
        "models/bars/bars__bad.sql", "select symbl from {{ ref('stg_raw__daily') }}"
    )
    hook = {"BOURSE_WEBHOOK_URL": f"{receiver.address}/T0ken"}
    process = minimal_project.bourse("build", "--vars", "{rows: 4}", **hook)
    assert process.returncode == 1
    error, remedy = last_lines(process)
    [(_, event)] = receiver.got
    assert event["event"] == "build_failed"
    details = event["details"]
    assert sorted(details["failed"]) == ["model bars__bad", "test assert_named", "test assert_none"]
    assert error == f"error: {details['error']}"
    assert f"✗ {details['first_error']}" in process.stderr
    assert event["text"] == (
        f"the build on {event['host']} failed: {details['error']}; first: {details['first_error']}"
    )
    assert "T0ken" not in process.stderr + process.stdout
    assert "3 of 9 nodes failed, and 1 that depends on them was skipped" in error
    assert "nothing was published" in remedy
    failed = [line for line in process.stderr.splitlines() if line.startswith("✗")]
    [none] = [line for line in failed if "assert_none" in line]
    assert "test assert_none: 4 failing rows, the first: symbol " in none
    assert "(tests/assert_none.sql, compiled: " in none
    [line] = [line for line in failed if "assert_named" in line]
    assert f"test assert_named: {sentence} (and 3 more) (tests/assert_named.sql" in line
    [bad] = [line for line in failed if "bars__bad" in line]
    assert 'Referenced column "symbl" not found' in bad
    assert "models/bars/bars__bad.sql, compiled: target/compiled" in bad
    assert minimal_project.rows("select n from bars.count") == [(3,)]
    # what was not built is no publication
    everything = hook | {"BOURSE_WEBHOOK_EVENTS": "build_failed, published"}
    assert minimal_project.bourse("publish", **everything).returncode == 5
    assert len(receiver.got) == 1

    # fixing and rebuilding each red node makes the whole build green
    minimal_project.write(
        "models/bars/bars__bad.sql", "select symbol from {{ ref('stg_raw__daily') }}"
    )
    minimal_project.write(
        "tests/assert_none.sql", "select * from {{ ref('bars__ohlcv') }} where false"
    )
    minimal_project.write("tests/assert_named.sql", f"{named} where false")
    receiver.statuses = [403]
    process = minimal_project.bourse(
        *("build", "--select", "bars__bad bars__count assert_none assert_named"),
        *("--vars", "{rows: 4}"),
        **everything,
    )
    assert (process.returncode, "not published" in process.stderr) == (0, False)
    # a receiver that refuses it costs a line
    assert "the webhook at 127.0.0.1 was not notified: status 403\n" in process.stderr
    [_, (_, event)] = receiver.got
    assert (event["event"], event["details"]["build_id"]) == ("published", "b")
    assert event["text"] == f"published on {event['host']}: build b, revision None, data d"
    assert minimal_project.rows("select n from bars.count") == [(4,)]


@pytest.mark.long
def test_a_green_part_of_a_red_whole_is_not_published(minimal_project: MinimalProject) -> None:
    minimal_project.write("tests/assert_none.sql", "select * from {{ ref('bars__ohlcv') }}")
    assert minimal_project.bourse("build", "--vars", "{rows: 4}").returncode == 1
    process = minimal_project.bourse("build", "--select", "bars__count", "--vars", "{rows: 4}")
    assert process.returncode == 0
    assert "not published" in process.stderr
    assert "test.duckbourse.assert_none" in process.stderr
    assert minimal_project.rows("select n from bars.count") == [(3,)]


def test_a_model_that_does_not_parse_is_one_line_and_costs_no_state(
    minimal_project: MinimalProject,
) -> None:
    minimal_project.write("models/bars/bars__bad.sql", "select {{ x")
    process = minimal_project.bourse("build")
    error, _ = last_lines(process)
    assert "models/bars/bars__bad.sql" in error
    process = minimal_project.bourse("publish")
    assert process.returncode == 0, process.stderr


def test_a_part_is_refused_before_the_first_full_build(tmp_path: Path) -> None:
    minimal_project = MinimalProject.create(tmp_path / "project")
    process = minimal_project.bourse("build", "--select", "bars__count")
    assert process.returncode == 2
    error, remedy = last_lines(process)
    built = minimal_project.built
    assert error == f"error: --select needs a full build to add to, and {built} has none yet"
    assert "run `./bourse build` once, without --select" in remedy
    assert not (minimal_project.folder / "target").exists()  # dbt was not started


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ((), "has no record: no full build has ended since it was changed"),
        (("--vars", "{rows: 4}"), "was built with no --vars, and a part with other values would"),
    ],
)
def test_a_part_that_will_not_be_published_is_announced(
    minimal_project: MinimalProject, variables: tuple[str, ...], why: str
) -> None:
    if not variables:
        minimal_project.built.touch()
    process = minimal_project.bourse("build", "--select", "bars__count", *variables)
    assert process.returncode == 5, process.stderr
    announced, *_, after = process.stderr.split("building …")
    assert announced.startswith("this build will not be published: ")
    assert why in " ".join(announced.split())
    assert "run `./bourse build` without --select" in " ".join(announced.split())
    assert "error: green, but not published: " in after
    assert minimal_project.rows("select n from bars.count") == [(3,)]


@pytest.mark.long
def test_selecting_nothing_is_an_error(minimal_project: MinimalProject) -> None:
    process = minimal_project.bourse("build", "--select", "bars__nosuch")
    assert process.returncode == 2
    assert "--select bars__nosuch matches nothing" in last_lines(process)[0]


def test_a_locked_build_file_names_its_holder(minimal_project: MinimalProject) -> None:
    holder = subprocess.Popen(
        [
            *minimal_project.command()[:1],
            "-c",
            "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()",
            str(minimal_project.built),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    process = minimal_project.bourse("build", "--full-refresh")
    holder.kill()
    holder.communicate()
    assert process.returncode == 4
    error, remedy = last_lines(process)
    assert f"process {holder.pid}" in error
    assert "python" in error
    assert f"kill {holder.pid}" in remedy


@pytest.mark.parametrize("damage", ["text", "one byte"])
def test_an_invalid_build_file_is_reported(minimal_project: MinimalProject, damage: str) -> None:
    whole = bytearray(minimal_project.built.read_bytes())
    whole[12] ^= 1
    minimal_project.built.write_bytes(whole if damage == "one byte" else b"x" * 20_000)
    process = minimal_project.bourse("build")
    assert process.returncode == 1
    assert "is damaged, or is not a DuckDB database" in last_lines(process)[0]


def test_a_missing_data_folder_is_reported(minimal_project: MinimalProject) -> None:
    process = minimal_project.bourse("build", BOURSE_DATA_DIR="elsewhere")
    assert process.returncode == 2
    assert "there is no data folder" in last_lines(process)[0]


def start_slow(minimal_project: MinimalProject) -> subprocess.Popen[str]:
    minimal_project.write("models/bars/bars__slow.sql", SLOW)
    process = minimal_project.start("build")
    log = minimal_project.folder / "logs" / "dbt.log"
    size = log.stat().st_size
    wait_until(lambda: "40000000" in log.read_text()[size:])
    return process


def nobody_holds(database: Path) -> bool:
    try:
        duckdb.connect(str(database)).close()
    except duckdb.IOException:
        return False
    return True


@pytest.mark.parametrize(
    "sign",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.long),
        pytest.param(signal.SIGKILL, marks=pytest.mark.long),
    ],
)
def test_a_build_that_is_stopped_takes_dbt_with_it_and_is_not_published(
    minimal_project: MinimalProject, sign: signal.Signals
) -> None:
    slow = start_slow(minimal_project)
    slow.send_signal(sign)
    _, err = slow.communicate(timeout=HANG_SECONDS)
    assert slow.returncode == (130 if sign != signal.SIGKILL else -9)
    if sign != signal.SIGKILL:
        assert "error: stopped" in err
    wait_until(lambda: nobody_holds(minimal_project.built))
    assert minimal_project.rows("select n from bars.count") == [(3,)]
    assert "has no record" in last_lines(minimal_project.bourse("publish"))[0]


@pytest.mark.long
def test_after_ten_kills_at_any_moment_the_next_build_is_green(
    minimal_project: MinimalProject,
) -> None:
    chance = random.Random(11)
    for rows in range(10, 20):
        killed = minimal_project.start("build", "--vars", f"{{rows: {rows}}}")
        time.sleep(chance.uniform(0.2, 8))
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        [(count, n)] = minimal_project.rows(
            "select (select count(*) from bars.ohlcv), n from bars.count"
        )
        assert count == n
    process = minimal_project.bourse("build", "--vars", "{rows: 20}")
    assert process.returncode == 0, process.stderr
    assert minimal_project.rows("select n from bars.count") == [(20,)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(shutil.which("mount") is None, reason="no mount here")
def test_a_full_disk_is_one_line_and_leaves_what_was_published(
    minimal_project: MinimalProject, small_disk: Path
) -> None:
    shutil.copytree(minimal_project.folder / "data", small_disk, dirs_exist_ok=True)
    minimal_project.write(
        "models/bars/bars__big.sql", "select random() as r, uuid() as u from range(4000000)"
    )
    process = minimal_project.bourse("build", BOURSE_DATA_DIR=str(small_disk))
    assert process.returncode == 6, process.stderr
    error, remedy = last_lines(process)
    assert "the disk of" in error
    assert "BOURSE_DATA_DIR" in remedy
    with duckdb.connect(str(small_disk / "duckbourse.duckdb"), read_only=True) as connection:
        assert connection.execute("select n from bars.count").fetchall() == [(3,)]


@pytest.mark.long
def test_with_space_again_the_next_build_is_green(
    minimal_project: MinimalProject, small_disk: Path
) -> None:
    test_a_full_disk_is_one_line_and_leaves_what_was_published(minimal_project, small_disk)
    subprocess.run(["mount", "-o", "remount,size=400m", str(small_disk)], check=True)
    process = minimal_project.bourse("build", BOURSE_DATA_DIR=str(small_disk))
    assert process.returncode == 0, process.stderr
