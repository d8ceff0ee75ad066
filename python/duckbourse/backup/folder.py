"""
A folder of backups: each content once, by its checksum, and a manifest for each snapshot.

    duckbourse-backup.json    marks the folder: without it, nothing in a folder is touched
    .duckbourse-incoming/     copies that are not complete yet
    objects/ab/abcdef…        a content under its SHA-256; never changed
    snapshots/<instant>.json  the files of one backup; written last, by a rename

A backup that was stopped leaves no manifest, only contents that the next one uses or removes.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from shlex import quote
from typing import IO, Any

import msgspec

from duckbourse import state
from duckbourse.disk import flush, names_in, wrap_os_error
from duckbourse.errors import BackupBusy, BackupDamaged, BadInput, ConfigurationError
from duckbourse.names import did_you_mean
from duckbourse.settings import FOLDERS

BLOCK = 1 << 20
MARKER = "duckbourse-backup.json"
CHECKSUM = re.compile(r"[0-9a-f]{64}")
# where a snapshot's files may be, below the folder that it is restored to
PARTS = (*(name for name in FOLDERS if name != "build"), "duckbourse.duckdb", "project")

# receives what is done, and the number of bytes done since the last call
Step = Callable[[str, int], None]


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of a snapshot; its path is relative, with slashes."""

    path: str
    bytes: int
    sha256: str
    mtime_ns: int


class Snapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """
    The files of one backup.

    `new_files` and `new_bytes` were not in the folder before. `publication` is the record of the
    published file, if there was one.
    """

    name: str
    taken_at: datetime
    publication: dict[str, Any] | None
    new_files: int
    new_bytes: int
    files: tuple[File, ...]

    @property
    def bytes(self) -> int:
        """The size of all its files."""
        return sum(file.bytes for file in self.files)


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A snapshot as it is written, with the checksum of its JSON."""

    sha256: str
    snapshot: msgspec.Raw


@dataclass(frozen=True)
class Damage:
    """A file of a snapshot whose content in the folder is not what was backed up."""

    snapshot: str
    path: str
    found: str
    object: Path

    def __str__(self) -> str:
        return f"{self.path} of {self.snapshot}: {self.object} {self.found}"


@dataclass(frozen=True)
class BackupFolder:
    """A folder of backups."""

    root: Path

    @property
    def snapshots(self) -> Path:
        """The folder of manifests."""
        return self.root / "snapshots"

    @property
    def incoming(self) -> Path:
        """The folder of incomplete copies."""
        return self.root / ".duckbourse-incoming"

    def object(self, sha256: str) -> Path:
        """Return where a content is."""
        return self.root / "objects" / sha256[:2] / sha256

    def listed(self) -> list[str]:
        """Return the names of the snapshots, oldest first; an error if they cannot be read."""
        try:
            return [name.removesuffix(".json") for name in names_in(self.snapshots, ".json")]
        except OSError as error:
            raise wrap_os_error(error, self.snapshots) from error

    def names(self) -> list[str]:
        """Return the names of the snapshots, oldest first; raise BadInput if there are none."""
        found = self.listed()
        if not found:
            raise BadInput(
                f"{self.root} holds no backup", f"`./bourse backup {self.root}` makes one"
            )
        return found

    def chosen(self, name: str | None) -> str:
        """Return the name of a snapshot that exists, by default the newest."""
        names = self.names()
        if name is None:
            return names[-1]
        if name not in names:
            raise ConfigurationError(
                f"{self.root} has no snapshot {name!r}{did_you_mean(name, names)}",
                f"`./bourse backup {self.root} --list` lists them; the newest is {names[-1]}",
            )
        return name

    def load(self, name: str) -> Snapshot:
        """Return a snapshot; raise BackupDamaged if its manifest is not what was written."""
        path = self.snapshots / f"{name}.json"
        try:
            manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
            if hashlib.sha256(manifest.snapshot).hexdigest() != manifest.sha256:
                raise ValueError("its checksum does not match")
            snapshot = msgspec.json.decode(manifest.snapshot, type=Snapshot)
            if snapshot.name != name:
                raise ValueError(f"it is that of {snapshot.name!r}")
            if unsafe := [file.path for file in snapshot.files if not _is_safe(file)]:
                raise ValueError(f"{unsafe[0]!r} is not a file of a backup")
        except PermissionError as error:
            raise wrap_os_error(error, path) from error
        except (ValueError, OSError) as error:
            raise BackupDamaged(
                f"the manifest {path} is damaged: {error}",
                "use another snapshot with --snapshot; `./bourse backup"
                f" {self.root} --list` lists them",
            ) from error
        return snapshot

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Lock the folder for one backup, and remove what a stopped one left."""
        marker = self.root / MARKER
        if not marker.is_file() and self.root.exists() and any(self.root.iterdir()):
            # those of earlier versions had no marker
            contents = (self.root / "objects").glob("??/*")
            is_ours = any(CHECKSUM.fullmatch(path.name) for path in contents)
            raise BadInput(
                f"{self.root} is not empty and is not a backup folder: it has no {MARKER}",
                f"it looks like one of an earlier version; if it is: touch {quote(str(marker))}"
                if is_ours
                else f"name a folder of its own, such as {self.root / 'duckbourse'}",
            )
        # it holds orders and positions
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        marker.touch()
        busy = "another command is writing to {root} (process {owner})"
        with state.held_by_one(
            self.root / "owner",
            lambda owner: BackupBusy(
                busy.format(root=self.root, owner=owner), "wait for it and run this again"
            ),
        ):
            shutil.rmtree(self.incoming, ignore_errors=True)
            for each in (self.incoming, self.snapshots, self.root / "objects"):
                each.mkdir(mode=0o700, exist_ok=True)
            try:
                yield
            finally:
                shutil.rmtree(self.incoming, ignore_errors=True)

    def holds(self, file: File) -> bool:
        """Return whether a content is here, by its name and size; `verify` reads it."""
        try:
            return self.object(file.sha256).lstat().st_size == file.bytes
        except FileNotFoundError:
            return False

    def keep(self, copy: Path, file: File) -> bool:
        """Move a complete copy to its place; return whether it is new."""
        # by its content: what a disk has damaged is replaced
        if self.read(file, None, lambda name, count: None) is None:
            copy.unlink()
            return False
        copy.chmod(0o600)
        flush(copy)
        place = self.object(file.sha256)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        copy.replace(place)
        return True

    def commit(self, snapshot: Snapshot) -> None:
        """Write the manifest, which makes the backup exist."""
        for folder in {self.object(file.sha256).parent for file in snapshot.files}:
            flush(folder)
        flush(self.root / "objects")
        content = msgspec.json.encode(snapshot)
        manifest = Manifest(hashlib.sha256(content).hexdigest(), msgspec.Raw(content))
        draft = self.incoming / "manifest"
        draft.write_bytes(msgspec.json.encode(manifest))
        draft.chmod(0o600)
        flush(draft)
        draft.replace(self.snapshots / f"{snapshot.name}.json")
        flush(self.snapshots)

    def prune(self, keep: int | None) -> list[str]:
        """Remove all but the newest snapshots, and contents of none; return the removed names."""
        names = self.names()
        removed = names[:-keep] if keep else []
        # before anything is removed, since a damaged manifest does not say what it needs
        needed = {file.sha256 for name in names[len(removed) :] for file in self.load(name).files}
        for name in removed:
            (self.snapshots / f"{name}.json").unlink()
        flush(self.snapshots)
        for path in (self.root / "objects").glob("??/*"):
            if CHECKSUM.fullmatch(path.name) and path.name not in needed:
                path.unlink()
        return removed

    def verify(self, snapshots: Iterable[Snapshot], step: Step) -> list[Damage]:
        """Read each content once; return each file whose content is not what was backed up."""
        known: dict[tuple[str, int], str | None] = {}
        damages = []
        for snapshot in snapshots:
            for file in snapshot.files:
                content = (file.sha256, file.bytes)
                if content not in known:
                    known[content] = self.read(file, None, step)
                if found := known[content]:
                    place = self.object(file.sha256)
                    damages.append(Damage(snapshot.name, file.path, found, place))
        return damages

    def read(self, file: File, copy: Path | None, step: Step) -> str | None:
        """Read a content, into a copy if there is one; return what is wrong with it, or None."""
        try:
            # never through a link, and no pipe
            descriptor = os.open(
                self.object(file.sha256), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            )
        except FileNotFoundError:
            return "is missing"
        except PermissionError as error:  # nothing is damaged
            raise wrap_os_error(error, self.object(file.sha256)) from error
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        with os.fdopen(descriptor, "rb") as content:
            status = os.fstat(content.fileno())
            if not stat.S_ISREG(status.st_mode):
                return "is not a file"
            if status.st_size != file.bytes:
                return f"has {status.st_size:,} bytes instead of {file.bytes:,}"
            if copy is None:
                found = digest(content, None, file.bytes, file.path, step)
            else:
                with copy.open("xb") as written:
                    found = digest(content, written, file.bytes, file.path, step)
        return None if found == file.sha256 else "has another content"


def digest(
    content: IO[bytes], copy: IO[bytes] | None, size: int, name: str, step: Step
) -> str | None:
    """Return the SHA-256 of the first `size` bytes, copying them; None if there are fewer."""
    found = hashlib.sha256()
    left = size
    while left:
        block = content.read(min(left, BLOCK))
        if not block:
            return None
        found.update(block)
        if copy is not None:
            copy.write(block)
        left -= len(block)
        step(name, len(block))
    return found.hexdigest()


def _is_safe(file: File) -> bool:
    # whoever wrote the manifest, nothing is written outside the folder that is restored
    path = PurePosixPath(file.path)
    return (
        str(path) == file.path
        and path.parts[:1] in [(part,) for part in PARTS]
        and ".." not in path.parts
        and "\0" not in file.path
        and file.bytes >= 0
        and bool(CHECKSUM.fullmatch(file.sha256))
    )
