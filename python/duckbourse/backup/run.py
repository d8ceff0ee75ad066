"""One backup: what has changed is copied, and the manifest is written last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from duckbourse import clock, history, state
from duckbourse.backup.folder import BackupFolder, File, Snapshot
from duckbourse.backup.progress import Progress, step_of
from duckbourse.backup.sources import DATA, PAIR, Changed, Copier, Source, files_of
from duckbourse.disk import wrap_os_error
from duckbourse.errors import BackupDamaged, BadInput, BourseError, ConfigurationError
from duckbourse.settings import PROJECT, settings

NAME = "%Y-%m-%dT%H%M%SZ"
# a file may change again within this without another time of its last change
SETTLED = timedelta(seconds=2)
# of the record of the publication
RECORDED = ("build_id", "git_revision", "data_version", "published_at")


@dataclass(frozen=True)
class BackedUp:
    """A backup that was made, the snapshots that were removed for it, and what to know about it."""

    snapshot: Snapshot
    removed: list[str]
    notes: list[str]


def back_up(folder: BackupFolder, progress: Progress, keep: int | None = None) -> BackedUp:
    """
    Back up the raw store, journals, publications and seeds as one snapshot.

    What is in use is not disturbed. After a kill or on a full disk there is no snapshot, and the
    next backup goes on with what was copied. With `keep`, older snapshots are removed.
    """
    data = settings().data
    if not data.is_dir():
        raise ConfigurationError(
            f"there is no data folder {data}",
            "set BOURSE_DATA_DIR in the environment or in .env to the folder to back up",
        )
    state.refuse_unfinished(data)
    _refuse_inside(folder.root, data)
    try:
        with folder.writing():
            return _backed_up(folder, data, progress, keep)
    except OSError as error:
        raise wrap_os_error(error, Path(error.filename or folder.root)) from error


def _backed_up(folder: BackupFolder, data: Path, progress: Progress, keep: int | None) -> BackedUp:
    started = clock.now()
    notes: list[str] = []
    former = _former(folder, notes)
    known = _settled(former) if former else {}

    def is_known(source: Source) -> bool:
        file = known.get(source.path)
        return (
            file is not None
            and (file.bytes, file.mtime_ns) == (source.bytes, source.mtime_ns)
            and folder.holds(file)
        )

    left_out: dict[Path, str] = {}
    listed = files_of(data, PROJECT, left_out)
    total = sum(each.bytes for each in listed.values() if not is_known(each))
    copier = Copier(folder, step_of(progress, total))
    sessions: set[Path] = set()
    files: dict[str, File] = {}
    new: list[File] = []
    while listed:
        gone = False
        for source in listed.values():
            if source.path in files:
                continue
            if is_known(source):
                files[source.path] = known[source.path]
                continue
            try:
                if not (source.place.name in PAIR and source.path.startswith("trading/")):
                    copied = [copier.one(source)]
                elif source.place.parent in sessions:
                    continue
                else:
                    sessions.add(source.place.parent)
                    copied = copier.account(source.place.parent, source.path.rpartition("/")[0])
            except Changed:
                gone = True  # such as a log of ticks that has become a segment
                continue
            files |= {file.path: file for file, _ in copied}
            new += [file for file, is_new in copied if is_new]
        listed = files_of(data, PROJECT, left_out) if gone else {}
    snapshot = Snapshot(
        name=_name(folder, started),
        taken_at=started,
        publication=_publication(folder, files.get("duckbourse.duckdb")),
        new_files=len(new),
        new_bytes=sum(file.bytes for file in new),
        files=tuple(files[path] for path in sorted(files)),
    )
    folder.commit(snapshot)
    removed: list[str] = []
    try:
        removed = folder.prune(keep)
    except BackupDamaged as error:
        notes.append(f"nothing was removed from {folder.root}: {error}")
    notes += [f"left out: {path} is {what}" for path, what in left_out.items()]
    return BackedUp(snapshot, removed, [*notes, *copier.notes])


def _refuse_inside(root: Path, data: Path) -> None:
    # a part of the data may be a link to another disk
    for folder in (PROJECT, data, *(data / part for part in (*DATA, "build"))):
        if root.resolve().is_relative_to(folder.resolve()):
            raise BadInput(
                f"{root} is inside {folder}, which is what a backup is made of",
                "name a folder elsewhere, at best on another disk",
            )


def _former(folder: BackupFolder, notes: list[str]) -> Snapshot | None:
    try:
        return folder.load(folder.chosen(None))
    except BackupDamaged as error:
        notes.append(f"{error}; so all files were read again")
        return None
    except BadInput:
        return None  # the first one


def _settled(snapshot: Snapshot) -> dict[str, File]:
    """Return files that are unchanged if their size and their time of last change are."""
    before = (snapshot.taken_at - SETTLED).timestamp() * 1e9
    return {
        file.path: file
        for file in snapshot.files
        if file.mtime_ns < before and not file.path.endswith(PAIR)
    }


def _name(folder: BackupFolder, now: datetime) -> str:
    found = now.strftime(NAME)
    names = folder.listed()
    # a clock can stand still or be set back, but the newest name must be the last
    while names and found <= names[-1]:
        last = datetime.strptime(names[-1], NAME)
        found = (last + timedelta(seconds=1)).strftime(NAME)
    return found


def _publication(folder: BackupFolder, published: File | None) -> dict[str, Any] | None:
    if published is None:
        return None
    try:
        record = history.record_of(folder.object(published.sha256))
    except BourseError:
        return None  # not ours, but backed up unchanged
    found = {name: record.get(name) for name in RECORDED}
    return {name: value and str(value) for name, value in found.items()}
