"""`./bourse status`: what is published and how old it is, what is running, and the disk."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from duckbourse import history, state
from duckbourse.cli.options import Json
from duckbourse.cli.output import print_json, results
from duckbourse.errors import BourseError
from duckbourse.freshness import newest_bar
from duckbourse.settings import FOLDERS, settings, shown
from duckbourse.summary import newest_bars
from duckbourse.trading.session_folder import (
    interruption,
    read,
    trading_now,
    unwatched,
    what_is_open,
)
from duckbourse.warehouse import fetch_rows, open_published, wrap_duckdb_error

# of the record: what it says of each table
OF_TABLES = ("row_counts", "keys", "public_relations")


def status(json: Json = False) -> None:
    """
    Show what is published, the newest bar of each market, what is running, and the disk.

    `XNYS 1d` is the newest daily bar of the calendar XNYS, and its age is counted in sessions of
    that calendar. Portfolios and risk use adjusted closes, which may reach further than the bars.
    Nothing is changed, and a running build or trading loop is not disturbed. `./bourse doctor`
    looks for what is wrong.

    Examples:

    - `./bourse status`
    - `./bourse status --json`
    """
    found = report()
    if json:
        print_json(found)
    else:
        _print(found)


def report() -> dict[str, Any]:
    """Return what `status` shows."""
    left, unreadable = unwatched()
    live, unreachable = trading_now()
    return {
        **_publication(),
        "build": _build(),
        "trading": [
            {"account": session.account, "session_date": session.session_date} for session in live
        ],
        "unwatched": [
            {
                "account": session.account,
                "session_date": session.session_date,
                "open": what_is_open(book),
                "interruption": interruption(session, *read(session)),
            }
            for session, book in left
        ],
        "unreadable_accounts": [str(error) for error in (*unreachable.values(), *unreadable)],
        "disk": _disk(),
    }


def _publication() -> dict[str, Any]:
    path = settings().published_database
    nothing: dict[str, Any] = {
        "publication": None,
        "problem": None,
        "newest_bars": [],
        "newest_closes": [],
    }
    if not path.exists():
        return nothing
    try:
        record = history.record_of(path)
        connection = open_published(path)
        try:
            newest = newest_bars(connection) or []
            closes = _newest_closes(connection)
        finally:
            connection.close()
    except BourseError as error:
        return nothing | {"problem": str(error)}
    except duckdb.Error as error:
        return nothing | {"problem": str(wrap_duckdb_error(error, path))}
    return {
        "publication": {
            "path": path,
            "bytes": path.stat().st_size,
            **{name: value for name, value in record.items() if name not in OF_TABLES},
            "newer": [each.name for each in history.newer_than_current(history.publications(path))],
        },
        "problem": None,
        "newest_bars": newest,
        "newest_closes": closes,
    }


def _newest_closes(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    sql = """
        select calendar, max(session_date) as last_session_date
        from bars.total_return_closes group by calendar order by calendar
    """
    try:
        return fetch_rows(connection, sql)
    except duckdb.CatalogException:
        return []  # they are not published


def _build() -> dict[str, Any] | None:
    lock = state.owner_file(settings().build_database)
    process = state.holder(lock)
    if process is None:
        return None
    since = datetime.fromtimestamp(lock.stat().st_mtime, UTC)
    return {"process": process, "user": user_of(process), "since": since}


def user_of(process: str) -> str | None:
    """Return the user of a process, or None if the system does not say."""
    try:
        return Path(f"/proc/{process}").owner()
    except (OSError, KeyError, NotImplementedError):
        return None


def _disk() -> dict[str, Any]:
    data = settings().data
    place = next(folder for folder in (data, *data.parents) if folder.is_dir())
    usage = shutil.disk_usage(place)
    kept = sorted(path.name for path in data.glob(state.REPLACED))
    sizes = {name: bytes_in(data / name) for name in (*FOLDERS, *kept)}
    return {"data": data, "bytes": sizes, "free_bytes": usage.free, "total_bytes": usage.total}


def bytes_in(folder: Path) -> int:
    """Return the size of all files in a folder and those below it."""
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:
            continue  # removed in the meantime, or not ours to see
    return total


def _print(found: dict[str, Any]) -> None:
    published = found["publication"]
    lines = [("published", "nothing yet: run `./bourse build`")]
    if not found["build"] and settings().build_database.exists():
        lines = [
            ("published", "nothing yet: a build was stopped or was not green: run `./bourse build`")
        ]
    if found["problem"]:
        lines = [("published", f"cannot be read: {found['problem']}")]
    if published:
        path = published["path"]
        short = shown(path)
        known = f", as known at {published['as_of']} UTC" if published.get("as_of") else ""
        at, revision, data = (
            published[name] for name in ("published_at", "git_revision", "data_version")
        )
        lines = [
            ("published", f"{_minute(at)} UTC, build {published['build_id']}"),
            ("", f"from revision {revision}, data {data}{known}"),
            ("", f"{short}, {size(published['bytes'])}"),
        ]
        if newer := published["newer"]:
            many = f"{len(newer):,} newer ones are" if len(newer) > 1 else "a newer one is"
            lines += [("", f"{many} kept; to return to the newest: ./bourse rollback {newer[0]}")]
    lines += [
        (f"{market['calendar']} {market['timeframe']}", newest_bar(market))
        for market in found["newest_bars"]
    ]
    closes = [
        f"adjusted ones of {each['calendar']} to {each['last_session_date']}"
        for each in found["newest_closes"]
    ]
    if closes:
        lines += [("closes", f"{', '.join(closes)}; portfolios and risk use them")]
    build = found["build"]
    if build:
        user = f" of {build['user']}" if build["user"] else ""
        running = f"since {_minute(build['since'])} UTC by process {build['process']}{user}"
    lines += [("building", running if build else "no")]
    data = settings().data
    if not build and ((data / state.HALF).exists() or any(data.glob(state.UNFINISHED))):
        lines += [("restoring", "stopped: run the same `./bourse restore` again")]
    loops = [f"{each['account']} on {each['session_date']}" for each in found["trading"]]
    lines += [("trading", ", ".join(loops) or "no")]
    lines += [
        (
            "",
            f"{left['account']} on {left['session_date']}: {left['interruption']}"
            if left["interruption"]
            else f"no loop watches {left['account']} on {left['session_date']}: {left['open']}",
        )
        for left in found["unwatched"]
    ]
    lines += [("", f"cannot be read: {problem}") for problem in found["unreadable_accounts"]]
    disk = found["disk"]
    parts = ", ".join(f"{name} {size(count)}" for name, count in disk["bytes"].items())
    lines += [
        ("disk", f"{size(disk['free_bytes'])} free of {size(disk['total_bytes'])}; {parts}"),
    ]
    for label, text in lines:
        results.print(f"[bold]{label.ljust(10)}[/]  ", end="")
        results.print(text, markup=False)


def size(byte_count: float) -> str:
    """Return a number of bytes in MB, or in GB from 1 GB on."""
    return f"{byte_count / 1e9:,.1f} GB" if byte_count >= 1e9 else f"{byte_count / 1e6:,.1f} MB"


def _minute(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "?"
