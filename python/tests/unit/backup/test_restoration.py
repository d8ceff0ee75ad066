"""A restoration puts back what was backed up, or changes nothing."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from duckbourse import state
from duckbourse.backup import BackupFolder
from duckbourse.errors import DatabaseLocked
from duckbourse.ingest import RawStore
from duckbourse.ingest.store import sole_writer
from duckbourse.orders.journal import lock_folder
from duckbourse.settings import settings
from duckbourse.trading import session_folder
from tests.support.commands import Ended, bourse
from tests.unit.backup.conftest import OLD, Place, contents, meanwhile

pytestmark = pytest.mark.some_day

BUILT = "build/duckbourse.duckdb"


def restore(place: Place, *words: str) -> Ended:
    return place.run("restore", str(place.backups), *words)


def restored(place: Place, *words: str) -> Ended:
    done = restore(place, *words)
    assert done.returncode == 0, done.stderr
    return done


def backed_up(place: Place) -> dict[str, bytes]:
    """Back up, and return what a restoration must give."""
    place.back_up()
    backups = BackupFolder(place.backups)
    files = backups.load(backups.chosen(None)).files
    return {file.path: backups.object(file.sha256).read_bytes() for file in files}


def test_all_of_it_comes_back_into_a_new_folder(place: Place) -> None:
    wanted = backed_up(place)
    [name] = place.snapshots()
    there = place.folder / "there"
    place.write("project/seeds/reference/portfolios.csv", "edited since")
    done = restored(place, "--into", str(there))
    assert done.stdout.startswith(f"restored: {there} from {name} (11 files, 0.0 MB, ")
    assert done.stderr.splitlines() == [
        f"to use it: set BOURSE_DATA_DIR={there}",
        "the next `./bourse build` is a full one",
        "1 file of the snapshot's seeds, models and macros differ from this project:"
        f" seeds/reference/portfolios.csv; to take them over: cp -R {there}/project/. .",
    ]
    assert contents(there, "build") == wanted
    assert (there / "duckbourse.duckdb").stat().st_mtime == OLD
    report = json.loads(restored(place, "--into", str(there), "--json").stdout)
    assert report["replaced"] is None
    assert report["project_differs"] == ["seeds/reference/portfolios.csv"]


def test_what_is_lost_comes_back_and_the_rest_stays(place: Place) -> None:
    wanted = backed_up(place)
    (place.data / "duckbourse.duckdb").unlink()
    raw = (place.data / "raw").stat().st_ino
    done = restored(place)
    assert "kept:" not in done.stdout
    assert done.stderr == ""
    assert contents(place.data, "build") == wanted
    # the build file is still that of the deliveries
    assert (place.data / BUILT).exists()
    assert (place.data / "raw").stat().st_ino == raw
    assert [path.name for path in place.data.glob("*replaced*")] == []


def test_other_content_is_refused_and_then_kept_aside(place: Place) -> None:
    wanted = backed_up(place)
    [name] = place.snapshots()
    place.write("data/raw/daily/month=2024-01/one.parquet", "changed")
    place.write("data/raw/deliveries/later.parquet")
    incoming = place.data / "raw" / ".incoming"
    place.clutter()
    before = contents(place.data, "build")
    done = restore(place)
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        f"error: 5 files in {place.data} are missing from {name} or differ from it, such as"
        " raw/.env.old",
        "  remedy: add --replace, which keeps what is there now in a folder beside it, or restore"
        " into another folder with --into",
    ]
    assert contents(place.data, "build") == before
    done = restored(place, "--replace")
    (place.data / "replaced-by-hand").mkdir()
    [aside] = place.data.glob(state.REPLACED)
    assert done.stdout.splitlines()[1] == f"kept: what was there before is in {aside}"
    found = contents(place.data, "build", aside.name, ".env")
    assert found == wanted
    assert not incoming.exists()
    # and the build file, which is of other deliveries
    former = {path: content for path, content in before.items() if path.startswith("raw/")}
    assert contents(aside, "build") == former
    assert (aside / BUILT).exists()
    assert not (place.data / BUILT).exists()
    assert "the next `./bourse build` is a full one" in done.stderr.splitlines()
    kept = sum(map(len, contents(aside).values()))
    assert json.loads(place.run("status", "--json").stdout)["disk"]["bytes"][aside.name] == kept
    findings = json.loads(place.run("doctor", "--json").stdout)
    [found] = [each for each in findings if each["check"] == "replaced by a restore"]
    assert found == {
        "check": "replaced by a restore",
        "level": "warn",
        "found": f"{aside} holds what was there before, 0.0 MB",
        "remedy": f"once nothing in it is needed: rm -r {aside}",
    }


def test_what_the_snapshot_does_not_have_is_moved_aside(place: Place) -> None:
    (place.data / "publications" / "20240101.duckdb").unlink()
    backed_up(place)
    place.write("data/publications/20240103.duckdb")
    restored(place, "--replace")
    assert not (place.data / "publications").exists()
    [aside] = place.data.glob("replaced-*")
    assert list(contents(aside)) == ["publications/20240103.duckdb"]


def test_a_checkout_without_deliveries_has_no_other_content(place: Place) -> None:
    wanted = backed_up(place)
    fresh = place.folder / "fresh"
    place.write("fresh/raw/daily/zz_empty.parquet")
    place.write("fresh/build/.gitkeep")
    place.write("fresh/raw/.gitkeep")
    restored(place, "--into", str(fresh))
    assert contents(fresh, "build") == wanted


def test_a_damaged_snapshot_changes_nothing(place: Place) -> None:
    backed_up(place)
    [name] = place.snapshots()
    backups = BackupFolder(place.backups)
    by_path = {file.path: file for file in backups.load(name).files}
    broken = backups.object(by_path["duckbourse.duckdb"].sha256)
    broken.write_bytes(broken.read_bytes()[::-1])
    backups.object(by_path["raw/deliveries/one.parquet"].sha256).unlink()
    place.write("data/raw/deliveries/one.parquet", "lost")
    (place.data / "duckbourse.duckdb").unlink()
    lock = place.write("data/build/owner")
    before = contents(place.data)
    done = restore(place, "--replace")
    assert lock.exists()
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: {name} cannot be restored: {broken}, which is duckbourse.duckdb, has another"
        " content (and 1 more files)",
        f"  remedy: `./bourse backup {place.backups} --verify` lists them all; restore an earlier"
        " one with --snapshot",
    ]
    assert contents(place.data, "build") == {
        path: content for path, content in before.items() if not path.startswith("build")
    }


@pytest.mark.parametrize("is_there", [False, True])
def test_a_damaged_snapshot_leaves_no_folder_that_was_not_there(
    place: Place, is_there: bool
) -> None:
    backed_up(place)
    for content in place.objects():
        content.unlink()
    there = place.folder / "there"
    if is_there:
        there.mkdir()
    assert restore(place, "--into", str(there)).returncode == 1
    assert there.exists() == is_there
    assert not (there / "build").exists()


@pytest.mark.parametrize("damage", ["missing", "longer", "other"])
def test_a_damaged_former_publication_is_left_out_with_a_warning(place: Place, damage: str) -> None:
    place.write("data/publications/20240102.duckdb")
    wanted = backed_up(place)
    [name] = place.snapshots()
    backups = BackupFolder(place.backups)
    path = "publications/20240101.duckdb"
    [file] = [file for file in backups.load(name).files if file.path == path]
    broken = backups.object(file.sha256)
    content = broken.read_bytes()
    found = {
        "missing": "is missing",
        "longer": f"has {len(content) + 1} bytes instead of {len(content)}",
        "other": "has another content",
    }[damage]
    broken.write_bytes(content + b"!" if damage == "longer" else content[::-1])
    if damage == "missing":
        broken.unlink()
    there = place.folder / "there"
    done = restored(place, "--into", str(there))
    warning = (
        f"warning: a former publication is damaged and was left out: {path} of {name}: {broken}"
        f" {found}"
    )
    assert done.stderr.splitlines()[0] == warning
    del wanted[path]
    assert contents(there, "build") == wanted
    again = restored(place, "--into", str(there), "--quiet")
    assert (again.stdout, again.stderr) == ("", f"{warning}\n")
    report = json.loads(restored(place, "--into", str(there), "--json").stdout)
    assert (report["left_out"], report["replaced"]) == ([path], None)


def test_a_former_publication_that_is_intact_here_stays(place: Place) -> None:
    """The backup's copy of it is damaged, and another one is missing here."""
    place.write("data/publications/20240102.duckdb")
    wanted = backed_up(place)
    [name] = place.snapshots()
    backups = BackupFolder(place.backups)
    path = "publications/20240101.duckdb"
    [file] = [file for file in backups.load(name).files if file.path == path]
    backups.object(file.sha256).unlink()
    (place.data / "publications" / "20240102.duckdb").unlink()
    done = restored(place)
    assert contents(place.data, "build") == wanted
    assert "left out" not in done.stderr


def test_a_snapshot_is_chosen_by_name(place: Place) -> None:
    first = backed_up(place)
    place.write("data/raw/deliveries/two.parquet")
    backed_up(place)
    one, two = place.snapshots()
    there = place.folder / "there"
    done = restore(place, "--snapshot", one[:-2] + "Z", "--into", str(there))
    assert done.returncode == 2
    error, remedy = done.stderr.splitlines()
    assert error.startswith(f"error: {place.backups} has no snapshot '{one[:-2]}Z'; did you mean '")
    assert remedy == (
        f"  remedy: `./bourse backup {place.backups} --list` lists them; the newest is {two}"
    )
    restored(place, "--snapshot", one, "--into", str(there))
    assert contents(there, "build") == first


def test_it_waits_for_builds_loops_and_ingests(place: Place) -> None:
    backed_up(place)
    session = place.data / "trading" / "paper_us"
    lock_folder(session).close()  # the file of its lock stays
    before = contents(place.data, "build")
    with state.sole_owner(place.data / BUILT):
        done = restore(place)
    assert done.returncode == 4
    assert done.stderr.splitlines() == [
        f"error: {place.data}/{BUILT} is being built, published or restored"
        f" by process {os.getpid()}",
        "  remedy: wait until it has ended, or end it; then run this again",
    ]
    lock = lock_folder(session)
    try:
        done = restore(place)
    finally:
        lock.close()
    assert done.returncode == 4
    assert done.stderr.splitlines() == [
        f"error: paper_us is trading, in {session}",
        "  remedy: stop that first, with Ctrl-C where it runs; then run this again",
    ]
    with sole_writer(place.data / "raw"):
        done = restore(place)
    assert done.returncode == 4
    assert done.stderr.splitlines() == [
        f"error: another command is writing to {place.data}/raw",
        "  remedy: wait for it and run this again",
    ]
    assert contents(place.data, "build") == before


def test_a_loop_that_starts_while_files_are_copied_stops_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    backed_up(place)
    (place.data / "duckbourse.duckdb").unlink()
    locks: list[Any] = []

    def trade(file: str) -> None:
        if file == "duckbourse.duckdb":
            locks.append(lock_folder(place.data / "trading" / "paper_us"))

    meanwhile(monkeypatch, trade)
    assert restore(place).returncode == 4
    [lock] = locks
    lock.close()
    assert not (place.data / "duckbourse.duckdb").exists()
    assert list(place.data.glob(".restoring*")) == []


def test_a_kill_at_any_rename_is_made_good_by_the_next_run(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = backed_up(place)
    there = place.folder / "there"
    real = Path.rename
    stops = 0
    for last in range(1, 30):
        place.write("there/raw/deliveries/other.parquet", f"kill {last}")
        place.write("there/publications/other.duckdb", f"kill {last}")
        place.write(f"there/{BUILT}", f"kill {last}")
        renames = 0

        def rename(self: Path, target: Path, last: int = last) -> Path:
            nonlocal renames
            renames += 1
            if renames == last:
                raise KeyboardInterrupt
            return real(self, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", rename)
            code = restore(place, "--into", str(there), "--replace").returncode
        if code == 0:
            break
        stops += 1
        if list(there.glob(state.UNFINISHED)):
            done = bourse(there, "publish")
            assert done.returncode == 4
            assert done.stderr.splitlines() == [
                f"error: a restoration was stopped while it replaced files in {there}",
                "  remedy: run the same `./bourse restore` again, which does the rest",
            ]
        since = ("raw/deliveries/since", "trading/paper_us/since", "duckbourse.duckdb")
        for path in since:
            place.write(f"there/{path}", f"since kill {last}")
        restored(place, "--into", str(there), "--replace")
        kept = [path.name for path in there.glob("replaced-*")]
        assert contents(there, "build", *kept) == wanted, last
        assert list(there.glob(".restoring*")) == []
        lost = [path for name in kept for path in contents(there / name).values()]
        assert lost.count(f"kill {last}".encode()) >= 2, last
        assert lost.count(f"since kill {last}".encode()) == len(since), last
    assert stops > 5


def test_nothing_is_written_where_a_restoration_is_unfinished(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = place.folder / "there"
    (there / ".restoring-2-replaced-20240102T000000000000").mkdir(parents=True)
    error = f"a restoration was stopped while it replaced files in {there}"
    with (
        duckdb.connect() as connection,
        pytest.raises(DatabaseLocked, match=error),
        RawStore(there / "raw").writing(connection),
    ):
        pass
    monkeypatch.setenv("BOURSE_DATA_DIR", str(there))
    settings.cache_clear()
    limits = SimpleNamespace(account="paper_us", calendar="us", capital_amount=Decimal(1))
    publication: Any = SimpleNamespace(
        limits=limits, session_date=date(2024, 1, 2), zone=SimpleNamespace(key="UTC")
    )
    try:
        with pytest.raises(DatabaseLocked, match=error):
            session_folder.create(publication, "paper", "")
        with pytest.raises(DatabaseLocked, match=error):
            lock_folder(place.data / "trading" / "paper_us")
    finally:
        monkeypatch.undo()
        settings.cache_clear()
    assert [path.name for path in there.iterdir()] == [
        ".restoring-2-replaced-20240102T000000000000"
    ]
    backup = bourse(there, "backup", str(place.backups))
    assert backup.returncode == 4
    assert f"error: {error}" in backup.stderr.splitlines()
    assert not place.backups.exists()
    # a killed ingest does not hide it
    (there / "raw" / ".incoming").mkdir(parents=True)
    done = bourse(there, "doctor", "--json")
    [found] = [each for each in json.loads(done.stdout) if each["check"] == "leftover files"]
    assert found == {
        "check": "leftover files",
        "level": "fail",
        "found": error,
        "remedy": "run the same `./bourse restore` again, which does the rest",
    }


def test_what_is_traded_while_files_are_copied_is_kept(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = backed_up(place)
    (place.data / "duckbourse.duckdb").unlink()
    (place.data / "trading" / "paper_us" / "trade.log").unlink()
    traded = "trading/paper_india/journal.sqlite"

    def trade(file: str) -> None:
        if file == "duckbourse.duckdb":
            place.write(f"data/{traded}", "traded")

    meanwhile(monkeypatch, trade)
    done = restored(place)
    [aside] = place.data.glob("replaced-*")
    assert f"kept: what was there before is in {aside}" in done.stdout
    assert contents(aside)[traded] == b"traded"
    assert contents(place.data, "build", aside.name) == wanted


def forge(place: Place, **changed: Any) -> str:
    """Rewrite the manifest with another first file, and a checksum that matches."""
    [name] = place.snapshots()
    manifest = place.backups / "snapshots" / f"{name}.json"
    snapshot = json.loads(manifest.read_text())["snapshot"]
    snapshot["files"][0] |= changed
    content = json.dumps(snapshot, separators=(",", ":"))
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    manifest.write_text(f'{{"sha256":"{sha256}","snapshot":{content}}}')
    return str(manifest)


@pytest.mark.parametrize(
    "path",
    [
        "../stolen",
        "raw/../../stolen",
        "/etc/stolen",
        "raw//stolen",
        "./raw/stolen",
        "raw/./stolen",
        "",
        ".",
        "raw\\..\\stolen",
        "sample/stolen",
        "build/duckbourse.duckdb",
        ".env",
    ],
)
def test_a_forged_path_is_refused(place: Place, path: str) -> None:
    backed_up(place)
    manifest = forge(place, path=path)
    before = contents(place.folder)
    done = restore(place, "--into", str(place.folder / "there"))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: the manifest {manifest} is damaged: {path!r} is not a file of a backup",
        f"  remedy: use another snapshot with --snapshot; `./bourse backup {place.backups} --list`"
        " lists them",
    ]
    assert contents(place.folder) == before


def test_a_forged_size_is_refused(place: Place) -> None:
    backed_up(place)
    manifest = forge(place, bytes=-1)
    done = restore(place, "--into", str(place.folder / "there"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: the manifest {manifest} is damaged: ")


def test_a_damaged_file_of_the_project_is_needed(place: Place) -> None:
    backed_up(place)
    backups = BackupFolder(place.backups)
    files = {file.path: file for file in backups.load(backups.chosen(None)).files}
    backups.object(files["project/dbt_project.yml"].sha256).write_text("damaged")
    done = restore(place, "--into", str(place.folder / "there"))
    assert done.returncode == 1
    assert "which is project/dbt_project.yml, has " in done.stderr


@pytest.mark.parametrize("inside", ["backups", "backups/objects/x", "project/seeds/x"])
def test_no_data_folder_is_made_inside_a_backup_or_the_project(place: Place, inside: str) -> None:
    backed_up(place)
    before = contents(place.folder)
    link = place.folder / "link"
    link.symlink_to(place.folder)
    for top in (place.folder, link):
        done = restore(place, "--into", str(top / inside))
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {top / inside} is inside {place.folder}")
    link.unlink()
    assert contents(place.folder) == before


def test_a_file_is_no_folder(place: Place) -> None:
    backed_up(place)
    done = restore(place, "--into", "/dev/null")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "  remedy: name a folder"


@pytest.mark.parametrize("is_known_before", [True, False])
def test_the_sample_fills_a_disk_too(
    place: Place, monkeypatch: pytest.MonkeyPatch, is_known_before: bool
) -> None:
    wanted = backed_up(place)
    place.write("project/data/sample/daily/one.parquet", "s" * 500)
    there = place.folder / "there"
    needed = sum(map(len, wanted.values())) + 500
    free = needed - 1 if is_known_before else needed
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    real = shutil.copy2

    def copy2(source: Path, target: Path) -> Any:
        if "sample" in str(target):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        return real(source, target)

    monkeypatch.setattr(shutil, "copy2", copy2)
    words = ("restore", str(place.backups), "--into", str(there))
    done = bourse(place.data, *words, BOURSE_SAMPLE="true")
    assert done.returncode == 6
    error, remedy = done.stderr.splitlines()
    assert (f"needs {needed:,} bytes" in error) == is_known_before
    assert ("the disk is full, writing " in error) != is_known_before
    assert remedy.startswith("  remedy: free some disk space")
    assert not there.exists()
    monkeypatch.setattr(shutil, "copy2", real)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=needed))
    assert bourse(place.data, *words, BOURSE_SAMPLE="true").returncode == 0
    assert (there / "sample" / "daily" / "one.parquet").read_text() == "s" * 500


def test_a_forged_checksum_leads_nowhere(place: Place) -> None:
    backed_up(place)
    forge(place, sha256="../../project/.env")
    assert restore(place, "--into", str(place.folder / "there")).returncode == 1


def test_a_link_among_the_contents_is_not_followed(place: Place) -> None:
    backed_up(place)
    [name] = place.snapshots()
    backups = BackupFolder(place.backups)
    file = backups.load(name).files[0]
    real = backups.object(file.sha256)
    copy = place.folder / "copy"
    real.rename(copy)
    real.symlink_to(copy)
    done = restore(place, "--into", str(place.folder / "there"))
    assert done.returncode == 1
    assert f"{real}, which is {file.path}, cannot be read: Too many" in done.stderr


def test_a_link_in_the_data_folder_is_not_written_through(place: Place) -> None:
    wanted = backed_up(place)
    outside = place.folder / "outside"
    (place.data / "raw").rename(outside)
    place.write("outside/deliveries/one.parquet", "mine")
    (place.data / "raw").symlink_to(outside)
    before = contents(outside)
    restored(place, "--replace")
    assert contents(outside) == before
    assert not (place.data / "raw").is_symlink()
    [aside] = place.data.glob("replaced-*")
    assert (aside / "raw").is_symlink()
    found = contents(place.data, "build", aside.name, ".env")
    assert found == wanted


def test_a_disk_that_is_too_small_is_known_before(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = backed_up(place)
    there = place.folder / "there"
    needed = sum(map(len, wanted.values()))

    class Usage:
        free = 7

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    done = restore(place, "--into", str(there))
    assert done.returncode == 6
    [name] = place.snapshots()
    assert done.stderr.splitlines() == [
        f"error: {name} needs {needed:,} bytes, and {there} has 7 free",
        "  remedy: free some disk space, or restore onto another disk with --into",
    ]


def test_a_folder_that_no_build_can_read_is_refused(place: Place) -> None:
    backed_up(place)
    done = restore(place, "--into", str(place.folder / "a*b"))
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: no build can read from a folder with * in its path",
        "  remedy: name another folder with --into",
    ]
