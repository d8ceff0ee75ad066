"""
The publications that are kept beside the published file, to compare with or to return to.

`publications/<published at>-<build>.duckdb` is a hard link to a file that was published, or a copy
where links are not possible. A file appears there, and a publication is put back, with one rename,
so a kill at any moment leaves whole files and a leftover that the next run removes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from duckbourse import clock
from duckbourse.disk import flush, names_in, shown, wrap_os_error
from duckbourse.errors import BourseError, ConfigurationError, PublicationError
from duckbourse.names import did_you_mean
from duckbourse.settings import settings
from duckbourse.warehouse import fetch_rows, open_published, unpublished
from duckbourse.words import counted

LEFTOVERS = ".publishing-*"
STAMP = "%Y%m%dT%H%M%S"
DAY_SECONDS = 24 * 60 * 60
CURRENT, PREVIOUS = "current", "previous"


@dataclass(frozen=True)
class Publication:
    """
    A publication and its record; `published_at` is in UTC.

    A file that cannot be read has a `problem`, and no record.
    """

    name: str
    path: Path
    is_current: bool
    byte_count: int
    record: dict[str, Any]
    problem: str = ""

    @property
    def published_at(self) -> datetime | None:
        """When it was published; None if it never was, or cannot be read."""
        found: datetime | None = self.record.get("published_at")
        return found

    @property
    def row_counts(self) -> dict[str, int]:
        """The number of rows of each table."""
        return self.record.get("row_counts") or {}


def folder_of(published: Path) -> Path:
    """Return the folder of the publications that are kept beside a published file."""
    return published.parent / "publications"


def record_of(path: Path) -> dict[str, Any]:
    """Return the record of a publication; raise BourseError for any other file."""
    connection = open_published(path)
    try:
        [record] = fetch_rows(connection, "from serving.publication")
        if "build_id" not in record:
            raise ValueError
    except (duckdb.Error, ValueError) as error:
        raise PublicationError(
            f"{path} is a DuckDB database, but not a publication",
            "`./bourse publications` lists those that are kept",
        ) from error
    finally:
        connection.close()
    return record


def name_of(record: dict[str, Any]) -> str:
    """Return the name under which a publication is kept: when it was published, and its build."""
    at = record.get("published_at")
    build = str(record["build_id"]).rpartition("-")[2]
    return f"{at:{STAMP}}-{build}" if at else build


def origin_of(record: dict[str, Any]) -> str:
    """Return the revision of the project and the data that a publication was made of."""
    revision = record.get("git_revision") or "unknown"
    return f"from revision {revision}, data {str(record.get('data_version') or 'unknown')[:12]}"


def publications(published: Path) -> list[Publication]:
    """Return the current publication and those that are kept, newest first."""
    found = []
    for path in _files(published):
        with suppress(FileNotFoundError):  # removed by a build in the meantime
            found.append(_read(path))
    if published.exists():
        current = _read(published)
        # it has a name of its own there if it was put back
        twin = next((each for each in found if each.record and each.record == current.record), None)
        if twin:
            found.remove(twin)
        name = name_of(current.record) if current.record else published.stem
        found.append(replace(twin or current, name=twin.name if twin else name, is_current=True))
    return sorted(found, key=lambda each: (str(each.published_at or ""), each.name), reverse=True)


def current_of(known: Sequence[Publication]) -> Publication | None:
    """Return the publication that readers get."""
    return next((each for each in known if each.is_current), None)


def previous_of(known: Sequence[Publication]) -> Publication | None:
    """Return the newest publication that is older than the current one."""
    readable = [each for each in known if not each.problem]
    current = current_of(known)
    if current is None or current.problem:
        return next((each for each in readable if not each.is_current), None)
    return next(iter(readable[readable.index(current) + 1 :]), None)


def newer_than_current(known: Sequence[Publication]) -> list[Publication]:
    """Return the publications that are newer than the current one, newest first."""
    current = current_of(known)
    # those that cannot be read are the last of all
    return list(known[: known.index(current)]) if current and not current.problem else []


def find(known: Sequence[Publication], wanted: str) -> Publication:
    """
    Return a publication by `current`, `previous`, or the beginning of its name or build id.

    Raise ConfigurationError if there is none, or more than one.
    """
    if wanted == PREVIOUS:
        if previous := previous_of(known):
            return previous
        if newer := newer_than_current(known):
            raise PublicationError(
                "no publication before the current one is kept, but newer ones are",
                f"`./bourse diff {CURRENT} {newer[0].name}` compares with the newest, and"
                " `./bourse publications` lists all",
            )
        raise PublicationError(
            "no publication before the current one is kept",
            "each build keeps the one before it: `./bourse publications` lists them",
        )
    if wanted == CURRENT:
        if current := current_of(known):
            return current
        raise unpublished(settings().published_database)
    found = [each for each in known if each.name == wanted] or [
        each for each in known if any(name.startswith(wanted) for name in _names(each))
    ]
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise ConfigurationError(
            f"{wanted!r} is the beginning of {counted(len(found), 'publication')}: {names}",
            "write more of the name",
        )
    if not found:
        guess = did_you_mean(wanted, [each.name for each in known] + [CURRENT, PREVIOUS])
        raise ConfigurationError(
            f"there is no publication {wanted!r}{guess}", "`./bourse publications` lists them"
        )
    return found[0]


def keep(published: Path) -> str | None:
    """Keep the current publication under its name, which is returned; None if there is none."""
    if not published.exists():
        return None
    name = name_of(record_of(published))
    kept = folder_of(published) / f"{name}.duckdb"
    try:
        if not kept.exists():
            kept.parent.mkdir(exist_ok=True)
            put(published, kept)
    except OSError as error:
        raise wrap_os_error(error, kept) from error
    return name


def put(source: Path, target: Path) -> None:
    """Give a file a second name with one rename, replacing what had it; copy it if need be."""
    temporary = temporary_in(target.parent)
    try:
        try:
            os.link(source.resolve(), temporary)
        except OSError:
            shutil.copyfile(source, temporary)
            flush(temporary)
        temporary.replace(target)
        flush(target.parent)
    finally:
        # a rename between two links of one file does nothing
        temporary.unlink(missing_ok=True)


def apply_limits(published: Path) -> list[Path]:
    """
    Remove kept publications beyond any limit of the settings, and return them.

    The newest ones stay. No limit is for the current one, and that of days not for the newest kept
    one: after a month without a build, there is still a way back.
    """
    limits, now = settings(), clock.now()
    removed, byte_count = [], 0
    for number, (at, path) in enumerate(_removable(published), start=1):
        byte_count += path.stat().st_size
        is_old = (now - at).total_seconds() > limits.keep_days * DAY_SECONDS
        if (
            number > limits.keep_publications
            or (is_old and number > 1)
            or byte_count > limits.keep_gb * 1e9
        ):
            path.unlink()
            removed.append(path)
    return removed


def free_space(published: Path, byte_count: int) -> list[Path]:
    """
    Remove kept publications, oldest first, until so many bytes are free; return them.

    The newest one stays, and all of them if even the others together are too small.
    """
    folder = folder_of(published)
    removed: list[Path] = []
    if not folder.exists() or folder.stat().st_dev != published.parent.stat().st_dev:
        return removed
    missing = byte_count - shutil.disk_usage(folder).free
    if missing <= 0:
        return removed
    older = [path for _, path in _removable(published)[1:]]
    # a file of two names takes its space until both are gone
    sizes = [path.stat().st_size for path in older if path.stat().st_nlink == 1]
    if sum(sizes) < missing:
        return removed
    while older and shutil.disk_usage(folder).free < byte_count:
        oldest = older.pop()
        oldest.unlink()
        removed.append(oldest)
    return removed


def remove_leftovers(published: Path) -> None:
    """Remove what a publication that was killed has left behind; the caller owns the build file."""
    for folder in (published.parent, folder_of(published)):
        for leftover in folder.glob(LEFTOVERS):
            leftover.unlink(missing_ok=True)


def temporary_in(folder: Path) -> Path:
    """Return the file of this process that is renamed once it is whole."""
    return folder / f"{LEFTOVERS.removesuffix('*')}{os.getpid()}.duckdb"


def _files(published: Path) -> list[Path]:
    folder = folder_of(published)
    try:
        return [folder / name for name in names_in(folder, ".duckdb")]
    except OSError as error:
        raise wrap_os_error(error, folder) from error


def _removable(published: Path) -> list[tuple[datetime, Path]]:
    # newest first; a file of any other name was put there by somebody, and no limit removes it
    current = name_of(record_of(published)) if published.exists() else ""
    found = []
    for path in _files(published):
        stamp, dash, _ = path.stem.partition("-")
        with suppress(ValueError):
            at = datetime.strptime(stamp, STAMP).replace(tzinfo=UTC)
            if dash and path.stem != current:
                found.append((at, path))
    return sorted(found, reverse=True)


def _read(path: Path) -> Publication:
    byte_count = path.stat().st_size
    try:
        return Publication(path.stem, path, False, byte_count, record_of(path))
    except BourseError as error:
        return Publication(shown(path.stem), path, False, byte_count, {}, str(error))


def _names(publication: Publication) -> Iterator[str]:
    yield publication.name
    if build_id := publication.record.get("build_id"):
        yield str(build_id)
        yield str(build_id).rpartition("-")[2]
