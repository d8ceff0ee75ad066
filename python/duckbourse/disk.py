"""What a power cut must not undo, what nobody else may read, and what is opened at all."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from duckbourse.errors import BourseError, BuildFailed, ConfigurationError, StorageFull

# of a disk that is not full
LEAST_BYTES = 65_536
# to open one of these waits for a writer, or does something to the machine
SPECIAL = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def flush(path: Path) -> None:
    """Flush a file, or the entries of a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def special(path: Path) -> str | None:
    """Return what a path is that must not be opened, such as `a pipe`; None for anything else."""
    try:
        return SPECIAL.get(stat.S_IFMT(path.stat().st_mode))
    except OSError:  # a loop of links, or gone
        return None


def refuse_special(root: Path, folders: Iterable[str]) -> None:
    """
    Raise ConfigurationError for a pipe, socket or device in these folders of a root.

    Whoever reads all files of a folder would wait for its writer.
    """
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if what := special(path):
                raise ConfigurationError(
                    f"{shown(path.relative_to(root))} is {what}, which cannot be read as a file",
                    f"remove it, or write a file of that name: `rm {shown(path)}`",
                )


def is_text(path: object) -> bool:
    """Return whether a path is UTF-8: neither DuckDB nor JSON can hold another."""
    return shown(path) == str(path)


def shown(path: object) -> str:
    """Return a path as it can be printed: bytes that are not UTF-8 become escapes."""
    return str(path).encode(errors="backslashreplace").decode()


def names_in(folder: Path, suffix: str) -> list[str]:
    """
    Return the names in a folder that have a suffix and are not hidden, sorted; none if it is gone.

    Unlike `Path.glob`, raise PermissionError if the folder may not be read.
    """
    try:
        names = [each.name for each in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(name for name in names if name.endswith(suffix) and not name.startswith("."))


def private(path: str | Path, flags: int) -> int:
    """Open a file that only its owner may read, for `open(…, opener=private)`."""
    return os.open(path, flags, 0o600)


def private_folder(path: Path) -> None:
    """Create a folder that only its owner may enter, and close one that others may."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.stat().st_mode & 0o077:
        path.chmod(0o700)


def write_private(path: Path, content: bytes) -> None:
    """Write a private file whole: after a crash there is the old one or the new one."""
    private_folder(path.parent)
    draft = path.with_name(f"{path.name}.draft")
    try:
        with open(draft, "wb", opener=private) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    flush(path.parent)


def is_full(folder: Path) -> bool:
    """Return whether the disk of a folder has no space for another file; False if nobody knows."""
    try:
        return shutil.disk_usage(folder).free < LEAST_BYTES
    except OSError:
        return False


def wrap_os_error(error: OSError, path: Path) -> BourseError:
    """Return the system's error about a file or folder as a BourseError with a remedy."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageFull(
            f"the disk is full, writing {path}: {error.strerror}", "free some disk space"
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG):
        return ConfigurationError(f"{path}: {error.strerror}", "name a folder")
    return BuildFailed(
        f"{path}: {error.strerror or error}", "check that it can be read and written"
    )
