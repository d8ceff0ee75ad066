"""`./bourse doctor`: what is wrong with the installation, the folders, the disk and the clock."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import struct
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shlex import quote
from typing import Literal

import duckdb
import typer

from duckbourse import clock, state
from duckbourse.cli.options import Json
from duckbourse.cli.output import print_json, results
from duckbourse.cli.status import bytes_in, size, user_of
from duckbourse.errors import BourseError, PublicationError
from duckbourse.freshness import EXTEND, calendar_warnings, calendars
from duckbourse.history import LEFTOVERS
from duckbourse.ingest import RawStore
from duckbourse.settings import FOLDERS, PROJECT, settings, unusable
from duckbourse.telemetry.webhook import targets
from duckbourse.trading.session_folder import unwatched, what_is_open
from duckbourse.warehouse import fetch_rows, open_published

Level = Literal["ok", "warn", "fail"]
COLORS: dict[Level, str] = {"ok": "green", "warn": "yellow", "fail": "red"}
# a line with a marker after ";" is not for every system
LOCKED = re.compile(r"^([\w.-]+)==(\S+) \\$", re.MULTILINE)
# those that others depend on most; the others are only named if they differ
SHOWN = ("duckdb", "dbt-core", "dbt-duckdb")
# of free disk, without a build file to go by
LEAST_FREE_BYTES = 1e9
# the clock of a file server may differ by this
SKEW = timedelta(seconds=60)
# by which the end of a bar may be in the future: that of a session that is still open
AHEAD = timedelta(days=1)


@dataclass(frozen=True)
class Finding:
    """The result of one check; `remedy` is empty if nothing needs to be done."""

    check: str
    level: Level
    found: str
    remedy: str = ""


def doctor(json: Json = False) -> None:
    """
    Check versions, settings, permissions, disk, leftovers, clock, locks and calendars.

    Nothing is changed. Each line is ok, warn or fail, with a remedy. The exit code is 1 if a line
    fails.

    Examples:

    - `./bourse doctor`
    - `./bourse doctor --json`
    """
    findings = list(checked())
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            color = COLORS[finding.level]
            results.print(f"[{color}]{finding.level.ljust(4)}[/]  ", end="")
            results.print(f"{finding.check}: {finding.found}", markup=False)
            if finding.remedy:
                results.print(f"      remedy: {finding.remedy}", markup=False)
    if any(finding.level == "fail" for finding in findings):
        raise typer.Exit(1)


def checked() -> Iterator[Finding]:
    """Run all checks."""
    yield _versions()
    yield _secrets()
    if found := unusable():
        for error in found:
            yield Finding("settings", "fail", str(error), error.remedy)
        return  # the other checks use them
    yield Finding("settings", "ok", "all can be used")
    if not settings().data.is_dir():
        yield Finding(
            "data folder",
            "fail",
            f"there is no {settings().data}",
            "create it, or set BOURSE_DATA_DIR in the environment or in .env",
        )
        return
    yield _permissions()
    yield _build_file()
    yield _published_file()
    yield _disk()
    yield from _leftovers()
    yield from _replaced()
    yield _clock()
    yield _calendars()
    yield _accounts()
    yield _webhook()


def _versions() -> Finding:
    python = f"Python {sys.version.split()[0]}"
    lock = PROJECT / "python" / "requirements.lock"
    if not lock.exists():
        return Finding("versions", "warn", f"{python}; there is no {lock}", "restore it from git")
    wanted = dict(LOCKED.findall(lock.read_text()))
    installed = {name: _installed(name) for name in wanted}
    other = [
        f"{name} {installed[name] or 'missing'}, not {wanted[name]}"
        for name in sorted(wanted, key=lambda name: (name not in SHOWN, name))
        if installed[name] != wanted[name]
    ]
    if other:
        more = f" and {len(other) - 3} more" if len(other) > 3 else ""
        return Finding(
            "versions",
            "fail",
            f"{python}; {'; '.join(other[:3])}{more}",
            "delete .venv and run ./bourse, which sets it up again from python/requirements.lock",
        )
    names = ", ".join(f"{name} {wanted[name]}" for name in SHOWN)
    return Finding("versions", "ok", f"{python}, {names} and all others as locked")


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _permissions() -> Finding:
    data = settings().data
    folders = [data, *(data / name for name in FOLDERS)]
    folders += [path for path in (data / "trading").glob("*") if path.is_dir()]
    folders = [folder for folder in folders if folder.is_dir()]
    if closed := [folder for folder in folders if not os.access(folder, os.R_OK | os.W_OK)]:
        return Finding(
            "folders",
            "fail",
            f"{closed[0]} cannot be read and written",
            f"make it yours: sudo chown -R $USER {closed[0]}",
        )
    if shared := [folder for folder in folders if folder.stat().st_mode & 0o002]:
        return Finding(
            "folders",
            "warn",
            f"anyone on this machine can write to {shared[0]}",
            f"chmod o-w {shared[0]}",
        )
    return Finding("folders", "ok", f"{data} and its accounts can be read and written")


def _secrets() -> Finding:
    file = PROJECT / ".env"
    if file.exists() and file.stat().st_mode & 0o077:
        return Finding(
            "secrets", "warn", f"others can read {file}, which may hold tokens", f"chmod 600 {file}"
        )
    return Finding("secrets", "ok", "others cannot read .env" if file.exists() else "no .env")


def _build_file() -> Finding:
    database = settings().build_database
    if process := state.holder(state.owner_file(database)):
        user = user_of(process)
        return Finding(
            "build file",
            "warn",
            f"process {process}{f' of {user}' if user else ''} is building or publishing",
            "wait until it has ended",
        )
    if reader := _locked_by(database):
        return Finding(
            "build file",
            "fail",
            f"process {reader} has {database} open, and no build can write to it",
            f"close it there, or end it: kill {reader}; to look at data, open"
            f" {settings().published_database}",
        )
    if database.exists() and state.load(database) is None:
        return Finding(
            "build file",
            "warn",
            "it was changed, or its build was stopped, and cannot be published",
            "run `./bourse build`",
        )
    return Finding("build file", "ok", "not locked" if database.exists() else "none yet")


def _locked_by(file: Path) -> int | None:
    # DuckDB's lock is one of POSIX, and asking who has it does not take it
    if sys.platform != "linux" or not file.exists():
        return None
    with file.open("rb") as opened:
        asked = struct.pack("hhlli", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, process = struct.unpack(
            "hhlli", fcntl.fcntl(opened, fcntl.F_GETLK, asked)[: struct.calcsize("hhlli")]
        )
    return None if kind == fcntl.F_UNLCK else int(process)


def _published_file() -> Finding:
    path = settings().published_database
    try:
        open_published(path).close()
    except PublicationError as error:
        return Finding("published file", "warn", str(error), error.remedy)
    except BourseError as error:
        return Finding("published file", "fail", str(error), error.remedy)
    return Finding("published file", "ok", f"{path} can be opened")


def _disk() -> Finding:
    free = shutil.disk_usage(settings().data).free
    database = settings().build_database
    # a publication is a copy of the build file, beside the one that it replaces
    needed = database.stat().st_size if database.exists() else LEAST_FREE_BYTES
    found = f"{size(free)} free; a build and its publication may need {size(2 * needed)}"
    level: Level = "fail" if free < needed else "warn" if free < 2 * needed else "ok"
    remedy = "" if level == "ok" else "free some space, or set BOURSE_DATA_DIR to a larger disk"
    return Finding("disk", level, found, remedy)


def _leftovers() -> Iterator[Finding]:
    data = settings().data
    is_building = state.holder(state.owner_file(settings().build_database)) is not None
    patterns = (
        *(LEFTOVERS, f"publications/{LEFTOVERS}"),
        *(".*.half", state.HALF, "build/spill/*", "build/state.new"),
    )
    if not is_building:
        try:
            state.refuse_unfinished(data)
        except BourseError as error:
            yield Finding("leftover files", "fail", str(error), error.remedy)
            return
    store = RawStore(settings().raw)
    was_ingesting = store.incoming.exists() and state.holder(store.root) is None
    if was_ingesting:
        yield Finding(
            "leftover files",
            "warn",
            f"an ingest was killed; {store.incoming} has what it had not delivered",
            "run the same `./bourse ingest` again; any ingest removes it",
        )
    found = [] if is_building else [path for each in patterns for path in data.glob(each)]
    if found:
        total = sum(path.stat().st_size if path.is_file() else bytes_in(path) for path in found)
        remedy = "run `./bourse build`, which removes those of builds, or delete them"
        if (data / state.HALF) in found:
            remedy = "run the same `./bourse restore` again, or delete them"
        names = " ".join(str(path) for path in found[:3]) + (" …" if len(found) > 3 else "")
        yield Finding(
            "leftover files",
            "warn",
            f"{len(found)} of a command that was killed, {size(total)}: {names}",
            remedy,
        )
    if not found and not was_ingesting:
        yield Finding("leftover files", "ok", "none")


def _replaced() -> Iterator[Finding]:
    for folder in sorted(settings().data.glob(state.REPLACED)):
        yield Finding(
            "replaced by a restore",
            "warn",
            f"{folder} holds what was there before, {size(bytes_in(folder))}",
            f"once nothing in it is needed: rm -r {quote(str(folder))}",
        )


def _clock() -> Finding:
    now = clock.now()
    set_it = "set the clock, such as with: sudo timedatectl set-ntp true"
    try:
        with tempfile.NamedTemporaryFile(dir=settings().data, prefix=".doctor-") as file:
            skew = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC) - now
    except OSError as error:
        return Finding("clock", "warn", f"no file can be made: {error}", "see the folders above")
    if abs(skew) > SKEW:
        return Finding(
            "clock",
            "fail",
            f"it says {now:%Y-%m-%d %H:%M:%S} UTC; the file system is {skew.total_seconds():,.0f}"
            " seconds away from it",
            set_it,
        )
    newest = _newest_bar_end()
    if newest and newest > now + AHEAD:
        return Finding(
            "clock",
            "fail",
            f"it says {now:%Y-%m-%d %H:%M} UTC, but the newest bar ends at"
            f" {newest:%Y-%m-%d %H:%M} UTC",
            f"{set_it}; or withdraw the delivery of that bar: `./bourse deliveries`",
        )
    return Finding("clock", "ok", f"{now:%Y-%m-%d %H:%M} UTC, as the file system has it")


def _calendars() -> Finding:
    try:
        connection = open_published()
    except BourseError:
        return Finding("calendars", "ok", "none published yet")
    try:
        known = calendars(connection)
    except duckdb.CatalogException:
        return Finding("calendars", "ok", "none published yet")
    finally:
        connection.close()
    if warnings := calendar_warnings(known):
        return Finding("calendars", "warn", "; ".join(warnings), EXTEND)
    ends = ", ".join(
        f"{row['calendar']} until {row['calendar_end']}" for row in known if row["calendar_end"]
    )
    return Finding("calendars", "ok", f"sessions are known: {ends}")


def _accounts() -> Finding:
    found, unreadable = unwatched()
    if not found and not unreadable:
        return Finding("accounts", "ok", "nothing is open that no loop watches")
    held = [
        f"{session.account} on {session.session_date} ({what_is_open(book)})"
        for session, book in found
    ]
    left = [f"no loop watches what is open: {', '.join(held)}"] if held else []
    if unreadable:
        problems = "; ".join([*map(str, unreadable), *left])
        return Finding("accounts", "fail", problems, unreadable[0].remedy)
    return Finding(
        "accounts",
        "warn",
        left[0],
        f"go on with `./bourse trade --account {found[0][0].account}` and the options of that"
        " session, or close it at the broker",
    )


def _webhook() -> Finding:
    found = ", ".join(target.shown for target in targets(settings()))
    if not found:
        return Finding("webhook", "ok", "none is set")
    return Finding("webhook", "ok", f"{found}; `./bourse notify --test` sends a test message")


def _newest_bar_end() -> datetime | None:
    try:
        connection = open_published()
    except BourseError:
        return None
    try:
        [row] = fetch_rows(
            connection,
            "select timezone('UTC', max(timezone(timezone, last_bar_end))) as newest"
            " from bars.staleness inner join seeds.calendars using (calendar)",
        )
    except duckdb.CatalogException:
        return None  # no bars are published
    finally:
        connection.close()
    newest: datetime | None = row["newest"]
    return newest and newest.replace(tzinfo=UTC)
