"""The store stays whole: after a second run, a kill at any moment, a full disk."""

from __future__ import annotations

import fcntl
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from duckbourse.errors import ConfigurationError, StorageFull, StoreBusy
from duckbourse.ingest import Outcome, RawStore
from duckbourse.ingest.deliveries import listed
from duckbourse.ingest.schema import TABLES
from duckbourse.ingest.withdrawals import again, reinstate, withdraw, withdrawn
from duckbourse.settings import PROJECT
from duckbourse.streaming.replay import recorded_ticks
from tests.support.commands import bourse
from tests.support.dbt_server import cpu_seconds
from tests.support.stores import DELIVERED_AT, HEADER, Shop, minutes
from tests.support.waiting import DEATHS, HANG_SECONDS

AT = DELIVERED_AT.isoformat()


def content(store: RawStore) -> dict[str, bytes]:
    """Return every file of a store with its content."""
    return {
        str(path.relative_to(store.root)): path.read_bytes()
        for path in sorted(store.root.rglob("*"))
        if path.is_file()
    }


def vendor_files(shop: Shop, count: int) -> list[Path]:
    days = [f"2024-{month:02d}-{day:02d}" for month in (1, 2, 3) for day in (2, 3, 4)]
    return [
        shop.csv(f"S{number:02d}.csv", [f"{day},{number},9,1,2,5" for day in [*days, "x"]])
        for number in range(count)
    ]


def test_every_table_has_its_columns_and_a_file_without_rows(shop: Shop) -> None:
    days = ["2024-01-02,1,2,1,2,5", "2024-01-03,x,2,1,2,5"]
    shop.run(
        shop.csv("D.csv", days),
        shop.csv("M.csv", minutes("2024-01-02", "09:30", 390)),
        shop.csv("A.csv", ["2024-01-02,1"], "date,adj close"),
        calendar="XNYS",
    )
    with duckdb.connect() as con:
        with shop.store.writing(con):
            withdraw(con, shop.store, ["D"], DELIVERED_AT, None)
        for table, columns in TABLES.items():
            files = list((shop.store.root / table).rglob("*.parquet"))
            assert len(files) >= 2
            for file in files:
                described = con.execute(
                    f"describe select * from read_parquet('{file}', hive_partitioning = false)"
                ).fetchall()
                assert {row[0]: row[1].lower() for row in described} == columns, file
                [(rows,)] = con.execute(f"select count(*) from '{file}'").fetchall()
                assert (rows == 0) == (file.name == "zz_empty.parquet")


def test_the_committed_files_without_rows_have_the_same_columns() -> None:
    with duckdb.connect() as con:
        for store in ("raw", "sample"):
            for table, columns in TABLES.items():
                file = PROJECT / "data" / store / table / "zz_empty.parquet"
                described = con.execute(f"describe select * from '{file}'").fetchall()
                assert {row[0]: row[1].lower() for row in described} == columns, file
                assert con.execute(f"select * from '{file}'").fetchall() == []


def test_partitions_are_months_sessions_or_none(shop: Shop) -> None:
    daily = shop.csv("D.csv", ["2024-01-02,1,2,1,2,5", "2024-02-01,1,2,1,2,5"])
    shop.deliver(daily, calendar="XNYS")
    shop.deliver(shop.csv("M.csv", minutes("2024-01-02", "09:30", 390)))
    folders = {str(Path(file).parent) for file in shop.files()}
    assert folders == {
        "daily/month=2024-01",
        "daily/month=2024-02",
        "minute/session=2024-01-02",
        "deliveries",
    }
    shop.store = RawStore(shop.folder / "flat", flat=True)
    shop.deliver(daily, calendar="XNYS")
    assert {str(Path(file).parent) for file in shop.files()} == {"daily", "deliveries"}
    assert shop.rows("daily", "count(*)") == [(2,)]


def test_the_same_file_twice_changes_nothing(shop: Shop) -> None:
    files = vendor_files(shop, 3)
    shop.run(*files, calendar="XNYS")
    before = content(shop.store)
    reports = shop.run(*files, calendar="XNYS", delivered_at=DELIVERED_AT + timedelta(days=1))
    assert [report.outcome for report in reports] == [Outcome.ALREADY_THERE] * 3
    assert content(shop.store) == before


def test_the_same_file_under_other_options_is_another_delivery(shop: Shop) -> None:
    [file] = vendor_files(shop, 1)
    statements: list[dict[str, Any]] = [
        {"calendar": "XNYS"},
        {"calendar": "XNSE", "symbol_prefix": "IN:"},
        {"calendar": "XNYS", "source": "x"},
        {"calendar": "XNYS", "symbol": "x"},
    ]
    names = {shop.deliver(file, **stated).delivery for stated in statements}
    assert len(names) == len(statements)


def test_the_same_delivery_is_the_same_bytes(shop: Shop) -> None:
    files = vendor_files(shop, 2)
    shop.run(*files, calendar="XNYS")
    other = Shop(shop.folder / "other")
    other.run(*files, calendar="XNYS")
    assert content(other.store) == content(shop.store)


def test_a_dry_run_reports_and_leaves_no_trace(shop: Shop) -> None:
    [file] = vendor_files(shop, 1)
    [report] = shop.run(file, calendar="XNYS", dry_run=True)
    assert report.outcome is Outcome.WOULD_DELIVER
    assert (report.rows_read, report.rows_kept, report.rows_unreadable) == (10, 9, 1)
    assert not shop.store.root.exists()


def test_a_bad_file_does_not_cost_the_good_ones(shop: Shop) -> None:
    good = vendor_files(shop, 2)
    bad = shop.file("S00b.csv", "no bars here")
    reports = shop.run(good[0], bad, shop.folder / "missing.csv", good[1], calendar="XNYS")
    assert sorted(report.outcome for report in reports) == ["delivered"] * 2 + ["failed"] * 2
    assert shop.rows("deliveries", "count(*)") == [(2,)]


class Killed(BaseException):
    """The process was killed."""


def test_a_kill_between_any_two_renames_leaves_a_whole_store(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    [file] = vendor_files(shop, 1)
    whole = Shop(shop.folder / "whole")
    whole.run(file, calendar="XNYS")
    renames = len(whole.files())
    for survived in range(renames + 1):
        shop.store = RawStore(shop.folder / f"raw{survived}")
        with duckdb.connect() as con, shop.store.writing(con):
            pass  # the files without rows exist before anything is delivered
        with monkeypatch.context() as patch:
            kill_after(patch, survived)
            with pytest.raises(Killed):
                shop.run(file, calendar="XNYS")
        exists = shop.store.manifest(str(whole.rows("deliveries", "delivery")[0][0])).exists()
        assert exists == (survived == renames)
        assert shop.rows("daily", "count(*)") == [(9 if exists else 0,)]
        other = shop.csv("other.csv", ["2024-01-02,1,2,1,2,5"])
        shop.deliver(other, calendar="XNYS")
        assert not (shop.store.incoming).exists()
        assert len(shop.files()) == 2 + (renames if exists else 0), "orphans are cleared"
        shop.run(file, calendar="XNYS")
        assert content(whole.store).items() <= content(shop.store).items()


def kill_after(patch: pytest.MonkeyPatch, renames: int) -> None:
    """Kill the process after some renames: nothing that it does later has any effect."""
    left = renames
    dead = False

    def dying(real: Callable[..., Any], *, counts: bool = False) -> Callable[..., Any]:
        def act(*arguments: Any, **named: Any) -> Any:
            nonlocal left, dead
            if dead or (counts and left == 0):
                dead = True
                raise Killed
            left -= counts
            return real(*arguments, **named)

        return act

    patch.setattr(Path, "replace", dying(Path.replace, counts=True))
    for name in ("unlink", "rmdir", "iterdir"):
        patch.setattr(Path, name, dying(getattr(Path, name)))
    # after the last rename, the folder is removed
    rmtree = shutil.rmtree

    def last(path: Any, *arguments: Any, **named: Any) -> Any:
        nonlocal dead
        if dead or (left == 0 and Path(path).name != "scratch"):
            dead = True
            raise Killed
        return rmtree(path, *arguments, **named)

    patch.setattr(shutil, "rmtree", last)


CHILD = """
import sys
from duckbourse.cli.ingest import ingest
from duckbourse.errors import BourseError
import pathlib, polars
from tests.support.waiting import die_after
print("ready", flush=True)
if cpu_seconds := sys.stdin.readline().strip():
    die_after(float(cpu_seconds))
try:
    ingest([pathlib.Path(sys.argv[1])], calendar="XNYS", into=pathlib.Path(sys.argv[2]),
        mapping=None, source=None, symbol=None, timezone=None, bar_label=None, kind=None,
        epoch=None, max_unreadable_pct=100, delivered_at=sys.argv[3], flat=False, dry_run=False,
        json=True)
except BourseError as error:
    print(type(error).__name__, error, flush=True)
    sys.exit(error.exit_code)
"""


def child(shop: Shop, **more: Any) -> subprocess.Popen[str]:
    """Start an ingest of the vendor folder in a child process, which waits for a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, shop.folder / "vendor", shop.store.root, AT],
        env={**os.environ, "PYTHONPATH": str(PROJECT / "python")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        **more,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str], dies_after: float | None = None) -> None:
    """Let it work, and kill it after this much CPU time, if any."""
    assert process.stdin is not None
    process.stdin.write("\n" if dies_after is None else f"{dies_after}\n")
    process.stdin.flush()


@pytest.mark.parametrize(
    "kills", [3, pytest.param(60, marks=pytest.mark.long)], ids=["some", "many"]
)
def test_kill_9_at_random_moments_loses_nothing(shop: Shop, kills: int) -> None:
    whole = Shop(shop.folder / "whole")
    used = cpu_seconds()
    whole.run(*vendor_files(shop, 12), calendar="XNYS")
    used = cpu_seconds() - used
    moments = random.Random(9)
    died = []
    for number in range(kills):
        # the first is certainly in the middle; the others are anywhere from start to end
        moment = 0.1 * used if number == 0 else moments.uniform(0, used)
        with child(shop) as process:
            go(process, dies_after=moment)
            died.append(process.wait(HANG_SECONDS) in DEATHS)
        # at this moment, only whole deliveries can be read
        if list((shop.store.root / "deliveries").glob("*.parquet")):
            [(deliveries, rows)] = shop.rows("deliveries", "count(*), sum(rows_kept)")
            assert shop.rows("daily", "count(*)") == [(rows or 0,)]
            assert rows in (None, 9 * deliveries)
        if not died[-1]:
            # it has finished, so there is nothing left to kill
            assert content(shop.store) == content(whole.store)
            shutil.rmtree(shop.store.root)
    assert died[0]
    assert any(died[1:])
    process = child(shop)
    go(process)
    process.communicate()
    assert process.returncode == 0
    assert content(shop.store) == content(whole.store)


def test_only_one_ingest_writes_at_a_time(shop: Shop) -> None:
    [file] = vendor_files(shop, 1)
    with duckdb.connect() as con, shop.store.writing(con), pytest.raises(StoreBusy) as raised:
        shop.run(file, calendar="XNYS")
    assert "another command is writing" in str(raised.value)
    shop.deliver(file, calendar="XNYS")


def test_no_power_cut_leaves_a_manifest_without_its_data(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut, a file exists if its content and its folder entry were flushed."""
    with duckdb.connect() as con, shop.store.writing(con):
        pass
    written: set[int] = set()
    named: list[Path] = []
    fsync, replace = os.fsync, Path.replace

    def flushed(handle: int) -> None:
        fsync(handle)
        written.add(os.fstat(handle).st_ino)

    def renamed(self: Path, target: Path) -> None:
        if target.name != "zz_empty.parquet":
            assert self.stat().st_ino in written
            if target.parent.name in ("deliveries", "withdrawals"):
                whole()
            named.append(target)
            # its name is not flushed yet
            written.discard(target.parent.stat().st_ino)
        replace(self, target)

    def whole() -> None:
        for file in named:
            for folder in file.relative_to(shop.store.root).parents:
                assert (shop.store.root / folder).stat().st_ino in written, folder

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "replace", renamed)
    days = [f"2024-{month:02d}-03,1,2,1,2,5" for month in (1, 2, 3)]
    first = str(shop.deliver(shop.csv("D.csv", days), calendar="XNYS").delivery)
    whole()
    shop.deliver(shop.csv("M.csv", minutes("2024-01-02", "09:30", 390)))
    whole()
    with duckdb.connect() as con, shop.store.writing(con):
        withdraw(con, shop.store, [first], DELIVERED_AT, None)
    whole()
    assert len(named) == 3 + 1 + 1 + 1 + 1


def test_another_ingest_that_ends_meanwhile_removes_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    [file] = vendor_files(shop, 1)
    real = fcntl.flock

    def ended_meanwhile(lock: int, how: int) -> None:
        # as the other process does before it releases the lock
        shutil.rmtree(shop.store.incoming, ignore_errors=True)
        real(lock, how)

    monkeypatch.setattr(fcntl, "flock", ended_meanwhile)
    shop.deliver(file, calendar="XNYS")
    assert not shop.store.incoming.exists()


def test_an_unwritable_store_is_named(shop: Shop) -> None:
    [file] = vendor_files(shop, 1)
    shop.store = RawStore(shop.file("in the way", "") / "raw")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        shop.run(file, calendar="XNYS")
    shop.store = RawStore(shop.folder / "raw")
    shop.file("../raw/.incoming", "in the way, too")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        shop.run(file, calendar="XNYS")


def test_a_folder_may_have_any_name(shop: Shop) -> None:
    """Glob characters in the name of a folder are literal."""
    [file] = vendor_files(shop, 1)
    shop.store = RawStore(shop.folder / "[prod]*?" / "it's" / "raw")
    first = str(shop.deliver(file, calendar="XNYS").delivery)
    with duckdb.connect() as con:
        assert [one.delivery for one in shop.store.catalog(con)] == [first]
        for act, gone in ((withdraw, {first}), (reinstate, set()), (withdraw, {first})):
            with shop.store.writing(con):
                act(con, shop.store, [first], DELIVERED_AT, None)
            assert withdrawn(con, shop.store).keys() == gone
        [one] = listed(con, shop.store)
        assert one.is_withdrawn
        shop.record("mine", "S", at=DELIVERED_AT + timedelta(days=1))
        assert [one.kind for one in listed(con, shop.store)] == ["ticks", "daily"]
        assert len(recorded_ticks(shop.store.root / "ticks", date(2024, 1, 2), "XNSE", ("S",))) == 2
    assert shop.deliver(file, calendar="XNYS", redeliver=True).delivery == again(first)


@pytest.mark.parametrize("name", ["[prod]", "a*", "a?", "it's", "{a}", "a\\b"])
def test_a_data_folder_that_no_build_can_read_is_refused(tmp_path: Path, name: str) -> None:
    done = bourse(tmp_path / name, "deliveries")
    assert done.returncode == ConfigurationError.exit_code
    error, remedy = done.stderr.splitlines()
    marks = " or ".join(mark for mark in "*?[]{}'\\" if mark in name)
    assert error.startswith("error: BOURSE_DATA_DIR=")
    assert f"is not usable: no build can read from a folder with {marks} in its path" in error
    assert remedy.startswith("  remedy: set BOURSE_DATA_DIR")
    assert bourse(tmp_path / "année (2) #1", "deliveries").returncode == 0


def test_a_full_disk_is_reported_and_leaves_a_whole_store(shop: Shop) -> None:
    vendor_files(shop, 2)
    prices = random.Random(1)
    rows = [
        f"{row},{number}"
        for number in range(30)
        for row in minutes("2024-01-02", "09:30", 90, price=prices.random())
    ]
    shop.csv("big.csv", rows, f"{HEADER},symbol")  # written in the middle of the alphabet

    def small_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))

    process = child(shop, preexec_fn=small_disk)
    output, _ = process.communicate("\n")
    assert process.returncode == StorageFull.exit_code, output
    assert "StorageFull" in output
    assert "full" in output
    assert not shop.store.incoming.exists()
    deliveries = shop.rows("deliveries", "delivery")
    reached = shop.rows("daily", "distinct delivery") + shop.rows("minute", "distinct delivery")
    assert sorted(reached) == sorted(deliveries)


@pytest.mark.parametrize(("owner", "fails"), [(Path, "replace"), (os, "fsync")])
def test_a_disk_that_fills_up_at_the_last_moment_is_reported_too(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, owner: object, fails: str
) -> None:
    [file] = vendor_files(shop, 1)
    with duckdb.connect() as con, shop.store.writing(con):
        pass

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(owner, fails, full)
        with pytest.raises(StorageFull, match=r"the disk of .* is full") as raised:
            shop.run(file, calendar="XNYS")
    assert "run the same command again" in raised.value.remedy
    assert shop.files() == []
    shop.deliver(file, calendar="XNYS")


def test_duckdb_out_of_space_is_a_full_disk(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    [file] = vendor_files(shop, 1)

    def full(*arguments: Any) -> None:
        raise duckdb.IOException("IO Error: Could not write file: No space left on device")

    monkeypatch.setattr("duckbourse.ingest.run.write_bars", full)
    with pytest.raises(StorageFull):
        shop.run(file, calendar="XNYS")
    assert shop.files() == []
