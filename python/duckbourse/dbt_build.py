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
from dbt_common.events.functions import msg_to_dict

from duckbourse.errors import BourseError
from duckbourse.settings import PROJECT, settings
from duckbourse.warehouse import attach

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbt.artifacts.schemas.run import RunResult
    from dbt.contracts.graph.manifest import Manifest
    from dbt_common.events.base_types import EventMsg

# events of other levels are in the log only
PRINTED = {"info", "warn", "error"}
# dbt's own sizes
LOG_BYTES, LOG_COUNT = 10_000_000, 5
# Allocations between two searches for cycles, of which dbt leaves few; Python's own number is 700.
COLLECTION_THRESHOLD = 200_000
QUIET = ("--log-level", "none", "--log-level-file", "none", "--no-use-colors")


def main(place: list[str], words: list[str], selectors: list[str]) -> int:
    """
    Build, print dbt's events and, as the last one, how each node ended.

    `place` are dbt's options on where the project is, `words` those of the build. `selectors` are
    narrowed to what an edit of presets changes: the build file must be green.
    """
    gc.set_threshold(COLLECTION_THRESHOLD)
    events = Events()
    manifest: Any = None
    if selectors:
        outcome = dbtRunner(callbacks=[events.process]).invoke(
            [*QUIET, "--no-write-json", "parse", *place]
        )
        manifest = outcome.result
    if manifest is not None:
        database = settings().build_database
        words = [*words, "--select", *narrowed(selectors, manifest, PROJECT, database)]
    if manifest is not None or not selectors:
        outcome = dbtRunner(manifest, [events.process]).invoke([*QUIET, "build", *place, *words])
    if outcome.exception is not None:
        print(outcome.exception)
        return 2
    results = getattr(outcome.result, "results", ())
    events.print(
        {
            "info": {"name": "Results", "level": "info", "invocation_id": events.invocation_id},
            "data": {"results": [_of(result) for result in results]},
        }
    )
    return 0 if outcome.success else 1


def narrowed(
    selectors: list[str], manifest: Manifest, project: Path, database: Path
) -> Iterator[str]:
    """
    Yield the selectors, but of a seed and what follows from it only what an edit of it changes.

    A model that reads only the columns of presets that its `preset_columns` name is left out, with
    what follows from it alone, if the seed's file has the same values in them as the build file.
    """
    manifest.build_parent_and_child_maps()  # type: ignore[no-untyped-call]
    seeds = {node.name: node for key, node in manifest.nodes.items() if key.startswith("seed.")}
    for selector in selectors:
        seed = seeds.get(selector.removesuffix("+"))
        if seed is None or not selector.endswith("+"):
            yield selector
            continue
        readers = {
            manifest.expect(reader).name: manifest.expect(reader).config.meta.get("preset_columns")
            for reader in manifest.child_map[seed.unique_id]
            if reader.startswith(("model.", "function."))
        }
        if not any(readers.values()):
            yield selector
            continue
        yield seed.name
        for reader, columns in readers.items():
            file = project / seed.original_file_path
            if not columns or _differ(columns, file, seed.name, database):
                yield f"{reader}+"


def _differ(columns: list[str], file: Path, seed: str, database: Path) -> bool:
    names = ", ".join(columns)
    built, edited = f"select {names} from seeds.{seed}", "select * from edited"
    try:
        with duckdb.connect() as connection:
            attach(connection, database, read_only=True)
            connection.execute(f"create temp table edited as {built} limit 0")
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
    sys.exit(main(**json.loads(sys.argv[1])))
