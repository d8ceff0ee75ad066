"""Progress and outcome of a dbt build, from its events and its results."""

from __future__ import annotations

import json
import os
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb

from duckbourse.errors import BourseError
from duckbourse.settings import PROJECT, settings
from duckbourse.state import GREEN
from duckbourse.warehouse import attach, quoted
from duckbourse.words import counted

# dbt's event for a selector that no node matches
NO_MATCH = "NoNodesForSelectionCriteria"
# how many nodes of the last run count as much as those done in the estimate of the time left
PRIOR_NODES = 20
# a run of fewer of the last run's nodes is one of a part of the project
MOST_NODES = 0.9
ANSI = re.compile(r"\x1b\[[0-9;]*m")
# a problem that names its file itself
PLACE = re.compile(r"(macros|models|functions)/\S+\.sql: ")
# what dbt writes above an error of a unit test, and the errors that are then the model's: dbt makes
# the rows of a unit test itself
OF_UNIT_TEST = re.compile(r"An error occurred during execution of unit test .*data types\.\s*")
OF_MODEL = re.compile(r"\b(Binder|Catalog|Parser) Error: ")
# the line of compiled SQL that DuckDB quotes
QUOTED = re.compile(r"^\s*LINE \d+:(.*)$", re.MULTILINE)
HEADLINE = re.compile(r"^[\w ]+ (Error|Exception)( in [\w ]+ \S+ \(.*\))?:?$")


@dataclass(frozen=True)
class Failure:
    """A node that failed, with what its line in the report needs."""

    name: str
    kind: str
    problem: str
    file: str
    compiled: str

    def __str__(self) -> str:
        if PLACE.match(self.problem):
            return self.problem  # not that of the node, such as a unit test that reads the file
        places = ", ".join(
            part for part in (self.file, self.compiled and f"compiled: {self.compiled}") if part
        )
        return f"{self.kind} {self.name}: {self.problem}" + (f" ({places})" if places else "")


@dataclass(frozen=True)
class Outcome:
    """How a run of dbt ended; `outdated` read what it built and were not built themselves."""

    invocation_id: str
    seconds: float
    statuses: Mapping[str, str]
    failures: tuple[Failure, ...]
    outdated: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """The number of nodes that ran, by kind: model, seed, test, unit_test, function."""
        ran = (node for node, status in self.statuses.items() if status != "skipped")
        kinds = Counter(node.split(".")[0] for node in ran)
        return {kind: count for kind, count in sorted(kinds.items()) if kind != "operation"}


@dataclass
class Progress:
    """Which nodes are done and running, and an estimate for the rest, from dbt's events."""

    expected: Mapping[str, float]
    total: int = 0
    done: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    running: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    results: list[Mapping[str, Any]] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)
    invocation_id: str = ""
    codes: Mapping[str, str] | None = None
    outdated: list[str] = field(default_factory=list)

    def see(self, event: Mapping[str, Any]) -> str | None:
        """Process one event and return the node that it ends, if any."""
        info, data = event["info"], event["data"]
        self.invocation_id = info["invocation_id"]
        if info["name"] == "Results":
            self.results = data["results"]
            self.codes, self.outdated = data["codes"], data["outdated"]
        if info["name"] == NO_MATCH:
            self.unmatched.append(str(data["spec_raw"]))
        if info["name"] == "ConcurrencyLine":
            self.total = int(data["node_count"])
        if info["level"] == "error" and "node_info" not in data:
            self.messages.append(str(data.get("exc") or info["msg"]))
        if "node_info" not in data or "index" not in data:
            return None
        node = str(data["node_info"]["unique_id"])
        if node.startswith("operation."):
            return None
        self.total = int(data.get("total") or data.get("num_models") or self.total)
        if info["name"] == "LogStartLine":
            self.running[node] = _shown(data["node_info"])
            return None
        self.running.pop(node, None)
        status = data["node_info"]["node_status"]
        self.done[node] = str(data.get("status") if status == "None" else status).lower()
        self.seconds[node] = float(data.get("execution_time") or 0)
        return node

    def seconds_left(self) -> float | None:
        """
        Return an estimate, or None while there is no basis for one.

        A node is expected to take what it took in the last run, and one that was not in it the mean
        of that run. Of a part of them, it is not known which are left: they are expected to take
        the mean of those done. Both are corrected by what has been seen, which counts little at
        first, so that the estimate does not jump.
        """
        if not self.done or not self.total:
            return None
        took = sum(self.seconds.values())
        left = self.total - len(self.done)
        usual = statistics.fmean(self.expected.values()) if self.expected else took / len(self.done)
        prior = PRIOR_NODES * usual
        if self.total < MOST_NODES * len(self.expected):
            return left * (took + prior) / (len(self.done) + PRIOR_NODES)
        known = [seconds for node, seconds in self.expected.items() if node not in self.done]
        planned = sum(self.expected.get(node, usual) for node in self.done)
        ahead = sum(known) + (left - len(known)) * usual
        # in a first run, what is done may have taken no time
        return max(ahead, 0) * ((took + prior) / (planned + prior) if planned + prior else 1)


def outcome_of(progress: Progress, seconds: float) -> Outcome:
    """Return how the run ended, as `duckbourse.dbt_build` listed it, or else as its events did."""
    if not progress.results:
        return Outcome(progress.invocation_id, seconds, dict(progress.done), ())
    statuses = {result["unique_id"]: result["status"] for result in progress.results}
    # the unit tests of a broken model all fail with the model's error
    failures = tuple(dict.fromkeys(_failures(progress.results)))
    return Outcome(progress.invocation_id, seconds, statuses, failures, tuple(progress.outdated))


def last_times() -> dict[str, float]:
    """Return the seconds that each node took in the last run."""
    times = {
        result["unique_id"]: float(result["execution_time"])
        for result in _read("run_results.json").get("results", [])
        if not result["unique_id"].startswith("operation.")
    }
    usual = statistics.median(times.values()) if times else 0
    return {node: seconds or usual for node, seconds in times.items()}


def one_line(message: str, *, whole: bool = False, width: int = 400) -> str:
    """Return a message from dbt as one line, without the headline that names the node."""
    lines = [line.strip() for line in ANSI.sub("", message).splitlines()]
    # dbt lists the macros that called each other below a problem
    lines = [line for line in lines if line and not line.startswith("> ")]
    lines = [line for line in lines if whole or not HEADLINE.match(line)]
    if any("enforced contract" in line for line in lines):
        rows = [line for line in lines if line.startswith("|") and "--" not in line]
        lines = ["its columns differ from its contract:", *rows[1:]]
    text = " ".join(lines)
    return text if len(text) <= width else text[: width - 1] + "…"


def failing_rows(count: int, query: str) -> str:
    """Return the number of failing rows and the first one, or only its `problem` if it has one."""
    summary = counted(count, "failing row")
    try:
        with duckdb.connect() as connection:
            attach(connection, settings().build_database, read_only=True)
            # views over raw files use paths relative to the project, as dbt does
            connection.execute(f"set file_search_path = {quoted(PROJECT)}")
            found = connection.execute(query)
            names = [column[0] for column in found.description]
            row = dict(zip(names, found.fetchone() or (), strict=True))
    except (duckdb.Error, BourseError, ValueError):
        # only the count is certain: the disk may be full, or the test more than one query
        return summary
    if row.keys() == {"problem"}:
        more = f" (and {count - 1:,} more)" if count > 1 else ""
        return one_line(str(row["problem"])) + more
    values = ", ".join(f"{name} {_worded(value)}" for name, value in row.items())
    return one_line(f"{summary}, {'the first: ' if count > 1 else ''}{values}")


def _worded(value: object) -> str:
    return "null" if value is None else str(value)


def _failures(results: Iterable[Mapping[str, Any]]) -> Iterator[Failure]:
    for result in results:
        if result["status"] in GREEN or result["status"] == "skipped":
            continue
        kind, _, name = result["unique_id"].split(".")[:3]
        message, file = result["message"] or result["status"], result["file"] or ""
        if kind == "unit_test" and OF_MODEL.search(message) and (model := _model_file(name)):
            # of a model that no unit test can run, all of them say the same
            problem = one_line(OF_UNIT_TEST.sub("", message))
            yield Failure(name, "model", problem, _with_line(model, message), "")
            continue
        problem = one_line(message)
        if kind == "test" and result["status"] == "fail":
            problem = failing_rows(result["failures"], result["compiled_code"] or "")
            if description := result["description"]:
                problem += f": {one_line(description, whole=True, width=600)}"
        yield Failure(
            name=result["name"],
            kind=kind.replace("_", " "),
            problem=problem,
            file=_with_line(file, message) if kind == "model" else file,
            compiled=result["compiled"] or "",
        )


def _model_file(name: str) -> str:
    files = (PROJECT / "models").rglob(f"{name}.sql")
    return next((str(file.relative_to(PROJECT)) for file in files), "")


def _with_line(file: str, message: str) -> str:
    """Return a model's file and, if only one line of it is what DuckDB quotes, that line."""
    quoted = QUOTED.search(ANSI.sub("", message))
    if not quoted or not (PROJECT / file).is_file():
        return file
    # DuckDB cuts a long line on either side
    part = quoted[1].strip().removeprefix("...").removesuffix("...").strip()
    lines = (PROJECT / file).read_text().splitlines()
    found = [number for number, line in enumerate(lines, start=1) if part and part in line]
    return f"{file}:{found[0]}" if len(found) == 1 else file


def _read(name: str) -> dict[str, Any]:
    path = PROJECT / os.environ.get("DBT_TARGET_PATH", "target") / name
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found


def _shown(node: Mapping[str, Any]) -> str:
    relation = node.get("node_relation") or {}
    if node["resource_type"] in ("model", "seed", "function") and relation.get("schema"):
        return f"{relation['schema']}.{relation['alias']}"
    return str(node["node_name"])
