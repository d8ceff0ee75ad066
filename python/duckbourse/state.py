"""
What is known of the build file: which run made it, and whether all of it is green.

`build/state.json` beside the file is taken away before dbt starts and written after it ended. So a
build that was killed leaves no state, and what has no state is not published.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from duckbourse.errors import BourseError, ConfigurationError, DatabaseLocked
from duckbourse.warehouse import wrap_os_error

GREEN = frozenset({"success", "pass", "warn", "no-op"})


@dataclass(frozen=True)
class State:
    """
    The build file after a full build, and what subsets have changed since.

    `unproven` are the nodes that were not green in the last run they were part of; `size` and
    `mtime_ns` are the file's, and say whether anybody else wrote to it since. `variables` are those
    of `--vars`, as written: a subset built with others would make a mixture.
    """

    invocation_id: str
    variables: str
    unproven: tuple[str, ...]
    size: int
    mtime_ns: int

    def is_of(self, database: Path) -> bool:
        """Tell whether the file is still as the run left it."""
        return database.exists() and fingerprint(database) == (self.size, self.mtime_ns)


def fingerprint(database: Path) -> tuple[int, int]:
    """Return size and time of the last change of a file."""
    status = database.stat()
    return status.st_size, status.st_mtime_ns


def after(
    run: str,
    statuses: Mapping[str, str],
    before: State | None,
    database: Path,
    *,
    full: bool,
    variables: str = "",
) -> State | None:
    """Return the state after a run; a subset only adds to what is known."""
    if not full and (before is None or before.variables != variables):
        return None
    old = () if full or before is None else before.unproven
    open_nodes = {node for node in old if node not in statuses}
    open_nodes |= {node for node, status in statuses.items() if status not in GREEN}
    return State(run, variables, tuple(sorted(open_nodes)), *fingerprint(database))


def is_recorded(database: Path) -> bool:
    """Tell whether a run ended and recorded the build file, whoever wrote to the file since."""
    return database.exists() and _path(database).exists()


def load(database: Path) -> State | None:
    """Return what is known of the build file, or None when it was changed or never recorded."""
    try:
        found = json.loads(_path(database).read_text())
        state = State(**{**found, "unproven": tuple(found["unproven"])})
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
    return state if state.is_of(database) else None


def save(database: Path, state: State | None) -> None:
    """Write the state atomically; None takes it away."""
    path = _path(database)
    if state is None:
        path.unlink(missing_ok=True)
        return
    temporary = path.with_suffix(".new")
    try:
        temporary.write_text(json.dumps(asdict(state), indent=2))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def sole_owner(database: Path) -> Iterator[None]:
    """Keep other builds and publications of ours away, or raise DatabaseLocked."""
    data = database.parent.parent
    if not data.is_dir():
        raise ConfigurationError(
            f"there is no data folder {data}",
            "make it, or set BOURSE_DATA_DIR in the environment or in .env",
        )
    with held_by_one(
        database.parent / "owner",
        lambda owner: DatabaseLocked(
            f"{database} is being built or published by process {owner}",
            "wait until it has ended, or end it, and run this again",
        ),
    ):
        yield


@contextmanager
def held_by_one(path: Path, busy: Callable[[str], BourseError]) -> Iterator[None]:
    """
    Hold a file that one process holds at a time, with the number of that process in it.

    The system lets go of it when the process ends, however that is. While another holds it, raise
    what `busy` makes of its number.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise wrap_os_error(error, path) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise busy(path.read_text() or "?") from error
        with suppress(OSError):  # on a full disk the lock holds without the number
            os.truncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        os.close(descriptor)


def _path(database: Path) -> Path:
    return database.parent / "state.json"
