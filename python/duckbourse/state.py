"""
The recorded state of the build file: which run built it, and whether all of it is green.

`build/state.json` is deleted before dbt starts and written after it ends. A build that was killed
therefore leaves no state, and without a state nothing is published.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from duckbourse.disk import wrap_os_error
from duckbourse.errors import BourseError, ConfigurationError, DatabaseLocked

GREEN = frozenset({"success", "pass", "warn", "no-op"})
# left by a restoration that was stopped between its renames
UNFINISHED = ".restoring-[12]-*"
# left by one that was stopped while it copied: nothing was replaced
HALF = ".restoring-half"
# left by one that replaced something: what was there before
REPLACED = "replaced-[0-9]*T[0-9]*"
# longer than `holder` looks at a lock
LOOKED_SECONDS = 0.05


@dataclass(frozen=True)
class State:
    """
    The build file after a full build and any later builds of subsets.

    `unproven` are the nodes that were not green in their last run. `size` and `mtime_ns` are the
    file's and show whether anything else has written to it since. `variables` are those of
    `--vars`, as written: a subset built with other variables would produce a mixture.
    `codes` are those of what each node was built from. `outdated` are the models that are older
    than something that they follow from. `inputs` has a hash of each thing that the last build of
    all that was new had read; it is empty where a part was built since from something else.
    """

    invocation_id: str
    variables: str
    unproven: tuple[str, ...]
    size: int
    mtime_ns: int
    codes: Mapping[str, str] = field(default_factory=dict)
    outdated: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)

    def is_of(self, database: Path) -> bool:
        """Return whether the file is unchanged since the run."""
        return database.exists() and fingerprint(database) == (self.size, self.mtime_ns)


def fingerprint(database: Path) -> tuple[int, int]:
    """Return a file's size and the time of its last change."""
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
    codes: Mapping[str, str] | None = None,
    outdated: Collection[str] = (),
    inputs: Mapping[str, str] | None = None,
) -> State | None:
    """
    Return the state after a run; a run of a subset only updates its own nodes.

    Without `codes`, the run ended before it could say what it built: then none are known.
    """
    if not full and (before is None or before.variables != variables):
        return None
    old = () if full or before is None else before.unproven
    open_nodes = {node for node in old if node not in statuses}
    open_nodes |= {node for node, status in statuses.items() if status not in GREEN}
    late = set(outdated)
    read = dict(inputs or {})
    if not full and before is not None:
        read = {name: was if read.get(name) == was else "" for name, was in before.inputs.items()}
        late.update(node for node in before.outdated if node not in statuses)
        codes = None if codes is None else {**before.codes, **codes}
    return State(
        run,
        variables,
        tuple(sorted(open_nodes)),
        *fingerprint(database),
        codes or {},
        tuple(sorted(late)),
        read,
    )


def is_recorded(database: Path) -> bool:
    """Return whether a run has ended and recorded the build file, changed since or not."""
    return database.exists() and _path(database).exists()


def load(database: Path) -> State | None:
    """Return the state of the build file, or None if it was changed or never recorded."""
    try:
        found = json.loads(_path(database).read_text())
        lists = {"unproven": found["unproven"], "outdated": found.get("outdated", ())}
        state = State(**{**found, **{name: tuple(nodes) for name, nodes in lists.items()}})
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
    return state if state.is_of(database) else None


def save(database: Path, state: State | None) -> None:
    """Write the state atomically; None deletes it."""
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
    """Exclude other builds and publications, or raise DatabaseLocked."""
    data = database.parent.parent
    if not data.is_dir():
        raise ConfigurationError(
            f"there is no data folder {data}",
            "create it, or set BOURSE_DATA_DIR in the environment or in .env",
        )
    refuse_unfinished(data)
    with held_by_one(
        owner_file(database),
        lambda owner: DatabaseLocked(
            f"{database} is being built, published or restored by process {owner}",
            "wait until it has ended, or end it; then run this again",
        ),
    ):
        yield


def refuse_unfinished(data: Path) -> None:
    """Raise DatabaseLocked if a restoration was stopped while it replaced files of this folder."""
    if any(data.glob(UNFINISHED)):
        raise DatabaseLocked(
            f"a restoration was stopped while it replaced files in {data}",
            "run the same `./bourse restore` again, which does the rest",
        )


def owner_file(database: Path) -> Path:
    """Return the lock file of the build file; whoever builds or publishes holds it."""
    return database.parent / "owner"


def holder(path: Path) -> str | None:
    """
    Return the id of the process that has locked a file or a folder; None if none has.

    It is "?" where the system does not say.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return (path.is_file() and path.read_text()) or _locker(os.fstat(descriptor)) or "?"
    finally:
        os.close(descriptor)
    return None


def _locker(locked: os.stat_result) -> str | None:
    # Linux lists locks as "1: FLOCK ADVISORY WRITE 4711 fe:00:131075 0 EOF"
    with suppress(OSError):
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if words[1] == "FLOCK" and words[5].endswith(f":{locked.st_ino}"):
                return words[4]
    return None


def lock(descriptor: int) -> None:
    """Lock a file for this process alone, or raise BlockingIOError if another one holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # perhaps it was only looked at
        time.sleep(LOOKED_SECONDS)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def held_by_one(path: Path, busy: Callable[[str], BourseError]) -> Iterator[None]:
    """
    Hold a lock file that contains the holder's process id.

    The system releases it when the process ends, however it ends. While another process holds it,
    raise what `busy` returns for that process id.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise wrap_os_error(error, path) from error
    try:
        try:
            lock(descriptor)
        except BlockingIOError as error:
            raise busy(path.read_text() or "?") from error
        with suppress(OSError):  # on a full disk the lock holds even without the process id
            os.truncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        os.close(descriptor)


def _path(database: Path) -> Path:
    return database.parent / "state.json"
