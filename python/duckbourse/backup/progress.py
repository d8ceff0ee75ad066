"""Progress in bytes, for who watches."""

from __future__ import annotations

from typing import Protocol

from duckbourse.backup.folder import Step


class Progress(Protocol):
    """Receives the progress of a command, in bytes."""

    def begin(self, total: int) -> None: ...

    def at(self, file: str, done: float) -> None: ...


def step_of(progress: Progress, total: int) -> Step:
    """Return what reports each number of bytes that is done."""
    progress.begin(total)
    done = 0

    def step(name: str, count: int) -> None:
        nonlocal done
        done += count
        progress.at(name, done)

    return step
