"""A backup holds each file as it was at one instant, whatever goes on meanwhile, and no secrets."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import threading
from contextlib import chdir, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from duckbourse import clock, state
from duckbourse.backup import BackupFolder, folder, sources
from duckbourse.orders import events
from duckbourse.orders.journal import lock_folder, open_journal, read_journal
from tests.support.factories import NOW, request
from tests.unit.backup.conftest import OLD, SECRET, Place, contents, meanwhile

pytestmark = pytest.mark.some_day

TICKS = "raw/ticks/2024-01-02/paper-1.log"
SESSION = "trading/paper_us"


def taken(place: Place) -> dict[str, bytes]:
    """Return the contents of the newest snapshot, by path."""
    backups = BackupFolder(place.backups)
    snapshot = backups.load(backups.chosen(None))
    return {file.path: backups.object(file.sha256).read_bytes() for file in snapshot.files}


def test_it_holds_what_cannot_be_made_again_and_no_secrets(place: Place) -> None:
    place.clutter()
    done = place.back_up()
    [name] = place.snapshots()
    assert done.stdout.startswith(
        f"backed up: {place.backups}, snapshot {name} (11 files, 0.0 MB; new: 11 files, 0.0 MB; "
    )
    assert done.stderr.splitlines()[-1] == (
        "not in it: secrets such as .env, the shipped sample, and what a build makes again"
    )
    found = taken(place)
    assert list(found) == [
        "duckbourse.duckdb",
        "project/dbt_project.yml",
        "project/models/bars/bars__ohlcv.sql",
        "project/seeds/reference/portfolios.csv",
        "publications/20240101.duckdb",
        "raw/daily/month=2024-01/one.parquet",
        "raw/deliveries/one.parquet",
        "raw/fills/paper_us-2024-01-02.parquet",
        TICKS,
        f"{SESSION}/session.json",
        f"{SESSION}/trade.log",
    ]
    for path, content in found.items():
        at = place.folder / ("" if path.startswith("project/") else "data") / path
        assert content == at.read_bytes()
    whole = contents(place.backups)
    assert not [path for path, content in whole.items() if SECRET.encode() in content]
    # it holds orders and positions
    assert place.backups.stat().st_mode & 0o077 == 0


def test_only_its_owner_can_read_a_backup_in_a_folder_that_was_there(place: Place) -> None:
    place.backups.mkdir()
    place.backups.chmod(0o755)
    place.back_up()
    for path in (*place.objects(), *(place.backups / "snapshots").iterdir()):
        assert path.stat().st_mode & 0o777 == 0o600, path
    for path in (*place.backups.glob("objects/*"), *place.backups.glob("*/")):
        assert path.stat().st_mode & 0o777 == 0o700, path


def test_files_of_others_are_left_alone(place: Place) -> None:
    for name in ("incoming", "snapshots", "objects"):
        place.write(f"drops/{name}/prices.csv")
    drops = place.folder / "drops"
    before = contents(drops)
    done = place.run("backup", str(drops))
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        f"error: {drops} is not empty and is not a backup folder: it has no duckbourse-backup.json",
        f"  remedy: name a folder of its own, such as {drops}/duckbourse",
    ]
    assert contents(drops) == before
    # nor in a folder of backups
    place.back_up()
    prices = place.write("backups/incoming/prices.csv")
    place.back_up()
    assert prices.exists()


def test_a_folder_of_an_earlier_version_needs_only_its_marker(place: Place) -> None:
    place.back_up()
    marker = place.backups / "duckbourse-backup.json"
    marker.unlink()
    done = place.run("backup", str(place.backups))
    assert done.returncode == 3
    error, remedy = done.stderr.splitlines()
    assert error.endswith("is not a backup folder: it has no duckbourse-backup.json")
    assert remedy == (
        f"  remedy: it looks like one of an earlier version; if it is: touch {marker}"
    )
    subprocess.run(remedy.partition("if it is: ")[2], shell=True, check=True)
    assert json.loads(place.back_up("--json").stdout)["new_files"] == 0
    assert len(place.snapshots()) == 2


def test_only_what_is_new_is_copied_the_next_time(place: Place) -> None:
    place.back_up()
    objects = place.objects()
    place.write("data/raw/daily/month=2024-02/two.parquet")
    # the same content under another name is there already
    shutil.copy(place.data / "duckbourse.duckdb", place.data / "publications" / "20240102.duckdb")
    read: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        meanwhile(patch, read.append)
        again = json.loads(place.back_up("--json").stdout)
    assert read == [
        "raw/daily/month=2024-02/two.parquet",
        "publications/20240102.duckdb",
    ]
    assert (again["files"], again["new_files"]) == (13, 1)
    assert len(place.objects()) == len(objects) + 1


def test_a_change_within_the_same_instant_is_seen(place: Place) -> None:
    seed, now = "project/seeds/reference/portfolios.csv", int(clock.now().timestamp())
    place.write(seed, "before", age=now)
    place.back_up()
    place.write(seed, "behind", age=now)
    place.back_up()
    assert taken(place)[seed] == b"behind"


def test_the_list_has_each_snapshot(place: Place) -> None:
    place.back_up()
    place.write("data/raw/deliveries/two.parquet", "two")
    place.back_up()
    header, first, second = place.run("backup", str(place.backups), "--list").stdout.splitlines()
    assert header.split() == [
        *("snapshot", "(UTC)", "files", "size", "new", "files", "new", "publication"),
    ]
    one, two = place.snapshots()
    assert first.split() == [one, "11", "0.0", "MB", "11", "0.0", "MB", "none"]
    assert second.split() == [two, "12", "0.0", "MB", "1", "0.0", "MB", "none"]
    listed = json.loads(place.run("backup", str(place.backups), "--list", "--json").stdout)
    assert [(each["snapshot"], each["new_bytes"]) for each in listed][1] == (two, 3)


def test_a_clock_that_was_set_back_makes_no_older_snapshot(place: Place) -> None:
    for instant in ("2026-11-27T18:30:00", "2026-11-27T18:30:00", "2024-01-01T00:00:00"):
        at = datetime.fromisoformat(instant).replace(tzinfo=UTC)
        with clock.driven_by(lambda at=at: at):  # type: ignore[misc]
            place.back_up()
    assert place.snapshots() == ["2026-11-27T183000Z", "2026-11-27T183001Z", "2026-11-27T183002Z"]


def test_older_snapshots_are_removed_with_what_only_they_hold(place: Place) -> None:
    file = place.write("data/raw/fills/paper_us-2024-01-02.parquet", "first")
    place.back_up()
    place.write(str(file.relative_to(place.folder)), "second one")
    place.back_up()
    before = len(place.objects())
    one, two = place.snapshots()
    done = place.back_up("--keep", "2")
    assert f"removed: {one}\n" in done.stdout
    assert place.snapshots()[0] == two
    assert len(place.objects()) == before - 1
    assert place.run("backup", str(place.backups), "--verify").returncode == 0


def test_a_stopped_backup_is_none_and_the_next_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def stop(file: str) -> None:
        seen.append(file)
        if len(seen) == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        meanwhile(patch, stop)
        assert place.run("backup", str(place.backups)).returncode == 130
    assert place.snapshots() == []
    assert not (place.backups / ".duckbourse-incoming").exists()
    kept = len(place.objects())
    assert kept == 4
    again = json.loads(place.back_up("--json").stdout)
    assert (again["files"], again["new_files"]) == (11, 11 - kept)


def test_a_full_disk_leaves_the_former_snapshot(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.back_up()
    before = contents(place.backups)
    place.write("data/raw/deliveries/two.parquet")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(sources, "digest", full)
    done = place.run("backup", str(place.backups))
    assert done.returncode == 6
    assert done.stderr.splitlines() == [
        f"error: the disk is full, writing {place.backups}: No space left on device",
        "  remedy: free some disk space",
    ]
    assert contents(place.backups, "owner") == {
        path: content for path, content in before.items() if path != "owner"
    }


def test_a_file_that_changes_while_it_is_copied_is_copied_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = place.write("project/seeds/reference/portfolios.csv", "a half")
    changes = iter([" and the rest"])

    def change(file: str) -> None:
        if file == "project/seeds/reference/portfolios.csv":
            for more in changes:
                seed.write_text(seed.read_text() + more)
                break

    meanwhile(monkeypatch, change)
    place.back_up()
    assert taken(place)["project/seeds/reference/portfolios.csv"] == b"a half and the rest"


def test_a_file_that_never_stays_the_same_is_an_error(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = place.project / "seeds" / "reference" / "portfolios.csv"
    monkeypatch.setattr(sources, "PAUSE_SECONDS", 0)

    def change(file: str) -> None:
        if file.endswith("portfolios.csv"):
            seed.write_text(seed.read_text() + "more")

    meanwhile(monkeypatch, change)
    done = place.run("backup", str(place.backups))
    assert done.returncode == 4
    assert done.stderr.splitlines() == [
        f"error: {seed} keeps changing, or is locked, while it is read",
        "  remedy: wait until what writes it has ended, and run this again",
    ]
    assert place.snapshots() == []


@pytest.mark.parametrize("path", [TICKS, f"{SESSION}/orders.jsonl"])
def test_of_a_log_that_grows_the_beginning_is_copied(
    place: Place, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    log = place.write(f"data/{path}")
    before = log.read_bytes()

    def grow(file: str) -> None:
        if file == path:
            with log.open("ab") as opened:
                opened.write(b"a tick")

    meanwhile(monkeypatch, grow)
    place.back_up()
    assert taken(place)[path] == before


def test_a_log_that_becomes_a_segment_meanwhile_is_not_lost(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = place.data / TICKS
    segment = log.with_suffix(".parquet")

    def seal(file: str) -> None:
        if log.exists():
            log.rename(segment)

    meanwhile(monkeypatch, seal)
    place.back_up()
    found = taken(place)
    assert TICKS not in found
    assert found[TICKS.replace(".log", ".parquet")] == segment.read_bytes()


def test_no_delivery_is_copied_without_its_bars(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[str] = []
    real = sources.below

    def below(top: Path, path: str, *more: Any, **asked: Any) -> Any:
        found = list(real(top, path, *more, **asked))
        listed.append(path)
        # an ingest that commits between any two folders
        name = f"at-{len(listed)}.parquet"
        place.write(f"data/raw/daily/month=2024-01/{name}")
        place.write(f"data/raw/deliveries/{name}")
        return iter(found)

    monkeypatch.setattr(sources, "below", below)
    place.back_up()
    monkeypatch.undo()
    names = {path.split("/")[-1] for path in taken(place) if path.startswith("raw/deliveries/")}
    bars = {path.split("/")[-1] for path in taken(place) if path.startswith("raw/daily/")}
    assert len(listed) > 5
    assert names - bars == set()


def test_the_journal_of_a_running_loop_agrees_with_its_broker(place: Place) -> None:
    home = place.data / SESSION
    journal, _ = open_journal(home)
    stop = threading.Event()

    def trade() -> None:
        number = 0
        with (home / "paper.jsonl").open("w") as book:
            while not stop.is_set():
                number += 1
                # an order is at the broker only after it is in the journal
                journal.append(events.OrderIntended(at=NOW, request=request())).result()
                book.write(f"{number}\n")
                book.flush()
                stop.wait(0.003)

    loop = threading.Thread(target=trade)
    loop.start()
    try:
        for _ in range(5):
            place.back_up()
            found = taken(place)
            assert f"{SESSION}/journal.sqlite-wal" not in found
            restored = place.folder / "restored"
            restored.mkdir(exist_ok=True)
            (restored / "journal.sqlite").write_bytes(found[f"{SESSION}/journal.sqlite"])
            intents = len(read_journal(restored))
            orders = found[f"{SESSION}/paper.jsonl"].count(b"\n")
            assert intents - 1 <= orders <= intents
            shutil.rmtree(restored)
        assert orders > 0
    finally:
        stop.set()
        loop.join()
        journal.close()


def test_a_loop_that_never_pauses_gets_a_note(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = place.data / SESSION
    journal, _ = open_journal(home)
    place.write(f"data/{SESSION}/paper.jsonl", "1\n")
    monkeypatch.setattr(sources, "PAUSE_SECONDS", 0)

    def trade(file: str) -> None:
        if file.endswith("paper.jsonl"):
            journal.append(events.OrderIntended(at=NOW, request=request())).result()

    meanwhile(monkeypatch, trade)
    done = place.back_up()
    journal.close()
    assert done.stderr.splitlines()[0] == (
        f"{home} was trading too actively to capture the journal and the broker's book at the same"
        " instant: after a restoration, `./bourse reconcile` lists how they differ"
    )
    assert f"{SESSION}/journal.sqlite" in taken(place)


def test_a_journal_at_rest_is_copied_unchanged_even_if_it_is_damaged(place: Place) -> None:
    for name in ("journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"):
        place.write(f"data/{SESSION}/{name}", f"damaged {name}")
    place.back_up()
    found = taken(place)
    assert found[f"{SESSION}/journal.sqlite"] == b"damaged journal.sqlite"
    assert found[f"{SESSION}/journal.sqlite-wal"] == b"damaged journal.sqlite-wal"
    assert f"{SESSION}/journal.sqlite-shm" not in found


def test_a_damaged_journal_of_a_running_loop_is_copied_unchanged(place: Place) -> None:
    journal = place.write(f"data/{SESSION}/journal.sqlite", "damaged")
    lock = lock_folder(journal.parent)
    try:
        done = place.back_up()
    finally:
        lock.close()
    assert done.stderr.splitlines()[0] == (
        f"{journal} is damaged, and was copied unchanged: file is not a database"
    )
    assert taken(place)[f"{SESSION}/journal.sqlite"] == b"damaged"


def test_a_journal_that_never_stays_the_same_is_an_error(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = place.write(f"data/{SESSION}/journal.sqlite", "at rest")
    monkeypatch.setattr(sources, "PAUSE_SECONDS", 0)

    def change(file: str) -> None:
        if file.endswith("journal.sqlite"):
            journal.write_text(journal.read_text() + "more")

    meanwhile(monkeypatch, change)
    done = place.run("backup", str(place.backups))
    assert done.returncode == 4
    assert done.stderr.splitlines() == [
        f"error: {journal} keeps changing, or is locked, while it is read",
        "  remedy: wait until what writes it has ended, and run this again",
    ]
    assert place.snapshots() == []


def test_a_locked_journal_is_not_damaged(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = place.data / SESSION / "journal.sqlite"
    monkeypatch.setattr(sources, "TRIES", 1)
    lock = lock_folder(journal.parent)
    with closing(sqlite3.connect(journal, isolation_level=None)) as other:
        other.execute("create table events (row integer primary key)")
        other.execute("begin exclusive")
        done = place.run("backup", str(place.backups))
    lock.close()
    assert done.returncode == 4
    assert done.stderr.splitlines()[0] == (
        f"error: {journal} keeps changing, or is locked, while it is read"
    )


def test_builds_and_ingests_are_not_disturbed(place: Place) -> None:
    with state.sole_owner(place.data / "build" / "duckbourse.duckdb"):
        place.back_up()


@pytest.mark.parametrize(
    ("words", "code", "error", "remedy"),
    [
        (
            ("{data}/raw/backups",),
            3,
            "{data}/raw/backups is inside {data}, which is what a backup is made of",
            "name a folder elsewhere, at best on another disk",
        ),
        (
            ("{project}",),
            3,
            "{project} is inside {project}, which is what a backup is made of",
            "name a folder elsewhere, at best on another disk",
        ),
        (
            ("{project}/seeds/backups",),
            3,
            "{project}/seeds/backups is inside {project}, which is what a backup is made of",
            "name a folder elsewhere, at best on another disk",
        ),
        (
            ("/dev/null",),
            2,
            "/dev/null: Not a directory",
            "name a folder",
        ),
        (
            ("{backups}", "--list"),
            3,
            "{backups} holds no backup",
            "`./bourse backup {backups}` makes one",
        ),
        (
            ("{backups}", "--list", "--verify"),
            2,
            "--list, --verify and --keep exclude each other",
            "choose one",
        ),
        (
            ("{backups}", "--snapshot", "x"),
            2,
            "--snapshot goes with --verify",
            "`./bourse restore` has a --snapshot of its own",
        ),
    ],
)
def test_what_cannot_be_is_one_line(
    place: Place, words: tuple[str, ...], code: int, error: str, remedy: str
) -> None:
    known = {"data": place.data, "project": place.project, "backups": place.backups}
    before = contents(place.folder)
    done = place.run("backup", *(word.format(**known) for word in words))
    assert done.returncode == code
    assert done.stderr.splitlines() == [
        f"error: {error.format(**known)}",
        f"  remedy: {remedy.format(**known)}",
    ]
    assert contents(place.folder) == before


@pytest.mark.parametrize("part", ["raw", "trading", "publications"])
def test_a_folder_is_inside_the_data_through_a_link_too(place: Place, part: str) -> None:
    inside = place.folder / "disk"
    inside.symlink_to(place.data / part)
    # a part of the data may be on another disk
    elsewhere = place.folder / "elsewhere"
    (place.data / "raw").rename(elsewhere)
    (place.data / "raw").symlink_to(elsewhere)
    before = contents(place.folder)
    for within in (inside / "backups", elsewhere / "backups"):
        done = place.run("backup", str(within))
        assert done.returncode == 3
        assert done.stderr.startswith(f"error: {within} is inside {place.data}")
    assert contents(place.folder) == before


def test_what_is_no_file_is_left_out_and_never_opened(place: Place, tmp_path: Path) -> None:
    pipes = [
        place.data / "publications" / "pipe.duckdb",
        place.data / "raw" / "notes" / "pipe",
        place.project / "seeds" / "pipe.csv",
    ]
    place.write("data/raw/notes/a.txt")
    for pipe in pipes:
        os.mkfifo(pipe)
    listening = place.data / "raw" / "notes" / "socket"
    # its path may be too long for bind
    with socket.socket(socket.AF_UNIX) as server, chdir(listening.parent):
        server.bind(listening.name)
    done = place.back_up()
    assert [line for line in done.stderr.splitlines() if line.startswith("left out")] == [
        f"left out: {path} is {what}"
        for path, what in zip(
            [pipes[1], listening, pipes[0], pipes[2]],
            ["a pipe", "a socket", "a pipe", "a pipe"],
            strict=True,
        )
    ]
    assert len(taken(place)) == 12
    assert place.run("restore", str(place.backups), "--into", str(tmp_path / "r")).returncode == 0


def test_a_name_that_no_manifest_can_hold_is_refused_before_anything_is_copied(
    place: Place,
) -> None:
    odd = os.fsdecode(b"caf\xe9")
    place.write(f"data/raw/{odd}/one.csv", "a bar")
    done = place.run("backup", str(place.backups))
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        f"error: {place.data}/raw/caf\\udce9 has a name that is not UTF-8,"
        " which no backup can hold",
        "  remedy: rename it",
    ]
    assert place.objects() == []


def test_any_other_name_comes_back(place: Place) -> None:
    names = ["a\\b.csv", "two\nlines.csv", "é 'q' \"d\" $x.csv", "*?[x].csv"]
    for name in names:
        place.write(f"data/raw/notes/{name}", name)
    place.back_up()
    there = place.folder / "there"
    assert place.run("restore", str(place.backups), "--into", str(there)).returncode == 0
    assert contents(there / "raw" / "notes") == {name: name.encode() for name in sorted(names)}


@pytest.mark.parametrize("words", [("--list",), ("--verify",), ()])
def test_a_backup_that_may_not_be_read_is_not_said_to_be_gone(
    place: Place, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    place.back_up()
    snapshots = place.backups / "snapshots"
    real = os.listdir

    def listdir(folder: Any = ".") -> list[str]:
        if folder == snapshots:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        return real(folder)

    monkeypatch.setattr(os, "listdir", listdir)
    for command in (("backup", str(place.backups), *words), ("restore", str(place.backups))):
        done = place.run(*command)
        assert done.returncode == 1
        assert done.stderr.splitlines() == [
            f"error: {snapshots}: Permission denied",
            "  remedy: check that it can be read and written",
        ]


def test_a_manifest_of_another_name_is_damaged(place: Place) -> None:
    place.back_up()
    [name] = place.snapshots()
    other = place.backups / "snapshots" / "2030-01-01T000000Z.json"
    shutil.copy(place.backups / "snapshots" / f"{name}.json", other)
    done = place.run("restore", str(place.backups), "--into", str(place.folder / "there"))
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == (
        f"error: the manifest {other} is damaged: it is that of {name!r}"
    )


def test_a_link_is_refused_instead_of_left_out(place: Place) -> None:
    elsewhere = place.folder / "elsewhere"
    (place.data / "raw" / "daily").rename(elsewhere)
    (place.data / "raw" / "daily").symlink_to(elsewhere)
    done = place.run("backup", str(place.backups))
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        f"error: {place.data}/raw/daily is a link, and a backup follows no links",
        "  remedy: move what it points to into its place; only raw, trading and publications of"
        " the data folder may be links themselves",
    ]
    # one to a larger disk
    (place.data / "raw" / "daily").unlink()
    elsewhere.rename(place.data / "raw" / "daily")
    (place.data / "raw").rename(elsewhere)
    (place.data / "raw").symlink_to(elsewhere)
    place.back_up()
    assert "raw/daily/month=2024-01/one.parquet" in taken(place)


def test_one_backup_at_a_time_writes_to_a_folder(place: Place) -> None:
    place.back_up()
    with BackupFolder(place.backups).writing():
        done = place.run("backup", str(place.backups))
    assert done.returncode == 4
    assert done.stderr.splitlines() == [
        f"error: another command is writing to {place.backups} (process {os.getpid()})",
        "  remedy: wait for it and run this again",
    ]


def test_verify_names_each_damaged_file(place: Place) -> None:
    place.back_up()
    one = place.snapshots()[0]
    place.write("data/raw/deliveries/two.parquet")
    place.back_up()
    done = place.run("backup", str(place.backups), "--verify")
    assert done.stdout == "verified: 2 snapshots, 12 files, nothing is damaged\n"
    backups = BackupFolder(place.backups)
    by_path = {file.path: file for file in backups.load(one).files}
    changed = backups.object(by_path["duckbourse.duckdb"].sha256)
    content = bytearray(changed.read_bytes())
    content[0] ^= 1
    changed.write_bytes(content)
    missing = backups.object(by_path[TICKS].sha256)
    missing.unlink()
    cut = backups.object(by_path[f"{SESSION}/trade.log"].sha256)
    cut.write_bytes(cut.read_bytes()[:-1])
    done = place.run("backup", str(place.backups), "--verify", "--snapshot", one)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"damaged: duckbourse.duckdb of {one}: {changed} has another content",
        f"damaged: {TICKS} of {one}: {missing} is missing",
        f"damaged: {SESSION}/trade.log of {one}: {cut} has {len(cut.read_bytes())} bytes"
        f" instead of {by_path[f'{SESSION}/trade.log'].bytes}",
    ]
    assert done.stderr.splitlines() == [
        f"error: {place.backups}: 3 files are damaged, in 1 snapshot",
        "  remedy: delete what is damaged and back up again: what the data folder still has is"
        " copied again; and check that disk",
    ]
    # the remedy helps
    changed.unlink()
    place.back_up()
    newest = place.snapshots()[-1]
    done = place.run("backup", str(place.backups), "--verify", "--snapshot", newest)
    assert done.returncode == 0, done.stdout


def test_a_damaged_content_that_is_read_again_is_replaced(place: Place) -> None:
    place.back_up()
    [one] = place.snapshots()
    backups = BackupFolder(place.backups)
    [file] = [file for file in backups.load(one).files if file.path == TICKS]
    broken = backups.object(file.sha256)
    broken.write_bytes(broken.read_bytes()[::-1])
    # read again, since its time of last change is another
    os.utime(place.data / TICKS, (OLD + 1, OLD + 1))
    assert json.loads(place.back_up("--json").stdout)["new_files"] == 1
    assert broken.read_bytes() == (place.data / TICKS).read_bytes()


def test_a_damaged_manifest_is_named_and_nothing_is_removed(place: Place) -> None:
    place.back_up()
    [one] = place.snapshots()
    manifest = place.backups / "snapshots" / f"{one}.json"
    manifest.write_text(manifest.read_text().replace('"bytes":', '"bytes":1', 1))
    done = place.run("backup", str(place.backups), "--verify", "--json")
    assert done.returncode == 1
    why = f"the manifest {manifest} is damaged: its checksum does not match"
    assert json.loads(done.stdout) == {"snapshots": [one], "damaged": [], "manifests": [why]}
    objects = place.objects()
    done = place.back_up("--keep", "2")
    assert done.stderr.splitlines()[:2] == [
        f"{why}; so all files were read again",
        f"nothing was removed from {place.backups}: {why}",
    ]
    assert place.objects() == objects
    assert len(place.snapshots()) == 2


def test_a_large_backup_in_a_pipe_has_a_line_now_and_then(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "BLOCK", 10)
    seconds = iter(range(0, 10_000, 4))
    with clock.counted_by(lambda: float(next(seconds))):
        lines = place.back_up().stderr.splitlines()
    assert len(lines) > 3
    assert lines[0].endswith(" s left: raw/deliveries/one.parquet")
    assert place.back_up("--quiet").stderr == ""
