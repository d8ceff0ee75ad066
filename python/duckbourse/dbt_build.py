"""
`dbt build` in a process of its own, as `duckbourse.build` starts it.

dbt's own loggers make JSON of each event, twice, even of those that are not shown. That, and
Python's search for reference cycles in dbt's graph, cost as much as the tests of an edit, so this
prints and logs the events instead, and searches rarely.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import duckdb
from dbt.cli.main import dbtRunner
from dbt.task.build import BuildTask
from dbt_common.events.functions import msg_to_dict

from duckbourse.errors import BourseError
from duckbourse.node_codes import changed_nodes, codes_of, selector_of
from duckbourse.settings import PROJECT, settings
from duckbourse.warehouse import attach

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from dbt.artifacts.schemas.run import RunResult
    from dbt.contracts.graph.manifest import Manifest
    from dbt_common.events.base_types import EventMsg

    StartNext = Callable[[BuildTask, Any, Any], None]

# what a build makes, tests aside; seeds follow from nothing
BUILT = ("model.", "function.")
# It makes a macro of each indicator, so that a selection of indicators has it if one was edited.
CATALOG = ".serving__indicator_catalog"
# events of other levels are in the log only
PRINTED = {"info", "warn", "error"}
# dbt's own sizes
LOG_BYTES, LOG_COUNT = 10_000_000, 5
# Allocations between two searches for cycles, of which dbt leaves few; Python's own number is 700.
COLLECTION_THRESHOLD = 200_000
QUIET = ("--log-level", "none", "--log-level-file", "none", "--no-use-colors")


def main(
    place: list[str],
    words: list[str],
    selectors: list[str],
    always: list[str],
    before: Mapping[str, Any] | None,
) -> int:
    """
    Build, print dbt's events and, as the last one, how each node ended.

    `place` are dbt's options on where the project is, and `words` those of the build. `before` has
    the `codes`, `unproven` and `outdated` of the build file's state, and the inputs that `changed`
    since. With it, what `selectors` choose, or, if there are none, what is new, is built: of an
    edit of presets only what it changes. Without either, all is built. `always` are selectors of
    what any part has.
    """
    gc.set_threshold(COLLECTION_THRESHOLD)
    start_next = counting_once(BuildTask.handle_job_queue)
    BuildTask.handle_job_queue = start_next  # type: ignore[method-assign]
    events = Events()
    codes: dict[str, str] = {}
    left_out: set[str] = set()
    # after a build of a part, the manifest of the last full build remains
    kept = ["--no-write-json"] if selectors else []
    outcome = dbtRunner(callbacks=[events.process]).invoke([*QUIET, *kept, "parse", *place])
    manifest: Any = outcome.result
    if manifest is not None:
        manifest.build_parent_and_child_maps()
        codes = codes_of(manifest, PROJECT)
        chosen, left_out = choice(selectors, manifest, codes, before)
        if chosen is not None:
            # and the times of each node in one
            words = [*words, "--no-write-json", "--select", *chosen, *always]
        outcome = dbtRunner(manifest, [events.process]).invoke([*QUIET, "build", *place, *words])
    if outcome.exception is not None:
        print(outcome.exception)
        return 2
    results = getattr(outcome.result, "results", ())
    built = {result.node.unique_id for result in results}
    outdated = {
        key
        for key in following(manifest, built) - built - left_out
        if manifest.expect(key).config.materialized != "ephemeral"
    }
    if selectors:
        codes = {key: code for key, code in codes.items() if key in built}
    events.print(
        {
            "info": {"name": "Results", "level": "info", "invocation_id": events.invocation_id},
            "data": {
                "results": [_of(result) for result in results],
                "codes": codes,
                "outdated": sorted(outdated),
            },
        }
    )
    return 0 if outcome.success else 1


def choice(
    selectors: list[str],
    manifest: Manifest,
    codes: Mapping[str, str],
    before: Mapping[str, Any] | None,
) -> tuple[list[str] | None, set[str]]:
    """
    Return the selectors of what is to be built, or None for everything, and what they leave out.

    The arguments are those of `main`, and `codes` the codes of all nodes as they are now.
    """
    chosen: list[str] | None = selectors
    if not selectors:
        nodes = None
        if before is not None:
            again = {*before["unproven"], *before["outdated"]}
            nodes = changed_nodes(manifest, codes, before["codes"], before["changed"], again)
        chosen = None if nodes is None else [selector_of(manifest, key) for key in sorted(nodes)]
    elif any("indicator" in word for word in selectors):
        edited = [key for key in codes if not before or before["codes"].get(key) != codes[key]]
        chosen = [*selectors, *(selector_of(manifest, key) for key in edited if CATALOG in key)]
    # what was not built, or not as it is now, may be in any of the selection
    if not chosen or before is None or before["unproven"]:
        return chosen, set()
    stale = stale_nodes(codes, before["codes"], before["outdated"])
    return narrowed(chosen, manifest, PROJECT, settings().build_database, stale)


def counting_once(start_next: StartNext) -> StartNext:
    """
    Return dbt's way to start the next node, which then counts the unit tests once.

    dbt adds their number to that of all nodes again for each node that it queues before the first
    one runs: the number of nodes, and with it the time left, would be several times too large.
    """

    def start(task: BuildTask, pool: Any, callback: Any) -> None:
        start_next(task, pool, callback)
        task.selected_unit_tests = set()

    return start


def narrowed(
    selectors: list[str],
    manifest: Manifest,
    project: Path,
    database: Path,
    stale: Collection[str] = (),
) -> tuple[list[str], set[str]]:
    """
    Return the selectors, but of a seed and what follows from it only what an edit of it changes.

    A model that reads only the columns of presets that its `preset_columns` name is left out, with
    what follows from it alone, if it holds the values that the files of all its seeds have in them,
    and none of that is `stale`: of other SQL, or older than what it reads. The second set is what
    is left out.
    """
    manifest.build_parent_and_child_maps()  # type: ignore[no-untyped-call]
    seeds = {node.name: node for key, node in manifest.nodes.items() if key.startswith("seed.")}
    chosen: list[str] = []
    left_out: set[str] = set()
    for selector in selectors:
        seed = seeds.get(selector.removesuffix("+"))
        if seed is None or not selector.endswith("+"):
            chosen.append(selector)
            continue
        readers: list[tuple[Any, list[str] | None]] = [
            (manifest.expect(reader), manifest.expect(reader).config.meta.get("preset_columns"))
            for reader in manifest.child_map[seed.unique_id]
            if reader.startswith(BUILT)
        ]
        if not any(columns for _, columns in readers):
            chosen.append(selector)
            continue
        chosen.append(seed.name)
        built = [reader.unique_id for reader, columns in readers if not columns]
        rebuilt = following(manifest, built) | set(built)
        for reader, columns in readers:
            rest = following(manifest, [reader.unique_id]) | {reader.unique_id}
            files = [
                project / node.original_file_path
                for node in seeds.values()
                if node.unique_id in reader.depends_on.nodes
            ]
            if (
                columns
                and not (rest - rebuilt).intersection(stale)
                and not _differ(columns, files, f'"{reader.schema}"."{reader.alias}"', database)
            ):
                left_out |= rest
            else:
                chosen.append(f"{reader.name}+")
    return chosen, left_out


def stale_nodes(
    codes: Mapping[str, str], before: Mapping[str, str], outdated: Iterable[str]
) -> set[str]:
    """Return what was built from other SQL than there is now, or before what it reads."""
    edited = {key for key, code in codes.items() if before.get(key) != code}
    return {key for key in edited | set(outdated) if key.startswith(BUILT)}


def following(manifest: Manifest, nodes: Iterable[str]) -> set[str]:
    """Return the models and functions that follow from nodes."""
    found: set[str] = set()
    waiting = list(nodes)
    while waiting:
        new = {key for key in manifest.child_map.get(waiting.pop(), ()) if key.startswith(BUILT)}
        waiting += new - found
        found |= new
    return found


def _differ(columns: list[str], files: list[Path], reader: str, database: Path) -> bool:
    names = ", ".join(columns)
    built, edited = f"select {names} from {reader}", "select * from edited"
    try:
        with duckdb.connect() as connection:
            attach(connection, database, read_only=True)
            connection.execute(f"create temp table edited as {built} limit 0")
            for file in files:
                connection.execute(
                    f"insert into edited select {names} from read_csv(?, all_varchar = true)",
                    [str(file)],
                )
            differences = connection.execute(
                f"({built} except {edited}) union all ({edited} except {built})"
            ).fetchall()
    except (duckdb.Error, BourseError):  # the file is for dbt to refuse
        return True
    return bool(differences)


class Events:
    """Prints dbt's events as JSON, one a line, and logs all of them as text."""

    def __init__(self) -> None:
        self.invocation_id = ""
        self._lock = Lock()
        file = Path(os.environ.get("DBT_LOG_PATH", "logs")) / "dbt.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        self._log = RotatingFileHandler(
            file, maxBytes=LOG_BYTES, backupCount=LOG_COUNT, encoding="utf-8"
        )
        self._log.setFormatter(logging.Formatter("%(asctime)s [%(levelname)-5s] %(message)s"))

    def process(self, event: EventMsg) -> None:
        """Log an event, and print it if it is more than a detail."""
        info: Any = event.info
        self.invocation_id = info.invocation_id
        level = logging.getLevelName(info.level.upper())
        self._log.handle(
            logging.makeLogRecord(
                {
                    "msg": info.msg,
                    "levelname": info.level,
                    "levelno": level if isinstance(level, int) else logging.DEBUG,
                }
            )
        )
        if info.level in PRINTED:
            self.print(msg_to_dict(event))

    def print(self, event: dict[str, Any]) -> None:
        """Print an event as one line, whichever thread it is from."""
        line = json.dumps(event, default=str) + "\n"
        with self._lock:
            sys.stdout.write(line)
            sys.stdout.flush()


def _of(result: RunResult) -> dict[str, Any]:
    node: Any = result.node
    ended: dict[str, Any] = {"unique_id": node.unique_id, "status": str(result.status)}
    if str(result.status) in {"success", "pass"}:
        return ended
    return {
        **ended,
        "message": result.message,
        "failures": result.failures,
        "name": node.name,
        "description": getattr(node, "description", ""),
        "file": node.original_file_path,
        "compiled": getattr(node, "compiled_path", None),
        "compiled_code": getattr(node, "compiled_code", None),
    }


if __name__ == "__main__":
    sys.exit(main(**json.load(sys.stdin)))
