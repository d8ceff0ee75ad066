"""What a power cut must not undo, and what nobody else may read."""

from __future__ import annotations

import os
from pathlib import Path


def flush(path: Path) -> None:
    """Flush a file, or the entries of a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
