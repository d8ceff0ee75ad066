"""
Restoration of a snapshot: verified first, then put in place by renames.

    .restoring-half        the snapshot's files, while they are copied and verified
    replaced-<stamp>/      what was there before
    .restoring-1-replaced-<stamp>  complete; what the snapshot does not have is moved there
    .restoring-2-replaced-<stamp>  each other part is moved there, and the snapshot's into its place

Nothing is replaced before all of the snapshot is there and verified. After a kill during the
renames, builds, ingests and trading are refused until the same command has done the rest.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from duckbourse import clock, state
from duckbourse.backup.folder import PARTS, BackupFolder, Damage, File, Snapshot, digest
from duckbourse.backup.progress import Progress, step_of
from duckbourse.backup.sources import PROJECT_PARTS, Source, below
from duckbourse.disk import flush, wrap_os_error
from duckbourse.errors import (
    BackupDamaged,
    BadInput,
    ConfigurationError,
    DatabaseLocked,
    JournalBusy,
    StorageFull,
)
from duckbourse.ingest.store import sole_writer
from duckbourse.orders.journal import holder
from duckbourse.settings import NOT_IN_A_FOLDER, PROJECT, settings
from duckbourse.words import counted

# what was there before
ASIDE = "replaced-{:%Y%m%dT%H%M%S%f}"
# not needed: the current one is beside them
FORMER = "publications/"
SAMPLE = "sample"
# built from other data: the next build is a full one
BUILT = ("build/duckbourse.duckdb", "build/duckbourse.duckdb.wal", "build/state.json")
# in a complete copy: a folder for each place that is only moved aside
GONE = "gone"
# without content of their own
EMPTY = ("zz_empty.parquet", ".gitkeep", "-shm")


@dataclass(frozen=True)
class Restored:
    """
    A restored snapshot: where, what was there before, and the project's files that differ.

    `left_out` are former publications that are damaged in the backup.
    """

    snapshot: Snapshot
    data: Path
    replaced: Path | None
    differing: list[str]
    left_out: list[Damage]

    @property
    def is_next_build_full(self) -> bool:
        """Whether there is no build file to go on with."""
        return not (self.data / BUILT[0]).exists()


def restore(
    folder: BackupFolder,
    progress: Progress,
    name: str | None = None,
    into: Path | None = None,
    *,
    replace: bool = False,
) -> Restored:
    """
    Verify a snapshot and make it the content of a data folder.

    Raise BadInput if the folder has files that the snapshot does not have, unless `replace`; they
    are then kept aside. Raise BackupDamaged if a file of the snapshot is damaged, unless it is a
    former publication, which is left out. A build, a trading loop or an ingest at work is an error
    too. After any of these nothing has changed.
    """
    snapshot = folder.load(folder.chosen(name))
    data = into.absolute() if into else settings().data
    for kept in (folder.root, *(PROJECT / part for part in PROJECT_PARTS)):
        if data.resolve().is_relative_to(kept.resolve()):
            raise ConfigurationError(
                f"{data} is inside {kept}, which is no place for a data folder",
                "name another folder with --into",
            )
    if found := [mark for mark in NOT_IN_A_FOLDER if mark in str(data)]:
        raise ConfigurationError(
            f"no build can read from a folder with {' or '.join(found)} in its path",
            "name another folder with --into",
        )
    try:
        with _made(data), _alone(data):
            aside = None
            for complete in data.glob(state.UNFINISHED):
                aside = _finish(data, complete)
            left_out: list[Damage] = []
            replaced = _restored(folder, snapshot, data, progress, left_out, replace=replace)
    except OSError as error:
        raise wrap_os_error(error, Path(error.filename or data)) from error
    return Restored(snapshot, data, replaced or aside, _differing(data), left_out)


def _restored(
    folder: BackupFolder,
    snapshot: Snapshot,
    data: Path,
    progress: Progress,
    left_out: list[Damage],
    *,
    replace: bool,
) -> Path | None:
    there = {
        each.path: each for part in PARTS for each in below(data / part, part, everything=True)
    }
    same = _same(snapshot, there, progress)
    others = sorted(path for path in there.keys() - same if not path.endswith(EMPTY))
    if others and not replace:
        one, several = (
            f"{files} missing from {snapshot.name} or {differ} from it"
            for files, differ in (
                (f"file in {data} is", "differs"),
                (f"files in {data} are", "differ"),
            )
        )
        raise BadInput(
            f"{counted(len(others), one, several)}, such as {others[0]}",
            "add --replace, which keeps what is there now in a folder beside it, or restore into"
            " another folder with --into",
        )
    wanted = {file.path for file in snapshot.files if not file.path.endswith(EMPTY)}
    changed = {path.split("/")[0] for path in {*others, *(wanted - same)}}
    files = [file for file in snapshot.files if file.path.split("/")[0] in changed]
    if not changed:
        return None
    shipped: list[Source] = []  # in no backup
    if settings().sample and not (data / SAMPLE).exists():
        shipped = list(below(PROJECT / "data" / SAMPLE, SAMPLE, everything=True))
    needed, free = sum(file.bytes for file in files), shutil.disk_usage(data).free
    needed += sum(each.bytes for each in shipped)
    if free < needed:
        raise StorageFull(
            f"{snapshot.name} needs {needed:,} bytes, and {data} has {free:,} free",
            "free some disk space, or restore onto another disk with --into",
        )
    half = data / state.HALF
    shutil.rmtree(half, ignore_errors=True)
    try:
        intact = {path: data / path for path in same}
        left_out += _fill(folder, snapshot.name, files, half, intact, progress)
        for each in shipped:
            copy = half / each.path
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(each.place, copy)
        gone = changed - {file.path.split("/")[0] for file in files}
        for place in (*gone, *(BUILT if "raw" in changed else ())):
            (half / GONE / place).mkdir(parents=True)
        _refuse_trading(data)
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise
    now = clock.now()
    while (data / ASIDE.format(now)).exists():
        now += timedelta(microseconds=1)
    complete = data / f".restoring-1-{ASIDE.format(now)}"
    half.rename(complete)
    flush(data)
    aside = _finish(data, complete)
    if not others and aside and _all_of(aside) <= set(there.values()):
        shutil.rmtree(aside)  # the snapshot has all of it, and nothing was written since
        return None
    return aside


def _fill(
    folder: BackupFolder,
    snapshot: str,
    files: list[File],
    half: Path,
    intact: Mapping[str, Path],
    progress: Progress,
) -> list[Damage]:
    """
    Copy and verify files, and return the former publications that are damaged.

    `intact` are files of the snapshot that are here: they are copied where the backup's is damaged.
    """
    step = step_of(progress, sum(file.bytes for file in files))
    damages: list[Damage] = []
    half.mkdir(mode=0o700)
    folders = {half}
    for file in files:
        copy = half / file.path
        copy.parent.mkdir(parents=True, exist_ok=True)
        folders.add(copy.parent)
        found = folder.read(file, copy, step)
        if found and file.path in intact:
            shutil.copy2(intact[file.path], copy)
            flush(copy)
            continue
        if found:
            damages.append(Damage(snapshot, file.path, found, folder.object(file.sha256)))
            copy.unlink(missing_ok=True)
            continue
        os.utime(copy, ns=(file.mtime_ns, file.mtime_ns))
        flush(copy)
    if needed := [damage for damage in damages if not damage.path.startswith(FORMER)]:
        first, more = needed[0], len(needed) - 1
        raise BackupDamaged(
            f"{snapshot} cannot be restored: {first.object}, which is"
            f" {first.path}, {first.found}" + (f" (and {more:,} more files)" if more else ""),
            f"`./bourse backup {folder.root} --verify` lists them all; restore an earlier one with"
            " --snapshot",
        )
    for each in folders:
        flush(each)
    return damages


def _finish(data: Path, complete: Path) -> Path | None:
    """Put a complete copy in place, or go on with that; return where the former content is."""
    _, number, name = complete.name.split("-", 2)
    aside = data / name
    if number == "1":
        for place in (*PARTS, *BUILT):
            if (complete / GONE / place).exists():
                _move(data / place, aside / place)
        complete = complete.rename(data / f".restoring-2-{name}")
        flush(data)
    for part in (*PARTS, SAMPLE):
        if (complete / part).exists():
            _move(data / part, aside / part)
            (complete / part).rename(data / part)
    flush(data)
    shutil.rmtree(complete)
    return aside if aside.exists() else None


def _move(source: Path, target: Path) -> None:
    if source.exists() or source.is_symlink():
        target.parent.mkdir(parents=True, exist_ok=True)
        free, number = target, 1
        while free.exists() or free.is_symlink():  # moved before a kill, and made again since
            number += 1
            free = target.with_name(f"{target.name}-{number}")
        source.rename(free)


def _all_of(aside: Path) -> set[Source]:
    """Return the files that were moved aside, as they were listed where they came from."""
    return {
        Source(each.path, aside.parent / each.path, each.bytes, each.mtime_ns)
        for top in aside.iterdir()
        for each in below(top, top.name, everything=True)
    }


def _same(snapshot: Snapshot, there: dict[str, Source], progress: Progress) -> set[str]:
    """Return the files that are there with the content that the snapshot has."""
    alike = [
        (file, each.place)
        for file in snapshot.files
        if (each := there.get(file.path)) and each.bytes == file.bytes
    ]
    step = step_of(progress, sum(file.bytes for file, _ in alike))
    same = set()
    for file, place in alike:
        if place.is_file() and not place.is_symlink():
            with place.open("rb") as content:
                if digest(content, None, file.bytes, file.path, step) == file.sha256:
                    same.add(file.path)
    return same


def _differing(data: Path) -> list[str]:
    """Return the restored files of the project that are not in the project, or differ there."""
    restored = data / "project"
    return [
        each.path
        for part in PROJECT_PARTS
        for each in below(restored / part, part)
        if not (PROJECT / each.path).is_file()
        or (PROJECT / each.path).read_bytes() != each.place.read_bytes()
    ]


@contextmanager
def _made(data: Path) -> Iterator[None]:
    """Make a data folder, and remove it and its lock again if nothing is restored into it."""
    lock = state.owner_file(_build_database(data))
    new = [folder for folder in (lock.parent, data) if not folder.exists()]
    data.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        if lock.parent in new:
            lock.unlink(missing_ok=True)
        for folder in new:
            if folder.exists() and not any(folder.iterdir()):
                folder.rmdir()
        raise


def _build_database(data: Path) -> Path:
    return data / settings().build_database.relative_to(settings().data)


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Exclude builds and ingests, and refuse if a session is traded."""
    database = _build_database(data)
    with ExitStack() as locks:
        locks.enter_context(
            state.held_by_one(
                state.owner_file(database),
                lambda owner: DatabaseLocked(
                    f"{database} is being built, published or restored by process {owner}",
                    "wait until it has ended, or end it; then run this again",
                ),
            )
        )
        if (data / "raw").is_dir():
            locks.enter_context(sole_writer(data / "raw"))
        _refuse_trading(data)
        yield


def _refuse_trading(data: Path) -> None:
    for folder in sorted((data / "trading").glob("*/")):
        if holder(folder) is not None:
            raise JournalBusy(
                f"{folder.name} is trading, in {folder}",
                "stop that first, with Ctrl-C where it runs; then run this again",
            )
